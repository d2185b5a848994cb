"""What the engine refuses, and why. No error here knows HTTP: each dialect maps classes to answers.

An error of one module stands in that module, an error in a dialect's own syntax in the dialect. A test in tests/rules
checks that this drawing has every error that the engine declares.

EngineError
├── NotFound
│   ├── BatchNotFound         ├── BatchFileNotFound     ├── ControlNotFound       ├── JobNotFound
│   ├── ProcessNotFound       ├── ModelNotFound         ├── TableNotFound         ├── RowNotFound
│   ├── KeyNotFound           ├── ScheduleGone
│   ├── DefinitionNotFound    ├── FileNotFound          ├── ExtensionNotFound     (FOLIO)
│   ├── StagedUploadNotFound  ├── JobExecutionNotFound                            (FOLIO)
│   └── TransactionNotFound   ├── LoadFileNotFound      ├── BulkLoadNotFound      └── ScheduleNotFound (VOSS)
├── Refused
│   ├── RequestInvalid        ├── ControlInvalid        ├── BatchWrongState       ├── NotSaved
│   ├── NothingToCorrect      ├── RecordsLost
│   ├── FeedFull              ├── FeedClosed            ├── FeedFullForOne (a FeedFull)
│   ├── FilesRefused          ├── PartsWrong            ├── ExtensionWrong        ├── ExtensionTaken (FOLIO)
│   ├── AlreadyProcessed      ├── NothingToProcess      ├── JobExecutionRefused   (FOLIO)
│   └── HierarchyUnknown      ├── HierarchyForbidden    └── TransactionEnded      (VOSS)
├── AccessRefused
│   └── KeyMissing            ├── KeyUnknown            ├── KeyForbidden          └── KeyThrottled
└── UploadFailed
    ├── UploadTooLarge        ├── UploadTooSlow         ├── UploadIncomplete      ├── UploadMalformed
    ├── TooManyParts          ├── PartTooLarge          ├── PartMissing           ├── DiskFull
    └── LineInvalid           └── BodyEmpty
"""

import math
from collections.abc import Sequence
from typing import Self


class EngineError(Exception):
    """Base of all; `str(error)` is a sentence for the person who sent the request."""


class NotFound(EngineError):
    kind = "Thing"

    def __init__(self, name: str) -> None:
        super().__init__(f"{self.kind} not found: {name}")
        self.name = name


class BatchNotFound(NotFound):
    kind = "Batch"


class ControlNotFound(NotFound):
    kind = "Control file"


class ProcessNotFound(NotFound):
    kind = "Import process"


class JobNotFound(NotFound):
    kind = "Job"


class KeyNotFound(NotFound):
    kind = "Key"


class DefinitionNotFound(NotFound):
    kind = "Upload definition"


class FileNotFound(NotFound):
    kind = "File definition"


class ExtensionNotFound(NotFound):
    kind = "File extension"


class StagedUploadNotFound(NotFound):
    kind = "Upload in parts"


class JobExecutionNotFound(NotFound):
    kind = "JobExecution"


class BatchFileNotFound(NotFound):
    kind = "File of the batch"


class ModelNotFound(NotFound):
    kind = "Model"


class Refused(EngineError):
    pass


class BatchWrongState(Refused):
    def __init__(self, identifier: str, wanted: str) -> None:
        super().__init__(f"Batch {identifier} is not in the '{wanted}' state")
        self.identifier = identifier
        self.wanted = wanted


class ControlInvalid(Refused):
    """`messages` in the order of the checks; empty where the bytes were not JSON at all."""

    def __init__(self, messages: Sequence[str], *, not_json: bool = False) -> None:
        super().__init__("not JSON" if not_json else "; ".join(messages))
        self.messages = tuple(messages)
        self.not_json = not_json


class RequestInvalid(Refused):
    pass


class FilesRefused(Refused):
    """Files that may not be announced: pairs of a file's name and what is wrong, as a code."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems))
        self.problems = tuple(problems)


class ExtensionWrong(Refused):
    def __init__(self, extension: str) -> None:
        super().__init__(f"File extension {extension} is not a valid format")
        self.extension = extension


class ExtensionTaken(Refused):
    def __init__(self, extension: str) -> None:
        super().__init__(f"File extension {extension} already exists")
        self.extension = extension


class AlreadyProcessed(Refused):
    """Files that were handed over to be imported can be neither replaced nor removed."""


class NothingToProcess(Refused):
    """Files that are to be imported, and none has come."""


class JobExecutionRefused(Refused):
    """What cannot be done with a job execution as it is now."""


class NotSaved(Refused):
    """The imports folder does not take a file."""


class PartsWrong(Refused):
    """The parts that a client counts are not those that came."""


class AccessRefused(EngineError):
    pass


class KeyMissing(AccessRefused):
    def __init__(self) -> None:
        super().__init__("no API key was sent")


class KeyUnknown(AccessRefused):
    def __init__(self) -> None:
        super().__init__("the API key is unknown, expired or revoked")


class KeyForbidden(AccessRefused):
    def __init__(self, scope: str) -> None:
        super().__init__(f"the API key does not have the scope {scope}")
        self.scope = scope


class KeyThrottled(AccessRefused):
    """A wrong key after many others. A right key is never refused so."""

    retry_after = 60  # seconds

    def __init__(self) -> None:
        super().__init__("the API key is wrong, and too many wrong ones came before it; send the right key, or wait")

    @classmethod
    def until(cls, seconds: float) -> Self:
        error = cls()
        error.retry_after = max(1, math.ceil(seconds))
        return error


class UploadFailed(EngineError):
    pass


class UploadTooLarge(UploadFailed):
    def __init__(self, limit: int, setting: str = "max_upload_bytes") -> None:
        super().__init__(f"the body is larger than {limit} bytes; raise [limits] {setting} or send less")
        self.limit = limit


class UploadTooSlow(UploadFailed):
    """The client sent nothing for too long, or took too long in all."""


class UploadIncomplete(UploadFailed):
    """The client went away, or the body is shorter than declared."""


class UploadMalformed(UploadFailed):
    """The body is not what its headers say; the message names the place."""


class LineInvalid(UploadFailed):
    """A line of the body is not a JSON object; the message begins with the number of the line."""


class BodyEmpty(UploadFailed):
    """The body has no rows at all."""


class TooManyParts(UploadFailed):
    def __init__(self, limit: int) -> None:
        super().__init__(f"the form has more than {limit} parts; see [limits] max_form_parts")
        self.limit = limit


class PartTooLarge(UploadFailed):
    def __init__(self, name: str, limit: int) -> None:
        super().__init__(f"the form field {name!r} is larger than {limit} bytes")
        self.name = name
        self.limit = limit


class PartMissing(UploadFailed):
    def __init__(self, name: str) -> None:
        super().__init__(f"the form has no file part {name!r}")
        self.name = name


class DiskFull(UploadFailed):
    def __init__(self, free: int, floor: int) -> None:
        super().__init__(f"not enough disk space: {free} bytes free, {floor} must stay free")
        self.free = free
        self.floor = floor
