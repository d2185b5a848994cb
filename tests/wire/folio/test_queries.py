"""Queries of definitions as clients send them."""

import pytest
from yarl import URL

from tests.wire.folio.client import USER, V1, Client

LIST = V1 + "/definition"


async def positions(client: Client, query: str, made: list[str]) -> list[int]:
    return [made.index(one["id"]) for one in await client.found(query)]


async def test_definitions_are_found(client: Client) -> None:
    first = await client.define("Straße.mrc", "other.xml")
    second = await client.define("books é.mrc")
    third = await client.define()
    made = [one["id"] for one in (first, second, third)]
    await client.ask("PUT", f"{LIST}/{made[2]}", {"status": "COMPLETED", "createDate": "2019-06-20T11:00:25.852Z"})
    await client.send(first, 0, b"x")

    rows = {
        f"id={made[1]}": [1],
        f"id=={made[1].upper()}": [1],
        f"id={made[1][:8]}*": [1],
        "id=nonsense": [],
        'id=""': [0, 1, 2],
        "cql.allRecords=1": [0, 1, 2],
        "cql.allRecords=1 sortBy createDate": [2, 0, 1],
        "cql.allRecords=1 sortBy createDate/sort.descending": [1, 0, 2],
        "cql.allRecords=1 sortBy createdDate/sort.descending": [0, 1, 2],
        'status==("NEW" OR "IN_PROGRESS" OR "LOADED")': [0, 1],
        '(status==("NEW" OR "LOADED")) sortBy createdDate/sort.descending': [1],
        "status==new": [1],
        "status==/respectCase new": [],
        "status<>NEW": [0, 2],
        "cql.allRecords=1 not status==NEW": [0, 2],
        'createDate=="2019-06-20T11:00:25.852+0000"': [2],
        'createDate<"2020"': [2],
        "createDate==20*": [0, 1, 2],
        "fileDefinitions=strasse": [],
        "fileDefinitions=Straße": [0],
        'fileDefinitions="books e"': [1],
        'fileDefinitions any "xml books"': [0, 1],
        f"fileDefinitions={second['fileDefinitions'][0]['id']}": [1],
        f"metaJobExecutionId=={first['metaJobExecutionId']}": [0],
        f"metadata.createdByUserId=={USER}": [0, 1, 2],
        "metadata.createdByUserId==nobody": [],
        'username=="ab*" or personal.firstName=="ab*"': [],
        'active=="true" sortby personal.lastName': [],
    }
    found = {query: await positions(client, query, made) for query in rows}
    assert found == rows


async def test_a_page_of_what_is_found_counts_all(client: Client) -> None:
    for _ in range(3):
        await client.define("a")
    reply = await client.ask("GET", str(URL(LIST).with_query(query="status==NEW", limit="1", offset="1")))
    assert (len(reply.json["uploadDefinitions"]), reply.json["totalRecords"]) == (1, 3)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("query", "message", "key"),
    [
        ("a==", "the query cannot be understood at position 4: unexpected end of query", ""),
        ("a==1 x", "the query cannot be understood at position 6: unexpected 'x'", "x"),
        ("word", "cql.serverChoice requested, but no serverChoiceIndexes defined. ('word' at position 1)", "word"),
    ],
)
async def test_a_bad_query_is_told(shared: Client, query: str, message: str, key: str) -> None:
    reply = await shared.ask("GET", str(URL(LIST).with_query(query=query)))
    assert reply.status == 422
    error = {"message": message, "type": "1", "code": "-1", "parameters": [{"key": key, "value": ""}]}
    assert reply.json == {"errors": [error], "total_records": 1}


@pytest.mark.asyncio(loop_scope="module")
async def test_an_empty_query_is_none(shared: Client) -> None:
    made = await shared.define("a")
    assert made["id"] in [one["id"] for one in await shared.found(" ")]
