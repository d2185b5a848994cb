"""The names of a file against the control file, once at its beginning: a file of which nothing is read is refused."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from server.mapping.name_rows import NameRow, ReadNames, close_names, nothing_read, remarks_on, shown
from server.mapping.scope import RunFault
from server.readers.base import Block, RowRecords

_FIXED = ("marc", "marc-xml", "marc-json", "edifact")  # their records have the same names in every file


@dataclass(frozen=True, slots=True)
class _Seen:
    columns: tuple[str, ...]
    row: NameRow


class NameCheck:
    """Looks at one file's blocks in order. Raises RunFault where not a single name is read, or one is nearly read.

    Columns of a table are renamed where they only look like those that are read.
    """

    def __init__(self, read: ReadNames, title: str, format: object) -> None:
        self._read = read
        self._title = title
        self._seen: _Seen | None = None
        self._is_known = not read.all or format in _FIXED  # whether records without a name row need no further look

    def __call__(self, block: Block) -> Block:
        records = block.records
        if isinstance(records, RowRecords):
            return self._of_table(block, records)
        if not self._is_known:
            self._of_documents(block)
        return block

    def _of_table(self, block: Block, records: RowRecords) -> Block:
        columns = tuple(records.names)
        if self._seen is not None and self._seen.columns == columns:
            return self._renamed(block, records, self._seen.row)
        row = self._read.match(columns)
        if not row.found:
            others = (
                f"; sheets of the workbook to choose from with `sheet`: {shown(block.sheets)}" if block.sheets else ""
            )
            raise self._fault(nothing_read(self._read, columns, "its name row has") + others)
        if row.close:
            raise self._fault(close_names(row))
        self._seen = _Seen(columns, row)
        remarks = (*block.remarks, *remarks_on(row, columns))
        return self._renamed(block._replace(remarks=remarks), records, row)

    def _renamed(self, block: Block, records: RowRecords, row: NameRow) -> Block:
        if row.names == records.names:
            return block
        renamed = records.renamed(row.names)
        if len(set(row.names)) < len(row.names):
            return block._replace(records=renamed, names=None, rows=None)
        return block._replace(records=renamed, names=row.names)

    def _of_documents(self, block: Block) -> None:
        keys = dict.fromkeys(_keys(block))
        if keys and self._read.all.isdisjoint(keys):
            raise self._fault(nothing_read(self._read, list(keys), f"its first {len(block.records):,} records have"))
        self._is_known = bool(keys)

    def _fault(self, message: str) -> RunFault:
        return RunFault(f"{self._title}: {message}")


def _keys(block: Block) -> Iterator[str]:
    for record in block.records:
        if isinstance(record, Mapping):
            yield from record
