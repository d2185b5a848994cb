"""Behind a proxy: who is believed about clients, and what follows from it for the log, wrong keys and addresses."""

from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from server.web.links import prefix_of, site_of
from server.web.transport.proxies import Proxies

OWN, INNER, CLIENT, LIAR = "127.0.0.1", "10.0.0.7", "203.0.113.5", "198.51.100.9"
TRUSTED = Proxies((ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"), ip_network("::1/128")))


def seen(proxies: Proxies, *headers: tuple[str, str], peer: str = OWN, path: str = "/x") -> web.Request:
    request = make_mocked_request("GET", path, headers={"Host": "inner:8080"}).clone(remote=peer)
    every = request.headers.copy()
    for name, value in headers:
        every.add(name, value)
    return proxies.as_sent(request.clone(headers=every, remote=peer))


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ([], OWN),
        ([("X-Forwarded-For", CLIENT)], CLIENT),
        ([("X-Forwarded-For", f"{LIAR}, {CLIENT}")], CLIENT),
        ([("X-Forwarded-For", LIAR), ("X-Forwarded-For", CLIENT)], CLIENT),
        ([("X-Forwarded-For", f"{LIAR}, {CLIENT}, {INNER}")], CLIENT),
        ([("X-Forwarded-For", f"{INNER}, {OWN}")], INNER),
        ([("X-Forwarded-For", f"{CLIENT}:4711")], CLIENT),
        ([("X-Forwarded-For", "[2001:db8::1]:4711")], "2001:db8::1"),
        ([("X-Forwarded-For", "2001:DB8:0::1")], "2001:db8::1"),
        ([("X-Forwarded-For", f"::ffff:{CLIENT}")], CLIENT),
        ([("X-Forwarded-For", "unknown")], OWN),
        ([("X-Forwarded-For", f"{CLIENT}, unknown, {INNER}")], INNER),
        ([("X-Forwarded-For", "evil\x1b[31m")], OWN),
        ([("X-Forwarded-For", ", ,")], OWN),
        ([("X-Forwarded-For", ", ".join([LIAR] * 5000 + [CLIENT]))], CLIENT),
        ([("Forwarded", f"for={CLIENT}")], CLIENT),
        ([("Forwarded", f"for={LIAR}, For={CLIENT};proto=https")], CLIENT),
        ([("Forwarded", 'for="[2001:db8::1]:4711"')], "2001:db8::1"),
        ([("Forwarded", f'for="{CLIENT}:4711";by=_x')], CLIENT),
        ([("Forwarded", "for=_hidden")], OWN),
        ([("Forwarded", 'for="unfinished')], OWN),
        ([("Forwarded", f"for={CLIENT}"), ("X-Forwarded-For", CLIENT)], CLIENT),
        ([("Forwarded", f"for={LIAR}"), ("X-Forwarded-For", CLIENT)], OWN),
    ],
)
def test_the_client_is_the_first_stranger_from_the_right(headers: list[tuple[str, str]], client: str) -> None:
    assert seen(TRUSTED, *headers).remote == client


@pytest.mark.parametrize("proxies", [Proxies(), Proxies((ip_network("10.0.0.0/8"),))])
def test_others_are_not_believed(proxies: Proxies) -> None:
    told = [("Forwarded", f"for={LIAR};host=evil;proto=https"), ("X-Forwarded-For", LIAR)]
    told += [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil"), ("X-Forwarded-Prefix", "/evil")]
    request = seen(proxies, *told)
    assert (request.remote, request.scheme, request.host, prefix_of(request)) == (OWN, "http", "inner:8080", "")


@pytest.mark.parametrize(
    ("headers", "site"),
    [
        ([("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "h.example")], "https://h.example"),
        ([("X-Forwarded-Proto", "HTTPS"), ("X-Forwarded-Host", "h.example:8443")], "https://h.example:8443"),
        ([("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "javascript")], "http://inner:8080"),
        ([("X-Forwarded-For", CLIENT), ("X-Forwarded-Host", "a b/<script>")], "http://inner:8080"),
        ([("X-Forwarded-For", CLIENT), ("X-Forwarded-Prefix", "/penstock")], "http://inner:8080/penstock"),
        ([("X-Forwarded-For", CLIENT), ("X-Forwarded-Prefix", "//evil.example")], "http://inner:8080"),
        ([("X-Forwarded-For", CLIENT), ("X-Forwarded-Prefix", '/a"><b')], "http://inner:8080"),
        ([("X-Forwarded-For", CLIENT), ("X-Forwarded-Prefix", "/a/../b")], "http://inner:8080"),
        ([("Forwarded", f"for={CLIENT};proto=https;host=h.example")], "https://h.example"),
        ([("Forwarded", f'for={CLIENT};proto=https;host="h.example:8443"')], "https://h.example:8443"),
        ([("X-Forwarded-For", f"{CLIENT}, {INNER}"), ("X-Forwarded-Proto", "https, http")], "https://inner:8080"),
    ],
)
def test_the_address_is_the_one_that_the_client_used(headers: list[tuple[str, str]], site: str) -> None:
    assert site_of(seen(TRUSTED, *headers), None) == site


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("/penstock/admin/", "/admin/"),
        ("/admin/", "/admin/"),
        ("/penstock", "/"),
        ("/penstock/", "/"),
        ("/penstock?a=b", "/?a=b"),
        ("/penstock/a%2Fb?c=%20d", "/a%2Fb?c=%20d"),
        ("/penstockish/x", "/penstockish/x"),
        ("/penstock/penstock/x", "/penstock/x"),
    ],
)
def test_the_prefix_is_taken_off_where_the_proxy_kept_it(path: str, below: str) -> None:
    for proxies in (Proxies(prefix="/penstock"), Proxies(TRUSTED.trusted, "/penstock")):
        request = seen(proxies, path=path)
        assert request.path_qs == below
        assert prefix_of(request) == "/penstock"


@pytest.mark.parametrize("path", ["/penstock/x", "/x"])
def test_the_client_is_known_whatever_becomes_of_the_path(path: str) -> None:
    told = [("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "h.example")]
    request = seen(Proxies(TRUSTED.trusted, "/penstock"), *told, path=path)
    assert (request.remote, request.path, site_of(request, None)) == (CLIENT, "/x", "https://h.example/penstock")


def test_a_prefix_cannot_make_another_host_of_a_path() -> None:
    request = seen(Proxies(prefix="/penstock"), path="/penstock//evil.example/x")
    assert request.path == "//evil.example/x"
    assert request.url.host == "inner"
