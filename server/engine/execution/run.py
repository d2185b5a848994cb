"""Runs one job chunk by chunk, whole in one worker process: reader, mapping, records.

A chunk's rows and its checkpoint commit together. The chunk's log lines and outcomes are written to the catalog just
before, under keys, so that a chunk that is done again after a crash overwrites what it wrote the first time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import BinaryIO

from server.engine.execution.column_names import NameCheck
from server.engine.execution.progress import Progress
from server.engine.execution.samples import Before, Samples
from server.engine.execution.source import Mapper, Source
from server.engine.execution.tally import RunTally
from server.mapping.language.name_rows import ReadNames
from server.mapping.model.scope import Change, Lookup, Loss, Result, RunFault
from server.mapping.program.fast_path import FastPath, RowMaker
from server.readers.base import START, BadRecord, Block, FileBroken, Position
from server.readers.formats import FORMATS
from storage.catalog.base import ORIGINAL_BYTES, Outcome, OutcomeStatus
from storage.errors import RowRefused
from storage.records.base import Checkpoint, Chunk, Origin, Scalar, Session, Upserts, Written

NO_RECORDS = "the file has no records"
MOST_WARNINGS = 50  # kept of one record


class Interrupted(Exception):
    """The run was asked to stop at a checkpoint; it can continue from there."""


class Cancelled(Exception):
    """The job was cancelled; chunks that committed stay."""


class Run:
    """Reads, maps and stores the records of a job.

    `write_journal` writes the tally to the catalog before a chunk commits; `pause` raises if the run is to stop.

    A chunk has `chunk_records` plain records, or a fifth where each needs statements of its own: others wait as long.
    With `samples`, the first records of each kind are kept for the review of a dry run.
    """

    def __init__(
        self,
        *,
        sources: Sequence[Source],
        mapper: Mapper,
        session: Session,
        tally: RunTally,
        write_journal: Callable[[RunTally], None],
        pause: Callable[[], None],
        chunk_records: int = 1000,
        detailed: bool = False,
        samples: Samples | None = None,
        batch: str | None = None,
    ) -> None:
        self._sources = sources
        self._batch = batch
        self._mapper = mapper
        self._session = session
        self._tally = tally
        self._write_journal = write_journal
        self._pause = pause
        self._chunk_records = chunk_records
        self._detailed = detailed
        self._samples = samples
        self._progress = Progress([source.weight for source in sources])

    def __call__(self, begun: Checkpoint | None) -> None:
        """Reads every source to its end, from the checkpoint `begun` on."""
        position = (begun.position if begun else None) or {}
        first = _number(position.get("file"))
        number = _number(position.get("number"))
        if not position:
            check_whole_files(self._sources, self._pause)
        for index, source in enumerate(self._sources[first:], first):
            start = Position(*(_number(position.get(f)) for f in Position._fields)) if index == first else START
            number = self._read(index, source, start, number)

    def _read(self, index: int, source: Source, start: Position, number: int) -> int:
        mapper = source.mapper or self._mapper
        work = _FileWork(mapper, self._tally, source.name, self._detailed, self._samples)
        plain = mapper.fast_path is not None and not self._detailed
        size = self._chunk_records if plain else max(1, self._chunk_records // 5)
        check = None if mapper.reads is None else _name_check(mapper.reads, source)
        first = number
        silent = start == START and source.weight is not None  # records of a record processor come from no file
        if start == START:
            self._session.begin_file(Origin(number, self._batch, source.name, source.title))
        with source.open() as file:
            for found in _blocks_in(source, file, start, size):
                self._pause()
                if self._samples is not None:
                    self._samples.look(source.name, found)
                block = found if check is None else check(found)
                silent = silent and not block.remarks
                prepared = work.prepare(block, number)
                number += work.length(block)
                checkpoint = Checkpoint(position={"file": index, "number": number, **block.end._asdict()})
                with self._tally.rolled_back_on_error(), self._session.chunk(checkpoint) as chunk:
                    for sentence in block.remarks:
                        self._tally.remark(source.remark(sentence))
                    prepared(chunk)
                    self._tally.fraction = self._progress.fraction(index, block, file)
                    self._tally.save(checkpoint)
                    self._write_journal(self._tally)
                self._tally.clear_pending()
                if work.fault is not None:
                    raise work.fault
        if silent and number == first:
            self._tally.remark(source.remark(NO_RECORDS))
        return number


def _name_check(reads: ReadNames, source: Source) -> NameCheck:
    format = FORMATS.get(str(source.options.get("read")))  # records of a record processor have no format
    fixed = format is not None and format.has_fixed_names
    return NameCheck(reads, source.title or source.name, has_fixed_names=fixed)


def check_whole_files(sources: Sequence[Source], pause: Callable[[], None]) -> None:
    """Reads files to the end whose format is refused whole for any fault, before their first record is imported."""
    for source in sources:
        if source.reader.whole_file:
            for _ in blocks_of(source):
                pause()


def blocks_of(source: Source, start: Position = START, size: int = 1000) -> Iterator[Block]:
    with source.open() as file:
        yield from _blocks_in(source, file, start, size)


def _blocks_in(source: Source, file: BinaryIO, start: Position, size: int) -> Iterator[Block]:
    try:
        yield from source.reader.blocks(file, source.options, start=start, size=size)
    except FileBroken as error:
        raise RunFault(f"{source.name}: {error}") from error


class _FileWork:
    """Maps and stores the records of one file."""

    def __init__(
        self, mapper: Mapper, tally: RunTally, file: str, detailed: bool, samples: Samples | None = None
    ) -> None:
        self._program = mapper.program
        self._fast_path = mapper.fast_path
        self._tally = tally
        self._file = file
        self._detailed = detailed
        self._samples = samples
        self._lists: tuple[Sequence[str], RowMaker] | None = None
        self.fault: RunFault | None = None  # ends the run; the records before it in the chunk are still stored

    def length(self, block: Block) -> int:
        return len(block.records)

    def prepare(self, block: Block, number: int) -> Callable[[Chunk], None]:
        """Maps what can be mapped before the transaction opens; returns the work that is left to do inside it."""
        if self._fast_path is None or self._detailed:
            return lambda chunk: self._each(chunk, block, number, range(len(block.records)))
        rows: list[tuple[Scalar, ...]] = []
        slow: list[int] = []
        if block.names is None or block.rows is None:
            self._fast_path.of_dicts(block.records, number, rows, slow)
        else:
            self._by_lists(self._fast_path, block.names)(block.rows, number, rows, slow)
        return lambda chunk: self._bulk(chunk, block, number, rows, slow)

    def _by_lists(self, fast_path: FastPath, names: Sequence[str]) -> RowMaker:
        if self._lists is None or self._lists[0] != names:
            self._lists = (names, fast_path.of_lists(names))
        return self._lists[1]

    def _bulk(
        self, chunk: Chunk, block: Block, number: int, rows: list[tuple[Scalar, ...]], slow: Sequence[int]
    ) -> None:
        """Stores rows of the fast path together and each other record in its place: the last one of a key wins."""
        done = 0
        for before, index in enumerate(slow):
            self._write_rows(chunk, block, number, rows[done : index - before])
            done = index - before
            self._each(chunk, block, number, (index,))
        self._write_rows(chunk, block, number, rows[done:] if done else rows)

    def _write_rows(self, chunk: Chunk, block: Block, number: int, rows: Sequence[tuple[Scalar, ...]]) -> None:
        fast_path = self._fast_path
        if not rows or fast_path is None:
            return
        try:
            written = self._written(chunk, Upserts(fast_path.destination.table, fast_path.columns, fast_path.key, rows))
        except (RowRefused, _Unseen):
            # one of them is bad: each is stored alone, so that only the bad one fails
            self._each(chunk, block, number, [int(str(row[-1])) - number for row in rows])
        else:
            self._tally.count_many(written)

    def _written(self, chunk: Chunk, upserts: Upserts) -> Written:
        """Stores rows together. Raises _Unseen, and stores nothing, if samples of some of them are wanted."""
        if self._samples is None:
            return chunk.upsert_many(upserts)
        with chunk.record():
            written = chunk.upsert_many(upserts)
            if self._samples.lack(written):
                raise _Unseen
        return written

    def _each(self, chunk: Chunk, block: Block, number: int, indexes: Sequence[int]) -> None:
        for index in indexes:
            if self.fault is not None:
                return
            self._one(chunk, block, number + index, index)

    def _one(self, chunk: Chunk, block: Block, number: int, index: int) -> None:
        record = block.records[index]
        scope = _RecordScope(chunk, self._tally, number)
        changes: Sequence[Change] = ()
        status: OutcomeStatus = "failed"
        before: Before = ()
        try:
            with chunk.record():
                result = self._map(record, scope)
                changes = result.changes
                status = _status(result)
                if self._samples is not None:
                    before = self._samples.before(status, changes, chunk)
                _apply(chunk, changes, number)
        except RowRefused as error:
            status, changes = "failed", ()
            scope.report(f"{error.table}: {error.message}")
        except RunFault as error:
            status, changes = "failed", ()
            self.fault = error
        losses = [] if status == "failed" else scope.losses
        self._tally.count(status, warned=bool(losses))
        scope.warn(losses)
        sample = None if self._samples is None else self._samples.take(status, record, changes, before)
        if scope.messages or losses or sample or (self._detailed and changes):
            outcome = self._outcome(block, number, index, status, scope.messages, changes)
            outcome = replace(outcome, warnings=[asdict(loss) for loss in losses[:MOST_WARNINGS]])
            self._tally.outcomes.append(replace(outcome, detail={"sample": sample}) if sample else outcome)

    def _map(self, record: object, scope: "_RecordScope") -> Result:
        if isinstance(record, BadRecord):
            scope.report(record.message)
            remains = () if record.remains is None else self._program.run(record.remains, scope).changes
            return Result([*remains], aborted=True)
        return self._program.run(record, scope)

    def _outcome(
        self,
        block: Block,
        number: int,
        index: int,
        status: OutcomeStatus,
        messages: Sequence[str],
        changes: Sequence[Change],
    ) -> Outcome:
        return Outcome(
            record=number,
            status=status,
            file=self._file,
            line=block.lines[index] if block.lines else None,
            message="\n".join(messages) or None,
            original=block.originals(index)[:ORIGINAL_BYTES],
            detail={"changed": [_described(change) for change in changes]} if self._detailed else None,
        )


class _Unseen(Exception):
    """Some of the rows that were stored together are wanted as samples."""


class _RecordScope:
    """What the mapping of one record may look up and report."""

    def __init__(self, chunk: Chunk, tally: RunTally, number: int) -> None:
        self.lookup: Lookup = chunk
        self.messages: list[str] = []
        self.losses: list[Loss] = []
        self._silent: list[Loss] = []  # losses without an error message
        self._tally = tally
        self._number = number

    @property
    def hints(self) -> list[str]:
        return self._tally.hints

    def report(self, message: str) -> None:
        self.messages.append(message)
        self._tally.error(message, self._number)

    def lose(self, loss: Loss, error: str | None = None) -> None:
        self.losses.append(loss)
        if error is None:
            self._silent.append(loss)
        else:
            self.report(error)

    def warn(self, losses: Sequence[Loss]) -> None:
        """Logs the losses that have no error message, unless the record failed."""
        for loss in self._silent if losses else ():
            self._tally.warn(loss.sentence, self._number)


def _status(result: Result) -> OutcomeStatus:
    if result.aborted:
        return "failed"
    ops = {change.op for change in result.changes}
    if "insert" in ops:
        return "created"
    if "delete" in ops:
        return "deleted"
    if "update" in ops:
        return "updated"
    return "unchanged" if result.touched else "skipped"


def _apply(chunk: Chunk, changes: Sequence[Change], record: int) -> None:
    for change in changes:
        table = change.destination.table
        if change.op == "insert":
            chunk.insert(table, change.id, change.values, record)
        elif change.op == "update":
            chunk.update(table, change.id, change.values, record)
        else:
            chunk.delete(table, change.id)


def _described(change: Change) -> dict[str, object]:
    return {
        "kind": f"{change.destination.kind}:{'delete' if change.op == 'delete' else 'save'}",
        "destination": change.destination.name,
        "ref": change.id,
        "new": change.op == "insert",
    }


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
