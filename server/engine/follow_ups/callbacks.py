"""Callbacks: when a transaction has ended, its client is told at the address it gave (VOSS: transaction callbacks).

The name is looked up once and the connection goes to the address that was checked, so that a name cannot change its
meaning in between; redirects are not followed. An https address must show a certificate that this machine trusts.
One deadline holds for all of it, from the look-up to the status line; when it passes, the connection is closed.
"""

import asyncio
import base64
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import orjson

from server.engine.errors import RequestInvalid
from server.engine.follow_ups.certificates import untrusted
from server.engine.follow_ups.follow_ups import MOST, ErrandFailed, ErrandRefused
from storage.queues.base import Job

KIND = "voss-callback"
ATTEMPTS = 33  # with pauses that double from ten seconds to an hour: about a day in all
SECONDS = 20.0
# to look names up and read certificates: never those that others wait for. A look-up cannot be ended and may outlast
# its callback, so there are twice as many as there are errands at a time; they are made when they are needed
_THREADS = 2 * MOST
_INTERIM = 200  # answers below it announce another one
_MOST_INTERIM = 10
_HEADER_LINES = 200
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252})\Z")
_KEPT = "/%:=&?~+!$,;'@()*[]-._"  # of a path or query, beside letters and digits

# site-local and multicast: `is_global` is true for them
_INNER = [ipaddress.ip_network(text) for text in ("fec0::/10", "ff00::/8", "224.0.0.0/4")]
# networks whose addresses end in one of IPv4: that are translated (RFC 6052, RFC 8215) or compatible (RFC 4291)
_TRANSLATED = [ipaddress.IPv6Network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Compose = Callable[[str], Awaitable[dict[str, object] | None]]


@dataclass(frozen=True, slots=True)
class CallbackRules:
    """Without `anywhere`, only addresses of the public internet may be called."""

    anywhere: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """Where a callback goes, as it is written into a request: all of it is ASCII."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


class Callbacks:
    """The errand: `compose` gives what to say of the job that has ended."""

    def __init__(self, compose: Compose, rules: CallbackRules, seconds: float = SECONDS) -> None:
        self._compose = compose
        self._rules = rules
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="callback")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def place(self, job: Job) -> str:
        """The host: what is slow there keeps only its own."""
        payload: Any = job.payload
        try:
            return f"callback {check_callback_address(payload.get('callback_url'), self._rules).authority}"
        except RequestInvalid:
            return f"callback {job.id}"

    async def __call__(self, job: Job) -> None:
        payload: Any = job.payload
        body = await self._compose(str(payload["job"]))
        if body is None:
            return
        body |= {name: payload[name] for name in ("external_id", "external_reference") if name in payload}
        try:
            target = check_callback_address(payload["callback_url"], self._rules)
        except RequestInvalid as error:
            raise ErrandRefused(f"not called: {error}") from None
        status = await self._told(target, orjson.dumps(body), _credentials(payload))
        if status != 200:
            raise ErrandFailed(f"{_shown(payload)}: answered {status}, not 200")

    async def _told(self, target: Target, body: bytes, headers: Mapping[str, str]) -> int:
        shown = f"http{'s' if target.secure else ''}://{target.authority}{target.path.partition('?')[0]}"
        try:
            async with asyncio.timeout(self._seconds):
                return await self._exchange(target, body, headers)
        except TimeoutError as error:
            raise ErrandFailed(f"{shown}: not answered within {self._seconds:g} seconds") from error
        except (OSError, EOFError, ValueError) as error:  # ValueError: a line without an end
            reason = untrusted(error) or str(error) or type(error).__name__
            raise ErrandFailed(f"{shown}: {reason}") from error

    async def _exchange(self, target: Target, body: bytes, headers: Mapping[str, str]) -> int:
        address = await self._address(target)
        context = await self._in_thread(ssl.create_default_context) if target.secure else None
        name = target.host if target.secure else None
        reader, writer = await asyncio.open_connection(address, target.port, ssl=context, server_hostname=name)
        try:
            writer.write(_request(target, body, headers))
            await writer.drain()
            return await _status(reader)
        finally:
            writer.transport.abort()

    async def _address(self, target: Target) -> str:
        """The first address of a name, if all of them may be called."""
        found = await self._in_thread(lambda: socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM))
        addresses = [str(info[4][0]) for info in found]
        for address in addresses:
            if not self._rules.anywhere and not _is_public(ipaddress.ip_address(address.partition("%")[0])):
                raise ErrandRefused(f"not called: {target.host} is {address}, which is not a public address")
        return addresses[0]

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def check_callback_address(url: object, rules: CallbackRules) -> Target:
    """What can be said before anybody is called; raises RequestInvalid."""
    try:
        parts = urlsplit(url) if isinstance(url, str) and _is_one_line(url) else SplitResult("", "", "", "", "")
        host, port = _ascii_host(parts.hostname), parts.port
    except ValueError:
        host, port = None, None
    secure = parts.scheme == "https" if host else False
    if not host or parts.scheme not in ("http", "https") or parts.username is not None or port == 0:
        raise RequestInvalid("request_meta.callback_url must be an http or https address without credentials in it")
    _check_literal(host, rules)
    path = quote(parts.path or "/", safe=_KEPT) + (f"?{quote(parts.query, safe=_KEPT)}" if parts.query else "")
    return Target(secure, host, port or (443 if secure else 80), path)


def _is_one_line(url: str) -> bool:
    """Without blanks and control characters, which `urlsplit` would drop or a request line could not hold."""
    return url.isprintable() and " " not in url


def _ascii_host(host: str | None) -> str | None:
    """As it is looked up; None where no name is written so. Raises ValueError (UnicodeError is one)."""
    if not host:
        return None
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        name = host.encode("idna").decode("ascii")
        return name if _HOST.match(name) else None


def _check_literal(host: str, rules: CallbackRules) -> None:
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return
    if not rules.anywhere and not _is_public(literal):
        raise RequestInvalid(
            f'request_meta.callback_url: {host} is not a public address; [voss] callbacks = "anywhere" would allow it'
        )


def _is_public(address: Address) -> bool:
    """Of the public internet, itself and the older address that a gateway may read in it."""
    return all(each.is_global and not any(each in network for network in _INNER) for each in _read(address))


def _read(address: Address) -> Iterator[Address]:
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    if any(address in network for network in _TRANSLATED):
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    yield from filter(None, (address.sixtofour, *(address.teredo or ())))


def _credentials(payload: Mapping[str, Any]) -> dict[str, str]:
    if not payload.get("callback_username"):
        return {}
    words = f"{payload['callback_username']}:{payload.get('callback_password') or ''}"
    return {"Authorization": "Basic " + base64.b64encode(words.encode("utf-8", "replace")).decode()}


def _shown(payload: Mapping[str, Any]) -> str:
    """Without the query, which may hold secrets."""
    return str(payload["callback_url"]).partition("?")[0]


def _request(target: Target, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = {
        "Host": target.authority,
        "User-Agent": "penstock",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {target.path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body


async def _status(reader: asyncio.StreamReader) -> int:
    """Of the final answer; nothing behind its first line matters."""
    for _ in range(_MOST_INTERIM):
        line = await reader.readline()
        found = _STATUS.fullmatch(line)
        if found is None:
            raise EOFError("its answer does not begin as HTTP does" if line else "it closed the connection unanswered")
        if int(found[1]) >= _INTERIM:
            return int(found[1])
        await _skip_headers(reader)
    raise EOFError("it announces an answer again and again")


async def _skip_headers(reader: asyncio.StreamReader) -> None:
    for _ in range(_HEADER_LINES):
        if await reader.readline() in (b"\r\n", b"\n", b""):
            return
    raise EOFError("its answer has too many headers")
