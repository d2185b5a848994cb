"""Compares the names in a file with the control file, once: a file of which nothing would be read is refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from server.mapping.language.name_rows import (
    NameRow,
    ReadNames,
    close_names,
    nothing_read,
    remarks_on,
    remarks_on_documents,
    shown,
)
from server.mapping.model.scope import RunFault
from server.readers.base import Block, RowRecords


@dataclass(frozen=True, slots=True)
class _Seen:
    columns: tuple[str, ...]
    row: NameRow


class NameCheck:
    """Checks one file's blocks in order. Raises RunFault if no name is read, or one is only nearly read.

    Columns of a table that only look like a name that is read are renamed; in other records such names are refused.
    """

    def __init__(self, read: ReadNames, title: str, *, has_fixed_names: bool) -> None:
        self._read = read
        self._title = title
        self._seen: _Seen | None = None
        self._is_known = not read.all or has_fixed_names  # whether records without a name row need no further check

    def __call__(self, block: Block) -> Block:
        records = block.records
        if isinstance(records, RowRecords):
            return self._of_table(block, records)
        return block if self._is_known else self._of_documents(block)

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
            raise self._fault(close_names(row.close))
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

    def _of_documents(self, block: Block) -> Block:
        """Checks records without a name row: the first block that has names stands for all."""
        keys = list(dict.fromkeys(_keys(block)))
        self._is_known = bool(keys)
        if not keys:
            return block
        row = self._read.match(keys)
        if not row.found:
            raise self._fault(nothing_read(self._read, keys, f"its first {len(block.records):,} records have"))
        if close := {**row.close, **_look_alikes(row, keys)}:
            raise self._fault(close_names(close))
        return block._replace(remarks=(*block.remarks, *remarks_on_documents(self._read, row, len(block.records))))

    def _fault(self, message: str) -> RunFault:
        return RunFault(f"{self._title}: {message}")


def _look_alikes(row: NameRow, keys: Sequence[str]) -> Mapping[str, str]:
    """Returns the names that are read, each with the key that differs from it invisibly."""
    return {name: key for name, key in zip(row.names, keys, strict=True) if name != key}


def _keys(block: Block) -> Iterator[str]:
    for record in block.records:
        if isinstance(record, Mapping):
            yield from record
