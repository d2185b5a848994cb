"""The real server behind Debian's nginx: TLS, a path before all addresses, and clients who are told apart."""

import base64
import http.client
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import pytest
from nginx import PREFIX, free_port, nginx
from running import Server, Site, encoded, wait_for

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
            return answer.status, answer.read().decode(), answer.headers

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
    site.configure(server={"public_url": public, "trusted_proxies": ["127.0.0.1"]})
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
