"""Every refusal of the engine has an answer in the documented shapes, and none is a server error."""

import inspect
from collections.abc import Iterator

import pytest

from server.dialects.folio.errors import TABLE
from server.engine import errors
from server.engine.errors import EngineError
from server.web.errors import answer_to

SAMPLES: dict[type[EngineError], EngineError] = {
    errors.BatchWrongState: errors.BatchWrongState("x", "uploading"),
    errors.ControlInvalid: errors.ControlInvalid(["Not a control file"]),
    errors.FilesRefused: errors.FilesRefused([("a.pdf", "blocked")]),
    errors.UploadTooLarge: errors.UploadTooLarge(10),
    errors.TooManyParts: errors.TooManyParts(10),
    errors.PartTooLarge: errors.PartTooLarge("comment", 10),
    errors.DiskFull: errors.DiskFull(1, 2),
}


def leaves(cls: type[EngineError] = EngineError) -> Iterator[type[EngineError]]:
    below = [each for each in cls.__subclasses__() if each.__module__ == errors.__name__]
    if not below:
        yield cls
    for each in below:
        yield from leaves(each)


@pytest.mark.parametrize("cls", list(leaves()), ids=lambda cls: cls.__name__)
def test_every_error_has_an_answer(cls: type[EngineError]) -> None:
    words = ["a sentence for the client"] if len(inspect.signature(cls.__init__).parameters) > 1 else []
    error = SAMPLES.get(cls) or cls(*words)
    answer = answer_to(TABLE, error)
    assert 400 <= answer.status < 500 or answer.status == 507
    assert answer.body(error)
