"""Bulk loads and their transactions (VOSS: Bulk load API): files by name, loads now or later, and their results.

A transaction is one request to load one workbook. Its parts - the load record, the schedule, the execution and each
row - are transactions too, but none of them is stored: they follow from the job, its outcomes and the sheets' plan.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy import Connection

from server.engine.batches.jobs import Jobs
from server.engine.batches.lifecycle import Lifecycle
from server.engine.batches.scheduling import NewBatchFile, Plan, Scheduling, new_batch
from server.engine.clock import Clock
from server.engine.errors import RequestInvalid
from server.engine.follow_ups.callbacks import ATTEMPTS as CALLBACK_ATTEMPTS
from server.engine.follow_ups.callbacks import KIND as CALLBACK
from server.engine.follow_ups.callbacks import CallbackRules, check_callback_address
from server.engine.uploads.uploads import Upload
from server.engine.vendors.voss.bulk_plan import BulkOrder, is_within, resolve
from server.engine.vendors.voss.transaction_states import (
    FIRST_ROW,
    PARTS,
    BulkLoadNotFound,
    Found,
    HierarchyForbidden,
    HierarchyUnknown,
    LoadFileNotFound,
    RowState,
    ScheduleNotFound,
    State,
    TransactionEnded,
    TransactionNotFound,
    id_of,
    new_pkid,
    parsed,
    row_status,
    schedule_number,
    schedule_pkid,
)
from storage.catalog.base import Batch, Catalog, Key, LogLine
from storage.catalog.voss import transactions as sql
from storage.catalog.voss.rows import BulkLoad, Transaction, UploadedFile
from storage.catalog.voss.words import DESCRIPTION, LOADS
from storage.queues.base import Job, JobQueue, JobState

API = "voss"
WAITING: tuple[JobState, ...] = ("queued",)
LONGEST_NAME = 1024

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class TransactionRules:
    """`hierarchies` are the paths of all nodes; None allows any name. `callbacks` limits the addresses to call."""

    hierarchies: tuple[str, ...] | None = None
    callbacks: Literal["public", "anywhere"] = "public"


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """A load to make; `due` is None for now. A replay uses `parameters`. `callback_path` precedes ids in callbacks."""

    file: str
    hierarchy: str
    due: datetime | None = None
    timezone: int | None = None
    request_meta: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    callback_path: str = ""


class Transactions:
    def __init__(
        self,
        catalog: Catalog,
        scheduling: Scheduling,
        lifecycle: Lifecycle,
        jobs: Jobs,
        clock: Clock,
        rules: TransactionRules,
    ) -> None:
        self.rules = rules
        self._catalog = catalog
        self._lifecycle = lifecycle
        self._queue = lifecycle.queue
        self._scheduling = scheduling
        self._jobs = jobs
        self._clock = clock

    def hierarchy(self, named: str, key: Key) -> str:
        """Returns the path of a node that the key may use. Raises HierarchyUnknown or HierarchyForbidden."""
        if not named.strip(" ") or len(named) > LONGEST_NAME or _CONTROLS.search(named):
            raise HierarchyUnknown(named)
        path = resolve(named.strip(" "), self.rules.hierarchies)
        if path is None:
            raise HierarchyUnknown(named)
        if not is_within(path, key.tenants):
            raise HierarchyForbidden(path)
        return path

    def nodes(self, key: Key) -> Sequence[str]:
        """Returns the hierarchy nodes in the settings that the key may use."""
        return [path for path in self.rules.hierarchies or () if is_within(path, key.tenants)]

    async def receive(self, upload: Upload, key: Key, hierarchy: str | None) -> UploadedFile:
        """Stores a workbook under its file name. The upload is consumed, even if the call fails."""
        async with upload:
            await upload.publish()
            now = self._clock()
            file = await self._catalog.write(
                sql.add_file,
                id=new_pkid(),
                name=upload.filename,
                digest=upload.digest,
                size=upload.size,
                hierarchy=hierarchy,
                created=now,
                created_by=key.id or None,
            )
            await upload.settle()
            return file

    async def load(self, request: LoadRequest, key: Key) -> State:
        """Accepts the load: writes its record, batch, job and transaction in one commit."""
        if url := request.request_meta.get("callback_url"):
            check_callback_address(url, CallbackRules(anywhere=self.rules.callbacks == "anywhere"))
        return await self._catalog.write(self._load, request, key)

    async def find(self, id: str, key: Key) -> Found:
        """Finds a transaction by its id, or the id of a part or a row. Raises TransactionNotFound."""
        return await self._catalog.read(_find, self._queue, id.lower(), key)

    async def list(
        self, key: Key, *, hierarchy: str | None = None, skip: int = 0, limit: int = 250, count: bool = True
    ) -> tuple[Sequence[State], int]:
        """Returns transactions, newest first, and their total (0 without `count`)."""
        within = (hierarchy,) if hierarchy else key.tenants

        def read(connection: Connection) -> tuple[Sequence[State], int]:
            found, total = sql.find(connection, within, skip, limit, count=count)
            return [_state(connection, self._queue, transaction) for transaction in found], total

        return await self._catalog.read(read)

    async def rows(self, state: State, skip: int, limit: int) -> Sequence[RowState]:
        """Returns a page of rows, in the order of the sheets."""
        planned = list(state.rows.rows(skip, limit))
        if not planned:
            return []
        outcomes = await self._jobs.outcomes(state.job.id, after=skip - 1, limit=limit)
        said = {outcome.record: outcome for outcome in outcomes}
        return [
            RowState(row, row_status(state, row.record, said.get(row.record)), said.get(row.record)) for row in planned
        ]

    async def log(self, state: State, *, limit: int | None = None) -> Sequence[LogLine]:
        return await self._jobs.log(state.job.id, limit=limit)

    async def wait(self, id: str, key: Key) -> State:
        """Returns the transaction once it has ended."""
        found = await self.find(id, key)
        await self._jobs.wait(found.state.job.id)
        return (await self.find(id, key)).state

    async def told(self, job: str) -> dict[str, object] | None:
        """Returns the body of a callback. `job` is the id of a job that has ended, or of a transaction."""
        transaction = await self._catalog.read(lambda c: sql.get(c, job) or sql.of_job(c, job))
        if transaction is None:
            return None
        state = await self._catalog.read(_state, self._queue, transaction)
        return {
            "transaction_id": transaction.id,
            "href": f"{transaction.parameters.get('callback_path', '')}{transaction.id}",
            "status": state.status,
            "success": state.status == "Success",
            "detail": state.detail,
            "message": state.message,
        }

    async def cancel(self, id: str, key: Key) -> State:
        """Cancels a waiting transaction at once, a running one at its next chunk. Rows that were loaded stay."""
        found = await self.find(id, key)
        if found.state.ended:
            waits = found.state.schedules and found.state.job.state == "queued"
            raise TransactionEnded(id, schedule_pkid(found.state.transaction) if waits else None)
        job = await self._jobs.cancel(found.state.job.id)
        return replace(found.state, job=job)

    async def replay(self, id: str, key: Key) -> State:
        """Makes the same request again, to run now."""
        state = (await self.find(id, key)).state
        old = state.transaction
        file = (await self._file_of(state.job)) or old.filename
        request = LoadRequest(
            file=file,
            hierarchy=self.hierarchy(old.hierarchy, key),
            request_meta=old.request_meta,
            parameters=old.parameters,
            callback_path=str(old.parameters.get("callback_path", "")),
        )
        return await self.load(request, key)

    async def schedules(self, key: Key, skip: int, limit: int, *, count: bool = True) -> tuple[Sequence[State], int]:
        """Returns a page of transactions whose schedules still wait, and their total number."""

        def read(connection: Connection) -> tuple[Sequence[State], int]:
            waiting = self._queue.ids_in(WAITING)
            found, total = sql.find(connection, key.tenants, skip, limit, scheduled=True, of_jobs=waiting, count=count)
            return [_state(connection, self._queue, transaction) for transaction in found], total

        return await self._catalog.read(read)

    async def schedule(self, id: str, key: Key) -> State:
        number = schedule_number(id)
        found = await self._catalog.read(
            lambda c: None if number is None else _visible(c, self._queue, sql.with_number(c, number), key)
        )
        if found is None or found.transaction.due is None or found.job.state != "queued" or found.execution:
            raise ScheduleNotFound(id)
        return found

    async def remove_schedule(self, id: str, key: Key) -> None:
        """Removes a schedule; its load will not run."""
        await self._jobs.cancel((await self.schedule(id, key)).job.id)

    async def latest(self, id: str, key: Key) -> State:
        """Returns the transaction that executes a schedule, once there is one; else the transaction itself."""
        state = (await self.find(id, key)).state
        return state if state.execution is None else (await self.find(state.execution, key)).state

    async def loads(self, key: Key, skip: int, limit: int, *, count: bool = True) -> tuple[Sequence[BulkLoad], int]:
        return await self._catalog.read(sql.find_loads, key.tenants, skip, limit, count=count)

    async def bulk_load(self, id: str, key: Key) -> BulkLoad:
        found = await self._catalog.read(sql.get_load, id)
        if found is None or not is_within(found.hierarchy or "", key.tenants):
            raise BulkLoadNotFound(id)
        return found

    async def add_load(self, key: Key, filename: str, name: str, description: str, hierarchy: str | None) -> BulkLoad:
        """Adds a record that a client creates by hand. It loads nothing."""
        now = self._clock()

        def write(connection: Connection) -> BulkLoad:
            file = _file(connection, filename, key)
            return _add_load(connection, file, name, description, hierarchy, key, now)

        return await self._catalog.write(write)

    async def remove_loads(self, ids: Sequence[str], key: Key) -> None:
        """Removes the loads; removes none, and raises BulkLoadNotFound, where one is missing."""
        await self._catalog.write(_remove_loads, tuple(dict.fromkeys(ids)), key)

    async def _file_of(self, job: Job) -> str | None:
        """Returns the id of the file that the job loaded; None once its load was removed."""
        found = await self._catalog.read(sql.of_job, job.id)
        load = found.load if found else None
        kept = None if load is None else await self._catalog.read(sql.get_load, load)
        return kept.file if kept else None

    def _load(self, connection: Connection, request: LoadRequest, key: Key) -> State:
        now = self._clock()
        file = _file(connection, request.file, key)
        name = f"{file.name} -- {now:%Y-%m-%d %H:%M:%S.%f} (UTC)"
        load = _add_load(connection, file, name, DESCRIPTION, request.hierarchy, key, now)
        transaction_id = str(uuid4())
        batch = self._schedule(connection, request, key, file, transaction_id, now)
        values: dict[str, Any] = {
            "id": transaction_id,
            "job": batch.job,
            "action": LOADS,
            "name": name,
            "filename": file.name,
            "hierarchy": request.hierarchy,
            "username": key.name,
            "submitted": now,
            "due": request.due,
            "timezone": request.timezone,
            "load": load.id,
            "parameters": {**request.parameters, "callback_path": request.callback_path},
            "request_meta": dict(request.request_meta),
            "plan": None,
        }
        state = _state(connection, self._queue, sql.add(connection, values))
        if state.schedules:  # sends the client's callback
            self._lifecycle.follow(connection, replace(state.job, id=transaction_id), now)
        return state

    def _schedule(
        self, connection: Connection, request: LoadRequest, key: Key, file: UploadedFile, id: str, now: datetime
    ) -> Batch:
        meta = request.request_meta
        callback = {"kind": CALLBACK, "attempts": CALLBACK_ATTEMPTS, "payload": {**meta, "path": request.callback_path}}
        order = BulkOrder(file.name, request.hierarchy, self.rules.hierarchies, key.tenants)
        payload = {"bulk": order.as_payload(), "after": [callback] if "callback_url" in meta else []}
        new = new_batch(API, file.name, now, key, tenant=request.hierarchy, properties={"transaction": id})
        files = [NewBatchFile(file.name, file.name, file.digest, file.size)]
        return self._scheduling.schedule_new(connection, new, files, Plan(due=request.due, payload=payload))


def _remove_loads(connection: Connection, ids: Sequence[str], key: Key) -> None:
    found = sql.get_loads(connection, ids)
    for id in ids:
        if id not in found or not is_within(found[id].hierarchy or "", key.tenants):
            raise BulkLoadNotFound(id)
    sql.remove_loads(connection, ids)


def _file(connection: Connection, called: str, key: Key) -> UploadedFile:
    """Returns a file by name or id. A key that is limited to some hierarchies sees only its own uploads."""
    file = sql.find_file(connection, called, key.id if key.tenants else None)
    if file is None:
        raise LoadFileNotFound(called)
    return file


def _add_load(
    connection: Connection,
    file: UploadedFile,
    name: str,
    description: str,
    hierarchy: str | None,
    key: Key,
    now: datetime,
) -> BulkLoad:
    values: dict[str, Any] = {
        "id": new_pkid(),
        "name": name,
        "filename": file.name,
        "file": file.id,
        "description": description,
        "hierarchy": hierarchy,
        "owner": key.name,
        "created": now,
    }
    return sql.add_load(connection, values)


def _find(connection: Connection, queue: JobQueue, id: str, key: Key) -> Found:
    state = _visible(connection, queue, sql.get(connection, id), key)
    if state is not None:
        return Found(state)
    number, place = parsed(id)
    state = None if number is None else _visible(connection, queue, sql.with_number(connection, number), key)
    if state is None or id_of(state.transaction, place) != id:
        raise TransactionNotFound(id)
    if place < len(PARTS) and PARTS[place] in state.parts:
        return Found(state, part=PARTS[place])
    if FIRST_ROW <= place < FIRST_ROW + state.rows.total:
        return Found(state, record=place - FIRST_ROW)
    raise TransactionNotFound(id)


def _visible(connection: Connection, queue: JobQueue, transaction: Transaction | None, key: Key) -> State | None:
    if transaction is None or not is_within(transaction.hierarchy, key.tenants):
        return None
    return _state(connection, queue, transaction)


def _state(connection: Connection, queue: JobQueue, transaction: Transaction) -> State:
    job = queue.get(connection, transaction.job)
    if job is None:
        raise RequestInvalid(f"Transaction {transaction.id} has lost its job {transaction.job}")
    execution = sql.execution_of(connection, transaction.id) if transaction.due is not None else None
    return State(transaction, job, execution)
