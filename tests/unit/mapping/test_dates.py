"""Date patterns in the notation of SimpleDateFormat."""

import time
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest

from server.mapping.values.types.dates import ISO_8601, date_parser


@pytest.mark.parametrize(
    ("pattern", "text", "stored"),
    [
        ("yyyy-MM-dd", "2018-02-10", "2018-02-10T00:00:00Z"),
        ("yyyy-MM-dd", "2018-2-1 and more", "2018-02-01T00:00:00Z"),
        ("yyyy-MM-dd", " 2018- 02-\t10", "2018-02-10T00:00:00Z"),
        ("yyyy-MM-dd", "18-02-10", "0018-02-10T00:00:00Z"),
        ("y", "2018", "2018-01-01T00:00:00Z"),
        ("yyyyMMdd", "20180210", "2018-02-10T00:00:00Z"),
        ("yyyyMMddHHmmss", "20180210111213", "2018-02-10T11:12:13Z"),
        ("dd/MM/yyyy HH:mm", "10/02/2018 23:59", "2018-02-10T23:59:00Z"),
        ("dd/MM/yy", "1/2/2018", "2018-02-01T00:00:00Z"),
        ("d MMM yyyy", "3 sep 2020", "2020-09-03T00:00:00Z"),
        ("d MMM yyyy", "3 September 2020", "2020-09-03T00:00:00Z"),
        ("MMMM d, yyyy", "May 3, 2020", "2020-05-03T00:00:00Z"),
        ("EEE, d MMM yyyy HH:mm:ss Z", "Sat, 10 Feb 2018 01:02:03 -0500", "2018-02-10T06:02:03Z"),
        ("yyyy-MM-dd'T'HH:mm:ssXXX", "2018-02-10T10:11:12+01:30", "2018-02-10T08:41:12Z"),
        ("yyyy-MM-dd'T'HH:mm:ssX", "2018-02-10T10:11:12Z", "2018-02-10T10:11:12Z"),
        ("yyyy-MM-dd HH:mm:ss.SSS z", "2018-02-10 10:11:12.045 PST", "2018-02-10T18:11:12.045Z"),
        ("yyyy-MM-dd HH:mm z", "2018-02-10 10:11 GMT+02:00", "2018-02-10T08:11:00Z"),
        ("h:mm a", "12:30 AM", "1970-01-01T00:30:00Z"),
        ("h:mm a", "12:30 pm", "1970-01-01T12:30:00Z"),
        ("K a", "11 PM", "1970-01-01T23:00:00Z"),
        ("kk", "24", "1970-01-01T00:00:00Z"),
        ("D yyyy", "60 2020", "2020-02-29T00:00:00Z"),
        ("yyyy 'o''clock' ''", "2018 o'clock '", "2018-01-01T00:00:00Z"),
        ("yyyy G", "2018 AD", "2018-01-01T00:00:00Z"),
        ("HHXd", "10+0102", "1970-01-02T09:00:00Z"),
        ("HHXXd", "10+01002", "1970-01-02T09:00:00Z"),
        ("HHXXXXd", "10+01:002", "1970-01-02T09:00:00Z"),
        ("HHZd", "10+01002", "1970-01-02T09:00:00Z"),
        ("HHzd", "10 GMT+01:002", "1970-01-02T09:00:00Z"),
        ("EEEMMM d yyyy", "mondaymay 4 2020", "2020-05-04T00:00:00Z"),
        ("yyyy-MM-dd", "2020-02-29", "2020-02-29T00:00:00Z"),
        (ISO_8601, "2018-02-10", "2018-02-10T00:00:00Z"),
        (ISO_8601, "2018-02-10T10:11:12.5+02:00", "2018-02-10T08:11:12.500Z"),
        (ISO_8601, "2018-02-10T10:11:12Z", "2018-02-10T10:11:12Z"),
    ],
)
def test_read(pattern: Any, text: str, stored: str) -> None:
    assert date_parser(pattern)(text) == stored


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyyy-MM-dd", "2018-13-10"),
        ("yyyy-MM-dd", "2018-02-30"),
        ("yyyy-MM-dd", "2019-02-29"),
        ("yyyy-MM-dd", "0000-01-01"),
        ("yyyy-MM-dd", "2018-02--1"),
        ("yyyy-MM-dd", "2018/02/10"),
        ("yyyy-MM-dd", ""),
        ("yyyy-MM-dd", "\uff12018-02-10"),
        ("yyyyMMdd", "20180"),
        ("HH:mm", "24:00"),
        ("HH:mm", "10:60"),
        ("hh:mm a", "13:00 PM"),
        ("D yyyy", "366 2019"),
        ("SSS", "1000"),
        ("d MMM yyyy", "3 Xyz 2020"),
        ("d MMM yyyy", "3 \u017fep 2020"),
        ("h a", "1 \uff41m"),
        ("HH:mm z", "10:11 \u212at"),
        ("HH Z", "10 +2400"),
        ("yyyy-MM-dd Z", "0001-01-01 +0100"),
        (ISO_8601, "10/02/2018"),
        (ISO_8601, "2018-02-10T00:00:00" + "0" * 40),
    ],
)
def test_refused(pattern: Any, text: str) -> None:
    assert date_parser(pattern)(text) is None


def test_two_digits_are_a_year_within_the_hundred_around_now() -> None:
    now = datetime.now(UTC).year
    parse = date_parser("yy")
    for year in (now - 79, now - 1, now, now + 1, now + 19):
        assert parse(f"{year % 100:02d}") == f"{year}-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("Xd" * 60 + "'!'", "+01020" * 60 + "?"),
        ("zd" * 60 + "'!'", "GMT+1:020" * 60 + "?"),
        ("Zd" * 60 + "'!'", "+10200" * 60 + "?"),
        ("XX" * 60 + "'!'", "+0102" * 60 + "?"),
        ("EEE" + "'mon'EEE" * 20 + "'!'", "monday" * 100),
        ("MMM'm'" * 30 + "'!'", "mayma" * 100),
        ("d' '" * 45 + "'!'", " 1" * 1_000_000),
        ("' ' d" * 30 + "'!'", " " * 1_000_000),
        ("d " * 60 + "'!'", "1" + " " * 1_000_000),
        ("d" * 190 + "M", "1" * 1_000_000),
        ("a" * 3 + "G" * 3 + "'!'", "amad" * 100_000),
    ],
)
def test_no_pattern_takes_long_over_a_text_that_almost_fits(pattern: str, text: str) -> None:
    begun = time.process_time()
    assert date_parser(pattern)(text) is None
    assert time.process_time() - begun < 2


def test_long_texts_are_not_kept() -> None:
    parse = date_parser("yyyy")
    texts = [f"{year}{'.' * 1_000_000}" for year in range(1900, 1903)]
    tracemalloc.start()
    for text in texts:
        parse(text)
    texts.clear()
    del text
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1_000_000


def test_a_pattern_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than 200 characters"):
        date_parser("d " * 101)


@pytest.mark.parametrize("pattern", ["YYYY-MM-dd", "yyyy-ww", "'open", "i", "yyyy'"])
def test_patterns_that_cannot_be_used(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"is not supported|is not closed"):
        date_parser(pattern)


@pytest.mark.parametrize(
    "rest", ["", " ", "\t\n", " 00:00", " 0:00", "T00:00:00", " 00:00:00.000", "T00:00:00Z", " 00:00  "]
)
def test_a_whole_text_may_end_in_blanks_and_midnight(rest: str) -> None:
    assert date_parser("dd/MM/yyyy", whole=True)("31/01/2026" + rest) == "2026-01-31T00:00:00Z"


@pytest.mark.parametrize("rest", [" 14:30", "/7", " or later", "T00:00:01", " 00:00 x", "Z"])
def test_a_whole_text_does_not_go_on_behind_the_date(rest: str) -> None:
    assert date_parser("dd/MM/yyyy", whole=True)("31/01/2026" + rest) is None
    assert date_parser("dd/MM/yyyy")("31/01/2026" + rest) == "2026-01-31T00:00:00Z"
