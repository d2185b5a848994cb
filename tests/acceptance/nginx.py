"""Debian's nginx with a certificate of the tests, before a server whose public address has a path."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.support.certificates import certified
from tests.support.server_process import wait_for

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
PREFIX = "/penstock"

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/own.pem;
        ssl_certificate_key {folder}/own.pem;
        location {prefix}/ {{
            proxy_pass http://{server}{rest};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Prefix "";
            proxy_set_header Forwarded "";
            proxy_request_buffering off;
            proxy_buffering off;
        }}
    }}
}}
"""


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def nginx(folder: Path, server: str, port: int, *, strips: bool) -> Iterator[Path]:
    """Runs before the server at this address; gives the certificate that clients must trust."""
    assert NGINX, "nginx is not installed; as root: apt-get install -y nginx-light"
    folder.mkdir()
    authority = certified(folder).authority
    text = CONFIGURATION.format(folder=folder, port=port, prefix=PREFIX, server=server, rest="/" if strips else "")
    (folder / "nginx.conf").write_text(text)
    command = [NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        wait_for("nginx", lambda: _listens(port) or process.poll() is not None)
        assert process.poll() is None, process.stderr and process.stderr.read()
        yield authority
    finally:
        process.terminate()
        process.wait(10)
        if process.stderr:
            process.stderr.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
