"""The file formats a control file may name in `read`."""

from collections.abc import Mapping

from server.readers.base import Reader
from server.readers.json.json_lines_reader import JsonLinesReader
from server.readers.json.json_reader import JsonReader
from server.readers.library.edifact_reader import EdifactReader
from server.readers.library.marc_json_reader import MarcJsonReader
from server.readers.library.marc_reader import MarcReader
from server.readers.library.marcxml_reader import MarcXmlReader
from server.readers.library.source_records import EDIFACT, MARC, MARC_JSON, MARC_XML, ChunkRecords, SourceRecords
from server.readers.text.delimited_reader import csv_reader, tsv_reader
from server.readers.workbooks.xlsx_reader import XlsxReader
from server.readers.xml.xml_reader import XmlReader, bind_attributes, bind_text_of_children

READERS: Mapping[str, Reader] = {
    "json": JsonReader(),
    "xml-text-of-children": XmlReader(bind_text_of_children),
    "xml-attributes": XmlReader(bind_attributes),
    "tsv-with-name-row": tsv_reader(),
    "json-lines": JsonLinesReader(),
    "csv-with-name-row": csv_reader(),
    "xlsx-with-name-row": XlsxReader(),
    "marc": MarcReader(),
    "marc-xml": MarcXmlReader(),
    "marc-json": MarcJsonReader(),
    "edifact": EdifactReader(),
    "source-records-marc": SourceRecords(MARC),
    "source-records-marc-xml": SourceRecords(MARC_XML),
    "source-records-marc-json": SourceRecords(MARC_JSON),
    "source-records-edifact": SourceRecords(EDIFACT),
    "source-records-chunk": ChunkRecords(),
}
