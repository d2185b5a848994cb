"""What hostile, broken and unlucky clients send: a clear answer, one line in the log, nothing left behind."""

import asyncio
import gzip
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import pytest

from server.engine.uploads.flow import UploadLimits
from tests.support.replay import BOUNDARY, Ask, File, House, MakeHouse, Multipart, Say, basic, request_bytes
from tests.wire.haplo.people import CONTROL
from tests.wire.haplo.test_cases import (
    BATCH,
    DATA,
    FILE,
    INVALID_KEY,
    UNAUTHORISED,
    VALIDATION,
    refused,
    to_batch,
    to_standard,
)

LIMITS = UploadLimits(
    max_upload_bytes=100_000, max_small_body_bytes=50_000, max_field_bytes=2_000, max_form_parts=10, min_free_bytes=0
)
TOO_LARGE = Say(413, "the body is larger than 100000 bytes; raise [limits] max_upload_bytes or send less")
TOO_MANY = Say(400, "the form has more than 10 parts; see [limits] max_form_parts")
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def to_file(body: bytes, content_type: str = FORM, **headers: str) -> Ask:
    return to_batch("file", body, headers={"Content-Type": content_type, **headers})


def many(count: int) -> dict[str, str]:
    return {f"p{number}": "" for number in range(count)}


def starts(status: int, text: str) -> Say:
    return Say(status, text + "*")


BIG_FIELD = Say(413, "the form field 'comment' is larger than 2000 bytes")
GZIP = {"Content-Encoding": "gzip"}

ROWS: Sequence[tuple[str, Ask, Say]] = [
    ("name of 4 KiB", to_batch("file", Multipart(FILE, name="n" * 1025)), VALIDATION),
    ("name with NUL", to_batch("file", Multipart(FILE, name="a\x00b")), VALIDATION),
    (
        "name not UTF-8",
        to_batch("file", Multipart(FILE, name=b"\xff\xfe")),
        starts(400, "the form field 'name' is not in UTF-8"),
    ),
    ("batch with NUL", to_batch("schedule", {"batch": "a\x00b"}), VALIDATION),
    ("batch not UTF-8", to_batch("schedule", b"batch=%ff"), starts(400, "the form field 'batch' is not in UTF-8")),
    ("batch not UTF-8 in the query", to_batch("schedule?batch=%ff"), starts(400, "B")),
    ("too many parts", to_batch("file", Multipart(FILE, **many(9))), TOO_MANY),
    ("too many parameters", to_batch("batch", many(11)), TOO_MANY),
    ("field too large", to_batch("file", Multipart(FILE, comment="x" * 2_001)), BIG_FIELD),
    ("parameter too large", to_batch("batch", {"comment": "x" * 2_001}), BIG_FIELD),
    ("a large body without a key", to_batch("batch", {"comment": "x" * 70_000}, key=None), UNAUTHORISED),
    ("file too large", to_batch("file", Multipart(FILE, file=File(bytes(100_000)))), TOO_LARGE),
    ("control too large", to_batch("control", Multipart(file=File(bytes(60_000)))), starts(413, "the body is larger")),
    ("no boundary", to_file(b"x", "multipart/form-data"), starts(400, "")),
    ("empty boundary", to_file(b"x", 'multipart/form-data; boundary=""'), starts(400, "")),
    ("another boundary", to_file(FILE.encoded(), "multipart/form-data; boundary=other"), starts(400, "the form")),
    ("no closing boundary", to_file(FILE.encoded()[:-6]), starts(400, "the form ends before its closing boundary")),
    ("an empty body", to_file(b""), starts(400, "")),
    ("headers of a part too long", to_file(Multipart(a=File(b"", b"n" * 9000)).encoded()), starts(400, "")),
    (
        "an unknown encoding",
        to_batch("file", FILE, headers={"Content-Encoding": "br"}),
        starts(400, "Content-Encoding"),
    ),
    ("encoded otherwise than it says", to_batch("file", FILE, headers=GZIP), starts(400, "the body")),
    ("a bomb", to_file(gzip.compress(bytes(10_000_000)), **GZIP), TOO_LARGE),
    ("a key not ASCII", to_batch("batch", key=None, headers={"X-ONEIS-Key": "schlüssel" * 4}), INVALID_KEY),
    ("deep JSON", to_batch("control", Multipart(file=File(b"[" * 10_000))), refused("Uploaded file is not JSON")),
    ("JSON not UTF-8", to_batch("control", Multipart(file=File(b'"\xff"'))), refused("Uploaded file is not JSON")),
    ("a kind with a path", to_standard("batch", {"kind": "../x"}), refused("Standard API not found: ../x")),
]


@pytest.fixture(scope="module")
def limits() -> UploadLimits:
    return LIMITS


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("ask", "say"), [pytest.param(ask, say, id=name) for name, ask, say in ROWS])
async def test_bad_input_gets_a_clear_answer(shared_house: House, ask: Ask, say: Say) -> None:
    house = shared_house
    answer = await house.ask(ask, await house.things(ask.names()))
    assert answer.status == say.status
    assert answer.type == say.type
    if say.body.endswith("*"):
        assert answer.body.startswith(say.body[:-1])
        assert answer.body
    else:
        assert answer.body == say.body
    line = house.one_line_about("request")
    assert line["status"] == say.status


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"../../../etc/passwd", "passwd"),
        (b"/etc/passwd", "passwd"),
        (b"..\\\\..\\\\boot.ini", "boot.ini"),
        (b"..", ""),
        (b"a\x00b.json", None),
        (b"n" * 255, "n" * 255),
        (b"\xff\xfe.json", None),
        ("Übersicht.json".encode(), "Übersicht.json"),
    ],
)
async def test_a_file_name_never_becomes_a_path(house: House, sent: bytes, kept: str | None) -> None:
    things = await house.things({"empty"})
    ask = to_batch("file", Multipart(batch="$empty", name="data0", file=File(DATA, sent)))
    assert (await house.ask(ask, things)).body == sha256(DATA).hexdigest()
    (name,) = await house.filenames(things["empty"])
    assert kept is None or name == kept
    assert not set(name) & set("/\\\x00")  # type: ignore[arg-type]
    assert len(name) <= 255  # type: ignore[arg-type]
    name.encode()  # type: ignore[union-attr]


async def test_a_declared_size_over_the_limit_is_refused_before_the_body(house: House) -> None:
    head = request_bytes("POST", f"{BATCH}/file", house.keys["haplo-batch"], FORM, length=10**12)
    assert (await house.status_line(head)).startswith(b"HTTP/1.1 413 ")


async def test_a_chunked_body_over_the_limit_is_refused(house: House) -> None:
    things = await house.things({"batch"})
    body = Multipart(batch=things["batch"], name="x", file=File(bytes(150_000))).encoded()
    head = request_bytes("POST", f"{BATCH}/file", house.keys["haplo-batch"], FORM)
    answer = await house.send(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert await house.filenames(things["batch"]) == ["data.json"]


async def test_chunks_that_break_at_once_are_a_bad_request(house: House) -> None:
    head = request_bytes("POST", f"{BATCH}/file", house.keys["haplo-batch"], FORM)
    assert b" 400 Bad Request\r\n" in await house.send(head + b"zz\r\nhello\r\n")


async def test_chunks_that_break_later_end_with_the_idle_budget(make_house: MakeHouse) -> None:
    """The parser of aiohttp does not tell the body, so the bytes just stop coming."""
    house = await make_house(replace(LIMITS, idle_seconds=0.1))
    head = request_bytes("POST", f"{BATCH}/file", house.keys["haplo-batch"], FORM, expect=True)
    answer = await house.send_when_asked(head, b"5\r\nhello\r\nzz\r\nhello\r\n")
    assert b"HTTP/1.1 408 " in answer


async def test_a_body_longer_than_declared_is_refused(house: House) -> None:
    things = await house.things({"empty"})
    body = Multipart(batch=things["empty"], name="x", file=File(DATA)).encoded()
    head = request_bytes("POST", f"{BATCH}/file", house.keys["haplo-batch"], FORM, length=len(body))
    answer = await house.send(head + body + b"and more\r\n\r\n")
    assert b" 400 Bad Request\r\n" in answer
    assert await house.filenames(things["empty"]) == []


async def test_a_client_that_goes_away_leaves_nothing(house: House, make_house: MakeHouse) -> None:
    things = await house.things({"empty"})
    body = Multipart(batch=things["empty"], name="x", file=File(DATA)).encoded()
    size = len(body) + 50_000
    head = request_bytes("POST", f"{BATCH}/file", house.keys["haplo-batch"], FORM, length=size, expect=True)
    await house.send_when_asked(head, body, leave=True)
    await house.stop()
    assert "went away" in house.one_line_about("request")["reason"]
    again = await make_house(LIMITS)
    assert await again.filenames(things["empty"]) == []


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(1000)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Key: " + b"secret" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello TLS\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["many headers", "long header", "long path", "TLS", "negative length", "two lengths"],
)
async def test_what_is_not_http_is_one_line_in_the_log(house: House, raw: bytes) -> None:
    assert b" 400 Bad Request\r\n" in await house.send(raw)
    line = house.one_line_about("malformed request")
    assert line["reason"]
    assert "secret" not in repr(house.log)


async def test_too_many_wrong_keys_suspend_those_but_not_the_right_one(house: House) -> None:
    for number in range(20):
        wrong = to_batch("batch", key=None, headers=basic("haplo", f"WRONG{number}" * 9))
        assert '"INVALID-API-KEY"' in (await house.ask(wrong)).body
    assert (await house.ask(to_batch("batch", {"control": "abc"}))).body == "Control file not found: abc"
    answer = await house.ask(wrong)
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert (answer.status, answer.type) == (403, "application/json")
    assert answer.body == (
        '{"success":false,"kind":"THROTTLE","error":{"message":"Too many failed API authentication attempts, '
        'API usage suspended. Pause requests to wait until restriction lifted."}}'
    )


async def test_a_full_disk_is_said_so(make_house: MakeHouse) -> None:
    roomy = await make_house(LIMITS)
    things = await roomy.things({"batch"})
    await roomy.stop()
    full = await make_house(UploadLimits(min_free_bytes=2**60))
    for ask in (to_batch("file", FILE), to_batch("control", Multipart(file=File(CONTROL)))):
        answer = await full.ask(ask, things)
        assert (answer.status, answer.type) == (507, "text/plain; charset=utf-8")
        assert answer.body.startswith("not enough disk space")


async def test_a_refused_upload_leaves_no_blob(house: House) -> None:
    content = b"nobody refers to this"
    await house.ask(to_batch("file", Multipart(FILE, batch="nope", file=File(content))))
    name = sha256(content).hexdigest()
    assert not await asyncio.to_thread(lambda: list((house.data_dir / "blobs").rglob(name)))


async def test_no_secret_reaches_the_log(house: House) -> None:
    key = house.keys["haplo-batch"]
    await house.ask(to_batch("batch", {"control": "abc"}))
    await house.ask(to_batch("batch", {"control": "abc", "_ak": key}, key=None))
    await house.ask(to_batch(f"batch?_ak={key}", {"control": "abc"}, key=None))
    await house.ask(Ask("GET", f"/no/such/place?key={key}"))
    assert len(house.log) == 4
    assert key not in repr(house.log)
    assert key[:16] not in repr(house.log)
