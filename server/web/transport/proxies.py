"""Reads what proxies in front of the server say about clients, and the path of the public address.

The server believes only peers in `[server] trusted_proxies`. Each proxy appends the address that it saw to the list, so
the list is read from the right. The first address that is not a trusted proxy is the client.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from server.web.links import PREFIX, is_host

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MOST_HOPS = 50
_FORWARDED = "Forwarded"
_FOR, _PROTO, _HOST, _PREFIX = (f"X-Forwarded-{name}" for name in ("For", "Proto", "Host", "Prefix"))
_PAIR = re.compile(r'\s*([A-Za-z]{1,20})\s*=\s*(?:(?:"([^"\\]{0,300})"|([^\s;,"]{1,300}))\s*)?').fullmatch
_IS_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+){1,20}").fullmatch

_log = structlog.get_logger(__name__)


class Hop(NamedTuple):
    """What one proxy said about its request. A field is empty if the proxy said nothing usable."""

    address: str = ""
    scheme: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class Proxies:
    """The trusted proxies. `prefix` is the path of the public address, without a slash at its end."""

    trusted: tuple[Network, ...] = ()
    prefix: str = ""

    def trusts(self, address: str) -> bool:
        return bool(self.trusted) and _is_in(address, self.trusted)

    def as_sent(self, request: web.Request) -> web.Request:
        """Returns the request as its client sent it, with the prefix taken off its path."""
        if not self.prefix and not self.trusted:
            return request
        if self.trusts(request.remote or ""):
            return self._by_proxy(request)
        return _below(request, self.prefix)

    def _by_proxy(self, request: web.Request) -> web.Request:
        hop = self._client(request.headers)
        own = request.headers.get(_PREFIX, "").rstrip("/")
        if own == self.prefix or not _IS_PREFIX(own) or ".." in own:
            request = _below(request, self.prefix)
        else:
            request[PREFIX] = own  # a proxy that sends this header has taken the prefix off
        return request.clone(  # the last step: another clone would lose these three
            remote=hop.address or request.remote or "",
            scheme=hop.scheme or request.scheme,
            host=hop.host or request.host,
        )

    def _client(self, headers: Mapping[str, str]) -> Hop:
        """Returns the client's hop; an empty one where `Forwarded` and `X-Forwarded-For` name different clients.

        A proxy may write one of the two headers and pass on the other as the client sent it.
        """
        common, standard = self._first_stranger(_x_forwarded(headers)), self._first_stranger(_forwarded(headers))
        if common is None or standard is None:
            return common or standard or Hop()
        if common.address != standard.address:
            _log.warning("proxy headers disagree", forwarded=standard.address, x_forwarded_for=common.address)
            return Hop()
        return common

    def _first_stranger(self, hops: Sequence[Hop]) -> Hop | None:
        """Returns the first hop from the right that is not a trusted proxy; else the last one with an address."""
        found = None
        for hop in reversed(hops[-_MOST_HOPS:]):
            if not hop.address:
                break
            found = hop
            if not self.trusts(hop.address):
                break
        return found if found or not hops else Hop("", hops[-1].scheme, hops[-1].host)


def path_of(public_url: str | None) -> str:
    """Returns the path of the public address, without a slash at its end."""
    return urlsplit(public_url or "").path.rstrip("/")


def _below(request: web.Request, prefix: str) -> web.Request:
    """Takes the prefix off the path, if it is there: some proxies keep the prefix, others remove it."""
    if not prefix:
        return request
    path = request.raw_path
    if path == prefix or path.startswith((f"{prefix}/", f"{prefix}?")):
        rest = path[len(prefix) :]
        request = _at(request, rest if rest.startswith("/") else f"/{rest}")
    request[PREFIX] = prefix
    return request


def _at(request: web.Request, target: str) -> web.Request:
    path = target.partition("?")[0]
    return request.clone(rel_url=request.rel_url.with_path(path, encoded=True, keep_query=True))


def _x_forwarded(headers: Mapping[str, str]) -> Sequence[Hop]:
    addresses = _listed(headers, _FOR)
    schemes, hosts = _listed(headers, _PROTO), _listed(headers, _HOST)
    count = len(addresses) or (1 if schemes or hosts else 0)
    return [
        Hop(
            _address(_from_right(addresses, each)), _scheme(_from_right(schemes, each)), _host(_from_right(hosts, each))
        )
        for each in reversed(range(count))
    ]


def _from_right(values: Sequence[str], index: int) -> str:
    """Returns the value of a hop. Where a proxy writes one value and no list, the value holds for all hops."""
    return values[-1 - min(index, len(values) - 1)] if values else ""


def _forwarded(headers: Mapping[str, str]) -> Sequence[Hop]:
    return [_hop(dict(_pairs(element))) for element in _listed(headers, _FORWARDED)]


def _pairs(element: str) -> Iterator[tuple[str, str]]:
    for part in element.split(";"):
        if found := _PAIR(part):
            yield found[1].lower(), found[2] if found[2] is not None else found[3]


def _hop(pairs: Mapping[str, str]) -> Hop:
    return Hop(_address(pairs.get("for", "")), _scheme(pairs.get("proto", "")), _host(pairs.get("host", "")))


def _listed(headers: Mapping[str, str], name: str) -> Sequence[str]:
    """Returns the members of a list that may be spread over several headers of one name."""
    every = headers.getall(name, []) if hasattr(headers, "getall") else [headers[name]] if name in headers else []
    return [member.strip() for value in every for member in value.split(",") if member.strip()]


def _address(text: str) -> str:
    """Returns an address in its usual form, without a port; "" for anything that is not an IP address."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(_plain(ipaddress.ip_address(text)))
    except ValueError:
        return ""


def _scheme(text: str) -> str:
    return text.lower() if text.lower() in ("http", "https") else ""


def _host(text: str) -> str:
    return text if is_host(text) else ""


@lru_cache(maxsize=1024)
def _is_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = _plain(ipaddress.ip_address(address))
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def _plain(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Returns an IPv4 address that is mapped to IPv6 as IPv4: a socket for both families shows clients that way."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
