"""Sends one POST with aiohttp's client. Its own module, so that commands, which send no callbacks, start without it."""

import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
    hdrs,
)
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

LookUp = Callable[[str, int], Awaitable[Sequence[str]]]

# aiohttp adds these by itself; a callback asks for nothing, as the body of its answer is not read
_NOT_SENT = (hdrs.ACCEPT, hdrs.ACCEPT_ENCODING)


class PinnedResolver(AbstractResolver):
    """Gives a connection the addresses that `look_up` returned, and no others."""

    def __init__(self, look_up: LookUp) -> None:
        self._look_up = look_up

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [_result(host, port, address) for address in await self._look_up(host, port)]

    async def close(self) -> None:
        """Holds nothing open."""


def _result(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)


async def post(
    url: str, body: bytes, headers: Mapping[str, str], *, look_up: LookUp, context: ssl.SSLContext | None
) -> int:
    """Returns the status code of the answer. Its headers must have come whole; its body is not read.

    Raises OSError, with a reason that names no address, as its query may hold secrets. The caller sets the time limit.
    """
    try:
        async with _session(look_up, context) as session:
            # the address is encoded already, so its path goes out as the client gave it
            request = session.post(URL(url, encoded=True), data=body, headers=headers, allow_redirects=False)
            async with request as answer:
                return answer.status
    except ClientError as error:
        beneath = _beneath(error)
        raise ConnectionError(str(beneath) or type(beneath).__name__) from beneath


def _session(look_up: LookUp, context: ssl.SSLContext | None) -> ClientSession:
    connector = TCPConnector(
        resolver=PinnedResolver(look_up), use_dns_cache=False, force_close=True, ssl=context or True
    )
    no_limit = ClientTimeout(total=None, sock_connect=None)
    return ClientSession(
        connector=connector,
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        timeout=no_limit,
        skip_auto_headers=_NOT_SENT,
    )


def _beneath(error: ClientError) -> Exception:
    """Returns the error that aiohttp wrapped, or one that says it: the text of aiohttp's own may hold the address."""
    if isinstance(error, ClientConnectorCertificateError):
        return error.certificate_error
    if isinstance(error, ClientConnectorError):
        return error.os_error
    if isinstance(error, ServerDisconnectedError):
        return ConnectionError("it closed the connection unanswered")
    return ConnectionError("the connection broke" if isinstance(error, OSError) else "its answer is not HTTP")
