"""Requests to a running server: as the systems that push, and as a signed-in user without a browser."""

import base64
import http.client
import json
import re
from collections.abc import Mapping
from contextlib import closing
from typing import Any, NamedTuple

from tests.support.server_process import BOUNDARY, PATIENCE


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Sent(NamedTuple):
    """A file part of a form."""

    filename: str
    content: bytes


def form(fields: Mapping[str, "str | Sent"]) -> tuple[str, bytes]:
    """A multipart form's content type and body."""
    body = b"".join(_part(name, value) for name, value in fields.items())
    return f"multipart/form-data; boundary={BOUNDARY}", body + f"--{BOUNDARY}--\r\n".encode()


def _part(name: str, value: "str | Sent") -> bytes:
    named = f'; filename="{value.filename}"' if isinstance(value, Sent) else ""
    content = value.content if isinstance(value, Sent) else value.encode()
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + content + b"\r\n"


class Client:
    """`headers` go with every request."""

    def __init__(self, address: str, headers: Mapping[str, str]) -> None:
        self._address = address
        self._headers = dict(headers)

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Answer:
        with closing(http.client.HTTPConnection(self._address, timeout=PATIENCE)) as connection:
            headers = self._headers if body is None else {**self._headers, "Content-Type": kind}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def send_json(self, path: str, document: object, method: str = "POST") -> Answer:
        return _good(self.ask(method, path, json.dumps(document).encode()))

    def send_form(self, path: str, **fields: "str | Sent") -> Answer:
        kind, body = form(fields)
        return _good(self.ask("POST", path, body, kind))

    def send_octets(self, path: str, content: bytes) -> Answer:
        return _good(self.ask("POST", path, content, "application/octet-stream"))


def _good(answer: Answer) -> Answer:
    assert answer.status < 400, f"{answer.status} {answer.body.decode(errors='replace')}"
    return answer


def by_password(address: str, key: str) -> Client:
    return Client(address, {"Authorization": "Basic " + base64.b64encode(f"haplo:{key}".encode()).decode()})


class Visitor(Client):
    """Signed in to the site."""

    def __init__(self, address: str, key: str) -> None:
        super().__init__(address, {"Origin": f"http://{address}"})
        cookie = self.send_form("/admin/sign-in", key=key, next="/admin/").headers["Set-Cookie"]
        self._headers["Cookie"] = cookie.partition(";")[0]
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/admin/").body.decode())
        assert found is not None, "nobody is signed in"
        self._token = found[1]

    def send(self, path: str, **fields: "str | Sent") -> Answer:
        """A form of the site, with its token."""
        return self.send_form(path, csrf=self._token, **fields)

    def post(self, path: str, **fields: "str | Sent") -> str:
        """Where the answer sends to."""
        return self.send(path, **fields).headers.get("Location", "")
