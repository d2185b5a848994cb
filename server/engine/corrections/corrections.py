"""Writes records that failed or lost a value as files, to be corrected and imported again.

Most come out of the catalog as they are. What it keeps only the beginning of is read again from the file it came in:
a record is given whole, or the download ends with an error; never does it hold a part of one.
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, ParamSpec, TypeVar

import orjson
from sqlalchemy import Connection

from server.engine.batches.failure_causes import Kind, Wanted, outcomes_of
from server.engine.corrections.workbooks import (
    BulkRow,
    apart,
    bulk_headers,
    bulk_sheets,
    table_rows,
    table_sheets,
    workbook,
)
from server.engine.errors import BatchFileNotFound, Refused
from server.mapping.language.control import ControlFile, parse_control
from server.mapping.model.scope import RunFault
from server.readers.base import Block, FileBroken, Original, OriginalFile
from server.readers.formats import FORMATS, Format
from storage.blobs.base import BlobStore
from storage.catalog.base import ORIGINAL_BYTES, Batch, BatchFile, Catalog, Outcome
from storage.catalog.sql import batches as sql
from storage.catalog.sql import journal
from storage.errors import BlobMissing

P = ParamSpec("P")
T = TypeVar("T")

_JOINED = "JSON Lines, as the record processor gave them"
_PAGE = 200  # outcomes in memory, each with an original of 64 KiB at most
_LINE_STEP = 1 << 20
_NONE: Mapping[Kind, str] = {
    "failed": "no record of this batch has failed",
    "warnings": "no record of this batch was stored with warnings",
}
_LONG_LINE = re.compile(r"line \d+ is [\d,]+ bytes long; the limit is ")


class NothingToCorrect(Refused):
    """The batch has no records of this kind."""


class RecordsLost(Refused):
    """The file that a record came in cannot be read again."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A file that can be downloaded: its role in the batch, the title of its format, and its name."""

    role: str
    title: str
    filename: str


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    digest: str
    options: Mapping[str, object]

    @property
    def format(self) -> Format:
        return FORMATS[str(self.options["read"])]


class Corrections:
    """Offers and writes the files of a batch's failed records, or of those stored with warnings."""

    def __init__(self, catalog: Catalog, blobs: BlobStore) -> None:
        self._catalog = catalog
        self._blobs = blobs

    def offers(self, batch: Batch, kind: Kind = "failed") -> Sequence[Offer]:
        """Returns an offer for each file of the batch. Blocks: it reads the control file."""
        files = self._files(batch)
        if batch.control is None:
            return [Offer(file.name, "Excel workbook", _called(file, ".xlsx", kind, always=True)) for file in files]
        control = self._control(batch.control)
        if control is None:
            return []
        if control.record_processor is not None:
            return [Offer("", _JOINED, f"{kind}.jsonl")]
        return [offer for file in files if (offer := _offer(control, file, kind)) is not None]

    def pieces(self, batch: Batch, role: str, kind: Kind = "failed") -> Iterator[bytes]:
        """Yields the records of one file. Raises BatchFileNotFound or NothingToCorrect. Blocks: use a thread."""
        wanted = Wanted(batch.job or "", kind)
        if next(self._chosen(wanted), None) is None:
            raise NothingToCorrect(_NONE[kind])
        if batch.control is None:
            return self._bulk(batch, wanted, role)
        control = self._control(batch.control)
        if control is None:
            raise RecordsLost("the control file of this batch is gone; `penstock fsck` says more")
        if control.record_processor is not None:
            return self._joined(wanted)
        sources = [_Source(f.name, f.digest, entry) for f in self._files(batch) if (entry := _entry(control, f.name))]
        source = next((source for source in sources if source.name == role), None)
        if source is None:
            raise BatchFileNotFound(role)
        if source.format.writer is None:
            return self._table(wanted, sources, source)
        file = OriginalFile(lambda: self._open(source.digest), source.options)
        return source.format.writer(file, self._whole(wanted, sources, source))

    def _whole(self, wanted: Wanted, sources: Sequence[_Source], source: _Source) -> Iterator[Original]:
        """Yields the records of a file, each whole."""
        before = _Counted(sources, source, self._open)
        with (
            closing(_Again(source, self._open)) as again,
            closing(_Lines(lambda: self._open(source.digest))) as lines,
        ):
            for outcome in self._chosen(wanted, source.name):
                if _LONG_LINE.match(outcome.message or "") and outcome.line is not None:
                    yield Original(0, b"", lines.copy(outcome.line))
                elif _is_cut(outcome):
                    place = outcome.record - before.records
                    yield Original(place, again.original(place))
                else:
                    place = outcome.record - before.records if source.format.writes_by_place else 0
                    yield Original(place, outcome.original or b"")

    def _table(self, wanted: Wanted, sources: Sequence[_Source], source: _Source) -> Iterator[bytes]:
        path = self._path(source.digest)
        before = _Counted(sources, source, self._open)
        names, _ = _apart(table_rows, path, source.options, (0,))

        def originals() -> Iterator[bytes]:
            for page in _pages(self._chosen(wanted, source.name)):
                cut = [outcome.record - before.records for outcome in page if _is_cut(outcome)]
                again = iter(_apart(table_rows, path, source.options, cut)[1] if cut else ())
                for outcome in page:
                    yield next(again) if _is_cut(outcome) else outcome.original or b"[]"

        return workbook(table_sheets(source.options.get("sheet", 1), names, originals()))

    def _bulk(self, batch: Batch, wanted: Wanted, role: str) -> Iterator[bytes]:
        file = next((file for file in self._files(batch) if file.name == role), None)
        if file is None:
            raise BatchFileNotFound(role)
        headers = _apart(bulk_headers, self._path(file.digest))

        def rows() -> Iterator[BulkRow]:
            for outcome in self._chosen(wanted):
                if _is_cut(outcome) or outcome.line is None or outcome.original is None:
                    raise RecordsLost(f"record {outcome.record} is too long to be given again; it is in {role}")
                yield BulkRow(outcome.file or "", outcome.line, orjson.loads(outcome.original))

        return workbook(bulk_sheets(headers, rows()))

    def _joined(self, wanted: Wanted) -> Iterator[bytes]:
        for outcome in self._chosen(wanted):
            if _is_cut(outcome):
                raise RecordsLost(f"record {outcome.record} was made by a record processor and is too long to be kept")
            yield (outcome.original or b"null") + b"\n"

    def _chosen(self, wanted: Wanted, file: str | None = None) -> Iterator[Outcome]:
        after = -1
        while True:
            page = self._catalog.read_now(_page, wanted=wanted, file=file, after=after)
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].record

    def _files(self, batch: Batch) -> Sequence[BatchFile]:
        return self._catalog.read_now(sql.files_for_run, batch.id)

    def _control(self, digest: str) -> ControlFile | None:
        try:
            with self._blobs.open(digest) as file:
                return parse_control(orjson.loads(file.read()))
        except BlobMissing:
            return None

    def _open(self, digest: str) -> BinaryIO:
        try:
            return self._blobs.open(digest)
        except BlobMissing:
            raise RecordsLost("the file that the records came in is gone; `penstock fsck` says more") from None

    def _path(self, digest: str) -> Path:
        with self._open(digest):
            return self._blobs.path(digest)


def _apart(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return apart(function, *args, **kwargs)
    except FileBroken as error:
        raise RecordsLost(str(error)) from error


class _Counted:
    """Counts the records in the files before one. It counts on first use, since few requests need the number."""

    def __init__(self, sources: Sequence[_Source], source: _Source, open: Callable[[str], BinaryIO]) -> None:
        self._before = sources[: sources.index(source)]
        self._open = open
        self._records: int | None = None

    @property
    def records(self) -> int:
        if self._records is None:
            self._records = sum(len(block.records) for one in self._before for block in _blocks(one, self._open))
        return self._records


class _Again:
    """Reads a file again, forwards only."""

    def __init__(self, source: _Source, open: Callable[[str], BinaryIO]) -> None:
        self._blocks = _blocks(source, open)
        self._block: Block | None = None

    def original(self, place: int) -> bytes:
        while self._block is None or self._block.end.record <= place:
            self._block = next(self._blocks, None)
            if self._block is None:
                raise RecordsLost(f"the file that record {place} came in now has fewer records")
        return self._block.originals(place - self._block.end.record + len(self._block.records))

    def close(self) -> None:
        self._blocks.close()


class _Lines:
    """Copies lines of a file by number, in rising order. It never holds a whole line."""

    def __init__(self, open: Callable[[], BinaryIO]) -> None:
        self._open = open
        self._file: BinaryIO | None = None
        self._rest = b""
        self._line = 1

    def copy(self, number: int) -> Iterator[bytes]:
        """Yields the bytes of the line, without the line end."""
        if self._file is None:
            self._file = self._open()
        while self._line < number and self._more():
            end = self._rest.find(b"\n") + 1
            self._rest = self._rest[end:] if end else b""
            self._line += bool(end)
        while self._more():
            here, newline, self._rest = self._rest.partition(b"\n")
            yield here
            if newline:
                self._line += 1
                return

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _more(self) -> bool:
        if not self._rest and self._file is not None:
            self._rest = self._file.read(_LINE_STEP)
        return bool(self._rest)


def _blocks(source: _Source, open: Callable[[str], BinaryIO]) -> Generator[Block, None, None]:
    with open(source.digest) as file:
        try:
            yield from source.format.reader.blocks(file, source.options)
        except FileBroken as error:
            raise RecordsLost(f"{source.name} cannot be read again: {error}") from error


def _page(connection: Connection, wanted: Wanted, file: str | None, after: int) -> Sequence[Outcome]:
    if file is None:
        return outcomes_of(connection, wanted, after=after, limit=_PAGE)
    return journal.of_file(connection, wanted.job, file, warned=wanted.kind == "warnings", after=after, limit=_PAGE)


def _pages(outcomes: Iterable[Outcome]) -> Iterator[Sequence[Outcome]]:
    page: list[Outcome] = []
    for outcome in outcomes:
        page.append(outcome)
        if len(page) == _PAGE:
            yield page
            page = []
    yield page


def _is_cut(outcome: Outcome) -> bool:
    return outcome.original is not None and len(outcome.original) >= ORIGINAL_BYTES


def _entry(control: ControlFile, name: str) -> Mapping[str, object] | None:
    """Returns the control file's entry for a file; None where it has none, or names an unknown format."""
    try:
        entry = control.entry(name)
    except RunFault:
        return None
    return entry if entry.get("read") in FORMATS else None


def _offer(control: ControlFile, file: BatchFile, kind: Kind) -> Offer | None:
    entry = _entry(control, file.name)
    if entry is None:
        return None
    format = FORMATS[str(entry["read"])]
    return Offer(file.name, format.title, _called(file, format.suffix, kind, always=format.writer is None))


def _called(file: BatchFile, suffix: str, kind: Kind, *, always: bool = False) -> str:
    """Returns the name of a download, made from the client's name for the file. Its ending stays if the format does."""
    own = PurePath((file.filename or file.name).replace("\\", "/"))
    ending = suffix if always or not own.suffix else own.suffix
    return f"{own.stem or 'records'}-{kind}{ending}"
