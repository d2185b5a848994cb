"""The file formats a control file may name in `read`."""

from collections.abc import Mapping

from server.readers.base import Reader
from server.readers.delimited_reader import csv_reader, tsv_reader
from server.readers.json_lines_reader import JsonLinesReader
from server.readers.json_reader import JsonReader

READERS: Mapping[str, Reader] = {
    "json": JsonReader(),
    "tsv-with-name-row": tsv_reader(),
    "json-lines": JsonLinesReader(),
    "csv-with-name-row": csv_reader(),
}
