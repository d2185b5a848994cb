"""The list of batches, its filters and its pages."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.wire.admin.house import Signed

GOOD = {"email": "ada@example.org", "name": "Ada"}


def listed(page: object) -> list[str]:
    links: dict[str, str] = page.links  # type: ignore[attr-defined]
    return [href.rpartition("/")[2] for href in links.values() if href.startswith("/admin/batches/")]


async def test_an_empty_house_says_so(site: Signed) -> None:
    page = await site.get("/admin/batches")
    assert page.status == 200
    assert "There are no batches yet." in page.text
    assert "No batch is like that." in (await site.get("/admin/batches?api=folio")).text


async def test_the_newest_comes_first_with_its_numbers(site: Signed) -> None:
    first = await site.imported(GOOD, {"name": "Bob"}, comment="First")
    second = await site.batch(GOOD, comment="Second")
    page = await site.get("/admin/batches")
    assert page.text.index("Second") < page.text.index("First")
    assert f'title="{first.identifier}"' in page.body
    assert page.links[first.identifier[:10] + "…"] == f"/admin/batches/{first.identifier}"
    assert page.links["1"] == f"/admin/batches/{first.identifier}/failed"
    assert {second.state, "complete"} <= set(page.text.split())


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("api=haplo-standard", "AB"),
        ("api=cli", "C"),
        ("api=none", ""),
        ("state=uploading", "ABC"),
        ("state=complete", ""),
        ("process=people", "AC"),
        ("process=people-csv", "B"),
        ("text=alpha", "A"),
        ("text=PEOPLE.jsonl", "AB"),
        ("text=api:lh", "C"),
        ("text=%25", ""),
        ("api=haplo-standard&process=people&text=people", "A"),
        ("from=2025-01-01", "ABC"),
        ("to=2025-01-01T10:30", ""),
        ("from=2999-01-01", ""),
        ("from=2025-01-01T00:00&to=2999-12-31&api=cli", "C"),
        ("before=nonsense", "ABC"),
        ("before=99999999999999999999999", "ABC"),
        ("before=0", ""),
        ("text=%00", "ABC"),
        ("to=9999-12-31", "ABC"),
    ],
)
async def test_filters(site: Signed, query: str, wanted: str) -> None:
    made = {
        (await site.batch(GOOD, comment="Alpha")).identifier: "A",
        (await site.batch(GOOD, comment="Beta", process="people-csv")).identifier: "B",
    }
    third = await site.engine.batches.create(
        "cli", process="people", comment="Gamma", properties={"creation_path": "IMPORT_QUEUE_API:LH"}
    )
    made[third.identifier] = "C"
    page = await site.get(f"/admin/batches?{query}")
    assert page.status == 200
    assert sorted(made[identifier] for identifier in listed(page)) == sorted(wanted)


async def test_an_identifier_is_found_by_its_beginning(site: Signed) -> None:
    batches = [await site.batch(GOOD) for _ in range(3)]
    for batch in batches:
        page = await site.get("/admin/batches", params={"text": batch.identifier[:10]})
        assert listed(page) == [batch.identifier]


@pytest.mark.parametrize("query", ["from=yesterday", "to=2025-13-01", "state=lost", "from=0001-01-01T00:00%2B23:00"])
async def test_a_filter_that_means_nothing_is_a_clear_answer(site: Signed, query: str) -> None:
    page = await site.get(f"/admin/batches?{query}")
    assert page.status == 400
    assert "Correct this first:" in page.text


async def test_pages_keep_the_filters_and_miss_nothing(site: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.admin.batches.listing.PAGE", 2)
    made = [
        (await site.engine.batches.create("cli", process="people", comment=f"Number {n} & co")).identifier
        for n in range(5)
    ]
    soon = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M}"
    seen: list[str] = []
    page = await site.get("/admin/batches", params={"text": "& co", "api": "cli", "to": soon})
    while True:
        seen += listed(page)
        if "Next page" not in page.links:
            break
        query = parse_qs(urlsplit(page.links["Next page"]).query)
        assert (query["text"], query["api"], query["to"]) == (["& co"], ["cli"], [soon])
        page = await site.get(page.links["Next page"])
        assert "First page" in page.links
    assert seen == made[::-1]


async def test_a_search_says_how_far_it_looked(site: Signed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.catalog.sql.batch_search.search.__defaults__", (2,))
    wanted = await site.batch(GOOD, comment="Needle")
    for _ in range(3):
        await site.batch(GOOD, comment="Hay")
    page = await site.get("/admin/batches?text=needle")
    assert "Searched the newest 2 batches" in page.text
    assert listed(page) == []
    further = await site.get(page.links["Search on"])
    assert listed(further) == [wanted.identifier]
