"""For any bytes at an endpoint: an answer in the dialect's shape, and never a fault of ours."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.replay import BOUNDARY, Ask, File, House, Multipart
from tests.wire.haplo.people import CONTROL
from tests.wire.haplo.test_cases import BATCH, STANDARD

ENDPOINTS = [f"{BATCH}/{name}" for name in ("control", "batch", "file", "schedule")]
ENDPOINTS += [f"{STANDARD}/{name}" for name in ("batch", "file", "schedule")]

TYPES = [
    f"multipart/form-data; boundary={BOUNDARY}",
    f'Multipart/Form-Data; charset=x; boundary="{BOUNDARY}"',
    "multipart/form-data",
    "multipart/mixed; boundary=x",
    "application/x-www-form-urlencoded; charset=utf-16",
    "application/json",
    "/",
    "",
]

VALID = [
    Multipart(batch="x", name="y", file=File(b"[]"), control="x", kind="people", comment="").encoded(),
    Multipart(file=File(CONTROL)).encoded(),
    b"batch=x&name=y&control=z&kind=people&mode=import",
]


@st.composite
def nearly_valid(draw: st.DrawFn) -> bytes:
    """A good body with a piece of it replaced."""
    body = draw(st.sampled_from(VALID))
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(len(body), start + 20)))
    return body[:start] + draw(st.binary(max_size=20)) + body[end:]


@pytest.mark.asyncio(loop_scope="module")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(ENDPOINTS), kind=st.sampled_from(TYPES), body=nearly_valid() | st.binary(max_size=200))
async def test_any_bytes_get_an_answer(shared_house: House, path: str, kind: str, body: bytes) -> None:
    answer = await shared_house.ask(Ask("POST", path, body, key="admin", headers={"Content-Type": kind}))
    assert answer.status in (200, 400, 413)
    assert answer.type == "text/plain; charset=utf-8"
    assert answer.body
