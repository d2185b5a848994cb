"""The writer thread: it puts all waiting writes into one transaction, so that one fsynced commit answers them all."""

import asyncio
import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from storage.errors import StorageError

T = TypeVar("T")

_GROUP = 256  # operations committed together at most
_POLL_SECONDS = 0.5  # how soon another process's commit is noticed


class WriteSession(Protocol):
    """One connection that writes.

    * `transaction` runs the operations and commits them together; when one fails, all are undone and run again, each
      alone in its savepoint. It never raises: what went wrong is in the operations.
    * `changes` grows when another connection has committed. It is up to date whenever an operation runs, and after
      `look`, which never raises either.
    """

    @property
    def changes(self) -> int: ...

    def transaction(self, operations: Sequence["Operation"]) -> None: ...

    def look(self) -> None: ...

    def close(self) -> None: ...


class Operation:
    """One caller's function on its way through the writer."""

    __slots__ = ("error", "future", "loop", "result", "run")

    def __init__(self, run: Callable[[Connection], Any], loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.run = run
        self.loop = loop
        self.future: asyncio.Future[Any] | None = None if loop is None else loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def answer(self) -> None:
        future = self.future
        if future is None or future.done():  # the caller may have been cancelled
            return
        if self.error is None:
            future.set_result(self.result)
        else:
            future.set_exception(self.error)


class GroupWriter:
    """Starts its thread with the first write and ends it with `close`."""

    def __init__(self, name: str, session: WriteSession) -> None:
        self._name = name
        self._session = session
        self._waiting: queue.SimpleQueue[Operation | None] = queue.SimpleQueue()
        self._gathered: dict[asyncio.AbstractEventLoop, list[Operation]] = {}  # by loop: operations of this turn
        self._state = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    async def write(self, run: Callable[[Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        operation = Operation(run, loop)
        self._gather(operation, loop)
        assert operation.future is not None  # it has one because it has a loop
        result: T = await operation.future
        return result

    def watch(self) -> int:
        """Returns the session's count of changes. After the first call it is never older than half a second."""
        with self._state:
            if not self._closed:
                self._start()
        return self._session.changes

    def _gather(self, operation: Operation, loop: asyncio.AbstractEventLoop) -> None:
        """Collects the operations of one turn of the loop: to wake the thread costs as much as a write."""
        with self._state:  # no operation may be queued behind the thread's end
            if self._closed:
                raise StorageError(f"{self._name} is closed")
            self._start()
            if loop in self._gathered:
                self._gathered[loop].append(operation)
            else:
                loop.call_soon(self._hand_over, loop)
                self._gathered[loop] = [operation]

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._state:
            self._put(self._gathered.pop(loop, ()))  # none if `close` was quicker

    def _put(self, operations: Sequence[Operation]) -> None:
        for operation in operations:
            self._waiting.put(operation)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"writer of {self._name}", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Waits until all operations are written, then ends the thread."""
        with self._state:
            self._closed = True
            while self._gathered:
                self._put(self._gathered.popitem()[1])
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
        self._session.close()

    def _work(self) -> None:
        going_on = True
        while going_on:
            group, going_on = self._next_group()
            if group:
                self._write(group)
            else:
                self._session.look()

    def _write(self, group: Sequence[Operation]) -> None:
        """Writes a group. After any error every caller is answered and the thread goes on."""
        try:
            self._session.transaction(group)
        except BaseException as error:
            for operation in group:
                operation.error = operation.error or error
        _answer(group)

    def _next_group(self) -> tuple[list[Operation], bool]:
        """Returns the waiting operations, none after half a second, and whether the thread goes on."""
        group: list[Operation] = []
        try:
            operation = self._waiting.get(timeout=_POLL_SECONDS)
            while operation is not None:
                group.append(operation)
                if len(group) == _GROUP:
                    return group, True
                operation = self._waiting.get_nowait()
        except queue.Empty:
            return group, True
        return group, False


def _answer(group: Sequence[Operation]) -> None:
    """Answers a group with one call into each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Operation]] = defaultdict(list)
    for operation in group:
        if operation.loop is not None:
            by_loop[operation.loop].append(operation)
    for loop, operations in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed: no caller waits any more
            loop.call_soon_threadsafe(_answer_here, operations)


def _answer_here(operations: Sequence[Operation]) -> None:
    for operation in operations:
        operation.answer()
