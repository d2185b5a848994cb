"""What a form's headers may say, and what is refused with which words."""

import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from server.engine.errors import (
    PartMissing,
    PartTooLarge,
    TooManyParts,
    UploadIncomplete,
    UploadMalformed,
    UploadTooLarge,
)
from server.engine.uploads.flow import UploadLimits
from server.engine.uploads.multipart import boundary_of, part_of, plain_name
from server.engine.uploads.uploads import Uploads
from storage.blobs.local import LocalBlobs
from storage.digest import digest_of

TYPE = "multipart/form-data; boundary=b"


def body_in(*pieces: Any) -> Any:
    waiting = [piece for piece in pieces if piece]

    async def source() -> Any:
        return waiting.pop(0) if waiting else b""

    return source


def part(headers: Any, data: Any = b"x") -> bytes:
    return b"--b\r\n" + headers.encode() + b"\r\n\r\n" + data + b"\r\n"  # type: ignore[no-any-return]


def field(name: str, value: Any = b"x") -> Any:
    return part(f'Content-Disposition: form-data; name="{name}"', value)


def file(data: bytes, name: str = "file", filename: str = "data.csv") -> Any:
    return part(f'Content-Disposition: form-data; name="{name}"; filename="{filename}"', data)


END = b"--b--\r\n"


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    return LocalBlobs(tmp_path)


@pytest.fixture
async def uploads(tmp_path: Path, blobs: LocalBlobs) -> AsyncIterator[Any]:
    """With tight limits; nothing may be left in flight at the end."""
    limits = UploadLimits(max_form_parts=4, max_field_bytes=50, max_part_header_bytes=300, max_small_body_bytes=2000)
    uploads = Uploads(blobs, limits)
    yield uploads
    await uploads.close()
    assert [path.name for path in (tmp_path / "incoming").iterdir() if path.name != ".lock"] == []


async def test_a_form_gives_fields_and_files(uploads: Any) -> None:
    source = body_in(field("batch", b"B1"), file(b"rows"), field("name", "größe".encode()), END)
    async with await uploads.receive_form(source, TYPE) as form:
        upload = form.file()
        assert form.fields == upload.fields == {"batch": "B1", "name": "größe"}
        assert (upload.digest, upload.size, upload.filename) == (digest_of(b"rows"), 4, "data.csv")


async def test_the_last_of_a_name_counts(uploads: Any) -> None:
    source = body_in(field("a", b"1"), field("a", b"2"), file(b"first"), file(b"second"), END)
    async with await uploads.receive_form(source, TYPE) as form:
        assert form.fields == {"a": "2"}
        assert [upload.digest for upload in form.uploads] == [digest_of(b"second")]


async def test_all_files_of_one_name_where_asked_for(uploads: Any) -> None:
    source = body_in(file(b"first", filename="1.csv"), file(b"second", filename="2.csv"), END)
    async with await uploads.receive_form(source, TYPE, repeated=True) as form:
        assert [upload.filename for upload in form.uploads] == ["1.csv", "2.csv"]


async def test_files_under_other_names_pass_unread(uploads: Any) -> None:
    async with await uploads.receive_form(body_in(file(b"x", name="other"), file(b"y"), END), TYPE) as form:
        assert list(form.files) == ["file"]


async def test_a_form_may_stand_between_other_text_and_padding(uploads: Any) -> None:
    source = body_in(b"preamble\r\n", field("a").replace(b"--b\r\n", b"--b \t\r\n"), END, b"epilogue --b\r\n")
    async with await uploads.receive_form(source, TYPE) as form:
        assert form.fields == {"a": "x"}


@pytest.mark.parametrize(
    "body",
    [
        field("file"),  # a field, not a file
        file(b"", filename=""),  # how a browser says that no file was chosen
        field("other"),
        b"",
    ],
)
async def test_a_missing_file_is_missed_by_name(uploads: Any, body: Any) -> None:
    form = await uploads.receive_form(body_in(body, END), TYPE)
    with pytest.raises(PartMissing, match="the form has no file part 'file'"):
        form.file()


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (field("a") * 5 + END, TooManyParts, "more than 4 parts; see \\[limits\\] max_form_parts"),
        (field("a", b"x" * 51) + END, PartTooLarge, "the form field 'a' is larger than 50 bytes"),
        (part("A: " + "x" * 300) + END, UploadMalformed, "the headers of part 1 are larger than 300 bytes"),
        (b"--b\r\n" + b"A: x\r\n" * 100, UploadMalformed, "the headers of part 1 are larger than 300 bytes"),
        (file(b"half"), UploadIncomplete, "the form ends before its closing boundary"),
        (b"", UploadIncomplete, "ends before its closing boundary"),
        (b"--c\r\nA: x\r\n" + bytes(100_000), UploadMalformed, "does not start with the boundary"),
        (file(b"1") + b"--bad\r\n" + END, UploadMalformed, "a boundary line of the form goes on with b'ad'"),
        (b"--b" + b" " * 400, UploadMalformed, "a boundary line of the form goes on with"),
        (part("Content-Disposition: form-data") + END, UploadMalformed, "part 1 of the form has no Content-Disp"),
        (field("a") + b"--b\r\n\r\nx\r\n" + END, UploadMalformed, "part 2 of the form has no Content-Disposition"),
        (part("no colon") + END, UploadMalformed, "part 1 of the form has a header line without a name: b'no colon'"),
        (
            part('Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: Base64') + END,
            UploadMalformed,
            "part 1 uses Content-Transfer-Encoding base64; send its bytes as they are",
        ),
    ],
)
async def test_a_bad_form_is_refused_in_both_ways_of_reading(
    uploads: Any, body: Any, error: type[Any], message: str
) -> None:
    small_pieces = [body[at : at + 7] for at in range(0, min(len(body), 1900), 7)] + [body[1900:]]
    with pytest.raises(error, match=message):
        await uploads.receive_form(body_in(*small_pieces), TYPE)
    if len(body) < 2000:
        with pytest.raises(error, match=message):
            await uploads.read_form(body_in(body), TYPE)


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("", "Content-Type must be multipart/form-data, not missing"),
        ("text/plain", "Content-Type must be multipart/form-data, not text/plain"),
        ("multipart/form-data", "has no usable boundary"),
        ('multipart/form-data; boundary=""', "has no usable boundary"),
        ("multipart/form-data; boundary=" + "b" * 201, "has no usable boundary"),
        ("multipart/form-data; boundary=ü", "has no usable boundary"),
    ],
)
async def test_a_content_type_that_is_no_form_is_refused_before_reading(
    uploads: Any, content_type: str, message: str
) -> None:
    with pytest.raises(UploadMalformed, match=message):
        await uploads.receive_form(body_in(b"never read"), content_type)


@pytest.mark.parametrize("content_type", [TYPE, 'Multipart/Form-Data ; charset=x; Boundary="b"'])
def test_a_boundary_may_be_quoted(content_type: str) -> None:
    assert boundary_of(content_type) == b"b"


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ("", None),
        ('; filename="a.csv"', "a.csv"),
        ("; filename=a.csv", "a.csv"),
        ('; filename=""', ""),
        ('; filename="../../etc/passwd"', "passwd"),
        ('; filename="C:\\data\\new.csv"', "new.csv"),
        ('; filename="a\\"b.csv"', 'a"b.csv'),
        ('; filename="a%22b.csv"', 'a"b.csv'),
        ('; filename=".."', ""),
        ('; filename="semi;colon.csv"; x=y', "semi;colon.csv"),
        ("; filename=\"fallback.csv\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.csv", "größe.csv"),
        ("; filename*=ISO-8859-1'en'gr%F6.csv", "grö.csv"),
        ("; filename*=UTF-8''..%2F..%2Fpasswd", "passwd"),
        ("; filename*=UTF-8''%FF%00", "\ufffd\ufffd"),
        ("; filename*=x'y; filename=plain.csv", "plain.csv"),
        ("; filename*=windows-1251''%C8%EC%FF.csv", "Имя.csv"),
    ],
)
def test_a_file_name_becomes_text(disposition: str, filename: str | None) -> None:
    assert part_of(f'Content-Disposition: form-data; name="file"{disposition}'.encode(), 1).filename == filename


@pytest.mark.parametrize(
    ("written", "filename"),
    [
        ('"say "hi".json"', 'say "hi".json'),
        ('"say "hi"', 'say "hi'),
        ('"""', '"'),
        ('"say \\"hi\\".json"', 'say "hi".json'),
        ('"5" nails; 6" nails.csv"', '5" nails; 6" nails.csv'),
        ('"a"; b.csv"', 'a"; b.csv'),
        ('"a;b.csv"', "a;b.csv"),
        ('"100%25.csv"', "100%25.csv"),
        ('"50%.csv"', "50%.csv"),
        ('"a%0D%0Ab.csv"', "a\ufffd\ufffdb.csv"),
        ('"a.csv";', "a.csv"),
        ("semi;colon.csv; x=y", "semi;colon.csv"),
        ("two words.csv", "two words.csv"),
        ("it's.csv ; x=y", "it's.csv"),
        ('it is "so".csv', 'it is "so".csv'),
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_the_longest_sensible_reading_of_a_file_name(written: str, filename: str, before: bool) -> None:
    """Libraries differ in what they mark within quotes; the name of the field is right in either order."""
    name = 'name="file"'
    order = f"filename={written}; {name}" if before and not written.endswith(";") else f"{name}; filename={written}"
    found = part_of(f"Content-Disposition: form-data; {order}".encode(), 1)
    assert (found.name, found.filename) == ("file", filename)


def test_a_path_may_end_with_a_backslash() -> None:
    assert part_of(b'Content-Disposition: form-data; name="file"; filename="C:\\data\\"', 1).filename == ""


@pytest.mark.parametrize(
    "disposition",
    [
        'form-data; name="a" junk',
        'form-data; name="file"; filename="a" b',
        'form-data; name="a"; name="b"',
        'form-data; name="a"; filename="b"; FileName="c"',
        'form-data; name="a"; filename="b',
        'form-data; name="a"; =b',
    ],
)
def test_what_cannot_be_read_in_one_way_is_refused(disposition: str) -> None:
    with pytest.raises(UploadMalformed, match="part 1 has a Content-Disposition that cannot be read"):
        part_of(f"Content-Disposition: {disposition}".encode(), 1)


@pytest.mark.parametrize("piece", ['"', '\\"', "; a", '"; a', ";", "\\", '" ', "a=", ";a=", '";a="'])
def test_a_hostile_header_is_read_in_a_moment(piece: str) -> None:
    start = time.process_time()
    for before in ("", '"'):
        with suppress(UploadMalformed):
            part_of(f"Content-Disposition: form-data; name={before}{piece * 3000}".encode(), 1)
    assert time.process_time() - start < 1


@pytest.mark.parametrize("charset", ["", "iso-8859-1", "windows-1252"])
def test_a_name_that_is_not_utf_8_is_read_as_latin_1(charset: str) -> None:
    head = 'Content-Disposition: form-data; name="größe"; filename="Bücher\x00.csv"'.encode("latin-1")
    found = part_of(head, 1, charset)
    assert (found.name, found.filename) == ("größe", "Bücher\ufffd.csv")


def test_a_name_is_read_as_the_form_declares() -> None:
    found = part_of('Content-Disposition: form-data; name="file"; filename="Имя.csv"'.encode("koi8-r"), 1, "KOI8-R")
    assert found.filename == "Имя.csv"
    assert part_of('Content-Disposition: form-data; name="Имя"'.encode(), 1, "KOI8-R").name == "Имя"


def test_a_long_name_is_kept_and_a_longer_one_refused() -> None:
    assert plain_name("x" * 251 + ".csv") == "x" * 251 + ".csv"
    assert plain_name("folder/" * 100 + "x" * 255) == "x" * 255
    with pytest.raises(UploadMalformed, match="a file's name is longer than 255 characters: xxx"):
        plain_name("x" * 252 + ".csv")


CHARSETS = ("ISO-8859-1", "iso_8859-1", "latin1", '"windows-1252"', "UTF-16LE", "utf8", "cp850")


@pytest.mark.parametrize("charset", CHARSETS)
async def test_a_field_is_read_in_its_charset(uploads: Any, charset: str) -> None:
    value = "Bücher".encode(charset.strip('"'))
    head = f'Content-Disposition: form-data; name="a"\r\nContent-Type: text/plain; charset={charset}'
    for read in (uploads.read_form, uploads.receive_form):
        form = await read(body_in(part(head, value), END), TYPE)
        assert form.fields == {"a": "Bücher"}


async def test_a_form_may_declare_the_charset_of_its_fields(uploads: Any) -> None:
    value = "Bücher".encode("latin-1")
    for read in (uploads.read_form, uploads.receive_form):
        form = await read(body_in(field("_charset_", b"iso-8859-1"), field("a", value), END), TYPE)
        assert form.fields == {"a": "Bücher"}
        form = await read(body_in(field("a", value), END), f"{TYPE}; charset=ISO-8859-1")
        assert form.fields == {"a": "Bücher"}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("a=B%FCcher&b=Gr\xf6%DFe", "application/x-www-form-urlencoded; charset=ISO-8859-1"),
        ("_charset_=iso-8859-1&a=B%FCcher&b=Gr%F6%DFe", "application/x-www-form-urlencoded"),
        ("a=B%C3%BCcher&b=Gr\xc3\xb6%C3%9Fe", "application/x-www-form-urlencoded"),
        ("a=B%C3%BCcher&b=Gr%C3%B6%C3%9Fe", "application/x-www-form-urlencoded;charset=utf-8"),
    ],
)
async def test_a_urlencoded_form_is_read_in_its_charset(uploads: Any, body: str, content_type: str) -> None:
    form = await uploads.read_form(body_in(body.encode("latin-1")), content_type)
    assert form.fields == {"a": "Bücher", "b": "Größe"}


@pytest.mark.parametrize(
    "charset", ["klingon", "hex", "idna", "unicode_escape", "punycode", "utf-7", "undefined", "x" * 999]
)
async def test_a_charset_that_nobody_knows_is_refused(uploads: Any, charset: str) -> None:
    with pytest.raises(
        UploadMalformed, match=r"the form field 'a' declares the charset .*, which is not known; send UTF-8"
    ):
        await uploads.read_form(body_in(field("_charset_", charset.encode()[:50]), field("a"), END), TYPE)
    with pytest.raises(UploadMalformed, match="declares the charset"):
        await uploads.read_form(body_in(b"a=b"), f"application/x-www-form-urlencoded; charset={charset}")


@pytest.mark.parametrize("declared", ["", "; charset=utf-8", "; charset=ascii"])
async def test_a_value_that_is_not_in_its_charset_is_refused_not_replaced(uploads: Any, declared: str) -> None:
    head = f'Content-Disposition: form-data; name="a"\r\nContent-Type: text/plain{declared}'
    with pytest.raises(UploadMalformed, match="the form field 'a' is not in "):
        await uploads.read_form(body_in(part(head, b"B\xfccher"), END), TYPE)
    with pytest.raises(UploadMalformed, match="the form field 'a' is not in "):
        await uploads.read_form(body_in(b"a=B%FCcher"), f"application/x-www-form-urlencoded{declared}")


async def test_a_small_form_is_read_into_memory(uploads: Any) -> None:
    form = await uploads.read_form(body_in(field("comment", b"hi"), file(b"{}", filename="c.json"), END), TYPE)
    assert form.fields == {"comment": "hi"}
    assert (form.file().filename, form.file().content) == ("c.json", b"{}")
    with pytest.raises(PartMissing):
        form.file("control")


async def test_an_urlencoded_form_is_read_into_memory(uploads: Any) -> None:
    body = body_in(b"control=abc&comment=", b"two%20words+%C3%BC&empty=&control=last")
    form = await uploads.read_form(body, "application/x-www-form-urlencoded; charset=utf-8")
    assert form.fields == {"control": "last", "comment": "two words ü", "empty": ""}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"a=1&" * 5 + b"a=1", TooManyParts),
        (b"a=" + b"x" * 51, PartTooLarge),
        (b"a=" + b"x" * 2001, UploadTooLarge),
        (b"a=" + b"%" * 151, PartTooLarge),
        (b"x" * 151 + b"=a", PartTooLarge),
        (b"&" * 1000, TooManyParts),
    ],
)
async def test_an_urlencoded_form_has_limits(uploads: Any, body: bytes, error: type[Any]) -> None:
    with pytest.raises(error):
        await uploads.read_form(body_in(body), "application/x-www-form-urlencoded")


async def test_a_field_may_need_three_bytes_for_each_of_its_own(uploads: Any) -> None:
    form = await uploads.read_form(body_in(b"%61%62=" + b"%C3%BC" * 25), "application/x-www-form-urlencoded")
    assert form.fields == {"ab": "ü" * 25}


async def test_what_is_too_long_is_not_decoded_first(uploads: Any) -> None:
    never = patch("server.engine.uploads.uploads.parse_qsl", side_effect=AssertionError)
    with never, pytest.raises(PartTooLarge, match="the form field 'é' is larger than 50 bytes"):
        await uploads.read_form(body_in(b"%C3%A9=" + b"%" * 1000), "application/x-www-form-urlencoded")
