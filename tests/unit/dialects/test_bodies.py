"""Bodies with very many faults make one error, and of several faults the first in the document is answered."""

import pytest
from pydantic import BaseModel, ValidationError

from server.dialects.folio.errors import BodyInvalid, ValidationFailed
from server.dialects.folio.wire.bodies import FolioNewDefinition, FolioNewJob, read
from server.dialects.voss.documents import VossHrefs

MANY = 10_000


@pytest.mark.parametrize(
    ("cls", "document"),
    [
        (VossHrefs, {"hrefs": [1] * MANY}),
        (FolioNewDefinition, {f"unknown{number}": 1 for number in range(MANY)}),
    ],
)
def test_many_faults_make_one_error(cls: type[BaseModel], document: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as raised:
        cls.model_validate(document)
    assert raised.value.error_count() == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"id": 5, "unknown": 1, "status": 6}', "id must be a string, not 5"),
        (b'{"status": 6, "id": 5}', "status must be one of NEW, IN_PROGRESS, LOADED, COMPLETED, not 6"),
        (b'{"fileDefinitions": [{}, {"name": 1, "id": 2}], "id": 5}', r"fileDefinitions\[1\].name must be a string"),
    ],
)
def test_the_first_fault_in_the_document_is_answered(body: bytes, words: str) -> None:
    with pytest.raises(BodyInvalid, match=words):
        read(body, FolioNewDefinition)


def test_an_unknown_property_is_named_even_if_it_is_null() -> None:
    with pytest.raises(ValidationFailed, match='Unrecognized field "unknown"'):
        read(b'{"unknown": null, "id": 5}', FolioNewDefinition)


def test_all_missing_properties_are_answered() -> None:
    with pytest.raises(ValidationFailed) as raised:
        read(b'{"files": [{}, {"name": null}], "sourceType": "FILES"}', FolioNewJob)
    assert [problem.key for problem in raised.value.problems] == ["userId", "files[0].name", "files[1].name"]
