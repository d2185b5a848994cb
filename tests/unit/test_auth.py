"""Credentials are read from headers purely; the throttle counts with a clock handed in."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.web.auth import Basic, Throttle, basic_credentials, bearer_token, header_key


def basic(text: str | bytes) -> dict[str, str]:
    raw = text if isinstance(text, bytes) else text.encode()
    return {"Authorization": "Basic " + base64.b64encode(raw).decode()}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        (basic("haplo:secret"), Basic("haplo", "secret")),
        (basic("haplo:"), Basic("haplo", "")),
        (basic(":secret"), Basic("", "secret")),
        (basic("haplo:a:b"), Basic("haplo", "a:b")),
        (basic("no colon"), None),
        (basic(b"haplo:\xff\xfe"), None),
        ({"Authorization": "basic " + base64.b64encode(b"u:p").decode()}, Basic("u", "p")),
        ({"Authorization": "Basic"}, None),
        ({"Authorization": "Basic !!!"}, None),
        ({"Authorization": "Basic \udcff\udcff"}, None),
        ({"Authorization": "Bearer abc"}, None),
    ],
)
def test_basic_credentials(headers: dict[str, str], expected: Basic | None) -> None:
    assert basic_credentials(headers) == expected


@given(st.text(st.characters(exclude_characters=":", codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_basic_credentials_survive_the_header(user: str, password: str) -> None:
    assert basic_credentials(basic(f"{user}:{password}")) == Basic(user, password)


@given(st.text())
def test_no_header_value_breaks_the_parsing(value: str) -> None:
    for read in (basic_credentials, bearer_token):
        read({"Authorization": value})


@pytest.mark.parametrize(
    ("value", "expected"), [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Bearer", None), ("Basic abc", None)]
)
def test_bearer_token(value: str, expected: str | None) -> None:
    assert bearer_token({"Authorization": value}) == expected


@pytest.mark.parametrize(("value", "expected"), [("abc", "abc"), (" abc ", "abc"), ("", None), ("  ", None)])
def test_header_key(value: str, expected: str | None) -> None:
    assert header_key({"X-Key": value}, "X-Key") == expected
    assert header_key({}, "X-Key") is None


def failed(throttle: Throttle, address: str, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        throttle.failed(address, now)


def test_an_address_is_blocked_after_too_many_failures() -> None:
    throttle = Throttle(allowed=3)
    failed(throttle, "192.0.2.1", 2)
    assert not throttle.blocks("192.0.2.1", 0.0)
    failed(throttle, "192.0.2.1", 1)
    assert throttle.blocks("192.0.2.1", 0.0)
    assert not throttle.blocks("192.0.2.2", 0.0)


def test_the_block_is_lifted_when_the_window_has_passed() -> None:
    throttle = Throttle(allowed=1, window=60.0)
    failed(throttle, "192.0.2.1", 1, now=100.0)
    assert throttle.blocks("192.0.2.1", 159.9)
    assert not throttle.blocks("192.0.2.1", 160.0)


def test_failures_long_apart_never_add_up() -> None:
    throttle = Throttle(allowed=2, window=60.0)
    failed(throttle, "192.0.2.1", 1, now=0.0)
    failed(throttle, "192.0.2.1", 1, now=61.0)
    assert not throttle.blocks("192.0.2.1", 62.0)


def test_addresses_of_one_ipv6_network_count_together() -> None:
    throttle = Throttle(allowed=2)
    failed(throttle, "2001:db8::1", 1)
    failed(throttle, "2001:db8::ffff", 1)
    assert throttle.blocks("2001:db8::2", 0.0)
    assert not throttle.blocks("2001:db8:0:1::2", 0.0)


def test_memory_stays_bounded_and_the_idle_address_goes_first() -> None:
    throttle = Throttle(allowed=1, addresses=2)
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3"):
        throttle.failed(address, 0.0)
    blocked = [f"192.0.2.{n}" for n in (1, 2, 3) if throttle.blocks(f"192.0.2.{n}", 0.0)]
    assert blocked == ["192.0.2.1", "192.0.2.3"]


def test_an_address_without_a_number_is_counted_as_it_is() -> None:
    throttle = Throttle(allowed=1)
    throttle.failed("", 0.0)
    assert throttle.blocks("", 0.0)
