"""How files of one import are read: options beside a short process, and those chosen for once."""

import pytest

from server.engine.definitions.definitions import control_read_as
from server.engine.errors import RequestInvalid
from server.mapping.language.processes import ProcessInvalid, parse_process
from server.mapping.language.reading import ReadingWrong, choices_of, chosen, differences, read_as
from server.mapping.model.model import parse_model
from server.readers.file_fit import misfit
from server.readers.formats import FORMATS

MODEL = parse_model(
    {
        "name": "m",
        "destinations": [{"name": "d", "table": "t", "kind": "dictionary", "names": {"a": {"type": "text"}}}],
    },
    "m.json",
)
MODELS = {"m": MODEL}
CONTROL = {"files": {"DEFAULT": {"read": "csv-with-name-row"}, "book": {"read": "xlsx-with-name-row"}}, "model": "m"}


def short(**fields: object) -> dict[str, object]:
    document = {"id": "p", "model": "m", "destination": "d", "write": "create", **fields}
    process = parse_process(document, "p.json", {"m": MODEL}, formats=FORMATS, load_control=lambda name: None)
    files = process.control["files"]
    assert isinstance(files, dict)
    return dict(files["DEFAULT"])


def test_a_short_process_takes_the_options_of_its_reader() -> None:
    read = short(read="csv-with-name-row", charset="windows-1252", separator=";", quote="'")
    assert read == {"read": "csv-with-name-row", "charset": "windows-1252", "separator": ";", "quote": "'"}
    assert short(read="xlsx-with-name-row", sheet=2) == {"read": "xlsx-with-name-row", "sheet": 2}


def test_an_option_that_its_reader_has_not_is_named() -> None:
    with pytest.raises(ProcessInvalid, match="charset"):
        short(read="json", charset="windows-1252")


def test_options_are_chosen_as_people_type_them() -> None:
    assert chosen({"charset": "", "separator": "tab", "sheet": "2"}) == {"separator": "\t", "sheet": 2}
    assert chosen({"separator": ";", "sheet": "Data", "other": "x"}) == {"separator": ";", "sheet": "Data"}


def test_an_option_goes_to_the_files_that_take_it() -> None:
    read = read_as(CONTROL, {"charset": "utf-16", "sheet": 2}, formats=FORMATS)
    assert read["files"] == {
        "DEFAULT": {"read": "csv-with-name-row", "charset": "utf-16"},
        "book": {"read": "xlsx-with-name-row", "sheet": 2},
    }
    assert differences(read, CONTROL) == {"charset": "utf-16", "sheet": 2}
    assert differences({**CONTROL, "model": "n"}, CONTROL) is None


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"charset": "klingon"}, "Unknown charset 'klingon'"),
        ({"separator": "ab"}, "Invalid separator 'ab'"),
        ({"sheet": "0"}, "Invalid sheet 0"),
    ],
)
def test_a_wrong_option_is_refused_before_the_import(texts: dict[str, str], words: str) -> None:
    with pytest.raises(RequestInvalid, match=words):
        control_read_as(CONTROL, texts, MODELS)


def test_an_option_that_no_file_takes_is_refused() -> None:
    with pytest.raises(RequestInvalid, match="sheet: no file of this process takes it"):
        control_read_as({"files": {"DEFAULT": {"read": "json"}}}, {"sheet": "2"}, MODELS)
    assert control_read_as(CONTROL, {"charset": None}, MODELS) is None


def test_the_check_names_the_likely_charset() -> None:
    head = "name\nZoë\n".encode("cp1252")
    told = misfit("a.csv", head, {"read": "csv-with-name-row"})
    assert told is not None
    assert "seems to be in windows-1252" in told
    assert misfit("a.csv", head, {"read": "csv-with-name-row", "charset": "windows-1252"}) is None


NUMBERS = parse_model(
    {
        "name": "n",
        "destinations": [
            {
                "name": "d",
                "table": "t",
                "kind": "dictionary",
                "key": ["code"],
                "names": {
                    "code": {},
                    "price": {"type": "number"},
                    "sum": {"type": "decimal"},
                    "sizes": {"type": "integer", "multivalue": True},
                },
            }
        ],
    },
    "n.json",
)


def of_numbers(**fields: object) -> dict[str, object]:
    document = {"id": "p", "model": "n", "destination": "d", "write": "upsert", "read": "json-lines", **fields}
    return dict(
        parse_process(document, "p.json", {"n": NUMBERS}, formats=FORMATS, load_control=lambda name: None).control
    )


def test_a_decimal_mark_goes_to_all_numbers_wherever_they_are_set() -> None:
    control = of_numbers()
    read = read_as(control, {"decimal": ","}, formats=FORMATS, model=NUMBERS)
    marked = {(one["name"], one.get("decimal")) for one in _fields(read["instructions"])}
    assert marked == {("code", None), ("price", ","), ("sum", ","), ("sizes", ",")}
    assert read == of_numbers(decimal=",")
    assert read["files"] == control["files"]


def _fields(instructions: object) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for one in instructions if isinstance(instructions, list) else []:
        found += [one] if "source" in one and "name" in one else []
        found += [*_fields(one.get("instructions")), *_fields(one.get("then")), *_fields(one.get("else"))]
    return found


def test_a_decimal_mark_goes_to_the_columns_that_find_a_row() -> None:
    find = {"action": "identify", "destination": "d", "columns": {"No": "price", "Code": {"name": "code"}}}
    read = read_as({**of_numbers(), "instructions": [find]}, {"decimal": ","}, formats=FORMATS, model=NUMBERS)
    columns = {"No": {"name": "price", "decimal": ","}, "Code": {"name": "code"}}
    assert read["instructions"] == [{**find, "columns": columns}]


def test_constants_of_the_control_file_keep_their_point() -> None:
    constant = {"action": "set-value", "destination": "d", "name": "price", "value": "1.5"}
    with pytest.raises(ReadingWrong, match="this process reads no number"):
        read_as({**of_numbers(), "instructions": [constant]}, {"decimal": ","}, formats=FORMATS, model=NUMBERS)


@pytest.mark.parametrize("mark", [";", "", " ", ",,", "\u066b"])
def test_what_is_no_decimal_mark_is_refused(mark: str) -> None:
    with pytest.raises(ReadingWrong, match=r'should be one of "\." and ","'):
        read_as(of_numbers(), {"decimal": mark}, formats=FORMATS, model=NUMBERS)


def test_a_decimal_mark_is_chosen_by_its_sign_or_its_name() -> None:
    assert [chosen({"decimal": text}) for text in (",", "comma", "Comma", "point", "")] == [
        {"decimal": ","},
        {"decimal": ","},
        {"decimal": ","},
        {"decimal": "."},
        {},
    ]


def test_another_decimal_mark_is_told_as_the_only_difference() -> None:
    control = of_numbers(decimal=",")
    assert differences(read_as(control, {"decimal": "."}, formats=FORMATS, model=NUMBERS), control) == {"decimal": "."}
    assert differences(read_as(control, {"decimal": ","}, formats=FORMATS, model=NUMBERS), control) == {}
    assert differences(of_numbers(columns={"Code": "code"}), control) is None


def test_only_what_a_control_file_can_use_may_be_chosen() -> None:
    assert choices_of(CONTROL, MODEL, FORMATS) == ["charset", "separator", "quote", "sheet"]
    assert choices_of(of_numbers(), NUMBERS, FORMATS) == ["decimal"]
    assert choices_of({"files": {"DEFAULT": {"read": "json"}}, "instructions": []}, MODEL, FORMATS) == []
