"""Clients that people use, each with its own habits, against the real server."""

import base64
import gc
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import httpx
import pytest
import requests

from tests.support.server_process import Server, Site

API = "/api/haplo-data-import-standard-api"
HERE = Path(__file__).parent
ROW = b'{"number": 1, "text": "x"}\n'


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is not installed; as root: apt-get install -y {package}"
    return found


def run(*words: object, data: bytes = b"") -> bytes:
    return subprocess.run(
        [str(word) for word in words], input=data, capture_output=True, timeout=50, check=False
    ).stdout


@pytest.fixture
def server(site: Site) -> Server:
    return site.serve()


def batch_of(server: Server) -> str:
    return server.post(f"{API}/batch", {"kind": "load", "comment": "x"})[1]


def names(site: Site, batch: str) -> list[str]:
    return [file["filename"] for file in site.show(batch)["files"]]


@pytest.mark.parametrize(("expect", "said"), [("100-continue", b"403 0"), ("", b"403")])
def test_curl_hears_a_refusal_of_a_large_body(server: Server, tmp_path: Path, expect: str, said: bytes) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(20 << 20))
    shown = "%{http_code} %{size_upload}" if expect else "%{http_code}"
    words = ["-s", "-o", "/dev/null", "-w", shown, "-H", f"Expect: {expect}".strip(), "-T", large, "-X", "POST"]
    assert run(program("curl", "curl"), *words, f"http://{server.address}{API}/file") == said


def test_curl_sends_names_with_quotes(site: Site, server: Server, tmp_path: Path) -> None:
    batch = batch_of(server)
    file = tmp_path / 'say "hi"; ü.json'
    file.write_bytes(ROW)
    quoted = str(file).replace('"', '\\"')
    parts = ["-F", f"batch={batch}", "-F", "name=data", "-F", f'file=@"{quoted}"']
    words = ["-s", "--user", f"haplo:{site.key}", *parts, f"http://{server.address}{API}/file"]
    run(program("curl", "curl"), *words)
    assert names(site, batch) == ['say "hi"; ü.json']


def test_requests_sends_users_in_latin_1(site: Site, server: Server) -> None:
    key = site.run("keys", "create", "loads", "--scope", "voss").strip()
    url = f"http://{server.address}/api/tool/Transaction/"
    assert requests.get(url, auth=("größe", key), timeout=30).status_code == 200


def test_requests_sends_names_beyond_ascii(site: Site, server: Server) -> None:
    batch = batch_of(server)
    answer = requests.post(
        f"http://{server.address}{API}/file",
        auth=("haplo", site.key),
        data={"batch": batch, "name": "data"},
        files={"file": ('Bücher 5".json', ROW)},
        timeout=30,
    )
    assert (answer.status_code, names(site, batch)) == (200, ['Bücher 5".json'])


def test_httpx_sends_names_of_every_kind(site: Site, server: Server) -> None:
    batch = batch_of(server)
    answer = httpx.post(
        f"http://{server.address}{API}/file",
        auth=("haplo", site.key),
        data={"batch": batch, "name": "data"},
        files={"file": ('say "hi"; 100%.json', ROW)},
    )
    assert (answer.status_code, names(site, batch)) == (200, ['say "hi"; 100%.json'])


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # urllib's own, of the first answer
def test_urllib_sends_its_key_after_the_challenge(site: Site, server: Server) -> None:
    """It first sends the whole body, and reads nothing before that."""
    key = site.run("keys", "create", "loads", "--scope", "voss").strip()
    url = f"http://{server.address}/api/uploadfiles/"
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, url, "me", key)
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
    body = b'--b\r\nContent-Disposition: form-data; name="x"; filename="x"\r\n\r\n' + bytes(8 << 20) + b"\r\n--b--\r\n"
    asked = urllib.request.Request(url, body, {"Content-Type": "multipart/form-data; boundary=b"})
    with pytest.raises(urllib.error.HTTPError) as error, opener.open(asked, timeout=30):
        pass
    assert error.value.code == 400  # the key was right: it is the file part that is missed
    assert b"uploadedfile" in error.value.read()
    error.value.close()
    del error, opener
    gc.collect()


def test_a_client_that_ends_its_side_is_answered(site: Site, server: Server) -> None:
    host, port = server.address.split(":")
    token = base64.b64encode(f"haplo:{site.key}".encode()).decode()
    head = f"POST {API}/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {token}\r\nContent-Length: 19\r\n"
    raw = f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\nkind=load&comment=x".encode()
    answer = run(program("nc", "netcat-openbsd"), "-N", "-w", "30", host, port, data=raw)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert len(answer.split(b"\r\n\r\n")[1]) == 44


def test_java_sends_large_bodies_after_the_challenge(site: Site, server: Server) -> None:
    key = site.run("keys", "create", "loads", "--scope", "voss").strip()
    said = run(
        program("java", "default-jdk-headless"), HERE / "Upload.java", f"http://{server.address}/api/uploadfiles/", key
    )
    assert said.split() == [b"400"] * 4  # admitted; zeros are no form
