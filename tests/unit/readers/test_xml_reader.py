"""The two XML readers of the vendor's documentation, and `marc-xml`."""

import io

import pymarc
import pytest

from server.readers import READERS
from server.readers.base import BadRecord, Block, FileBroken
from server.readers.xml.feed import MAX_DEPTH

CHILDREN, ATTRIBUTES, MARC = "xml-text-of-children", "xml-attributes", "marc-xml"


def blocks(name: str, data: bytes, **options: object) -> list[Block]:
    return list(READERS[name].blocks(io.BytesIO(data), options))


def records(name: str, data: bytes, **options: object) -> list[object]:
    return [record for block in blocks(name, data, **options) for record in block.records]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"<r/>", []),
        (b"<r> text <a/> more </r>", [{}]),
        (b"<r><a><n>1</n></a><b><n>2</n></b></r>", [{"n": "1"}, {"n": "2"}]),
        (b"<r><a><n> 1\n</n></a></r>", [{"n": " 1\n"}]),
        (b"<r><a>not taken<n>x<i>y</i>z</n></a></r>", [{"n": "xyz"}]),
        (b"<r><a><n>1</n><n>2</n></a></r>", [{"n": "2"}]),
        (b"<r><a><n><![CDATA[<1> & 2]]></n></a></r>", [{"n": "<1> & 2"}]),
        (b"<r><a><n>&lt;&#65;</n></a></r>", [{"n": "<A"}]),
        (b'<r xmlns:p="u"><a><p:n>1</p:n></a></r>', [{"n": "1"}]),
        (b"<!-- a --><?p i?><r><!-- b --><a><n>1<!-- c -->2</n></a></r><!-- d -->", [{"n": "12"}]),
        (b"\xef\xbb\xbf<r><a><n>\xc3\xab</n></a></r>", [{"n": "ë"}]),
        ('<?xml version="1.0" encoding="iso-8859-1"?><r><a><n>ë</n></a></r>'.encode("latin-1"), [{"n": "ë"}]),
        ('<?xml version="1.0" encoding="windows-1252"?><r><a><n>€</n></a></r>'.encode("cp1252"), [{"n": "€"}]),
        ('<?xml version="1.0" encoding="Shift_JIS"?><r><a><n>日本</n></a></r>'.encode("shift_jis"), [{"n": "日本"}]),
        ('<?xml version="1.0" encoding="UTF-16"?><r><a><n>ë</n></a></r>'.encode("utf-16"), [{"n": "ë"}]),
    ],
)
def test_text_of_children(data: bytes, expected: list[object]) -> None:
    assert records(CHILDREN, data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"<r/>", []),
        (b'<r><a x="1" y=""/><b/></r>', [{"x": "1", "y": ""}, {}]),
        (b'<r><a p:x="1" xmlns:p="u" xmlns="v"><b z="3"/></a></r>', [{"p:x": "1", "xmlns:p": "u", "xmlns": "v"}]),
        (b'<r><a x="&amp;&#10;"/></r>', [{"x": "&\n"}]),
    ],
)
def test_attributes(data: bytes, expected: list[object]) -> None:
    assert records(ATTRIBUTES, data) == expected


def test_a_single_record_is_the_root() -> None:
    data = b'<r x="1"><a>1</a><b><c>2</c>3</b></r>'
    assert records(CHILDREN, data, singleRecord=True) == [{"a": "1", "b": "23"}]
    assert records(ATTRIBUTES, data, singleRecord=True) == [{"x": "1"}]


def test_a_record_keeps_its_own_bytes_and_line() -> None:
    data = b'<r>\n<a><n>1</n></a >\n\n<b y=">"/><!-- c --><c>\n<r/></c></r>\n'
    (block,) = blocks(CHILDREN, data)
    assert list(block.lines) == [2, 4, 4]
    assert [block.originals(at) for at in range(3)] == [b"<a><n>1</n></a >", b'<b y=">"/>', b"<c>\n<r/></c>"]


@pytest.mark.parametrize("name", [CHILDREN, ATTRIBUTES, MARC])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "Line 1, column 1: not well-formed XML, no element found"),
        (b"<r><a></r>", "Line 1, column 9: not well-formed XML, mismatched tag"),
        (b"<r/><r/>", "junk after document element"),
        (b"<r>&x;</r>", "undefined entity"),
        (b"<!DOCTYPE r><r/>", "Line 1: the file has a DTD"),
        (b'<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n<r>&b;</r>', "Line 1: the file has a DTD"),
        (b'<!DOCTYPE r SYSTEM "file:///etc/passwd">\n<r/>', "Line 1: the file has a DTD"),
        (b"<r>\xff</r>", "invalid token"),
        (b'<?xml version="1.0" encoding="klingon"?><r/>', "unknown charset: klingon"),
        (b'<?xml version="1.0" encoding="Shift_JIS"?><r>\x81</r>', "not valid shift_jis"),
        (b"<a>" * (MAX_DEPTH + 1), "deeper than 200 levels"),
    ],
)
def test_a_broken_file_says_where_and_why(name: str, data: bytes, reason: str) -> None:
    with pytest.raises(FileBroken, match=reason):
        records(name, data)


def test_an_element_over_the_cap_ends_the_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.readers.xml.feed.RECORD_CAP", 500_000)
    records(CHILDREN, b"<r>" + b"<a><n>1</n></a>" * 100_000 + b"</r>")
    with pytest.raises(FileBroken, match="Line 2: an element that begins here is longer than 500,000 bytes"):
        records(CHILDREN, b"<r>\n<a><n>" + b"x" * 2_000_000 + b"</n></a></r>")
    with pytest.raises(FileBroken, match="longer than 500,000 bytes"):
        records(ATTRIBUTES, b'<r><a x="' + b"x" * 2_000_000 + b'"/></r>')


MARC_RECORD = (
    '<record><leader>00000nam a2200000 a 4500</leader><controlfield tag="001">n1</controlfield>'
    '<datafield tag="245" ind1="1" ind2="0"><subfield code="a">Zoë </subfield><subfield code="b"/></datafield>'
    '<datafield tag="42"><subfield code="a">x</subfield></datafield></record>'
)


def test_marc_xml_gives_what_pymarc_gives() -> None:
    data = f'<collection xmlns="http://www.loc.gov/MARC21/slim">{MARC_RECORD * 2}</collection>'.encode()
    assert records(MARC, data) == [record.as_dict() for record in pymarc.parse_xml_to_array(io.BytesIO(data))]


def test_a_marc_record_may_be_the_root_or_lie_in_an_envelope() -> None:
    (alone,) = records(MARC, MARC_RECORD.encode())
    oai = f"<OAI-PMH><record><header/><metadata>{MARC_RECORD}</metadata></record></OAI-PMH>"
    (block,) = blocks(MARC, oai.encode())
    assert list(block.records) == [alone]
    assert block.originals(0) == MARC_RECORD.encode()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("<record/>", "line 1: the record has no fields"),
        ('<record><datafield ind1="1"/></record>', "line 1: an element datafield has no attribute tag"),
        ('<record><datafield tag="245"><subfield>x</subfield></datafield></record>', "subfield has no attribute code"),
    ],
)
def test_a_marc_record_without_its_parts_fails_alone(record: str, reason: str) -> None:
    bad, good = records(MARC, f"<collection>{record}{MARC_RECORD}</collection>".encode())
    assert isinstance(bad, BadRecord)
    assert reason in bad.message
    assert isinstance(good, dict)


BODY = "<r><a><n>Zoë</n></a></r>"


@pytest.mark.parametrize(
    "declared", ["ISO-8859-1", "utf-16", "x-unknown", "base64", "UTF-8", "us-ascii", "windows-1252"]
)
def test_a_byte_order_mark_goes_before_the_declaration(declared: str) -> None:
    data = f'<?xml version="1.0" encoding="{declared}"?>{BODY}'.encode("utf-8-sig")
    assert records(CHILDREN, data) == [{"n": "Zoë"}]


@pytest.mark.parametrize("declared", ["utf8", "UTF8", "utf_8", "Utf-8", "utf-16", "UTF-16LE", "utf-32"])
def test_names_of_utf8_and_of_what_the_file_cannot_be_in(declared: str) -> None:
    data = f'<?xml version="1.0" encoding="{declared}"?>{BODY}'.encode()
    assert records(CHILDREN, data) == [{"n": "Zoë"}]


@pytest.mark.parametrize("declared", ["x-unknown", "base64", "rot13", "idna", "undefined", "mbcs", "zlib"])
def test_an_unknown_charset_is_told_as_such(declared: str) -> None:
    with pytest.raises(FileBroken, match=f"unknown charset: {declared}"):
        records(CHILDREN, f'<?xml version="1.0" encoding="{declared}"?>{BODY}'.encode())


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("declaration", ["", '<?xml version="1.0"?>', '<?xml version="1.0" encoding="UTF-8"?>'])
def test_what_a_file_surely_is_in_goes_before_the_declaration(declaration: str, codec: str) -> None:
    assert records(CHILDREN, (declaration + BODY).encode(codec)) == [{"n": "Zoë"}]


@pytest.mark.parametrize("end", [b"\x1a", b"\r\n\x1a\x1a\r\n", b"\n\x1a\0\0"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
def test_an_end_mark_of_old_systems_is_passed_over(codec: str, end: bytes) -> None:
    data = BODY.encode(codec) + (end if codec == "utf-8" else end.decode("latin-1").encode("utf-16-le"))
    assert records(CHILDREN, data) == [{"n": "Zoë"}]


@pytest.mark.parametrize(
    "content",
    [
        '<datafield tag="245"><subfield code="a">War <b>and</b> Peace</subfield></datafield>',
        '<datafield tag="245"><subfield code="a"><b>War</b></subfield></datafield>',
        '<datafield tag="245">War<subfield code="a">and Peace</subfield></datafield>',
        '<datafield tag="245"><subfield code="a">War</subfield>and Peace</datafield>',
        '<datafield tag="245">War and Peace</datafield>',
        '<subfield code="a">War and Peace</subfield>',
        '<controlfield tag="008">War <i>and</i></controlfield>',
        "<title>War and Peace</title>",
        "War and Peace",
    ],
)
def test_text_of_a_marc_record_that_would_be_lost_fails_it(content: str) -> None:
    good = '<record><controlfield tag="001">n</controlfield></record>'
    bad = f'<record><controlfield tag="001">n</controlfield>{content}</record>'
    first, fault, last = records(MARC, f"<c> about {good}{bad}\n{good}</c>".encode())
    assert first == last == {"leader": "", "fields": [{"001": "n"}]}
    assert isinstance(fault, BadRecord)
    assert "text stands where it belongs to no field: '" in fault.message


def test_an_envelope_around_a_marc_record_may_say_more() -> None:
    inner = '<record><controlfield tag="001">n</controlfield></record>'
    data = f"<list><record><header>oai:1</header><metadata>{inner}</metadata></record></list>"
    assert records(MARC, data.encode()) == [{"leader": "", "fields": [{"001": "n"}]}]


def test_marcxml_with_a_mark_and_another_declaration_is_not_garbled() -> None:
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><record><controlfield tag="001">Zoë</controlfield></record>'
    assert records(MARC, text.encode("utf-8-sig")) == [{"leader": "", "fields": [{"001": "Zoë"}]}]


def remarks(name: str, data: bytes) -> list[str]:
    return [remark for block in blocks(name, data) for remark in block.remarks]


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        (CHILDREN, "<r>\n<a><n>1</n></a>\nlost</r>", ["line 3: text stands where no value is read: 'lost'"]),
        (CHILDREN, "<r><a>lost<n>1</n></a></r>", ["line 1: text stands where no value is read: 'lost'"]),
        (CHILDREN, "<r><a><n>1</n><![CDATA[lost]]></a></r>", ["line 1: text stands where no value is read: 'lost'"]),
        (CHILDREN, "<r>lost</r>", ["line 1: text stands where no value is read: 'lost'"]),
        (CHILDREN, "<r><a><n>1</n>\n<p:n>2</p:n></a></r>", ["line 2: an element has 'n' more than once"]),
        (
            CHILDREN,
            "<r><a><n/><m/></a>\n<a><n/><n/><m/><m/></a></r>",
            ["line 2: an element has 'n'", "line 2: an element has 'm'"],
        ),
        (ATTRIBUTES, '<r><a x="1"/>\na x="2"/>\n<a x="3"/></r>', ["line 2: text stands where no value is read: 'a x="]),
        (ATTRIBUTES, '<r><a x="1">lost</a></r>', ["line 1: text stands where no value is read: 'lost'"]),
        (
            MARC,
            "<c><record><leader>x</leader></record>\nlost</c>",
            ["line 2: text stands where no value is read: 'lost'"],
        ),
        (MARC, "<c>\nlost<record/></c>", ["line 2: text stands where no value is read: 'lost'"]),
    ],
)
def test_text_and_elements_that_are_not_read_are_told(name: str, data: str, told: list[str]) -> None:
    found = remarks(name, data.encode())
    assert len(found) == len(told)
    assert all(one.startswith(start) for one, start in zip(found, told, strict=True))


def test_what_is_not_read_is_told_once_for_each_kind() -> None:
    assert len(remarks(CHILDREN, b"<r>" + b"<a>x<n/><n/></a>" * 3000 + b"</r>")) == 2
    assert len(remarks(CHILDREN, b"<r>" + b"".join(b"<a><n%d/><n%d/></a>" % (n, n) for n in range(99)) + b"</r>")) == 20


def test_an_envelope_of_marc_records_may_say_more_outside_of_them() -> None:
    inner = '<record><controlfield tag="001">n</controlfield></record>'
    data = f"<a><date>2026</date><list>{inner}</list><count>1</count></a>"
    assert remarks(MARC, data.encode()) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("<people><person/></people>", "no element is named `record` (the root is 'people')"),
        ("<c><Record/></c>", "no element is named `record`"),
        ('<c>\n<Record><controlfield tag="001"/></Record></c>', "Line 2: an element controlfield stands outside"),
        ("<leader>x</leader>", "Line 1: an element leader stands outside"),
        ('<c><record><controlfield tag="001"/>\n<record/></record></c>', "Line 2: a record begins inside of the one"),
        ('<c><record><record/><datafield tag="245"/></record></c>', "an element datafield stands outside"),
    ],
)
def test_marcxml_with_no_records_or_fields_outside_of_them_is_refused(data: str, reason: str) -> None:
    with pytest.raises(FileBroken) as caught:
        blocks(MARC, data.encode())
    assert reason in str(caught.value)


def test_a_collection_without_records_is_empty() -> None:
    assert records(MARC, b"<collection/>") == []


def test_a_second_leader_is_not_lost() -> None:
    (found,) = records(MARC, b'<record><leader>a</leader><leader>b</leader><controlfield tag="001"/></record>')
    assert isinstance(found, BadRecord)
    assert "more than one leader" in found.message
