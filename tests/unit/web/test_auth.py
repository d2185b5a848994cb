"""Credentials are read from headers purely; the throttle counts with a clock handed in."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from server.engine.access.keys import Key
from server.engine.errors import AccessRefused, KeyThrottled, KeyUnknown
from server.web.auth import Basic, KeyGate, Throttle, basic_credentials, bearer_token, header_key


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
        (basic("größe:secret"), Basic("größe", "secret")),
        (basic("größe:secret".encode("latin-1")), Basic("größe", "secret")),
        (basic(b"haplo:\xff\xfe"), Basic("haplo", "ÿþ")),
        (basic(b"\xff no colon"), None),
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


class Keys:
    """One right key."""

    async def authorize(self, secret: str, scope: str) -> Key:
        if secret != "right":
            raise KeyUnknown
        now = datetime(2026, 1, 1, tzinfo=UTC)
        return Key(7, "a key", "", "", (scope,), (), now, None, None, None, None)


@dataclass
class Door:
    """A gate on a clock of the test."""

    throttle: Throttle
    now: float = 0.0

    def __post_init__(self) -> None:
        self.gate = KeyGate(Keys(), self.throttle, lambda: self.now)

    async def knock(self, secret: str, address: str = "192.0.2.1") -> str:
        request = make_mocked_request("GET", "/").clone(remote=address)
        try:
            return (await self.gate.admit(request, secret, "native")).name
        except AccessRefused as error:
            return f"{type(error).__name__} {getattr(error, 'retry_after', '')}".strip()


async def test_wrong_keys_are_slowed_and_a_right_one_never_is() -> None:
    door = Door(Throttle(allowed=2, window=60))
    assert [await door.knock(f"wrong {n}") for n in range(3)] == ["KeyUnknown", "KeyUnknown", "KeyThrottled 60"]
    assert await door.knock("right") == "a key"
    assert await door.knock("wrong", "192.0.2.2") == "KeyUnknown"
    door.now = 59.5
    assert await door.knock("wrong") == "KeyThrottled 1"
    door.now = 60
    assert await door.knock("wrong") == "KeyUnknown"


async def test_one_wrong_key_from_many_addresses_is_slowed() -> None:
    door = Door(Throttle(allowed=2))
    found = [await door.knock("wrong", f"192.0.2.{n}") for n in range(3)]
    assert found == ["KeyUnknown", "KeyUnknown", "KeyThrottled 60"]
    assert await door.knock("other", "192.0.2.9") == "KeyUnknown"


async def test_addresses_of_one_ipv6_network_count_together() -> None:
    door = Door(Throttle(allowed=2))
    found = [await door.knock(f"wrong {n}", f"2001:db8::{n}") for n in range(3)]
    assert found == ["KeyUnknown", "KeyUnknown", "KeyThrottled 60"]
    assert await door.knock("wrong", "2001:db8:0:1::2") == "KeyUnknown"


async def test_an_address_without_a_number_is_counted_as_it_is() -> None:
    door = Door(Throttle(allowed=1))
    assert [await door.knock(f"wrong {n}", "") for n in range(2)] == ["KeyUnknown", "KeyThrottled 60"]


async def test_other_secrets_are_counted_too() -> None:
    door = Door(Throttle(allowed=1))

    async def unknown() -> Key:
        raise KeyUnknown

    request = make_mocked_request("GET", "/").clone(remote="192.0.2.1")
    with pytest.raises(KeyUnknown):
        await door.gate.counted(request, "a.b.c", unknown())
    with pytest.raises(KeyThrottled):
        await door.gate.counted(request, "a.b.d", unknown())


def test_failures_long_apart_never_add_up() -> None:
    throttle = Throttle(allowed=2, window=60.0)
    throttle.failed("192.0.2.1", 0.0)
    throttle.failed("192.0.2.1", 61.0)
    assert throttle.wait("192.0.2.1", 62.0) == 0


def test_memory_stays_bounded_and_the_idle_sender_goes_first() -> None:
    throttle = Throttle(allowed=1, most=2)
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.3"):
        throttle.failed(address, 0.0)
    slowed = [f"192.0.2.{n}" for n in (1, 2, 3) if throttle.wait(f"192.0.2.{n}", 0.0)]
    assert slowed == ["192.0.2.1", "192.0.2.3"]
