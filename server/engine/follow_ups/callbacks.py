"""Calls clients back when their transactions have ended, at the addresses they gave (VOSS: transaction callbacks).

A name is looked up once, and the connection goes only to the addresses that were checked, so that the name cannot
change its meaning in between. Redirects are not followed. An https address must show a certificate that this machine
trusts. One time limit holds for the whole call, from the look-up to the end of the answer's headers; then the
connection is closed.
"""

import asyncio
import base64
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import orjson

from server.engine.errors import RequestInvalid
from server.engine.follow_ups.background_tasks import MOST, TaskFailed, TaskRefused
from server.engine.follow_ups.certificates import untrusted
from storage.queues.base import Job

KIND = "voss-callback"
ATTEMPTS = 33  # with pauses that double from ten seconds to an hour: about a day in all
SECONDS = 20.0
# Look-ups and the reading of certificates get their own threads, as a slow name server must not hold up other work. A
# look-up cannot be ended and may outlast its callback, so there are twice as many threads as tasks at a time
_THREADS = 2 * MOST
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
    """The address of a callback, in ASCII, as it is written into a request."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http{'s' if self.secure else ''}://{self.authority}{self.path}"


class Callbacks:
    """The task that calls back: `compose` returns the body for the job that has ended."""

    def __init__(self, compose: Compose, rules: CallbackRules, seconds: float = SECONDS) -> None:
        self._compose = compose
        self._rules = rules
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="callback")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def place(self, job: Job) -> str:
        """Returns the host: a slow one holds up only its own callbacks."""
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
            raise TaskRefused(f"not called: {error}") from None
        status = await self._post(target, orjson.dumps(body), _headers(payload))
        if status != 200:
            raise TaskFailed(f"{_shown(payload)}: answered {status}, not 200")

    async def _post(self, target: Target, body: bytes, headers: Mapping[str, str]) -> int:
        # imported here, as commands start 0.14 s sooner without aiohttp
        from server.engine.follow_ups.callback_client import post

        shown = target.url.partition("?")[0]
        try:
            async with asyncio.timeout(self._seconds):
                context = await self._in_thread(ssl.create_default_context) if target.secure else None
                return await post(target.url, body, headers, look_up=self._addresses, context=context)
        except TimeoutError as error:
            raise TaskFailed(f"{shown}: not answered within {self._seconds:g} seconds") from error
        except OSError as error:
            raise TaskFailed(f"{shown}: {untrusted(error) or str(error) or type(error).__name__}") from error

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        """Returns the addresses of a name, if all of them may be called."""
        found = await self._in_thread(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        addresses = [str(info[4][0]) for info in found]
        for address in addresses:
            if not self._rules.anywhere and not _is_public(ipaddress.ip_address(address.partition("%")[0])):
                raise TaskRefused(f"not called: {host} is {address}, which is not a public address")
        return addresses

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def check_callback_address(url: object, rules: CallbackRules) -> Target:
    """Returns the target of an address. Raises RequestInvalid for one that can be refused without a look-up."""
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
    """Whether an address has no blanks or control characters: `urlsplit` drops some, a request line holds none."""
    return url.isprintable() and " " not in url


def _ascii_host(host: str | None) -> str | None:
    """Returns a host as it is looked up; None for what is no name. Raises ValueError (UnicodeError is one)."""
    if not host:
        return None
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        name = host.encode("idna").decode("ascii")
        # aiohttp takes digits and points for an address, and would let the system look them up unchecked
        return name if _HOST.match(name) and not name.replace(".", "").isdigit() else None


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
    """Whether an address, and any IPv4 address that a gateway may read in it, is of the public internet."""
    return all(each.is_global and not any(each in network for network in _INNER) for each in _meanings(address))


def _meanings(address: Address) -> Iterator[Address]:
    if address.version == 6 and address.sixtofour is not None:
        yield address.sixtofour  # the network as a whole is private to Python 3.11.2, and global to later ones
        return
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    if any(address in network for network in _TRANSLATED):
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    yield from address.teredo or ()


def _headers(payload: Mapping[str, Any]) -> dict[str, str]:
    headers = {"User-Agent": "penstock", "Content-Type": "application/json"}
    if not payload.get("callback_username"):
        return headers
    words = f"{payload['callback_username']}:{payload.get('callback_password') or ''}"
    return headers | {"Authorization": "Basic " + base64.b64encode(words.encode("utf-8", "replace")).decode()}


def _shown(payload: Mapping[str, Any]) -> str:
    """Returns the address without its query, which may hold secrets."""
    return str(payload["callback_url"]).partition("?")[0]
