"""How files of one import are read: options beside a short process, and those chosen for once."""

import pytest

from server.engine.definitions import control_read_as
from server.engine.errors import RequestInvalid
from server.engine.fitting import misfit
from server.mapping.model import parse_model
from server.mapping.processes import ProcessInvalid, parse_process
from server.mapping.reading import chosen, differences, read_as

MODEL = parse_model(
    {
        "name": "m",
        "destinations": [{"name": "d", "table": "t", "kind": "dictionary", "names": {"a": {"type": "text"}}}],
    },
    "m.json",
)
CONTROL = {"files": {"DEFAULT": {"read": "csv-with-name-row"}, "book": {"read": "xlsx-with-name-row"}}, "model": "m"}


def short(**fields: object) -> dict[str, object]:
    document = {"id": "p", "model": "m", "destination": "d", "write": "create", **fields}
    process = parse_process(document, "p.json", {"m": MODEL}, lambda name: None)
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
    read = read_as(CONTROL, {"charset": "utf-16", "sheet": 2})
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
        control_read_as(CONTROL, texts)


def test_an_option_that_no_file_takes_is_refused() -> None:
    with pytest.raises(RequestInvalid, match="sheet: no file of this process takes it"):
        control_read_as({"files": {"DEFAULT": {"read": "json"}}}, {"sheet": "2"})
    assert control_read_as(CONTROL, {"charset": None}) is None


def test_the_check_names_the_likely_charset() -> None:
    head = "name\nZoë\n".encode("cp1252")
    told = misfit("a.csv", head, {"read": "csv-with-name-row"})
    assert told is not None
    assert "seems to be in windows-1252" in told
    assert misfit("a.csv", head, {"read": "csv-with-name-row", "charset": "windows-1252"}) is None
