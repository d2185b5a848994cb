"""Every refusal of the engine has an answer in the words of this dialect, and none is a server error."""

from collections.abc import Iterator

import pytest

from server.dialects.haplo.errors import TABLE
from server.engine import errors
from server.engine.errors import EngineError
from server.web.errors import answer_to

SAMPLES: dict[type[EngineError], EngineError] = {
    errors.NotFound: errors.NotFound("x"),
    errors.BatchWrongState: errors.BatchWrongState("x", "uploading"),
    errors.ControlInvalid: errors.ControlInvalid(["Not a control file"]),
    errors.FilesRefused: errors.FilesRefused([("a.pdf", "blocked")]),
    errors.KeyForbidden: errors.KeyForbidden("haplo-batch"),
    errors.UploadTooLarge: errors.UploadTooLarge(10),
    errors.TooManyParts: errors.TooManyParts(10),
    errors.PartTooLarge: errors.PartTooLarge("comment", 10),
    errors.PartMissing: errors.PartMissing("file"),
    errors.DiskFull: errors.DiskFull(1, 2),
}
NO_ARGUMENTS = (errors.KeyMissing, errors.KeyUnknown, errors.KeyThrottled)


def leaves(cls: type[EngineError] = EngineError) -> Iterator[type[EngineError]]:
    below = [each for each in cls.__subclasses__() if each.__module__ == errors.__name__]
    if not below:
        yield cls
    for each in below:
        yield from leaves(each)


def sample(cls: type[EngineError]) -> EngineError:
    if cls in NO_ARGUMENTS:
        return cls()
    if issubclass(cls, errors.NotFound):
        return cls("x")
    return SAMPLES.get(cls) or cls("a sentence for the client")


@pytest.mark.parametrize("cls", list(leaves()), ids=lambda cls: cls.__name__)
def test_every_error_has_an_answer(cls: type[EngineError]) -> None:
    error = sample(cls)
    answer = answer_to(TABLE, error)
    assert 400 <= answer.status < 500 or answer.status == 507
    assert answer.body(error)


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (errors.DiskFull(1, 2), 507, "not enough disk space: 1 bytes free, 2 must stay free"),
        (errors.UploadTooSlow("nothing came for 60 seconds"), 408, "nothing came for 60 seconds"),
        (errors.ControlInvalid([], not_json=True), 400, "Uploaded file is not JSON"),
        (errors.ControlInvalid(["a", "b"]), 400, "Invalid control file:\n  a\n  b"),
        (errors.PartMissing("file"), 400, "Bad request (failed validation)"),
    ],
)
def test_words_of_an_answer(error: EngineError, status: int, body: str) -> None:
    answer = answer_to(TABLE, error)
    assert (answer.status, answer.body(error)) == (status, body)
