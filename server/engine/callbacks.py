"""Callbacks: when a transaction has ended, its client is told at the address it gave (VOSS: transaction callbacks).

The name is looked up once and the connection goes to the address that was checked, so that a name cannot change its
meaning in between; redirects are not followed. An https address must show a certificate that this machine trusts.
"""

import asyncio
import base64
import http.client
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import orjson
import structlog

from server.engine.certificates import untrusted
from server.engine.errands import ErrandFailed
from server.engine.errors import RequestInvalid
from storage.queues.base import Job

KIND = "voss-callback"
_SECONDS = 20.0
_log = structlog.get_logger("penstock.callbacks")

Compose = Callable[[str], Awaitable[dict[str, object] | None]]


class AddressRefused(Exception):
    """The callback may never go there."""


@dataclass(frozen=True, slots=True)
class CallbackRules:
    """Without `anywhere`, only addresses of the public internet may be called."""

    anywhere: bool = False


class Callbacks:
    """The errand: `compose` gives what to say of the job that has ended."""

    def __init__(self, compose: Compose, rules: CallbackRules) -> None:
        self._compose = compose
        self._rules = rules

    async def __call__(self, job: Job) -> None:
        payload: Any = job.payload
        body = await self._compose(str(payload["job"]))
        if body is None:
            return
        for name in ("external_id", "external_reference"):
            if name in payload:
                body[name] = payload[name]
        headers = {"Content-Type": "application/json", "User-Agent": "penstock"}
        if payload.get("callback_username"):
            words = f"{payload['callback_username']}:{payload.get('callback_password') or ''}"
            headers["Authorization"] = "Basic " + base64.b64encode(words.encode()).decode()
        url = str(payload["callback_url"])
        try:
            status = await asyncio.to_thread(_post, url, orjson.dumps(body), headers, self._rules)
        except AddressRefused as error:
            _log.warning("callback refused", job=payload["job"], reason=str(error))
            return
        except (OSError, http.client.HTTPException) as error:
            reason = untrusted(error) or str(error) or type(error).__name__
            raise ErrandFailed(f"{_shown(url)}: {reason}") from error
        if status != 200:
            raise ErrandFailed(f"{_shown(url)}: answered {status}, not 200")


def check_address(url: object, rules: CallbackRules) -> None:
    """What can be said before anybody is called; raises RequestInvalid."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else SplitResult("", "", "", "", "")
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.username is not None:
        raise RequestInvalid("request_meta.callback_url must be an http or https address without credentials in it")
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return
    if not rules.anywhere and not literal.is_global:
        raise RequestInvalid(
            f'request_meta.callback_url: {host} is not a public address; [voss] callbacks = "anywhere" would allow it'
        )


def _shown(url: str) -> str:
    """Without the query, which may hold secrets."""
    return url.partition("?")[0]


def _post(url: str, body: bytes, headers: dict[str, str], rules: CallbackRules) -> int:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    address = _address(host, port, rules)
    connection = http.client.HTTPSConnection(host, port) if secure else http.client.HTTPConnection(host, port)
    raw = socket.create_connection((address, port), timeout=_SECONDS)
    try:
        connection.sock = ssl.create_default_context().wrap_socket(raw, server_hostname=host) if secure else raw
        connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        return connection.getresponse().status
    finally:
        connection.close()
        raw.close()


def _address(host: str, port: int, rules: CallbackRules) -> str:
    """The first address of a name, if all of them may be called."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        if not rules.anywhere and not ipaddress.ip_address(address.partition("%")[0]).is_global:
            raise AddressRefused(f"{host} is {address}, which is not a public address")
    return found[0]
