"""The servers that uploads are measured against: how to start each, and how to send it a file."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path {folder}/temporary;
  server {{ listen 127.0.0.1:{port}; location / {{ root {folder}/files; dav_methods PUT; create_full_put_path on; }} }}
}}
"""
TUS_HEADERS = ("Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream")


@dataclass
class Server:
    """One server process in its own folder."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    @property
    def worker(self) -> int:
        """The process that does the work: nginx's is a child."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if self.name == "nginx" and children else self.process.pid

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.worker}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def peak(self) -> float:
        """Peak resident memory in MiB."""
        lines = Path(f"/proc/{self.worker}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

    def empty(self) -> None:
        for path in self.folder.rglob("*"):
            if path.is_file() and path.name not in (".lock", "nginx.conf", "nginx.pid", "error.log"):
                path.unlink()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder)


def start(name: str, disk: Path, tus: Path) -> Server:
    folder, port = Path(tempfile.mkdtemp(prefix=f"bench-{name}-", dir=disk)), free_port()
    process = subprocess.Popen(command(name, port, folder, tus), cwd=tus if name == "tus" else HERE.parents[1])
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return Server(name, process, port, folder)
        time.sleep(0.05)
    raise SystemExit(f"{name} did not start")


def command(name: str, port: int, folder: Path, tus: Path) -> list[str]:
    if name == "tus":
        return ["node", str(HERE / "tus_server.mjs"), str(port), str(folder)]
    if name == "nginx":
        folder.chmod(0o777)
        for part in ("files", "temporary"):
            (folder / part).mkdir()
            (folder / part).chmod(0o777)
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
        return ["nginx", "-c", str(folder / "nginx.conf")]
    return [sys.executable, "-m", "scripts.benchmarks.servers", name, str(port), str(folder)]


def missing(name: str, tus: Path) -> str | None:
    """Why a peer cannot be measured here."""
    if name == "nginx" and shutil.which("nginx") is None:
        return "nginx is not installed (apt-get install nginx-light)"
    if name == "tus" and not (tus / "node_modules" / "@tus" / "server").is_dir():
        return f"no tus server (npm install --prefix {tus} @tus/server @tus/file-store)"
    return None


def upload_command(server: Server, kind: str, source: Path) -> list[str]:
    """The curl call that sends `source`."""
    base = ["curl", "-sS", "--fail", "-o", "/dev/null"]
    url = f"http://127.0.0.1:{server.port}"
    if server.name == "nginx":
        return [*base, "-T", str(source), f"{url}/upload"]
    if server.name == "tus":
        headers = (*TUS_HEADERS, f"Upload-Length: {source.stat().st_size}")
        return [*base, "-X", "POST", *(f"-H{header}" for header in headers), "-T", str(source), f"{url}/octets"]
    if kind == "form":
        return [*base, "-F", "batch=x", "-F", f"file=@{source}", f"{url}/form"]
    return [*base, "-X", "POST", "-T", str(source), f"{url}/octets"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
