"""Every file format, in one list: how a file is read, how its records are written back, and what to call it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from server.readers.base import Reader, Writer
from server.readers.examples import (
    Example,
    attributes_example,
    children_example,
    csv_example,
    json_example,
    json_lines_example,
    sheet_example,
    tsv_example,
)
from server.readers.json.json_lines_reader import JsonLinesReader
from server.readers.json.json_reader import JsonReader
from server.readers.json.json_writers import write_json, write_lines
from server.readers.library.edifact_reader import EdifactReader
from server.readers.library.library_writers import write_chunk, write_edifact, write_marc, write_marc_json
from server.readers.library.marc_json_reader import MarcJsonReader
from server.readers.library.marc_reader import MarcReader
from server.readers.library.marcxml_reader import MarcXmlReader
from server.readers.library.source_records import EDIFACT, MARC, MARC_JSON, MARC_XML, ChunkRecords, SourceRecords
from server.readers.library.source_records import Format as SourceFormat
from server.readers.text.delimited_reader import csv_reader, tsv_reader
from server.readers.text.table_writer import table_writer
from server.readers.workbooks.xlsx_reader import XlsxReader
from server.readers.xml.xml_reader import XmlReader, bind_attributes, bind_text_of_children
from server.readers.xml.xml_writer import write_marc_xml, write_xml

JSON_LINES = "json-lines"
SOURCE_MARC = "source-records-marc"
SOURCE_MARC_XML = "source-records-marc-xml"
SOURCE_MARC_JSON = "source-records-marc-json"
SOURCE_EDIFACT = "source-records-edifact"
SOURCE_CHUNK = "source-records-chunk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file format.

    * `name` is what control files call it, `title` names it in a word or two, `description` says more of a file.
    * `values`: every value of a record is a text, or a cell of a workbook, or may be an object or list.
    * `writer` is None for workbooks: reading one again needs a process of its own, which is the engine's business.
    * `family` completes "the file looks like …"; None where the beginning of a file does not tell its format.
      `may_look_like` names other formats that such a file may be taken for.
    """

    name: str
    title: str
    suffix: str
    reader: Reader
    writer: Writer | None
    description: str = ""
    media_type: str = "application/octet-stream"
    values: Literal["texts", "cells", "nested"] = "nested"
    tabular: bool = False  # its first row has the names of the columns
    has_fixed_names: bool = False  # its records have the same names in every file
    options: tuple[str, ...] = ()  # that a short process, or a single import, may choose
    example: Example | None = None
    family: str | None = None
    may_look_like: tuple[str, ...] = ()
    writes_by_place: bool = False  # its writer asks where in the file a record stood
    is_offered: bool = True  # to people; the other formats are for control files that the server makes


_CSV, _TSV = csv_reader(), tsv_reader()

_TABLES = (
    Format(
        name="csv-with-name-row",
        title="CSV",
        description="CSV, with the names of the columns in its first line",
        suffix=".csv",
        media_type="text/csv",
        reader=_CSV,
        writer=table_writer(_CSV),
        values="texts",
        tabular=True,
        options=("charset", "separator", "quote"),
        example=csv_example,
        family="a table of text (CSV)",
        may_look_like=("tsv-with-name-row",),
    ),
    Format(
        name="tsv-with-name-row",
        title="text with separators",
        description="columns of text, with their names in the first line",
        suffix=".tsv",
        media_type="text/tab-separated-values",
        reader=_TSV,
        writer=table_writer(_TSV),
        values="texts",
        tabular=True,
        options=("charset", "separator"),
        example=tsv_example,
        family="a table of text (TSV)",
        may_look_like=("csv-with-name-row",),
    ),
    Format(
        name="xlsx-with-name-row",
        title="Excel workbook",
        description="a workbook (.xlsx, .xlsm, .xlsb, .xls, .ods) with the names of the columns in its first row",
        suffix=".xlsx",
        media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        reader=XlsxReader(),
        writer=None,
        values="cells",
        tabular=True,
        options=("sheet",),
        example=sheet_example,
        family="an Excel workbook",
    ),
)

_DOCUMENTS = (
    Format(
        name=JSON_LINES,
        title="JSON Lines",
        description="JSON Lines: one JSON object a line",
        suffix=".jsonl",
        reader=JsonLinesReader(),
        writer=write_lines,
        example=json_lines_example,
        family="JSON Lines",
    ),
    Format(
        name="json",
        title="JSON",
        description="JSON: a list of objects",
        suffix=".json",
        reader=JsonReader(),
        writer=write_json,
        example=json_example,
        family="JSON",
    ),
    Format(
        name="xml-text-of-children",
        title="XML",
        description="XML: values are the text of a record's child elements",
        suffix=".xml",
        reader=XmlReader(bind_text_of_children),
        writer=write_xml,
        values="texts",
        example=children_example,
        family="XML",
        may_look_like=("xml-attributes", "marc-xml"),
    ),
    Format(
        name="xml-attributes",
        title="XML",
        description="XML: values are a record's attributes",
        suffix=".xml",
        reader=XmlReader(bind_attributes),
        writer=write_xml,
        values="texts",
        example=attributes_example,
        family="XML",
        may_look_like=("xml-text-of-children", "marc-xml"),
    ),
)

_LIBRARY_RECORDS = (
    Format(
        name="marc",
        title="MARC (ISO 2709)",
        description="binary MARC (ISO 2709)",
        suffix=".mrc",
        reader=MarcReader(),
        writer=write_marc,
        has_fixed_names=True,
        family="binary MARC",
    ),
    Format(
        name="marc-xml",
        title="MARCXML",
        suffix=".xml",
        reader=MarcXmlReader(),
        writer=write_marc_xml,
        has_fixed_names=True,
        family="MARCXML",
    ),
    Format(
        name="marc-json",
        title="MARC-in-JSON",
        description="MARC in JSON",
        suffix=".json",
        reader=MarcJsonReader(),
        writer=write_marc_json,
        has_fixed_names=True,
        family="JSON",
        may_look_like=("json", "json-lines"),
    ),
    Format(
        name="edifact",
        title="EDIFACT",
        suffix=".edi",
        reader=EdifactReader(),
        writer=write_edifact,
        has_fixed_names=True,
        writes_by_place=True,
    ),
)

_MARC, _MARC_XML, _MARC_JSON, _EDIFACT = _LIBRARY_RECORDS


def _kept_whole(format: Format, records: SourceFormat) -> Format:
    """The same files, each record kept whole: for control files that the server makes."""
    return replace(
        format,
        name=f"source-records-{format.name}",
        reader=SourceRecords(records),
        has_fixed_names=False,
        family=None,
        may_look_like=(),
        is_offered=False,
    )


_SOURCE_RECORDS = (
    _kept_whole(_MARC, MARC),
    _kept_whole(_MARC_XML, MARC_XML),
    _kept_whole(_MARC_JSON, MARC_JSON),
    _kept_whole(_EDIFACT, EDIFACT),
    Format(
        name=SOURCE_CHUNK,
        title="a chunk of records",
        suffix=".json",
        reader=ChunkRecords(),
        writer=write_chunk,
        writes_by_place=True,
        is_offered=False,
    ),
)

FORMATS: Mapping[str, Format] = {
    format.name: format for format in (*_TABLES, *_DOCUMENTS, *_LIBRARY_RECORDS, *_SOURCE_RECORDS)
}
