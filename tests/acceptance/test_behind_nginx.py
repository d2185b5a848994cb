"""The real server behind Debian's nginx: TLS, a path before all addresses, and clients who are told apart."""

import base64
import http.client
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from urllib.parse import urlencode

import pytest

from tests.acceptance.nginx import PREFIX, free_port, nginx
from tests.support.server_process import Server, Site, encoded, wait_for

HERE, THERE = "127.0.0.2", "127.0.0.3"
API = "/api/haplo-data-import-standard-api"


@dataclass
class Front:
    """What clients see."""

    port: int
    authority: Path
    server: Server
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def site(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def connect(self, address: str = HERE) -> http.client.HTTPSConnection:
        trust = ssl.create_default_context(cafile=str(self.authority))
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=trust, timeout=30, source_address=(address, 0)
        )

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None, *, at: str = HERE
    ) -> tuple[int, str, Mapping[str, str]]:
        with closing(self.connect(at)) as connection:
            sent = dict(headers or {})
            if self.cookies:
                sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            connection.request(method, path, body or None, sent)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers  # type: ignore[return-value]

    def clients(self) -> set[object]:
        return {line["client"] for line in self.server.events("request")}


@pytest.fixture(params=[True, False], ids=["the path is taken off", "the path is kept"])
def front(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> Iterator[Front]:
    with fronted(site, tmp_path / "nginx", strips=request.param) as front:
        yield front


@contextmanager
def fronted(site: Site, folder: Path, *, strips: bool) -> Iterator[Front]:
    port = free_port()
    public = f"https://127.0.0.1:{port}{PREFIX}"
    site.configure(server={"public_url": public, "trusted_proxies": ["127.0.0.1"]}, voss={"callbacks": "anywhere"})
    server = site.serve()
    with nginx(folder, server.address, port, strips=strips) as authority:
        yield Front(port, authority, server)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def basic(key: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"haplo:{key}".encode()).decode()}


def test_people_sign_in_and_look_around(site: Site, front: Front) -> None:
    key = site.run("keys", "create", "me", "--scope", "admin").strip()
    status, _, headers = front.ask("GET", f"{PREFIX}/admin/")
    assert (status, headers["Location"].partition("?")[0]) == (303, f"{PREFIX}/admin/sign-in")
    form = urlencode({"key": key, "next": "/admin/"}).encode()
    sent = {"Origin": front.site, "Content-Type": "application/x-www-form-urlencoded"}
    status, text, headers = front.ask("POST", f"{PREFIX}/admin/sign-in", form, sent)
    assert (status, headers["Location"]) == (303, f"{PREFIX}/admin/"), text
    cookie = headers["Set-Cookie"]
    assert f"Path={PREFIX}/" in cookie
    assert "Secure" in cookie
    name, value = cookie.partition(";")[0].split("=", 1)
    front.cookies[name] = value
    status, page, _ = front.ask("GET", f"{PREFIX}/admin/")
    assert status == 200
    links = re.findall(r'\s(?:href|src)="([^"#]+)', page)
    assert links
    for link in dict.fromkeys(links):
        assert front.ask("GET", link.replace("&amp;", "&"))[0] == 200, link


def test_an_import_goes_through(site: Site, front: Front) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", **basic(site.key)}
    status, batch, _ = front.ask("POST", f"{PREFIX}{API}/batch", b"kind=load&comment=x", form)
    assert status == 200, batch
    rows = b"".join(json.dumps({"number": n, "text": "x" * 1000}).encode() + b"\n" for n in range(3000))
    kind, body = encoded({"batch": batch, "name": "data"}, rows)
    status, text, _ = front.ask("POST", f"{PREFIX}{API}/file", body, {"Content-Type": kind, **basic(site.key)})
    assert status == 200, text
    front.ask("POST", f"{PREFIX}{API}/schedule", f"batch={batch}".encode(), form)
    assert site.ended(batch)["state"] == "done"
    assert site.rows("entries") == 3000


@contextmanager
def listening() -> Iterator[tuple[str, Queue[Mapping[str, object]]]]:
    """The address of a client that waits for callbacks, and those that came."""
    told: Queue[Mapping[str, object]] = Queue()

    class Told(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Told) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/told", told
        server.shutdown()
        thread.join()


def test_a_load_tells_its_client_where_its_transaction_is(site: Site, front: Front) -> None:
    key = basic(site.run("keys", "create", "loads", "--scope", "voss").strip())
    kind, body = encoded({}, (site.folder / "imports/sample/countries.xlsx").read_bytes())
    body = body.replace(b'name="file"; filename="data"', b'name="uploadedfile"; filename="countries.xlsx"')
    status, text, _ = front.ask("POST", f"{PREFIX}/api/uploadfiles/", body, {"Content-Type": kind, **key})
    assert status == 202, text
    with listening() as (address, told):
        load = {"bulkload_file": "countries.xlsx", "execute_immediately": True}
        wanted = json.dumps({**load, "request_meta": {"external_id": "7", "callback_url": address}}).encode()
        path = f"{PREFIX}/api/tool/BulkLoad/?method=bulkload_spreadsheet&hierarchy=sys&nowait=true&format=json"
        status, text, _ = front.ask("POST", path, wanted, {"Content-Type": "application/json", **key})
        assert status == 200, text
        assert json.loads(text)["href"].startswith(f"{PREFIX}/api/tool/Transaction/")
        said = told.get(timeout=60)
    assert (said["external_id"], said["success"]) == ("7", True), said
    href = str(said["href"])
    assert href.startswith(f"{PREFIX}/api/tool/Transaction/")
    status, text, _ = front.ask("GET", f"{href}/?format=json", headers=key)
    assert (status, json.loads(text)["data"]["status"]) == (200, "Success"), text


def test_what_a_client_says_of_the_way_to_it_counts_for_nothing(site: Site, front: Front) -> None:
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil", "Forwarded": "host=evil.example"}
    status, _, headers = front.ask("GET", f"{PREFIX}/admin/", headers=forged)
    assert (status, headers["Location"].partition("?")[0]) == (303, f"{PREFIX}/admin/sign-in")


def test_who_keeps_sending_wrong_keys_disturbs_nobody(site: Site, front: Front) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    path, body = f"{PREFIX}{API}/batch", b"kind=load&comment=x"
    for number in range(20):
        forged = {"X-Forwarded-For": f"198.51.100.{number}", "Forwarded": "for=198.51.100.1", "X-Real-IP": "1.2.3.4"}
        _, text, _ = front.ask("POST", path, body, {**form, **basic(f"wrong-{number}" * 5), **forged})
        assert "INVALID-API-KEY" in text
    _, text, headers = front.ask("POST", path, body, {**form, **basic("wrong" * 9)})
    assert "THROTTLE" in text
    assert int(headers["Retry-After"]) <= 60
    assert "INVALID-API-KEY" in front.ask("POST", path, body, {**form, **basic("another" * 9)}, at=THERE)[1]
    for address in (HERE, THERE):
        assert front.ask("POST", path, body, {**form, **basic(site.key)}, at=address)[0] == 200
    wait_for("both clients in the log", lambda: {HERE, THERE} <= front.clients())


def test_events_come_at_once(site: Site, front: Front) -> None:
    key = site.run("keys", "create", "watcher", "--scope", "native").strip()
    with closing(front.connect()) as connection:
        connection.request("GET", f"{PREFIX}/api/v1/events", headers=bearer(key))
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
        assert b"listening" in b"".join(answer.readline() for _ in range(3))
