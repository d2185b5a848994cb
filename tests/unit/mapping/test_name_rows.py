"""The names of a file against those that a control file reads: what is the same, what is nearly, what is missed."""

import unicodedata

import pytest

from server.engine.execution.column_names import NameCheck
from server.mapping.language.name_rows import NameRow, plain_name, read_names, remarks_on
from server.mapping.model.scope import RunFault
from server.readers.base import START, Block, RowRecords, table_block
from server.readers.formats import FORMATS


def field(source: str) -> dict[str, object]:
    return {"source": source, "destination": "d", "name": "n"}


READ = read_names({"instructions": [field("id"), field("größe"), field("first name")]})


def matched(*columns: str) -> NameRow:
    return READ.match(columns)


@pytest.mark.parametrize(
    "column",
    [
        " größe",
        "größe ",
        "größe\u00a0",
        "\u200bgröße",
        "grö\u00adße",
        "\ufeffgröße",
        unicodedata.normalize("NFD", "größe"),
        "größe\t",
        "\u2066größe\u2069",
    ],
)
def test_a_name_that_looks_the_same_is_the_same(column: str) -> None:
    row = matched("id", column, "first\u00a0name")
    assert row == NameRow(("id", "größe", "first name"), [], {}, [], True)


@pytest.mark.parametrize("column", ["Größe", "GRÖßE", "\uff27RÖßE"])
def test_a_name_in_another_case_is_close_and_not_the_same(column: str) -> None:
    row = matched("id", column)
    assert (row.missed, row.close) == (["größe", "first name"], {"größe": column})


def test_an_exact_name_goes_before_one_that_looks_the_same() -> None:
    row = matched("id ", "id", "größe", "first name")
    assert (row.names[:2], row.repeated) == (("id ", "id"), ["id"])


def test_names_that_are_both_read_are_not_one_name() -> None:
    both = read_names({"instructions": [field("id"), field("id ")]})
    assert both.match(("id", "id ")) == NameRow(("id", "id "), [], {}, [], True)


def test_a_repeated_name_is_told_where_it_is_read() -> None:
    row = matched("id", "id", "größe", "first name", "other", "other")
    assert [*remarks_on(row, ("id", "id"))] == [
        'more than one column is called "id": only one of them is read, and the values of the others are not imported'
    ]


def test_what_is_missed_is_told_with_what_is_there() -> None:
    row = matched("id", "gro\u0308sse", "x\x1b")
    (remark,) = remarks_on(row, ("id", "x\x1b"))
    assert (
        remark == 'no column is called "größe", "first name", which the import reads; the columns are "id", "x\\u001b"'
    )


def test_what_is_asked_about_only_is_not_missed() -> None:
    control = {
        "instructions": [
            {"action": "if-exists", "source": "a", "then": [field("a"), field("b")]},
            {"action": "for-each", "source": "list", "instructions": [field("inner")]},
            {"action": "identify", "columns": {":key": "key"}, "else": [field("c")]},
            {"action": "unheard of", "source": "z"},
        ]
    }
    read = read_names(control)
    assert read.all == {"a", "b", "list", ":key", "c"}
    assert read.needed == ("b", "list", ":key", "c")


def test_instructions_that_refuse_other_columns_do_so_for_each_record() -> None:
    read = read_names({"instructions": [{"action": "only-columns", "columns": ["a"]}, field("a")]})
    assert read.match(("b",)) == NameRow(("b",), [], {}, [], True)


def test_blanks_inside_are_one_blank() -> None:
    assert plain_name("a \u2003 b") == "a b"


def test_a_thousand_names_are_matched_at_once() -> None:
    names = [f"name {n}" for n in range(20_000)]
    row = read_names({"instructions": [field(name) for name in names]}).match([f"{name} " for name in names])
    assert row.names == tuple(names)


def block_of(*records: object) -> Block:
    return Block(records, (), lambda index: b"", START)


def table(*names: str) -> Block:
    return table_block(names, [["1"] * len(names)], [2], lambda index: b"", START)


class TestCheck:
    def check(self, format: str = "csv-with-name-row") -> NameCheck:
        return NameCheck(READ, "people.csv", has_fixed_names=FORMATS[format].has_fixed_names)

    def test_a_table_is_renamed_for_the_whole_file(self) -> None:
        check = self.check()
        for remarks in (1, 0):
            block = check(table("id", "größe ", "other"))
            assert (block.names, len(block.remarks)) == (("id", "größe", "other"), remarks)
            assert [*block.records] == [{"id": "1", "größe": "1", "other": "1"}]

    def test_two_columns_that_look_like_one_name_have_no_rows_by_place(self) -> None:
        block = self.check()(table("id", " größe", "größe "))
        assert (block.names, block.rows) == (None, None)
        assert isinstance(block.records, RowRecords)
        assert block.records[0] == {"id": "1", "größe": "1"}

    @pytest.mark.parametrize(
        ("names", "words"),
        [
            (
                ("ID", "Größe"),
                'no column of it is read. The import reads "id", "größe", "first name"; .* "ID", "Größe"',
            ),
            (("id;größe",), "separated by ';': set the option `separator`"),
            (("'Größe' | \"id\"",), r"separated by '\|': set the option `separator`"),
            (("Good day, these are our people",), "Check the names, and that nothing stands before them"),
            (("id", "First Name"), '"first name" is read, and "First Name" is there'),
        ],
    )
    def test_a_table_is_refused_with_what_is_missed(self, names: tuple[str, ...], words: str) -> None:
        with pytest.raises(RunFault, match=f"people.csv: .*{words}"):
            self.check()(table(*names))

    def test_the_other_sheets_of_a_workbook_are_named(self) -> None:
        block = table("Read me")._replace(sheets=("Read me", "People"))
        with pytest.raises(RunFault, match='sheets of the workbook to choose from with `sheet`: "Read me", "People"'):
            self.check("xlsx-with-name-row")(block)

    def test_documents_none_of_which_is_read_are_refused(self) -> None:
        with pytest.raises(RunFault, match='its first 2 records have "Id", "x"'):
            self.check("json")(block_of({"Id": 1}, {"x": 2}))
        check = self.check("json")
        check(block_of(7, None))
        check(block_of({"x": 1}, {"id": 1}))
        check(block_of({"x": 1}))

    @pytest.mark.parametrize(
        "key", ["First Name", "first name ", "first\u00a0name", "\ufeffgröße", unicodedata.normalize("NFD", "größe")]
    )
    def test_documents_with_a_name_that_is_nearly_read_are_refused(self, key: str) -> None:
        name = "größe" if key[-1] == "e" and " " not in key and "\u00a0" not in key else "first name"
        with pytest.raises(RunFault, match=f'"{name}" is read, and ".*" is there. Use the same name in both'):
            self.check("json")(block_of({"id": 1}, {"id": 2, key: 1}))

    def test_documents_tell_what_is_missed_where_another_name_may_stand_for_it(self) -> None:
        check = self.check("json-lines")
        (remark,) = check(block_of({"id": 1}, {"id": 2, "first name": 1, "size": 2})).remarks
        assert remark == 'none of its first 2 records has "größe", which the import reads; "size" is there and not read'
        assert check(block_of({"size": 1})).remarks == ()
        assert self.check("json")(block_of({"id": 1})).remarks == ()
        assert self.check("json")(block_of({"id": 1, "größe": 1, "first name": 2, "x": 1})).remarks == ()

    def test_names_that_a_format_fixes_are_no_fault_of_the_file(self) -> None:
        self.check("marc")(block_of({"leader": "", "fields": []}))


def test_where_records_are_judged_one_by_one_nothing_is_asked_of_the_file() -> None:
    judged = [{"action": "only-columns", "columns": ["a"]}, {"source": "a", "destination": "d", "name": "n"}]
    read = read_names({"instructions": judged})
    row = read.match(["Nobody"])
    assert (row.found, row.missed, row.close) == (True, [], {})
