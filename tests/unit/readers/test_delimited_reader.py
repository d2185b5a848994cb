"""`tsv-with-name-row` as the vendor's documentation has it, and our `csv-with-name-row`."""

import io
from collections.abc import Sequence

import pytest

from server.readers import READERS
from server.readers.base import BadRecord, Block, FileBroken
from server.readers.text.charsets import is_linewise, python_codec
from server.readers.text.delimited_reader import ROW_LINES, Csv, Rows, TextFeed, TextLine
from server.readers.text.lines import LINE_CAP


def blocks(name: str, data: bytes, **options: object) -> list[Block]:
    return list(READERS[name].blocks(io.BytesIO(data), options))


def tsv(data: bytes, **options: object) -> list[object]:
    return [record for block in blocks("tsv-with-name-row", data, **options) for record in block.records]


def csv(data: bytes, **options: object) -> list[object]:
    return [record for block in blocks("csv-with-name-row", data, **options) for record in block.records]


class TestTsv:
    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"", []),
            (b"a\tb", []),
            (b"a\tb\n1\t2", [{"a": "1", "b": "2"}]),
            (b"a\tb\r\n1\t2\r\n", [{"a": "1", "b": "2"}]),
            (b"a\tb\r1\t2\r3\t4\r", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
            (b"a\tb\n\n\r\n1\t2\n\n\n", [{"a": "1", "b": "2"}]),
            (b"\xef\xbb\xbfa\tb\n1\t2\n", [{"a": "1", "b": "2"}]),
            (b"a\tb\n\t2\n", [{"b": "2"}]),
            (b"a\tb\n1\n", [{"a": "1"}]),
            (b"a\tb\n1\t2\t3\n", [{"a": "1", "b": "2"}]),
            (b"a\tb\n\t\n1\t2\n\t\t\n", [{"a": "1", "b": "2"}]),
            (b'a\tb\n "1" \t2 \n', [{"a": ' "1" ', "b": "2 "}]),
            (b"a\n1\n\n2\n", [{"a": "1"}, {"a": "2"}]),
            (b"a\ta\n1\t\n3\t4\n", [{"a": "1"}, {"a": "4"}]),
        ],
    )
    def test_what_the_records_are(self, data: bytes, expected: list[object]) -> None:
        assert tsv(data) == expected

    def test_a_separator_is_plain_text_of_any_length(self) -> None:
        assert tsv(b"a.*b\n1.*2\n", separator=".*") == [{"a": "1", "b": "2"}]

    def test_only_cr_and_lf_end_a_line(self) -> None:
        assert tsv("a\tb\n1\u2028x\x0b\x85\t2\n".encode()) == [{"a": "1\u2028x\x0b\x85", "b": "2"}]

    def test_lines_are_counted_as_an_editor_counts_them(self) -> None:
        (block,) = blocks("tsv-with-name-row", b"a\tb\r\n\r\n1\t2\r\n\n3\t4")
        assert list(block.lines) == [3, 5]
        assert [block.originals(0), block.originals(1)] == [b"1\t2", b"3\t4"]

    @pytest.mark.parametrize("charset", ["Cp1252", "windows-1252", "ISO8859_15", "x-MacRoman", "UTF-16LE", "IBM850"])
    def test_a_charset_by_any_name_that_java_knows(self, charset: str) -> None:
        codec = python_codec(charset)
        assert codec is not None
        assert tsv("a\tb\nZoë\tÅ\n".encode(codec), charset=charset) == [{"a": "Zoë", "b": "Å"}]

    def test_utf16_with_and_without_a_mark(self) -> None:
        text = "a\tb\nZoë\t2\n"
        for data in (text.encode("utf-16"), text.encode("utf-16-be"), b"\xfe\xff" + text.encode("utf-16-be")):
            assert tsv(data, charset="UTF-16") == [{"a": "Zoë", "b": "2"}]

    def test_bytes_outside_the_charset_fail_their_record_alone(self) -> None:
        (block,) = blocks("tsv-with-name-row", b"a\tb\n1\t2\n\xff\t4\n5\t6\n")
        assert list(block.records[::2]) == [{"a": "1", "b": "2"}, {"a": "5", "b": "6"}]
        message = "line 3 has bytes that are not valid utf-8: '\ufffd\\t4'"
        hint = "; the file seems to be in windows-1252: set the option `charset`"
        assert block.records[1] == BadRecord(message + hint)
        assert block.originals(1) == b"\xff\t4"

    def test_bytes_outside_a_charset_of_pairs_fail_their_record_alone(self) -> None:
        first, bad, last = tsv(
            "a\tb\n1\t2\n".encode("utf-16-le") + b"\x00\xd8\n\0" + "3\t4".encode("utf-16"), charset="UTF-16LE"
        )
        assert (first, last) == ({"a": "1", "b": "2"}, {"a": "\ufeff3", "b": "4"})
        assert isinstance(bad, BadRecord)
        assert "line 3 has bytes that are not valid utf-16-le" in bad.message

    def test_half_a_character_at_the_end_is_told(self) -> None:
        first, bad = tsv("a\tb\n1\t2\n3\t4".encode("utf-16") + b"\0")
        assert first == {"a": "1", "b": "2"}
        assert isinstance(bad, BadRecord)

    def test_a_line_over_the_cap_fails_alone(self) -> None:
        _, bad, last = tsv(b"a\tb\n1\t2\n" + b"x" * (LINE_CAP + 1_100_000) + b"\n3\t4\n")
        assert isinstance(bad, BadRecord)
        assert "line 3 is" in bad.message
        assert last == {"a": "3", "b": "4"}

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            ({"charset": "klingon"}, "Unknown charset 'klingon'"),
            ({"charset": "base64"}, "Unknown charset 'base64'"),
            ({"charset": 7}, "Unknown charset 7"),
            ({"separator": ""}, "Invalid separator ''"),
            ({"separator": None}, "Invalid separator None"),
        ],
    )
    def test_wrong_options_are_named(self, options: dict[str, object], problem: str) -> None:
        found = READERS["tsv-with-name-row"].check(options)
        assert found is not None
        assert found.startswith(problem)
        with pytest.raises(FileBroken, match=problem):
            tsv(b"a\tb\n1\t2\n", **options)


class TestCsv:
    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"", []),
            (b"a,b\n1,2", [{"a": "1", "b": "2"}]),
            (b'a,b\n"1,x","say ""hi"""\n', [{"a": "1,x", "b": 'say "hi"'}]),
            (b'a,b\r\n"1\r\n2",3\r\n4,5\r\n', [{"a": "1\r\n2", "b": "3"}, {"a": "4", "b": "5"}]),
            (b'"a\nb",c\n1,2\n', [{"a\nb": "1", "c": "2"}]),
            (b"a,b\r1,2\r", [{"a": "1", "b": "2"}]),
            (b'a,b\n\n1,\n,\n"",""\n   \n,,,\n', [{"a": "1"}]),
            (b'a,b\n1,2,\n3,4,"",\n', [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
            (b'a\n1\n""\n2\n', [{"a": "1"}, {"a": "2"}]),
            (b"a,b\n1\n", [{"a": "1"}]),
            (b'a,b\n1,5" pipe\n', [{"a": "1", "b": '5" pipe'}]),
        ],
    )
    def test_what_the_records_are(self, data: bytes, expected: list[object]) -> None:
        assert csv(data) == expected

    def test_other_separators_and_quotes(self) -> None:
        assert csv(b"a;b\n'1;x';2\n", separator=";", quote="'") == [{"a": "1;x", "b": "2"}]
        assert csv(b'a,b\n"1,2"\n', quote="") == [{"a": '"1', "b": '2"'}]

    def test_a_row_with_more_cells_than_names_fails_alone(self) -> None:
        first, bad, third = csv(b"a,b\n1,2\n3,4,5,6\n7,8\n")
        assert (first, third) == ({"a": "1", "b": "2"}, {"a": "7", "b": "8"})
        assert bad == BadRecord("line 3 has 4 cells, the name row has 2; the first without a name: '5'")

    def test_a_row_with_text_after_a_quoted_cell_fails_alone(self) -> None:
        first, bad, third = csv(b'a,b\n1,2\n"3"x,4\n5,6\n')
        assert (first, third) == ({"a": "1", "b": "2"}, {"a": "5", "b": "6"})
        assert isinstance(bad, BadRecord)
        assert bad.message.startswith("line 3: not valid CSV, ")

    def test_a_stray_quote_costs_its_own_row_where_what_follows_are_rows(self) -> None:
        rows = b"".join(b"%d,x\n" % n for n in range(3000))
        for swallowed in (b"5,6\n7,8\n", b'5,6\n7,"8"\n', b'5,"6"\n7,8\n'):
            first, bad, *rest = csv(b'a,b\n1,2\n3,"4\n' + swallowed + rows)
            assert first == {"a": "1", "b": "2"}
            assert bad == BadRecord("line 3: a quote is opened that this row does not close: '3,\"4'")
            assert rest[:2] == [{"a": "5", "b": "6"}, {"a": "7", "b": "8"}]
            assert len(rest) == 3002

    def test_a_quote_that_is_never_closed_breaks_the_file_behind_the_rows_before_it(self) -> None:
        data = b"a,b\n" + b"1,2\n" * 2500 + b'3,"4\nmore text\n5,6\n'
        found = READERS["csv-with-name-row"].blocks(io.BytesIO(data), {})
        assert [len(next(found).records) for _ in range(3)] == [1000, 1000, 500]
        with pytest.raises(FileBroken, match="Line 2502: a quoted cell"):
            next(found)

    def test_a_quote_that_is_never_closed_takes_so_many_lines_at_most(self) -> None:
        with pytest.raises(FileBroken, match="Line 2: a quoted cell"):
            csv(b'a,b\n"' + b"text\n" * (ROW_LINES + 10))
        bad, *rest = csv(b'a,b\n"' + b"1,2\n" * (ROW_LINES + 10))
        assert isinstance(bad, BadRecord)
        assert len(rest) == ROW_LINES + 9

    def test_text_over_several_lines_that_is_wrong_fails_with_all_of_them(self) -> None:
        first, bad, last = csv(b'a,b\n1,2\n"one\ntwo "three" four\n5,6\n')
        assert (first, last) == ({"a": "1", "b": "2"}, {"a": "5", "b": "6"})
        assert isinstance(bad, BadRecord)
        assert bad.message.startswith("line 3 to 4: not valid CSV")

    def test_a_cell_may_be_as_long_as_a_line(self) -> None:
        long = "x" * 1_500_000
        assert csv(f'a,b\n1,{long}\n2,"{long}"\n3,c\n'.encode()) == [
            {"a": "1", "b": long},
            {"a": "2", "b": long},
            {"a": "3", "b": "c"},
        ]

    def test_a_record_keeps_its_own_lines(self) -> None:
        (block,) = blocks("csv-with-name-row", b'a,b\n\n"1\n\n2",3\r\n4,5\n')
        assert list(block.lines) == [3, 6]
        assert [block.originals(0), block.originals(1)] == [b'"1\n\n2",3', b"4,5"]

    def test_bytes_outside_the_charset_fail_their_record_alone(self) -> None:
        first, bad, third = csv(b'a,b\n1,2\n"x\n\xff",4\n5,6\n')
        assert (first, third) == ({"a": "1", "b": "2"}, {"a": "5", "b": "6"})
        assert isinstance(bad, BadRecord)
        assert "line 3 has bytes that are not valid utf-8" in bad.message

    @pytest.mark.parametrize(
        "options", [{"separator": "ab"}, {"separator": "\n"}, {"quote": "''"}, {"quote": ","}, {"quote": None}]
    )
    def test_wrong_options_are_named(self, options: dict[str, object]) -> None:
        assert READERS["csv-with-name-row"].check(options)

    def test_two_columns_of_one_name_have_no_rows_by_place(self) -> None:
        (block,) = blocks("csv-with-name-row", b"a,a\n1,2\n")
        assert (block.names, block.rows) == (None, None)
        assert list(block.records) == [{"a": "2"}]


@pytest.mark.parametrize("codec", ["utf-16", "utf-7", "iso2022_jp", "cp037", "utf-32"])
def test_some_charsets_cannot_be_cut_at_line_ends(codec: str) -> None:
    assert not is_linewise(codec)


def test_a_charset_that_is_not_linewise_goes_on_by_lines() -> None:
    data = ("a,b\n" + "".join(f'"Zoë\n{n}",{n}\n' for n in range(20))).encode("utf-16")
    reader, options = READERS["csv-with-name-row"], {"charset": "utf-16"}
    whole = [record for block in reader.blocks(io.BytesIO(data), options) for record in block.records]
    assert len(whole) == 20
    for block in reader.blocks(io.BytesIO(data), options, size=3):
        rest = reader.blocks(io.BytesIO(data), options, start=block.end)
        assert [record for later in rest for record in later.records] == whole[block.end.record :]


@pytest.mark.parametrize(
    ("line", "separator"),
    [
        (b"sep=;", b";"),
        (b"sep=,\r", b","),
        (b"SEP=|", b"|"),
        (b'"sep=;"', b";"),
        (b"\xef\xbb\xbfsep=;", b";"),
        (b"sep=\t", b"\t"),
        (rb"sep=\t", b"\t"),
        (b"sep=;;;", b";"),
    ],
)
@pytest.mark.parametrize("reader", ["csv-with-name-row", "tsv-with-name-row"])
def test_a_first_line_may_name_the_separator(reader: str, line: bytes, separator: bytes) -> None:
    data = line + b"\n" + separator.join([b"a", b"b"]) + b"\n" + separator.join([b"1", b"2"]) + b"\n"
    found = blocks(reader, data)
    assert [*found[0].records] == [{"a": "1", "b": "2"}]
    assert list(found[0].lines) == [3]
    (again,) = READERS[reader].blocks(io.BytesIO(data + b"3" + separator), {}, start=found[0].end)
    assert [*again.records] == [{"a": "3"}]


@pytest.mark.parametrize("data", [b"sep=\n1\n", b"a\nsep=;\n", b"sep=;x\n1\n"])
def test_what_only_looks_like_a_separator_line_is_a_row(data: bytes) -> None:
    assert len(csv(data)) == 1


@pytest.mark.parametrize("mark", [b"\x1a", b"\x1a\r\n", b"\x1a" * 100, b"\x1a\0\0"])
@pytest.mark.parametrize("before", [b"\r\n", b""])
@pytest.mark.parametrize("reader", ["csv-with-name-row", "tsv-with-name-row"])
def test_an_end_mark_of_old_systems_is_no_row(reader: str, before: bytes, mark: bytes) -> None:
    (block,) = blocks(reader, b"a\r\nx\x1ay\r\n2" + before + mark)
    assert [*block.records] == [{"a": "x\x1ay"}, {"a": "2"}]


@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("option", [None, "windows-1252", "utf-8", "utf-16"])
def test_a_byte_order_mark_says_what_a_file_is_in(charset: str, option: str | None) -> None:
    options = {} if option is None else {"charset": option}
    (block,) = blocks("csv-with-name-row", "id,name\n1,Zoë\n".encode(charset), **options)
    assert [*block.records] == [{"id": "1", "name": "Zoë"}]
    assert bool(block.remarks) == (option is not None and option not in (charset, charset.removesuffix("-sig")))


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_refused_with_the_way_out(codec: str) -> None:
    with pytest.raises(FileBroken, match="set the option `charset`") as caught:
        csv("id,name\n1,a\n".encode(codec))
    assert codec.upper().replace("-LE", "LE").replace("-BE", "BE") in str(caught.value)
    assert csv("id,name\n1,a\n".encode(codec), charset=codec) == [{"id": "1", "name": "a"}]


def test_more_than_one_mark_is_passed_over() -> None:
    assert csv("\ufeff\ufeffid\n1\n".encode()) == [{"id": "1"}]


def test_a_file_without_records_gives_its_names_and_an_empty_one_a_remark() -> None:
    (names,) = blocks("csv-with-name-row", b"a,b\n")
    assert (names.names, len(names.records)) == (("a", "b"), 0)
    (empty,) = blocks("csv-with-name-row", b"")
    assert empty.remarks == ("the file is empty: it has no names, and no records",)


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        ("id,name\n1,Zoë\n2,Müller\n".encode("cp1252"), "windows-1252"),
        ("id,name\n1,Иван Иванович и Мария\n".encode("cp1251"), ""),
        (b"id,name\n1,\x81\n", ""),
    ],
)
def test_a_likely_charset_is_named_or_none(data: bytes, hint: str) -> None:
    first = csv(data)[0]
    assert isinstance(first, BadRecord)
    assert first.message.endswith(f"the file seems to be in {hint}: set the option `charset`") or not hint
    assert ("seems" in first.message) == bool(hint)


@pytest.mark.parametrize("blank", ["  ,", " , ,", '" "," "', "\u00a0,\u3000", "   ", '"",', '" ", '])
def test_rows_of_separators_and_blanks_are_passed_over(blank: str) -> None:
    expected = [{"a": "1", "b": "2"}, {"a": " ", "b": "3"}]
    assert csv(f"a,b\n1,2\n{blank}\n , \n ,3\n{blank}\n".encode()) == expected
    plain = blank.replace('"', "").replace(",", "\t")
    assert tsv(f"a\tb\n1\t2\n{plain}\n \t \n \t3\n{plain}\n".encode()) == expected


def test_cells_of_tsv_beyond_the_names_are_told() -> None:
    data = b"a\tb\n1\t2\n1\t2\t\tlost\t\n1\t2\t\t\n" + b"1\t2\tmore\n" * 3
    (block,) = blocks("tsv-with-name-row", data)
    assert list(block.records) == [{"a": "1", "b": "2"}] * 6
    assert block.remarks == (
        "line 3 has 5 cells, the name row has 2; those without a name are not read, the first is 'lost'; "
        "so in 3 more of the lines up to 7",
    )


@pytest.mark.parametrize("end", [", ", ",  ,\u00a0", '," "', ", ,,\u3000,"])
def test_blanks_to_the_right_of_the_names_hold_nothing(end: str) -> None:
    assert csv(f"a,b\n1,2{end}\n3,4\n".encode()) == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    (block,) = blocks("tsv-with-name-row", f"a\tb\n1\t2{end}\n".replace(",", "\t").replace('"', "").encode())
    assert (list(block.records), block.remarks) == ([{"a": "1", "b": "2"}], ())


@pytest.mark.parametrize(
    ("before", "closely"),
    [
        (b"", 0),
        (b'"two\nlines",0\n', 1),
        (b"\xff,0\n", 1),
    ],
)
def test_only_the_lines_that_need_it_are_read_closely(
    monkeypatch: pytest.MonkeyPatch, before: bytes, closely: int
) -> None:
    """Plain rows in front of a long file, behind it and around an unusual row take the fast path."""
    read = Csv._closely
    slow: list[int] = []

    def counted(self: Csv, lines: Sequence[TextLine], more: TextFeed, line: int, width: int) -> Rows:
        slow.append(len(lines))
        return read(self, lines, more, line, width)

    monkeypatch.setattr(Csv, "_closely", counted)
    plain = b"".join(b"some text,%d\n" % number for number in range(200_000))
    records = csv(b"a,b\n" + before + plain, charset="utf-8")
    assert len(records) == 200_000 + closely
    assert sum(slow) <= closely * 120_000  # an unusual line costs the step that it came in, and no more
