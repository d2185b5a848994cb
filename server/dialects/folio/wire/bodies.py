"""What clients send to FOLIO's modules: one class for each JSON body, which checks and describes it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, NotRequired, TypeVar

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
    with_config,
)
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict

from server.dialects.folio.errors import BodyInvalid, Problem, ValidationFailed
from server.engine.vendors.folio.file_extensions import DATA_TYPES
from server.engine.vendors.folio.staged_uploads import MOST_PARTS
from server.engine.vendors.folio.upload_definitions import MOST_FILES

LONGEST_TEXT = 1024  # characters
MOST_RECORDS = 100_000  # of a chunk, which is checked in a thread
STATUSES = ("NEW", "IN_PROGRESS", "LOADED", "COMPLETED")
UI_STATUS: Mapping[str, str] = {
    "PARENT": "PARENT",
    "NEW": "INITIALIZATION",
    "FILE_UPLOADED": "INITIALIZATION",
    "PARSING_IN_PROGRESS": "RUNNING",
    "COMMIT_IN_PROGRESS": "RUNNING",
    "PARSING_FINISHED": "RUNNING_COMPLETE",
    "COMMITTED": "RUNNING_COMPLETE",
    "PROCESSING_IN_PROGRESS": "PREPARING_FOR_PREVIEW",
    "PROCESSING_FINISHED": "READY_FOR_PREVIEW",
    "ERROR": "ERROR",
    "DISCARDED": "DISCARDED",
    "CANCELLED": "CANCELLED",
}
"""Each status of a job execution, and how clients show it."""

_ERROR_STATUSES = (
    *("SNAPSHOT_UPDATE_ERROR", "RECORD_UPDATE_ERROR", "FILE_PROCESSING_ERROR"),
    *("INSTANCE_CREATING_ERROR", "PROFILE_SNAPSHOT_CREATING_ERROR"),
)
_ID = "67dfac11-1caf-4470-9ad1-d533f6360bdd"

Sent = TypeVar("Sent", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Marks a text that is one of `words`."""

    words: Sequence[str]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return PlainValidator(self._check).__get_pydantic_core_schema__(source, handler)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.words)}

    def _check(self, value: object) -> object:
        if value not in self.words:
            raise ValueError(f"one of {', '.join(self.words)}")
        return value


def _date(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("a date such as 2019-06-20T11:00:25.852+0000") from None


def _not_null(value: object) -> object:
    if value is None:
        raise ValueError("a value")
    return value


Text = Annotated[str, Field(max_length=LONGEST_TEXT, pattern=r"^[^\x00]*$")]
Integer = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
Date = Annotated[datetime, PlainValidator(_date), WithJsonSchema({"type": "string"})]
Anything = Annotated[Any, AfterValidator(_not_null), WithJsonSchema({"not": {"type": "null"}, "examples": ["…"]})]
Id = Annotated[Text, Field(examples=[_ID])]
Name = Annotated[Text, Field(examples=["bib.mrc"])]
DataType = Annotated[str, OneOf(DATA_TYPES)]
JobStatus = Annotated[str, OneOf(tuple(UI_STATUS))]
ErrorStatus = Annotated[str, OneOf(_ERROR_STATUSES)]


class FolioObject(BaseModel):
    """A body that may have other properties too. A property that need not be there may be null."""

    model_config = ConfigDict(strict=True, defer_build=True, alias_generator=to_camel)


class Closed(BaseModel):
    """A body that has no other properties."""

    model_config = ConfigDict(strict=True, defer_build=True, alias_generator=to_camel, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _only_first_unknown(cls, document: object) -> object:
        """Drops all that follows the first unknown property, so that a million of them make one error."""
        if not isinstance(document, dict):
            return document
        known = {field.alias for field in cls.model_fields.values()}
        found = {}
        for name, value in document.items():
            found[name] = value
            if name not in known:
                break
        return found


class FolioNewMetadata(Closed):
    """Who made something, and when: checked, but filled in by the server."""

    created_date: Date | None = None
    created_by_user_id: Text | None = None
    created_by_username: Text | None = None
    updated_date: Date | None = None
    updated_by_user_id: Text | None = None
    updated_by_username: Text | None = None


class FolioNewFile(Closed):
    id: Text | None = None
    source_path: Text | None = None
    name: Name
    job_execution_id: Text | None = None
    upload_definition_id: Text | None = None
    loaded: bool | None = None
    create_date: Date | None = None


class FolioNewUploadFile(FolioNewFile):
    uploaded_date: Date | None = None
    size: Integer | None = None
    ui_key: Text | None = None
    status: Annotated[str, OneOf(("NEW", "UPLOADING", "UPLOADED", "ERROR"))] | None = None


_FILES = Field(max_length=MOST_FILES)
_A_FILE = [{"name": "bib.mrc"}]


class _Definition(Closed):
    id: Text | None = None
    meta_job_execution_id: Text | None = None
    create_date: Date | None = None
    metadata: FolioNewMetadata | None = None


class FolioNewDefinition(_Definition):
    status: Annotated[str, OneOf(STATUSES)] | None = None
    file_definitions: Annotated[list[FolioNewFile], _FILES] | None = Field(None, examples=[_A_FILE])


class FolioNewUploadDefinition(_Definition):
    status: Annotated[str, OneOf((*STATUSES, "ERROR"))] | None = None
    file_definitions: Annotated[list[FolioNewUploadFile], _FILES] | None = Field(None, examples=[_A_FILE])


class FolioNewFileExtension(Closed):
    id: Text | None = None
    extension: Annotated[Text, Field(examples=[".mrc"])]
    import_blocked: bool
    data_types: Annotated[list[DataType], Field(max_length=MOST_FILES)] | None = None
    user_info: FolioObject | None = None
    metadata: FolioNewMetadata | None = None


class FolioChosenProfile(Closed):
    id: Id
    name: Text | None = None
    data_type: DataType | None = None
    hidden: bool | None = None


class FolioProcessFiles(Closed):
    upload_definition: FolioObject
    job_profile_info: FolioChosenProfile


class FolioAssembly(Closed):
    """The parts of a file: `tags` are the ETags of their uploads, in order."""

    key: Annotated[Text, Field(examples=["diku/1-bib.mrc"])]
    upload_id: Id
    tags: Annotated[list[Text], Field(max_length=MOST_PARTS)]


class FolioLogin(Closed):
    username: Text
    password: Text
    tenant: Text | None = None


class FolioProfile(FolioObject):
    id: Id
    name: Text | None = None
    data_type: DataType | None = None
    hidden: bool | None = None

    def stored(self) -> dict[str, object]:
        """Returns what a job execution keeps of its profile."""
        known = {"name": self.name or "", "dataType": self.data_type or "MARC", "hidden": bool(self.hidden)}
        return {**known, "id": self.id}


class FolioJobFile(FolioObject):
    name: Text


class FolioNewJob(FolioObject):
    source_type: Annotated[str, OneOf(("FILES", "ONLINE", "COMPOSITE"))]
    user_id: Id
    files: Annotated[list[FolioJobFile], Field(max_length=MOST_FILES)] | None = None
    job_profile_info: FolioProfile | None = None
    parent_job_id: Text | None = None
    job_part_number: Integer | None = None
    total_job_parts: Integer | None = None


class FolioJobStatus(FolioObject):
    status: JobStatus
    error_status: ErrorStatus | None = None


class FolioJobUpdate(FolioObject):
    id: Id
    status: JobStatus
    error_status: ErrorStatus | None = None
    file_name: Text | None = None
    user_id: Text | None = None


class FolioChunk(FolioObject):
    """Where a chunk of records stands: after the `last` one, no more will come."""

    last: bool
    counter: Integer
    total: Integer | None = None
    content_type: Annotated[str, OneOf(("MARC_RAW", "MARC_XML", "MARC_JSON", "EDIFACT_RAW"))]


@with_config(ConfigDict(strict=True))
class FolioRawRecord(TypedDict):
    """One record of a chunk. There are many, and a dictionary is checked ten times as fast as a model is made."""

    record: Anything
    order: NotRequired[Integer | None]


class FolioRecords(FolioObject):
    id: Id
    records_metadata: FolioChunk
    initial_records: Annotated[list[FolioRawRecord], Field(max_length=MOST_RECORDS)] | None = None


class FolioIds(FolioObject):
    ids: Annotated[list[Text], Field(max_length=MOST_FILES, examples=[[_ID]])]


_LONG = f"a string of at most {LONGEST_TEXT} characters without NUL"
_INTEGER = "an integer of 32 bits"
_WANTED = {
    "string_type": "a string",
    "string_too_long": _LONG,
    "string_pattern_mismatch": _LONG,
    "bool_type": "true or false",
    "int_type": _INTEGER,
    "greater_than_equal": _INTEGER,
    "less_than_equal": _INTEGER,
    "list_type": "an array",
    "model_type": "an object",
    "dict_type": "an object",
}
"""The words for pydantic's types of errors. Our own checks raise ValueError with theirs."""


def read(body: bytes, cls: type[Sent]) -> Sent:
    """Checks a body. Raises BodyInvalid or ValidationFailed: for the first fault in the document, or for all gaps."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BodyInvalid(f"the body is not JSON: {error}" if body.strip() else "the body is empty") from None
    try:
        return cls.model_validate(document)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    wrong = [error for error in errors if not _is_missing(error)]
    if wrong:
        raise _refusal(_first(wrong, document))
    raise ValidationFailed([Problem("may not be null", key=_path(error["loc"]), value="null") for error in errors])


def _is_missing(error: Mapping[str, Any]) -> bool:
    """Whether a known property is missing or null; in a list, null is a wrong value."""
    place = error["loc"]
    is_null = bool(place) and isinstance(place[-1], str) and error["input"] is None
    return error["type"] == "missing" or (is_null and error["type"] != "extra_forbidden")


def _first(errors: Sequence[Any], document: Any) -> Any:
    """Returns the error whose place comes first in the document."""
    depth = 0
    while len(errors) > 1:
        wrong = {error["loc"][depth] for error in errors}
        place = next(name for name in (document if isinstance(document, dict) else sorted(wrong)) if name in wrong)
        errors = [error for error in errors if error["loc"][depth] == place]
        document, depth = document[place], depth + 1
    return errors[0]


def _refusal(error: Mapping[str, Any]) -> BodyInvalid | ValidationFailed:
    place, value, kind = error["loc"], error["input"], error["type"]
    if kind == "extra_forbidden":
        within = f" in {_path(place[:-1])}" if place[1:] else ""
        return ValidationFailed([Problem(f'Unrecognized field "{place[-1]}"{within}', key="")])
    if kind == "too_long":
        return ValidationFailed([too_many(_path(place), len(value), error["ctx"]["max_length"])])
    shown = _shown(value)
    shown = shown if len(shown) <= 80 else shown[:80] + "…"
    wanted = _WANTED.get(kind) or error["ctx"]["error"]
    return BodyInvalid(f"{_path(place) or 'the body'} must be {wanted}, not {shown}")


def too_many(path: str, count: int, most: int) -> Problem:
    return Problem(f"size must be between 0 and {most}; send the rest on its own", key=path, value=str(count))


def _path(place: Sequence[str | int]) -> str:
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in place).removeprefix(".")


def _shown(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # it reads deeper values than it writes
        return "a value that is nested too deeply"
