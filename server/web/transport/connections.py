"""Handles connections in cases where aiohttp alone would lose a request, an answer or the whole server.

* An answer that refuses a request before its body has come whole also announces the close. The server then reads and
  drops the rest of the body for a while, so a client that listens only once it has sent everything still gets the
  answer (RFC 9110 10.1.1, RFC 9112 9.6).
* An offer to change the protocol is declined by closing after the answer: the parser drops what follows such a request.
* A client that has closed its sending side still gets its answer.
* The server never has more connections than open files allow: it closes idle ones to make room, and logs that.
"""

import asyncio
from collections import Counter, OrderedDict
from contextlib import suppress
from typing import Any, cast

import structlog
from aiohttp import hdrs, web
from aiohttp.streams import StreamReader

from server.web.transport.proxies import Proxies

LINGER_SECONDS = 300.0
LINGER_IDLE_SECONDS = 15.0
LINGER_BYTES = 1024 * 1024 * 1024
SAY_AGAIN_SECONDS = 60.0
_TURNED_AWAY = b"too many connections are open; try again in some seconds\n"
_NO_ROOM = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_TURNED_AWAY), _TURNED_AWAY)
)
_FAREWELL_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class Connection(web.RequestHandler):
    """One connection. `body` belongs to the current request; `has_left` is true once the client sends no more."""

    __slots__ = ("_answered", "_doors", "_patience", "address", "body", "has_left")

    def __init__(self, doors: "Doors", **options: Any) -> None:
        super().__init__(doors, **options)
        self._doors = doors
        self._answered = 0
        self._patience: asyncio.Timeout | None = None
        self.address = ""
        self.body: StreamReader | None = None
        self.has_left = False

    @property
    def is_idle(self) -> bool:
        """Whether the connection has no request, or has answered it."""
        return self._answered >= self._request_count

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.address = _host_of(transport.get_extra_info("peername"))
        if self._doors.admit(self):
            super().connection_made(transport)
        else:
            self._turn_away(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._doors.forget(self)
        self._stop_lingering()
        super().connection_lost(exc)

    def close(self) -> None:
        super().close()
        self._stop_lingering()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keeps the connection open while an answer is due: the client has closed only its sending side."""
        self.has_left = True
        if self.is_idle:
            return False
        body = self._messages[-1][1] if self._messages else self.body
        if body is not None and not body.is_eof():
            body.set_exception(ConnectionResetError("the client ended the connection in the middle of a body"))
        return True

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        unread = None if request.content.is_eof() else request.content
        if unread is not None or (self.has_left and not self._messages):
            resp.force_close()
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._answered += 1
            self._doors.rests(self)
            if unread is not None:
                await self._linger(unread)

    async def _linger(self, body: StreamReader) -> None:
        """Closes the sending side, then reads what the client still sends, within bounds of time and size."""
        if self.transport is None or self._close:
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        end, left = self._loop.time() + LINGER_SECONDS, LINGER_BYTES
        with suppress(TimeoutError, ConnectionError, web.RequestPayloadError):
            while not body.is_eof() and left > 0 and self.transport is not None and not self._close:
                self._patience = asyncio.timeout_at(min(end, self._loop.time() + LINGER_IDLE_SECONDS))
                async with self._patience:
                    left -= len(await body.readany())

    def _stop_lingering(self) -> None:
        if self._patience is not None and not self._patience.expired():
            with suppress(RuntimeError):  # it is over already
                self._patience.reschedule(self._loop.time())

    def _turn_away(self, transport: asyncio.BaseTransport) -> None:
        """Answers that there are too many connections, and leaves the client a moment to read it."""
        self._force_close = True
        stream = cast(asyncio.Transport, transport)  # uvloop's transports are no subclass of asyncio's
        stream.write(_NO_ROOM)
        if stream.can_write_eof():
            stream.write_eof()
        self._loop.call_later(_FAREWELL_SECONDS, stream.abort)


class Doors(web.Server):
    """Every connection of the server. `most` is the limit.

    At the limit, the server takes the address with the most connections and closes the one that has been idle longest.
    If none of them is idle, it refuses the new connection. Near the limit, one address may have a quarter of all
    connections, unless it is a trusted proxy.
    """

    def __init__(self, *args: Any, most: int, proxies: Proxies, **options: Any) -> None:
        super().__init__(*args, **options)
        self._most = most
        self._proxies = proxies
        self._make = self.request_factory
        self.request_factory = self._receive
        self._open: Counter[str] = Counter()
        self._resting: OrderedDict[Connection, None] = OrderedDict()
        self._said = float("-inf")

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)

    def admit(self, connection: Connection) -> bool:
        """Adds the connection; returns False where there is no room and none can be made."""
        if not self._has_room(connection.address):
            self._say()
            if not self._make_room(connection.address):
                return False
        self._open[connection.address] += 1
        self._resting[connection] = None
        return True

    def forget(self, connection: Connection) -> None:
        self._resting.pop(connection, None)
        if self._open[connection.address] > 1:
            self._open[connection.address] -= 1
        else:
            del self._open[connection.address]

    def rests(self, connection: Connection) -> None:
        """Notes that a connection has answered its request and waits for the next one."""
        if connection.is_idle and connection.transport is not None:
            self._resting[connection] = None
            self._resting.move_to_end(connection)

    def _has_room(self, address: str) -> bool:
        total = self._open.total()
        if total >= self._most:
            return False
        near = total >= self._most * 3 // 4
        return not near or self._open[address] < self._most // 4 or self._proxies.trusts(address)

    def _make_room(self, address: str) -> bool:
        crowded = address if self._open[address] >= self._most // 4 else max(self._open, key=self._open.__getitem__)
        oldest = next((each for each in self._resting if each.address == crowded and each.is_idle), None)
        if oldest is None:
            return False
        self.forget(oldest)
        oldest.address = ""
        oldest.force_close()
        return True

    def _say(self) -> None:
        now = self._loop.time()
        if now - self._said >= SAY_AGAIN_SECONDS:
            self._said = now
            _log.warning("connection limit reached", limit=self._most, open=self._open.total())

    def _receive(self, message: Any, payload: StreamReader, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        """Makes a request from what aiohttp parsed."""
        protocol.body = payload
        self._resting.pop(protocol, None)
        if message.upgrade:  # the parser drops the bytes that follow an upgrade
            message = message._replace(should_close=True)
        if hdrs.EXPECT in message.headers:
            message = message._replace(headers=_known_expectations(message.headers))
        request = self._make(message, payload, protocol, writer, task)
        return self._proxies.as_sent(request) if isinstance(request, web.Request) else request


class Runner(web.AppRunner):
    """Runs an application behind `Doors`."""

    def __init__(self, app: web.Application, *, most: int, proxies: Proxies, **options: Any) -> None:
        super().__init__(app, lingering_time=0, **options)  # `Connection` does that
        self._most = most
        self._proxies = proxies

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return Doors(
            made.request_handler,
            most=self._most,
            proxies=self._proxies,
            request_factory=made.request_factory,
            loop=made._loop,
            **made._kwargs,
        )


def has_left(request: web.Request) -> bool:
    """Whether the client is gone. A client that only sends no more looks the same, and counts as gone."""
    if request.transport is None or request.transport.is_closing():
        return True
    return isinstance(request.protocol, Connection) and request.protocol.has_left


def _known_expectations(headers: Any) -> Any:
    """Drops an unknown `Expect`, as RFC 9110 10.1.1 allows: aiohttp fails at one that is not text."""
    if headers[hdrs.EXPECT].lower() == "100-continue":
        return headers
    known = headers.copy()
    del known[hdrs.EXPECT]
    return type(headers)(known)


def _host_of(peer: Any) -> str:
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""
