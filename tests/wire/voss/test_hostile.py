"""Every path and every field with values that no client means well with: always an answer of this API, never a 500."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from yarl import URL

from tests.wire.voss.house import LOAD, BulkHouse, countries, open_bulk_house

TEXTS = [
    "", " ", "\0", "\x1b[31m", "\u202e", "ü" * 300, "a" * 3000, "%00", "..", "'", '"', "-1", "1e999", "9" * 400, "٣",
    str(2**63), "NaN", "{}", "\udcff", "a\nb", "00000000-0000-0000-0000-000000000000", "f" * 24, "7" + "f" * 23, "sys.",
    "ffffffff-ffff-8fff-bfff-ffffffffffff",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, -1, 1.5, 1e308, 2**63, 2**70, "", "x", "\0", [], {}, [[]], {"a": {}}, ["x"] * 1001,
    "9999-12-31", "0001-01-01", "23:59:59", 900, -900, "http://[", "http://x:99999/", "ftp://x", "http://u@x/",
]  # fmt: skip
SCHEDULED = {
    "bulkload_file": "DEMO.xlsx",
    "execute_immediately": False,
    "execute_date": "2099-01-01",
    "execute_time": "00:00:00",
    "execute_timezone": 0,
}


@pytest.fixture
async def house(tmp_path: Path, bulk_imports: Path) -> AsyncIterator[BulkHouse]:
    """With one load that waits for ever."""
    async with open_bulk_house(tmp_path / "data", bulk_imports) as house:
        await house.begin(countries(("Germany", "DE")), **{k: v for k, v in SCHEDULED.items() if k != "bulkload_file"})  # type: ignore[arg-type]
        yield house


async def refused_or_answered(house: BulkHouse, method: str, path: str, document: Any = None) -> None:
    """An answer of this API: a document, or its own form of a refusal."""
    request = house.session.request(
        method,
        URL(house.address + path, encoded=True),
        headers={"Authorization": f"Basic {house.key}"},
        **({} if document is None else {"json": document}),
    )
    async with request as answer:
        body = await answer.json()
        assert answer.status < 500, (method, path, document, body)
        assert answer.status < 400 or (body["success"], body["http_code"]) == (False, answer.status)


async def test_paths_and_parameters(house: BulkHouse) -> None:
    (asked,) = (await house.get("/api/tool/Transaction/"))["resources"]
    for text in TEXTS:
        sent = quote(text.encode("utf-8", "surrogateescape"), safe="")
        for path in ("tool/Transaction/{}", "tool/Transaction/{}/poll", "data/BulkLoad/{}", "data/Schedule/{}"):
            await refused_or_answered(house, "GET", "/api/" + path.format(sent))
        for path in ("tool/Transaction/{}/replay", "tool/Transaction/{}/cancel"):
            await refused_or_answered(house, "POST", "/api/" + path.format(sent))
        await refused_or_answered(house, "GET", f"/api/tool/Transaction/poll/?transactions={sent}")
        for name in ("skip", "limit", "count", "hierarchy", "nowait", "method"):
            for path in ("tool/Transaction/", asked["href"][5:]):
                await refused_or_answered(house, "GET", f"/api/{path}?{name}={sent}")
            await refused_or_answered(house, "POST", f"{LOAD}&{name}={sent}", {"bulkload_file": "None.xlsx"})


async def test_fields_of_documents(house: BulkHouse) -> None:
    for value in VALUES:
        for name in SCHEDULED:
            await refused_or_answered(house, "POST", LOAD, SCHEDULED | {name: value})
        for name in ("external_id", "callback_url", "callback_username", "callback_password"):
            await refused_or_answered(house, "POST", LOAD, SCHEDULED | {"request_meta": {name: value}})
        for name in ("name", "filename", "description"):
            document = {"name": "n", "filename": "DEMO.xlsx", name: value}
            await refused_or_answered(house, "POST", "/api/data/BulkLoad/", document)
        for hrefs in (value, [value]):
            await refused_or_answered(house, "DELETE", "/api/data/BulkLoad/", {"hrefs": hrefs})
        await refused_or_answered(house, "POST", LOAD, value if value is not None else [])
    for path in ("/api/data/Schedule/", "/api/tool/Transaction/"):  # what was taken can be listed and read
        for resource in (await house.get(path + "?limit=2000"))["resources"][:40]:
            await refused_or_answered(house, "GET", resource.get("href") or resource["meta"]["uri"])
