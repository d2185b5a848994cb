"""What callers of one turn of the event loop ask for goes to the writer's thread together, and none of it is lost."""

import asyncio
from collections.abc import Sequence
from threading import Thread
from typing import Any, cast

from sqlalchemy import Connection

from storage.writer import GroupWriter, Operation


class Session:
    """Runs the operations without a database, and remembers how many came together."""

    changes = 0

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.closed = False

    def transaction(self, operations: Sequence[Operation]) -> None:
        self.groups.append(len(operations))
        for operation in operations:
            operation.result = operation.run(cast(Connection, None))

    def look(self) -> None: ...

    def close(self) -> None:
        self.closed = True


def numbered(writer: GroupWriter, count: int) -> list[asyncio.Task[int]]:
    async def write(number: int) -> int:
        return await writer.write(lambda _connection: number)

    return [asyncio.create_task(write(number)) for number in range(count)]


async def test_the_writes_of_one_turn_are_one_group() -> None:
    session = Session()
    writer = GroupWriter("notes", session)
    assert await asyncio.gather(*numbered(writer, 50)) == list(range(50))
    await asyncio.to_thread(writer.close)
    assert session.groups == [50]


async def test_a_large_turn_is_cut_into_groups_in_order() -> None:
    session = Session()
    writer = GroupWriter("notes", session)
    assert await asyncio.gather(*numbered(writer, 600)) == list(range(600))
    await asyncio.to_thread(writer.close)
    assert session.groups == [256, 256, 88]


async def test_a_close_in_the_same_turn_finishes_what_was_asked_for_before_it() -> None:
    session = Session()
    writer = GroupWriter("notes", session)
    writes = numbered(writer, 3)
    asyncio.get_running_loop().call_soon(_close_at_once, writer)  # after the writes have begun, before their turn ends
    assert await asyncio.gather(*writes) == [0, 1, 2]
    assert session.closed


def _close_at_once(writer: Any) -> None:
    closing = Thread(target=writer.close)
    closing.start()
    closing.join(10)
