"""What a file seems to be, from its name and first bytes."""

import io
import time

import openpyxl
import pytest

from server.readers import READERS
from server.readers.sniff import HEAD, Guess, sniff


def workbook() -> bytes:
    file = io.BytesIO()
    openpyxl.Workbook().save(file)
    return file.getvalue()


GERMAN = "Name;Straße;Ort\nMüller;Große Gasse 4;Köln\nJörg Weiß;Öde Straße 7;Nürnberg\n"


@pytest.mark.parametrize(
    ("name", "head", "guess"),
    [
        ("a.csv", b"a,b\n1,2\n", Guess("csv-with-name-row")),
        ("a.csv", b'"a",b\n"1;2",2\n', Guess("csv-with-name-row")),
        ("a.csv", "a,b\n1,ë".encode()[:-1], Guess("csv-with-name-row")),
        ("a.csv", b"email\nx@example.org\n", Guess("csv-with-name-row")),
        ("a.csv", b"a;b\n1,5;2\n2,5;3\n", Guess("csv-with-name-row", {"separator": ";"})),
        ("a.csv", GERMAN.encode("cp1252"), Guess("csv-with-name-row", {"separator": ";", "charset": "windows-1252"})),
        ("a.txt", b"a\tb\n1\t2\n", Guess("tsv-with-name-row")),
        ("a.txt", b'a\tb\n"1"\t2\n', Guess("csv-with-name-row", {"separator": "\t"})),
        ("a.txt", "a\tb\n1\t2\n".encode("utf-16"), Guess("tsv-with-name-row", {"charset": "utf-16"})),
        ("a.jsonl", b'{"a": 1}', Guess("json-lines")),
        ("a.json", b'{"a": 1}\n{"a": 2}\n', Guess("json-lines")),
        ("a.json", b'\xef\xbb\xbf{"a": 1}', Guess("json", {"singleRecord": True})),
        ("a.json", b'{\n "a": 1\n}', Guess("json", {"singleRecord": True})),
        ("a.json", b' \n[{"a": 1}', Guess("json")),
        ("a.xml", b'<?xml version="1.0"?>\n<!-- x --><r><p><n>1</n></p>', Guess("xml-text-of-children")),
        ("a.xml", b'<r>\n  <p a="1" b="2"/>', Guess("xml-attributes")),
        ("a.xml", b'<collection xmlns="http://www.loc.gov/MARC21/slim"><record>', Guess("marc-xml")),
        ("a.bin", b"00050     2200037   4500245001200000\x1e01\x1faTitle", Guess("marc")),
        ("a.bin", workbook(), Guess("xlsx-with-name-row")),
        ("a.docx", b"PK\x03\x04 word/document.xml", None),
        ("a.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", None),
        ("a.csv", b"", None),
        ("a.csv", b" \n\n", None),
    ],
)
def test_a_guess(name: str, head: bytes, guess: Guess | None) -> None:
    assert sniff(name, head) == guess
    assert guess is None or READERS[guess.read].check(guess.options) is None


MANY = 20_000  # of a piece that could be read in two ways


@pytest.mark.parametrize(
    "text",
    [
        "<A>" + "<!-- a --> <!--/-->" * 26 + "<b>",
        "<A><!-" + "-<\t/>--><!--/><A\t/>--><!-" * 26 + "<\t/>",
        "<A>" + "<!---->" * MANY + "<b",
        "<A>" + "<!--" * MANY,
        "<A>" + " " * MANY + "!",
        "<A>" + "<!-- -->\n" * MANY + "<b c",
        "<A><b" + " " * MANY + ">",
        "<A><b" + " /" * MANY + "<",
        "<?" * MANY,
        "<?x?>" * MANY + "<?",
        "<!--" + "-->" * MANY,
        "<?x?><!-- -->" * MANY + "<!-",
    ],
)
def test_xml_of_a_head_that_can_be_read_in_many_ways_takes_no_time(text: str) -> None:
    begun = time.process_time()
    assert sniff("a.xml", text.encode()[:HEAD]) is not None
    assert time.process_time() - begun < 1


def test_comments_before_the_first_child_hide_nothing() -> None:
    assert sniff("a.xml", b'<r><!-- <p> --> <!-- > --><p a="1"/>') == Guess("xml-attributes")
    assert sniff("a.xml", b'<r><!-- --><p a="1"/> --><q>1</q>') == Guess("xml-attributes")
    assert sniff("a.xml", b'<r><!-- <p a="1"/> --><q>1</q>') == Guess("xml-text-of-children")
