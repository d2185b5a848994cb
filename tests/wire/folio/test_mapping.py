"""MARC fields mapped further, by an import process of the operator's."""

import json
from pathlib import Path

import pytest

from tests.support.replay import House
from tests.wire.folio.records import marc, torn

BOOKS = {
    "name": "example:books",
    "destinations": [
        {
            "name": "book",
            "table": "books",
            "kind": "dictionary",
            "names": {"number": {"multivalue": True, "required": True}, "title": {"multivalue": True}},
        }
    ],
}
CONTROL = {
    "dataImportControlFileVersion": 0,
    "model": "example:books",
    "files": {"DEFAULT": {"read": "marc"}},
    "instructions": [
        {"action": "new", "destination": "book"},
        {
            "action": "for-each",
            "source": "fields",
            "instructions": [
                {"source": "001", "destination": "book", "name": "number", "multivalue": True},
                {
                    "action": "within",
                    "source": "245",
                    "instructions": [
                        {
                            "action": "for-each",
                            "source": "subfields",
                            "instructions": [
                                {"source": "a", "destination": "book", "name": "title", "multivalue": True}
                            ],
                        }
                    ],
                },
            ],
        },
    ],
}


@pytest.fixture(scope="session")
def imports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imports")
    process = {"id": "books", "label": "Books", "control": CONTROL}
    for kind, document in (("models", BOOKS), ("processes", process)):
        (folder / kind).mkdir()
        (folder / kind / "books.json").write_text(json.dumps(document))
    return folder


async def test_a_process_maps_marc_fields(house: House) -> None:
    pieces = [marc(1) + torn(2) + marc(3), b""]

    async def source() -> bytes:
        return pieces.pop(0)

    batch = await house.engine.batches.create("native", process="books", comment="Books")
    upload = await house.engine.uploads.receive_octets(source, filename="books.mrc")
    await house.engine.batches.add_file("native", batch.identifier, "books", upload)
    job = await house.engine.batches.schedule("native", batch.identifier, "import")
    ended = await house.engine.jobs.wait(job.id)
    assert (ended.counts.created, ended.counts.failed) == (2, 1)
    rows = [(row.values["number"], row.values["title"]) for row in await house.rows("books")]
    assert rows == [('["n1"]', '["A title 1"]'), ('["n3"]', '["A title 3"]')]
