"""The shapes of FOLIO's data import on the wire (vendor's documentation: Data import v1.1, later versions). Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from server.dialects.folio.errors import BodyInvalid, ParameterWrong
from server.dialects.folio.wire.validation import ListOf, Property, Schema, read
from server.engine.vendors.folio.file_extensions import DATA_TYPES, ExtensionValues, FileExtension
from server.engine.vendors.folio.staged_uploads import MOST_PARTS
from server.engine.vendors.folio.upload_definitions import (
    DefinitionStatus,
    FileDefinition,
    JobProfile,
    NewFile,
    Replacement,
    UploadDefinition,
)

Document = dict[str, Any]
Parameters = Mapping[str, str]

MOST = 2**31 - 1
USUAL_LIMIT = 10
_LANGUAGE = re.compile("[a-zA-Z]{2}")
_WHOLE = re.compile("[+-]?[0-9]{1,20}", re.ASCII)

_TEXT, _DATE = Property(), Property("date")
_METADATA = Schema(
    {
        "createdDate": _DATE,
        "createdByUserId": _TEXT,
        "createdByUsername": _TEXT,
        "updatedDate": _DATE,
        "updatedByUserId": _TEXT,
        "updatedByUsername": _TEXT,
    }
)
_READ_ONLY = Property(_METADATA, dropped=True)
_FILE = {
    "id": _TEXT,
    "sourcePath": Property(dropped=True),
    "name": Property(required=True),
    "jobExecutionId": _TEXT,
    "uploadDefinitionId": _TEXT,
    "loaded": Property("boolean"),
    "createDate": _DATE,
}
_LATER_FILE = _FILE | {
    "uploadedDate": _DATE,
    "size": Property("integer"),
    "uiKey": _TEXT,
    "status": Property(("NEW", "UPLOADING", "UPLOADED", "ERROR")),
}
_STATUSES = ("NEW", "IN_PROGRESS", "LOADED", "COMPLETED")


def _definition_schema(file: Mapping[str, Property], statuses: tuple[str, ...]) -> Schema:
    return Schema(
        {
            "id": _TEXT,
            "metaJobExecutionId": _TEXT,
            "status": Property(statuses),
            "createDate": _DATE,
            "fileDefinitions": Property(ListOf(Schema(file))),
            "metadata": _READ_ONLY,
        }
    )


FILE, LATER_FILE = Schema(_FILE), Schema(_LATER_FILE)
DEFINITION = _definition_schema(_FILE, _STATUSES)
LATER_DEFINITION = _definition_schema(_LATER_FILE, (*_STATUSES, "ERROR"))
EXTENSION = Schema(
    {
        "id": _TEXT,
        "extension": Property(required=True),
        "importBlocked": Property("boolean", required=True),
        "dataTypes": Property(ListOf(DATA_TYPES)),
        "userInfo": Property(Schema(open=True)),
        "metadata": _READ_ONLY,
    }
)
_PROFILE = Schema(
    {
        "id": Property(required=True),
        "name": _TEXT,
        "dataType": Property(DATA_TYPES),
        "hidden": Property("boolean"),
    }
)
PROCESS = Schema(
    {
        "uploadDefinition": Property(Schema(open=True), required=True),
        "jobProfileInfo": Property(_PROFILE, required=True),
    }
)
ASSEMBLE = Schema(
    {
        "key": Property(required=True),
        "uploadId": Property(required=True),
        "tags": Property(ListOf("text", MOST_PARTS), required=True),
    }
)
LOGIN = Schema({"username": Property(required=True), "password": Property(required=True), "tenant": _TEXT})


class NewFileIn(NamedTuple):
    """A file for a definition that the body names."""

    definition: str
    file: NewFile


class Assembly(NamedTuple):
    key: str
    upload: str
    tags: Sequence[str]


class Credentials(NamedTuple):
    user: str
    password: str


def new_files(body: bytes, schema: Schema) -> Sequence[NewFile]:
    return [_new_file(file) for file in read(body, schema).get("fileDefinitions", ())]


def new_file(body: bytes, schema: Schema) -> NewFileIn:
    found = read(body, schema)
    return NewFileIn(found.get("uploadDefinitionId", ""), _new_file(found))


def replacement(body: bytes, schema: Schema, *, keeps_files: bool) -> Replacement:
    """What is not sent is cleared, but for files."""
    found = read(body, schema)
    files = found.get("fileDefinitions")
    status: DefinitionStatus | None = found.get("status")
    return Replacement(
        status=status,
        create_date=found.get("createDate"),
        files=None if files is None or keeps_files else [_new_file(file) for file in files],
    )


def extension(body: bytes) -> ExtensionValues:
    found = read(body, EXTENSION)
    return ExtensionValues(found["extension"], found["importBlocked"], tuple(found.get("dataTypes", ())))


def profile(body: bytes) -> JobProfile:
    found = read(body, PROCESS)["jobProfileInfo"]
    return JobProfile(
        id=found["id"],
        name=found.get("name", ""),
        data_type=found.get("dataType", "MARC"),
        hidden=found.get("hidden", False),
    )


def assembly(body: bytes) -> Assembly:
    found = read(body, ASSEMBLE)
    return Assembly(found["key"], found["uploadId"], found["tags"])


def credentials(body: bytes) -> Credentials:
    found = read(body, LOGIN)
    return Credentials(found["username"], found["password"])


def _new_file(found: Document) -> NewFile:
    size = found.get("size")
    if size is not None and size < 0:
        raise BodyInvalid(f"size must not be negative, not {size}")
    return NewFile(name=found["name"], ui_key=found.get("uiKey"), declared_size=size, id=found.get("id"))


def check_language(query: Parameters) -> None:
    language = query.get("lang", "en")
    if not _LANGUAGE.fullmatch(language):
        raise ParameterWrong("lang", language, "be two letters")


def page(query: Parameters) -> tuple[int, int]:
    """Offset and limit."""
    return number(query, "offset", usual=0), number(query, "limit", usual=USUAL_LIMIT)


def number(query: Parameters, name: str, *, usual: int | None = None, least: int = 0, most: int = MOST) -> int:
    if usual is not None and name not in query:
        return usual
    value = required(query, name)
    if not _WHOLE.fullmatch(value):
        raise ParameterWrong(name, value, "be an integer")
    if int(value) < least:
        raise ParameterWrong(name, value, f"be greater than or equal to {least}")
    if int(value) > most:
        raise ParameterWrong(name, value, f"be less than or equal to {most}")
    return int(value)


def required(query: Parameters, name: str) -> str:
    if name not in query:
        raise ParameterWrong(name, None, "not be null")
    return query[name]


def is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def date(moment: datetime) -> str:
    """With milliseconds and an offset without a colon."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:23] + "+0000"


def second(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"


def document(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2)


def definition_v1(definition: UploadDefinition) -> Document:
    """The first version knows no ERROR."""
    status = "NEW" if definition.status == "ERROR" else definition.status
    return _definition(definition, status, [_file_v1(definition, file) for file in definition.files])


def later_definition(definition: UploadDefinition) -> Document:
    return _definition(definition, definition.status, [_later_file(definition, file) for file in definition.files])


def listed(name: str, items: Sequence[Document], total: int) -> Document:
    return {name: items, "totalRecords": total}


def extension_document(extension: FileExtension) -> Document:
    return _present(
        id=extension.id,
        extension=extension.extension,
        dataTypes=list(extension.data_types),
        importBlocked=extension.import_blocked,
        metadata=_metadata(extension),
    )


def _definition(definition: UploadDefinition, status: str | None, files: Sequence[Document]) -> Document:
    return _present(
        id=definition.id,
        metaJobExecutionId=definition.meta_job,
        status=status,
        createDate=definition.create_date and date(definition.create_date),
        fileDefinitions=files,
        metadata=_metadata(definition),
    )


def _file_v1(definition: UploadDefinition, file: FileDefinition) -> Document:
    return _common(definition, file) | {"loaded": file.digest is not None, "createDate": date(file.created)}


def _later_file(definition: UploadDefinition, file: FileDefinition) -> Document:
    status = "UPLOADED" if file.digest is not None else "ERROR" if file.failed else "NEW"
    return _common(definition, file) | _present(
        status=status,
        createDate=date(file.created),
        uploadedDate=file.uploaded and date(file.uploaded),
        size=file.declared_size if file.size is None else -(-file.size // 1024),
        uiKey=file.ui_key,
    )


def _common(definition: UploadDefinition, file: FileDefinition) -> Document:
    digest = file.digest
    return _present(
        id=file.id,
        sourcePath=digest and f"blobs/sha256/{digest[:2]}/{digest[2:4]}/{digest}",
        name=file.name,
        jobExecutionId=file.job,
        uploadDefinitionId=definition.id,
    )


def _metadata(thing: UploadDefinition | FileExtension) -> Document | None:
    """Nothing where nobody knows who made it."""
    if thing.created_by is None:
        return None
    return _present(
        createdDate=date(thing.created),
        createdByUserId=thing.created_by,
        updatedDate=date(thing.updated),
        updatedByUserId=thing.updated_by,
    )


def _present(**properties: object) -> Document:
    return {name: value for name, value in properties.items() if value is not None}
