"""What FOLIO's modules answer: one class for each JSON document."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from server.dialects.folio.wire.bodies import STATUSES, UI_STATUS, DataType, JobStatus, OneOf
from server.engine.documents import Count

Date = Annotated[
    str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$", examples=["2026-03-01T09:30:00.000+0000"])
]
Second = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-03-01T09:40:00Z"])]
Id = Annotated[str, Field(examples=["67dfac11-1caf-4470-9ad1-d533f6360bdd"])]
Path = Annotated[str, Field(pattern="^blobs/sha256/[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{64}$")]
RecordType = Literal["EDIFACT", "MARC_AUTHORITY", "MARC_HOLDINGS", "MARC_BIBLIOGRAPHIC"]


class FolioParameter(TypedDict):
    key: str
    value: str


class FolioError(TypedDict):
    message: str
    type: str
    code: str
    parameters: list[FolioParameter]


class FolioErrors(TypedDict):
    errors: list[FolioError]
    total_records: Count


class FolioMetadata(TypedDict):
    createdDate: Date
    createdByUserId: str
    updatedDate: Date
    updatedByUserId: NotRequired[str]


class _File(TypedDict):
    id: Id
    name: Annotated[str, Field(examples=["bib.mrc"])]
    uploadDefinitionId: Id
    createDate: Date
    sourcePath: NotRequired[Path]
    jobExecutionId: NotRequired[Id]


class FolioFile(_File):
    loaded: bool


class FolioUploadFile(_File):
    status: Literal["NEW", "UPLOADED", "ERROR"]
    uploadedDate: NotRequired[Date]
    size: NotRequired[Count]
    uiKey: NotRequired[str]


class _Definition(TypedDict):
    id: Id
    metaJobExecutionId: NotRequired[Id]
    createDate: NotRequired[Date]
    metadata: NotRequired[FolioMetadata]


class FolioDefinition(_Definition):
    fileDefinitions: list[FolioFile]
    status: NotRequired[Annotated[str, OneOf(STATUSES)]]


class FolioUploadDefinition(_Definition):
    fileDefinitions: list[FolioUploadFile]
    status: NotRequired[Annotated[str, OneOf((*STATUSES, "ERROR"))]]


class FolioFileExtension(TypedDict):
    id: Id
    extension: Annotated[str, Field(examples=[".mrc"])]
    dataTypes: list[DataType]
    importBlocked: bool
    metadata: NotRequired[FolioMetadata]


class FolioUploadUrl(TypedDict):
    """A signed address for one part of a file."""

    url: Annotated[
        str,
        Field(examples=["http://127.0.0.1:8080/data-import/parts/67dfac11/1?expires=1772357400&signature=9f86d081"]),
    ]
    key: Annotated[str, Field(examples=["diku/1-bib.mrc"])]
    uploadId: Id


class FolioSession(TypedDict):
    accessTokenExpiration: Second
    refreshTokenExpiration: Second


class FolioPersonal(TypedDict):
    lastName: str


class FolioUserDetails(TypedDict):
    username: str
    id: Id
    active: bool
    personal: FolioPersonal


class FolioUser(TypedDict):
    user: FolioUserDetails


class FolioRunBy(TypedDict):
    firstName: str
    lastName: str


class FolioProgress(TypedDict):
    jobExecutionId: Id
    current: Count
    total: Count


class FolioJobExecution(TypedDict):
    id: Id
    hrId: int
    parentJobId: Id
    subordinationType: Literal["CHILD", "PARENT_SINGLE", "PARENT_MULTIPLE"]
    sourceType: Literal["FILES", "ONLINE", "COMPOSITE"]
    runBy: FolioRunBy
    progress: FolioProgress
    status: JobStatus
    uiStatus: Annotated[str, OneOf(tuple(dict.fromkeys(UI_STATUS.values())))]
    jobProfileInfo: NotRequired[dict[str, Any]]
    fileName: NotRequired[str]
    userId: NotRequired[str]
    startedDate: NotRequired[Date]
    completedDate: NotRequired[Date]
    errorStatus: NotRequired[str]


class FolioMadeJobs(TypedDict):
    parentJobExecutionId: Id
    jobExecutions: list[FolioJobExecution]


class FolioDeletedJob(TypedDict):
    jobExecutionId: Id
    isDeleted: bool


class FolioDeletedJobs(TypedDict):
    jobExecutionDetails: list[FolioDeletedJob]


class FolioJobProfile(TypedDict):
    id: Id
    name: str
    dataType: DataType
    hidden: bool


class FolioJobUser(TypedDict):
    userId: str
    jobUserFirstName: str
    jobUserLastName: str


class FolioLogEntry(TypedDict):
    """What became of a record."""

    jobExecutionId: Id
    incomingRecordId: Id
    sourceRecordId: Id
    sourceRecordOrder: str
    sourceRecordTitle: str
    sourceRecordType: RecordType
    sourceRecordActionStatus: Literal["CREATED", "DISCARDED"]
    relatedHoldingsInfo: list[Any]
    relatedItemInfo: list[Any]
    error: str


class FolioJournalRecord(TypedDict):
    id: Id
    jobExecutionId: Id
    sourceId: Id
    sourceRecordOrder: int
    title: str
    entityType: RecordType
    actionType: str
    actionStatus: Literal["COMPLETED", "ERROR"]
    actionDate: Date
    error: str


class FolioIncomingRecord(TypedDict):
    """A record as it was sent, and as it was parsed."""

    id: Id
    jobExecutionId: Id
    order: int
    recordType: str
    rawRecordContent: str | None
    parsedRecordContent: str | None
    error: str


class FolioTotals(TypedDict):
    totalCreatedEntities: Count
    totalUpdatedEntities: Count
    totalDiscardedEntities: Count
    totalErrors: Count


class FolioJobSummary(TypedDict):
    jobExecutionId: Id
    totalErrors: Count
    sourceRecordSummary: FolioTotals
