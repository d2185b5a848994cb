"""Any form, cut anywhere, gives the same parts as python-multipart finds in it."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from python_multipart.multipart import MultipartParser

from server.engine.errors import UploadFailed
from server.engine.uploads.multipart import FormParser, plain_name

BOUNDARY = b"X-bound"


class Parts:
    """Collects names and bytes."""

    def __init__(self) -> None:
        self.found = []  # type: ignore[var-annotated]
        self.open = False

    def begin(self, part: Any) -> None:
        assert not self.open
        self.open = True
        self.found.append((part.name, bytearray()))

    def data(self, data: Any) -> None:
        assert self.open
        self.found[-1][1].extend(data)

    def end(self) -> None:
        assert self.open
        self.open = False


def ours(body: Any, cuts: Any) -> list[Any]:
    parts = Parts()
    parser = FormParser(BOUNDARY, parts, max_parts=1000)
    last = 0
    for cut in sorted({min(cut, len(body)) for cut in cuts} | {len(body)}):
        parser.feed(body[last:cut])
        last = cut
    parser.finish()
    assert not parts.open
    return [(name, bytes(data)) for name, data in parts.found]


def theirs(body: Any) -> list[Any]:
    found = []
    header = bytearray()

    def begin() -> None:
        header.clear()
        found.append(["", bytearray()])

    def value(data: Any, start: Any, end: Any) -> None:
        header.extend(data[start:end])

    def end_of_headers() -> None:
        found[-1][0] = header.decode().partition('name="')[2].rstrip('"')

    parser = MultipartParser(
        BOUNDARY,
        {  # type: ignore[arg-type]
            "on_part_begin": begin,
            "on_header_value": value,
            "on_headers_finished": end_of_headers,
            "on_part_data": lambda data, start, end: found[-1][1].extend(data[start:end]),  # type: ignore[attr-defined]
        },
    )
    parser.write(body)
    parser.finalize()
    return [(name, bytes(data)) for name, data in found]  # type: ignore[arg-type]


def form(parts: Any) -> bytes:
    pieces = []
    for name, data in parts:
        pieces.append(b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="' + name.encode() + b'"\r\n\r\n')
        pieces.append(data + b"\r\n")
    return b"".join([*pieces, b"--" + BOUNDARY + b"--\r\n"])


almost = st.lists(
    st.sampled_from(
        [b"\r", b"\n", b"\r\n", b"-", b"--", b"\r\n--", b"\r\n--X", b"\r\n--X-boun", BOUNDARY[:-1], b"d", b"x"]
    )
).map(b"".join)
contents = st.one_of(st.binary(max_size=200), almost).filter(lambda data: b"\r\n--" + BOUNDARY not in b"\r\n" + data)
forms = st.lists(st.tuples(st.from_regex(r"[a-z]{1,8}", fullmatch=True), contents), min_size=1, max_size=5)


@given(forms, st.lists(st.integers(0, 1500), max_size=30))
@example([("a", b"\r\n--X-boun"), ("b", b"\r")], list(range(1500)))
def test_any_cut_of_any_form_gives_the_same_parts(parts: Any, cuts: Any) -> None:
    body = form(parts)
    assert ours(body, cuts) == theirs(body) == parts


@given(forms, st.data())
def test_a_form_cut_short_is_never_whole(parts: Any, data: Any) -> None:
    body = form(parts)
    short = body[: data.draw(st.integers(0, len(body) - len(b"--\r\n")))]
    with pytest.raises(UploadFailed):
        ours(short, [])


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_any_bytes_are_parsed_or_refused(noise: Any, cuts: Any) -> None:
    body = b"--" + BOUNDARY + noise
    try:
        whole = ours(body, [])
    except UploadFailed as error:
        with pytest.raises(type(error)):
            ours(body, cuts)
    else:
        assert ours(body, cuts) == whole


@given(st.text(max_size=400))
@example("../../etc/passwd")
@example("C:\\Users\\x\\data.csv")
@example("a\x00b\ud800.csv")
@example("..")
def test_a_file_name_is_text_never_a_path(name: Any) -> None:
    plain = plain_name(name)
    assert not set(plain) & set("/\\\x00\r\n")
    assert plain not in (".", "..")
    assert len(plain) <= 200
    plain.encode("utf-8")
