"""Record processors: plug-ins that turn the files of a batch into other lists of records, e.g. join two files.

A package offers one under the entry point group `penstock.record_processors`: a function from a list of (file name,
records) to such a list. None is built in (Haplo: control file, `recordProcessor`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from itertools import islice
from typing import BinaryIO

import orjson

from server.readers.base import START, Block, Position

GROUP = "penstock.record_processors"
Files = list[tuple[str, Iterable[object]]]
Processor = Callable[[Files], Files]


@cache
def _found() -> Mapping[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def processor_names() -> tuple[str, ...]:
    return tuple(_found())


class Processors:
    """Loads a plug-in when a control file names it."""

    def get(self, name: str) -> Processor:
        processor: Processor = _found()[name].load()
        return processor


PROCESSORS = Processors()


class Joined:
    """Records made by a processor, as a reader: they have no lines, and no bytes but their own JSON."""

    whole_file = False

    def __init__(self, records: Iterable[object]) -> None:
        self._records = records

    def check(self, options: Mapping[str, object]) -> str | None:
        return None

    def blocks(
        self, file: BinaryIO, options: Mapping[str, object], *, start: Position = START, size: int = 1000
    ) -> Iterator[Block]:
        number = 0
        for records in _batches(self._records, size):
            number += len(records)
            if number > start.record:
                rest = records[max(0, start.record - (number - len(records))) :]
                yield Block(rest, (), _originals(rest), Position(number))


def _originals(records: tuple[object, ...]) -> Callable[[int], bytes]:
    return lambda index: orjson.dumps(records[index], default=str)


def _batches(records: Iterable[object], size: int) -> Iterator[tuple[object, ...]]:
    rest = iter(records)
    while taken := tuple(islice(rest, size)):
        yield taken
