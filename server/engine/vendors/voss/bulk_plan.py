"""Plans the run of a bulk load: the checks before the first row, the tables, and one source for each block.

What a load may do is stored when it is accepted (`BulkOrder`, in the job's payload). The content of its workbook is
known only once a worker has read it.
"""

import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any, BinaryIO

from server.engine.definitions.definitions import merged, tables_of
from server.engine.execution.preparation import JobContext, Prepared
from server.engine.execution.source import Mapper, Source
from server.mapping.model.model import Model
from server.mapping.model.scope import RunFault
from server.mapping.program.bulk import BulkInvalid, BulkMapping, RowHierarchy, compile_bulk
from server.mapping.program.bulk import is_within as is_within
from server.mapping.program.compile import compile_control
from server.readers.base import FileBroken, shorten
from server.readers.bulk.bulk_reader import BlockReader, BulkBook, FoundBlock, LayoutWrong, find_blocks
from server.readers.bulk.layout import ACTIONS
from storage.catalog.voss import transactions
from storage.records.base import Table

_MOST_JUMPS = 10_000  # of line numbers that are kept for a block
_MOST_PROBLEMS = 20
_NODE = re.compile(r"[A-Za-z0-9_\-](?:[A-Za-z0-9_\- ]*[A-Za-z0-9_\-])?").fullmatch
_PKID = re.compile(r"[0-9a-f]{24}").fullmatch


@dataclass(frozen=True, slots=True)
class BulkOrder:
    """What a load may do. `known` are all hierarchies, None for any; `allowed` are the key's, empty for no limit."""

    filename: str
    hierarchy: str
    known: tuple[str, ...] | None = None
    allowed: tuple[str, ...] = ()

    def as_payload(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_payload(cls, payload: Any) -> "BulkOrder":
        known = payload["known"]
        return cls(
            payload["filename"],
            payload["hierarchy"],
            None if known is None else tuple(known),
            tuple(payload["allowed"]),
        )


@dataclass(frozen=True, slots=True)
class BulkPlan:
    """`described` is what the catalog keeps of the workbook's blocks; `remarks` go into the log."""

    tables: Sequence[Table]
    sources: Sequence[Source]
    described: Sequence[Mapping[str, object]]
    remarks: Sequence[str]


def prepare_bulk(context: JobContext, opened: ExitStack) -> Prepared:
    """Prepares a bulk load. Its sheets describe their content; each block has its own mapper."""
    order = BulkOrder.from_payload(context.job.payload["bulk"])
    blobs = context.storage.blobs
    (file,) = context.files()
    context.check(file)
    try:
        book = opened.enter_context(BulkBook(opened.enter_context(blobs.open(file.digest))))
    except FileBroken as error:
        raise RunFault(f"{order.filename}: {error}") from error
    planned = plan_bulk(order, book, context.models, lambda: blobs.open(file.digest))
    context.storage.catalog.write_now(transactions.set_plan, context.job.id, planned.described)
    valid = f"{order.filename} is a valid bulk load workbook."
    mapper = planned.sources[0].mapper
    assert mapper is not None  # every block has one
    return Prepared(planned.tables, lambda: planned.sources, mapper, (), (valid, *planned.remarks))


def node_pkid(path: str) -> str:
    """Returns the 24 hexadecimal digits that identify a hierarchy node."""
    return sha256(path.encode()).hexdigest()[:24]


def resolve(named: str, known: Collection[str] | None) -> str | None:
    """Returns the path of a hierarchy named by path or pkid; None where there is no such node."""
    if known is None:
        return named
    return next((path for path in known if named in (path, node_pkid(path))), None)


def plan_bulk(
    order: BulkOrder, book: BulkBook, models: Mapping[str, Model], opened: Callable[[], BinaryIO]
) -> BulkPlan:
    """Checks the whole workbook and plans the run. Raises RunFault with every problem; then no row is loaded."""
    try:
        found = find_blocks(book)
    except (LayoutWrong, FileBroken) as error:
        raise RunFault(f"{order.filename}: {error}") from error
    problems: list[str] = []
    mappings: list[BulkMapping] = []
    for block in found:
        problems += _hierarchy_problems(order, block)
        try:
            mappings.append(compile_bulk(block.block.entity, block.block.names, models, _place(order, block)))
        except BulkInvalid as error:
            problems.append(f"{_where(block)}: {error}")
    problems += _search_problems(zip(found, mappings, strict=False))
    if problems:
        more = [f"and {len(problems) - _MOST_PROBLEMS} more"] if len(problems) > _MOST_PROBLEMS else []
        raise RunFault(f"{order.filename}: " + "; ".join(problems[:_MOST_PROBLEMS] + more))
    return BulkPlan(
        tables=_tables(found, mappings, models),
        sources=[_source(order, book, block, mapping, opened) for block, mapping in zip(found, mappings, strict=True)],
        described=list(_described(found)),
        remarks=[warning for block in found for warning in block.block.warnings],
    )


def _where(found: FoundBlock) -> str:
    return f"sheet {shorten(found.block.sheet)}, row {found.block.line}"


def _place(order: BulkOrder, found: FoundBlock) -> RowHierarchy:
    """Returns the hierarchies of a block's rows. Unknown ones stay as they are: the checks report them."""

    def path(named: str) -> str:
        return resolve(named, order.known) or named

    named = {each: path(each) for each in found.hierarchies}
    return RowHierarchy(path(found.block.hierarchy or order.hierarchy), named, order.allowed)


def _hierarchy_problems(order: BulkOrder, found: FoundBlock) -> Iterator[str]:
    named = dict(found.hierarchies)
    named.setdefault(found.block.hierarchy or order.hierarchy, found.block.line)
    for hierarchy, line in named.items():
        where = f"sheet {shorten(found.block.sheet)}, row {line}: the hierarchy {shorten(hierarchy)}"
        path = resolve(hierarchy, order.known)
        if path is None:
            yield f"{where} does not exist here"
        elif hierarchy != order.hierarchy and not (_PKID(path) or all(_NODE(node) for node in path.split("."))):
            yield f"{where} is neither a node's pkid nor a path such as Provider.Customer.Location"
        elif not is_within(path, order.allowed):
            yield f"{where} is not one that this key may load into"


def _search_problems(pairs: "zip[tuple[FoundBlock, BulkMapping]]") -> Iterator[str]:
    for found, mapping in pairs:
        if unknown := sorted(found.searched - mapping.program.setters.keys()):
            known = ", ".join(mapping.program.setters)
            yield f"{_where(found)}: search fields name {', '.join(unknown)}; {found.block.entity} has {known}"


def _tables(found: Sequence[FoundBlock], mappings: Sequence[BulkMapping], models: Mapping[str, Model]) -> list[Table]:
    tables: dict[str, Table] = {}
    for block, mapping in zip(found, mappings, strict=True):
        searched = tuple(mapping.program.destination.names[name].column for name in sorted(block.searched))
        for table in (*tables_of(mapping.model, mapping.program.adding), *_child_tables(mapping, models)):
            own = table.name == mapping.program.destination.table
            grown = replace(table, lookups=tuple(dict.fromkeys((*table.lookups, *searched)))) if own else table
            tables[table.name] = merged(tables[table.name], grown) if table.name in tables else grown
    return list(tables.values())


def _child_tables(mapping: BulkMapping, models: Mapping[str, Model]) -> list[Table]:
    """Returns the tables that are searched for children before a row is deleted."""
    children = {child.table for child in mapping.program.children}
    if not children:
        return []
    whole = compile_control({"instructions": []}, mapping.declared, models)
    return [table for table in tables_of(mapping.declared, whole) if table.name in children]


def _source(
    order: BulkOrder, book: BulkBook, found: FoundBlock, mapping: BulkMapping, opened: Callable[[], BinaryIO]
) -> Source:
    mapper = Mapper(mapping.program, mapping.fast_path)
    reader = BlockReader(book, found)
    return Source(found.block.sheet, reader, {}, opened, mapper, weight=found.records, title=order.filename)


def _described(blocks: Sequence[FoundBlock]) -> Iterator[dict[str, object]]:
    first = 0
    for found in blocks:
        block = found.block
        yield {
            "sheet": block.sheet,
            "entity": block.entity,
            "hierarchy": block.hierarchy,
            "action": block.action,
            "first": first,
            "records": found.records,
            "lines": found.lines[:_MOST_JUMPS],
            "actions": b64encode(zlib.compress(found.actions)).decode() if found.actions is not None else None,
        }
        first += found.records


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """A row of a load, computed from the block's description. `line` is None beyond _MOST_JUMPS gaps in the lines."""

    record: int
    sheet: str
    entity: str
    hierarchy: str | None
    action: str  # "" where the row names an unknown one
    line: int | None


class Described:
    """The rows of a load, computed from the catalog's description of its workbook."""

    def __init__(self, blocks: Sequence[Mapping[str, Any]]) -> None:
        self._blocks = blocks
        self.total: int = sum(block["records"] for block in blocks)
        self.sheets = len({block["sheet"] for block in blocks})

    def rows(self, first: int, count: int) -> Iterator[PlannedRow]:
        for block in self._blocks:
            start, end = block["first"], block["first"] + block["records"]
            wanted = range(max(first, start), min(first + count, end))
            actions = zlib.decompress(b64decode(block["actions"])) if wanted and block["actions"] else None
            for record in wanted:
                yield _planned(block, record, actions)


def _planned(block: Mapping[str, Any], record: int, actions: bytes | None) -> PlannedRow:
    offset = record - block["first"]
    action = block["action"] if actions is None else (*ACTIONS, "")[actions[offset]]
    known = len(block["lines"]) < _MOST_JUMPS
    jumps = [(at, line) for at, line in block["lines"] if at <= offset]
    line = jumps[-1][1] + offset - jumps[-1][0] if known and jumps else None
    return PlannedRow(record, block["sheet"], block["entity"], block["hierarchy"], action, line)
