"""The real program on a folder of its own: commands that run, and a server that is started, killed and stopped."""

import base64
import http.client
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any, TypeVar

PENSTOCK = Path(sys.executable).with_name("penstock")
PATIENCE = 100.0  # seconds; more than anything here takes, so that a hang is a failure and a slow machine is not
TICK = 0.01
BOUNDARY = "a-boundary-of-the-tests"

T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T], seconds: float = PATIENCE) -> T:
    """The first answer of `look` that is true."""
    pause = threading.Event()
    for _ in range(int(seconds / TICK)):
        if found := look():
            return found
        pause.wait(TICK)
    raise AssertionError(f"waited {seconds:g} seconds in vain for {what}")


class Lines:
    """What a process writes, line by line, as it comes. Ends when every process that could write has ended."""

    def __init__(self, stream: IO[str]) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._add(line.rstrip("\n"))
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _add(self, line: str) -> None:
        with self._news:
            self.lines.append(line)
            self._news.notify_all()

    def wait(self, part: str, seconds: float = PATIENCE) -> str:
        """The first line that has this in it."""
        with self._news:
            self._news.wait_for(lambda: self._ended or self._first(part) is not None, seconds)
            line = self._first(part)
        assert line is not None, f"no line with {part!r} in:\n" + "\n".join(self.lines)
        return line

    def wait_end(self, seconds: float) -> None:
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "a process of the server lives on and holds its stderr"

    def _first(self, part: str) -> str | None:
        return next((line for line in self.lines if part in line), None)


class Server:
    """`penstock serve` as a process."""

    def __init__(self, folder: Path, key: str, stderr: int = subprocess.PIPE) -> None:
        command = [str(PENSTOCK), "serve", "--port", "0", "--log-format", "json", *_places(folder)]
        pipes: Any = {"stdout": subprocess.PIPE, "stderr": stderr}
        self.process = subprocess.Popen(command, text=True, cwd=folder, **pipes)
        assert self.process.stdout is not None
        self._said, self.log = Lines(self.process.stdout), Lines(self.process.stderr or io.StringIO())
        self._headers = {"Authorization": "Basic " + base64.b64encode(f"haplo:{key}".encode()).decode()}
        self._address: str | None = None

    @property
    def address(self) -> str:
        """Where it listens, once it does."""
        if self._address is None:
            try:
                self._address = self._said.wait("penstock: listening on http://").rpartition("http://")[2]
            except AssertionError:
                raise AssertionError("it does not listen; it said:\n" + "\n".join(self.log.lines)) from None
        return self._address

    def connect(self, seconds: float = PATIENCE) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.address, timeout=seconds)

    def post(self, path: str, fields: Mapping[str, str] | None = None, file: bytes | None = None) -> tuple[int, str]:
        """A multipart form where there is a file, urlencoded where there are only fields."""
        with closing(self.connect()) as connection:
            self.send(connection, path, fields or {}, file)
            return answer_on(connection)

    def push(self, url: str, body: bytes) -> tuple[int, str]:
        """One body to a push API."""
        with closing(self.connect()) as connection:
            headers = {**self._headers, "Content-Type": "application/json"}
            connection.request("POST", f"/api/push-data/{url}", body, headers)
            return answer_on(connection)

    def send(
        self, connection: http.client.HTTPConnection, path: str, fields: Mapping[str, str], file: bytes | None = None
    ) -> None:
        kind, body = encoded(fields, file)
        connection.request("POST", path, body, {**self._headers, "Content-Type": kind})

    def begin(self, connection: http.client.HTTPConnection, path: str, kind: str, length: int) -> None:
        """The headers of a request whose body comes later."""
        connection.putrequest("POST", path)
        for name, value in {**self._headers, "Content-Type": kind, "Content-Length": str(length)}.items():
            connection.putheader(name, value)
        connection.endheaders()

    def events(self, event: str) -> list[dict[str, Any]]:
        """Lines of the log, by what they are about."""
        return [line for line in map(_parsed, self.log.lines) if line.get("event") == event]

    def faults(self) -> list[str]:
        """Lines about errors, and lines that are no log lines at all."""
        return [line for line in self.log.lines if _parsed(line).get("level", "error") in ("error", "critical")]

    def children(self) -> list[int]:
        """Its own processes, the workers among them."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _parent(pid) == self.process.pid]

    def worker(self) -> int:
        """The process of its one slot."""
        return wait_for("a worker", lambda: next(filter(_is_worker, self.children()), 0))

    def kill(self) -> None:
        """kill -9 of this process alone; its workers must see it and end."""
        children = self.children()
        self.process.kill()
        self.process.wait(PATIENCE)
        self.log.wait_end(10)
        wait_for("the workers to end", lambda: not any(map(is_alive, children)))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """A stop in good order."""
        self.process.send_signal(number)
        assert self.process.wait(10) == 0
        self.log.wait_end(10)

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop()


class Site:
    """A folder with settings, an imports folder and data, and all that runs on it."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.key = key
        self.servers: list[Server] = []
        self.expected: list[str] = []  # parts of log lines about errors that a test brings about

    def configure(self, **sections: Mapping[str, object]) -> None:
        """Settings as strings and numbers."""
        lines = []
        for section, keys in sections.items():
            lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
        (self.folder / "penstock.toml").write_text("\n".join(lines))

    def define(self, kind: str, name: str, document: Mapping[str, object]) -> None:
        """A file of the imports folder; `kind` is models or processes."""
        (self.folder / "imports" / kind / f"{name}.json").write_text(json.dumps(document))

    def serve(self, stderr: int = subprocess.PIPE) -> Server:
        """`stderr` takes its log; without it, the server's `log` has the lines."""
        server = Server(self.folder, self.key, stderr)
        self.servers.append(server)
        assert server.address
        return server

    def run(self, *words: str, code: int = 0) -> str:
        """What a command prints."""
        command = [str(PENSTOCK), *words, *_places(self.folder)]
        ended = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert ended.returncode == code, ended.stderr + ended.stdout
        return ended.stdout

    def show(self, batch: str) -> dict[str, Any]:
        return json.loads(self.run("batches", "show", batch, "--json"))  # type: ignore[no-any-return]

    def export(self, table: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run("records", "export", table).splitlines()]

    def job(self, batch: str) -> dict[str, Any]:
        """The latest job of a batch, straight from the catalog: quick enough to watch it."""
        found = self._ask(
            "catalog.db",
            "SELECT jobs.*, batches.state AS batch_state FROM batches JOIN jobs ON jobs.id = batches.job "
            "WHERE batches.identifier = ?",
            batch,
        )
        return found[0] if found else {}

    def rows(self, table: str) -> int:
        """How many are committed now."""
        try:
            return int(self._ask("records.db", f"SELECT count(*) AS n FROM {table}")[0]["n"])
        except sqlite3.OperationalError:  # no such table yet
            return 0

    def ended(self, batch: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """The job of a batch, once it has ended."""

        def look() -> dict[str, Any]:
            job = self.job(batch)
            return job if job.get("state") in ("done", "failed", "cancelled") else {}

        return wait_for(f"the end of batch {batch}", look, seconds)

    def incoming(self) -> list[Path]:
        return [path for path in (self.data_dir / "incoming").iterdir() if path.name != ".lock"]

    def check(self) -> None:
        """Nothing is damaged, nothing is left over, and all counts add up."""
        assert self.incoming() == []
        found = json.loads(self.run("fsck", "--deep", "--json"))
        assert found == {"damage": [], "notes": []}

    def close(self) -> None:
        for server in self.servers:
            server.close()
        faults = [line for server in self.servers for line in server.faults()]
        assert [line for line in faults if not any(part in line for part in self.expected)] == []

    def _ask(self, database: str, question: str, *values: object) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(f"{(self.data_dir / database).as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(question, values)]


def encoded(fields: Mapping[str, str], file: bytes | None = None) -> tuple[str, bytes]:
    """A form's content type and body."""
    if file is None:
        pairs = "&".join(f"{name}={value.replace(' ', '+')}" for name, value in fields.items())
        return "application/x-www-form-urlencoded", pairs.encode()
    parts = [f'form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts.append(b'form-data; name="file"; filename="data"\r\n\r\n' + file)
    body = b"".join(f"--{BOUNDARY}\r\nContent-Disposition: ".encode() + part + b"\r\n" for part in parts)
    return f"multipart/form-data; boundary={BOUNDARY}", body + f"--{BOUNDARY}--\r\n".encode()


def answer_on(connection: http.client.HTTPConnection) -> tuple[int, str]:
    response = connection.getresponse()
    return response.status, response.read().decode()


def is_alive(pid: int) -> bool:
    """A zombie that was not waited for has ended."""
    fields = _stat(pid)
    return bool(fields) and fields[0] != "Z"


def _places(folder: Path) -> list[str]:
    return ["--config", str(folder / "penstock.toml"), "--data-dir", str(folder / "data")]


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _stat(pid: int) -> list[str]:
    """State, parent and more of a process; nothing where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _is_worker(pid: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
