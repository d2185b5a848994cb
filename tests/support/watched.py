"""What the tests of /metrics and /readyz need: an import to send, and a scrape to ask for numbers."""

import json
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.support.replay import House, basic

MODEL: dict[str, Any] = {
    "name": "watched:people",
    "destinations": [
        {
            "name": "profile",
            "table": "people",
            "kind": "dictionary",
            "key": ["email"],
            "names": {"email": {"required": True}, "name": {}},
        }
    ],
}
PROCESS: dict[str, Any] = {
    "id": "people",
    "label": "People",
    "model": "watched:people",
    "destination": "profile",
    "read": "json-lines",
    "write": "upsert",
    "columns": {"email": "email", "name": "name"},
}
ROWS = b'{"email": "ada@example.org", "name": "Ada"}\n{"email": "bo@example.org"}\n{"name": "Nobody"}\n'
API = "/api/haplo-data-import-standard-api"


class Scrape:
    """`value` of a sample, None where there is no such sample; `labels` are the values of one label of a metric."""

    def __init__(self, text: str) -> None:
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        samples = [sample for family in self.families.values() for sample in family.samples]
        self._values = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}

    def value(self, name: str, **labels: str) -> float | None:
        return self._values.get((name, frozenset(labels.items())))

    def labels(self, name: str, label: str) -> set[str]:
        return {dict(labels)[label] for sample, labels in self._values if sample == name and label in dict(labels)}


async def scrape(house: House) -> Scrape:
    headers = {"Authorization": f"Bearer {house.keys['admin']}"}
    async with house.session.get(f"{house.address}/metrics", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return Scrape(await answer.text())


async def post(house: House, path: str, data: Any) -> str:
    headers = basic("haplo", house.keys["haplo-standard"])
    async with house.session.post(f"{house.address}{API}/{path}", data=data, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.text()


async def imported(house: House, mode: str = "import") -> None:
    """A whole import over HTTP, up to its end."""
    batch = await post(house, "batch", {"comment": "Watched", "kind": "people"})
    form: dict[str, Any] = {"batch": batch, "name": "data0", "file": ROWS}
    await post(house, "file", _multipart(form))
    await post(house, "schedule", {"batch": batch, "mode": mode})
    found = await house.engine.batches.get(None, batch)
    assert found.job is not None
    await house.engine.jobs.wait(found.job)


def _multipart(fields: dict[str, Any]) -> Any:
    form = aiohttp.FormData()
    for name, value in fields.items():
        form.add_field(name, value, filename="people.jsonl" if isinstance(value, bytes) else None)
    return form


def as_files() -> dict[str, str]:
    return {"models/people.json": json.dumps(MODEL), "processes/people.json": json.dumps(PROCESS)}
