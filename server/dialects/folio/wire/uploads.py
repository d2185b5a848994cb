"""Reads parameters of FOLIO's data import and renders its documents (vendor's documentation: Data import). Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import orjson

from server.dialects.folio.errors import BodyInvalid, ParameterWrong
from server.dialects.folio.wire.bodies import (
    FolioChosenProfile,
    FolioNewDefinition,
    FolioNewFile,
    FolioNewFileExtension,
    FolioNewUploadDefinition,
    FolioNewUploadFile,
)
from server.dialects.folio.wire.documents import FolioDefinition, FolioFileExtension, FolioUploadDefinition
from server.engine.vendors.folio.file_extensions import ExtensionValues, FileExtension
from server.engine.vendors.folio.file_jobs import JobProfile
from server.engine.vendors.folio.upload_definitions import (
    DefinitionStatus,
    FileDefinition,
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


def new_files(sent: FolioNewDefinition | FolioNewUploadDefinition) -> Sequence[NewFile]:
    return [new_file(file) for file in sent.file_definitions or ()]


def new_file(sent: FolioNewFile) -> NewFile:
    if not isinstance(sent, FolioNewUploadFile):
        return NewFile(name=sent.name, id=sent.id)
    if sent.size is not None and sent.size < 0:
        raise BodyInvalid(f"size must not be negative, not {sent.size}")
    return NewFile(name=sent.name, ui_key=sent.ui_key, declared_size=sent.size, id=sent.id)


def replacement(sent: FolioNewDefinition | FolioNewUploadDefinition, *, keeps_files: bool) -> Replacement:
    """Returns a change that clears what was not sent, except for the files."""
    files = None if sent.file_definitions is None or keeps_files else new_files(sent)
    return Replacement(cast(DefinitionStatus | None, sent.status), sent.create_date, files)


def extension(sent: FolioNewFileExtension) -> ExtensionValues:
    return ExtensionValues(sent.extension, sent.import_blocked, tuple(sent.data_types or ()))


def profile(sent: FolioChosenProfile) -> JobProfile:
    return JobProfile(sent.id, sent.name or "", sent.data_type or "MARC", sent.hidden or False)


def check_language(query: Parameters) -> None:
    language = query.get("lang", "en")
    if not _LANGUAGE.fullmatch(language):
        raise ParameterWrong("lang", language, "be two letters")


def page(query: Parameters) -> tuple[int, int]:
    """Returns offset and limit."""
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
    """Returns the UTC time with milliseconds and an offset without a colon."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:23] + "+0000"


def second(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"


def document(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2)


def definition_v1(definition: UploadDefinition) -> FolioDefinition:
    """Renders a definition for the first version, which has no status ERROR."""
    status = "NEW" if definition.status == "ERROR" else definition.status
    files = [_file_v1(definition, file) for file in definition.files]
    return cast(FolioDefinition, _definition(definition, status, files))


def definition_v2(definition: UploadDefinition) -> FolioUploadDefinition:
    files = [_file_v2(definition, file) for file in definition.files]
    return cast(FolioUploadDefinition, _definition(definition, definition.status, files))


def listed(name: str, items: Sequence[object], total: int) -> Document:
    return {name: items, "totalRecords": total}


def extension_document(extension: FileExtension) -> FolioFileExtension:
    document = _present(
        id=extension.id,
        extension=extension.extension,
        dataTypes=list(extension.data_types),
        importBlocked=extension.import_blocked,
        metadata=_metadata(extension),
    )
    return cast(FolioFileExtension, document)


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


def _file_v2(definition: UploadDefinition, file: FileDefinition) -> Document:
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
    """Returns who made a thing and when, or None if its maker is unknown."""
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
