"""The built-in model of library records, and the control files that fill it."""

import orjson

from server.mapping.model.model import parse_model
from server.readers.formats import SOURCE_EDIFACT, SOURCE_MARC, SOURCE_MARC_JSON, SOURCE_MARC_XML
from server.readers.library.source_records import NAMES

TABLE = "source_records"

_MARC_BY_SUFFIX = {"xml": SOURCE_MARC_XML, "json": SOURCE_MARC_JSON}
_TYPES = {"order": "integer", "parsed": "json"}
_DESCRIPTIONS = {
    "job": "the job execution that brought it",
    "tenant": "whose it is",
    "order": "its place among the records of the job, from 0",
    "part": "the chunk it came in, if it came in one",
    "format": "MARC_RAW, MARC_XML, MARC_JSON or EDIFACT_RAW",
    "control_number": "MARC field 001; the document's number in EDIFACT",
    "title": "MARC field 245 $a and $b",
    "parsed": "MARC-in-JSON; the list of segments of an EDIFACT message",
    "raw": "as it came",
    "raw_charset": "latin-1 where the bytes are not UTF-8: each is one character then",
    "error": "why it could not be read",
}

MODEL = parse_model(
    {
        "name": "folio:source-records",
        "label": "Source records",
        "description": "Library records as they came, one row each, those that could not be read too.",
        "destinations": [
            {
                "name": "record",
                "table": TABLE,
                "kind": "dictionary",
                "key": ["job", "order", "part"],
                "names": {
                    name: {"type": _TYPES.get(name, "text"), "description": _DESCRIPTIONS.get(name, "")}
                    for name in ("job", "tenant", *NAMES)
                },
            }
        ],
    },
    "built in",
)


def reader_for(data_type: str, name: str) -> str | None:
    """Returns the format for a profile's data type and a file's suffix; None where no reader fits."""
    suffix = name.rpartition(".")[2].lower()
    if data_type == "MARC":
        return _MARC_BY_SUFFIX.get(suffix, SOURCE_MARC)
    return SOURCE_EDIFACT if data_type == "EDIFACT" else None


def control_file(job: str, tenant: str, read: str) -> bytes:
    """Returns the control file that stores the records of one job execution as rows."""
    constants = {"job": job, "tenant": tenant}
    place = {"destination": "record"}
    document = {
        "dataImportControlFileVersion": 0,
        "model": MODEL.name,
        "files": {"DEFAULT": {"read": read}},
        "instructions": [
            {"action": "new", **place},
            *({"action": "set-value", **place, "name": name, "value": value} for name, value in constants.items()),
            *({"source": name, **place, "name": name} for name in NAMES),
        ],
    }
    return orjson.dumps(document)
