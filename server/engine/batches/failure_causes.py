"""Groups the failed records of a job, or those with warnings, by cause: messages that differ only in values have one.

A warning is data, so its cause is what it says without its value. A record fails with a sentence, of a vendor, a reader
or a control file, so its values are masked by patterns: a guess that only groups records on a page. A cause is known by
the digest of its words. If very many records failed, causes are counted over a sample of them.
"""

import asyncio
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from server.mapping.model.scope import Loss
from storage.catalog.base import Catalog, Outcome, OutcomeStatus
from storage.catalog.sql import journal
from storage.queues.base import FINAL, Job

ALL = 10_000  # a job with no more records than this has each of them counted
STRETCHES = 20  # of a larger job are counted, evenly spread, each with so many records:
STRETCH = ALL // STRETCHES
_STEP = 2_000
_FAILED: Sequence[OutcomeStatus] = ("failed",)
Kind = Literal["failed", "warnings"]
Warned = Mapping[str, str]  # the fields of a Loss
_MOST_CAUSES = 50
_MOST_KNOWN = 32

_VALUE = re.compile(r"^((?:Invalid|Value in input data cannot be mapped|Missing or invalid)[^:\n]*): .*$", re.MULTILINE)
# An unclosed quote matches to the end of its line, so that no part of the line is scanned twice.
_DOUBLY_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*(")?')
_SINGLY_QUOTED = re.compile(r"(?<!\w)'(?:[^'\\\n]|\\.)*('(?!\w))?")
_HEXADECIMAL = re.compile(r"\b(?=[a-f]*\d)[0-9a-f]{8,}(?:-[0-9a-f]{4,})*\b")
_NUMBER = re.compile(r"(?<![\w-])[-+]?\d+(?:[-.,:/]\d+)*(?!\w)")  # dates too, but not the 8 of utf-8


@dataclass(frozen=True, slots=True)
class Cause:
    """`words` are the message without its values; `example` is the whole message of `record`."""

    id: str
    words: str
    count: int
    example: str
    record: int


@dataclass(frozen=True, slots=True)
class Causes:
    """The most frequent causes first. `counted` of `total` records were counted; `others` had rarer causes."""

    causes: Sequence[Cause]
    counted: int
    total: int
    others: int


@dataclass(frozen=True, slots=True)
class FailedPage:
    """Records by number. `next_cursor` is the `after` of the next page, `scanned` how many were searched if not all."""

    records: Sequence[Outcome]
    next_cursor: int | None = None
    scanned: int | None = None


class Wanted(NamedTuple):
    """The records of one kind of one job."""

    job: str
    kind: Kind


class _Message(NamedTuple):
    """The message about a record, and the same message without its values."""

    record: int
    text: str
    words: str


class Failures:
    """Lists and groups the failed records of jobs, and those with warnings."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: OrderedDict[tuple[str, Kind], Causes] = OrderedDict()  # of ended jobs, which change no more

    async def page(
        self, job: Job, *, kind: Kind = "failed", cause: str | None = None, after: int = -1, limit: int = 50
    ) -> FailedPage:
        """Returns records of the kind after record `after`, all or those of one cause. A search scans `ALL` at most."""
        wanted = Wanted(job.id, kind)
        if cause is not None:
            return await asyncio.to_thread(self._of_cause, wanted, cause, after, limit)
        found = await self._catalog.read(outcomes_of, wanted, after=after, limit=limit + 1)
        return FailedPage(found[:limit], found[limit - 1].record if len(found) > limit else None)

    async def causes(self, job: Job, kind: Kind = "failed") -> Causes:
        """Returns the causes of a job's records of this kind."""
        known = job.id, kind
        if known in self._known:
            self._known.move_to_end(known)
            return self._known[known]
        causes = await asyncio.to_thread(self._causes, job, kind)
        if job.state in FINAL:
            self._known[known] = causes
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return causes

    def _of_cause(self, of: Wanted, cause: str, after: int, limit: int) -> FailedPage:
        found: list[int] = []
        scanned, last = 0, after
        for message in self._messages(of, after, ALL):
            scanned, last = scanned + 1, message.record
            if id_of(message.words) == cause:
                found.append(message.record)
            if len(found) > limit:
                return FailedPage(self._records(of.job, found[:limit]), found[limit - 1])
        ended = scanned < ALL
        return FailedPage(self._records(of.job, found), None if ended else last, None if ended else scanned)

    def _records(self, job: str, records: Sequence[int]) -> Sequence[Outcome]:
        return self._catalog.read_now(journal.outcomes_at, job, records)

    def _causes(self, job: Job, kind: Kind) -> Causes:
        counts: Counter[str] = Counter()
        examples: dict[str, _Message] = {}
        for message in self._some(job, kind):
            counts[message.words] += 1
            examples.setdefault(message.words, message)
        found = [
            Cause(id_of(words), words, count, examples[words].text, examples[words].record)
            for words, count in counts.most_common(_MOST_CAUSES)
        ]
        counted = counts.total()
        others = counted - sum(cause.count for cause in found)
        return Causes(found, counted, max(number_of(job, kind), counted), others)

    def _some(self, job: Job, kind: Kind) -> Iterator[_Message]:
        """Yields all messages, or stretches from all parts of a job: records at its end may fail for other reasons."""
        wanted = Wanted(job.id, kind)
        if number_of(job, kind) <= ALL:
            yield from self._messages(wanted, -1, ALL)
            return
        last = -1
        for stretch in range(STRETCHES):
            start = max(last, (job.counts.read - STRETCH) * stretch // (STRETCHES - 1) - 1)
            for message in self._messages(wanted, start, STRETCH):
                last = message.record
                yield message

    def _messages(self, wanted: Wanted, after: int, most: int) -> Iterator[_Message]:
        """Yields messages in several short reads: a long one would keep the catalog's write-ahead log growing."""
        while most > 0:
            step = min(_STEP, most)
            rows = self._catalog.read_now(_messages, wanted=wanted, after=after, limit=step)
            yield from rows
            if len(rows) < step:
                return
            after, most = rows[-1].record, most - step


def number_of(job: Job, kind: Kind) -> int:
    """Returns how many records of the job are of the kind."""
    return job.counts.failed if kind == "failed" else job.counts.with_warnings


def outcomes_of(connection: Connection, wanted: Wanted, *, after: int, limit: int) -> list[Outcome]:
    """Returns the outcomes of the kind after record `after`, by record number."""
    if wanted.kind == "warnings":
        return journal.list_outcomes(connection, wanted.job, warned=True, after=after, limit=limit)
    return journal.list_outcomes(connection, wanted.job, statuses=_FAILED, after=after, limit=limit)


def _messages(connection: Connection, wanted: Wanted, after: int, limit: int) -> list[_Message]:
    if wanted.kind == "failed":
        messages = journal.messages(connection, wanted.job, "failed", after=after, limit=limit)
        return [_Message(record, text or "", masked(text or "")) for record, text in messages]
    found = journal.warnings(connection, wanted.job, after=after, limit=limit)
    return [_Message(record, _joined(warning_text, each), _joined(_warning_words, each)) for record, each in found]


def _joined(sentence: Callable[[Warned], str], warnings: Sequence[Warned]) -> str:
    return "\n".join(map(sentence, warnings))


def warning_text(warning: Warned) -> str:
    """Returns a warning of an outcome as a sentence."""
    return Loss(**warning).sentence


def _warning_words(warning: Warned) -> str:
    """Returns the sentence of a warning without its value; what happened may quote other values of the record."""
    return f"{warning['source']}: … {masked(warning['what'])}"


def masked(message: str) -> str:
    """Returns a message without its values: numbers, quoted texts, and what follows 'Invalid … for x: '."""
    text = _VALUE.sub(r"\1: …", message)
    text = _SINGLY_QUOTED.sub(_if_closed, _DOUBLY_QUOTED.sub(_if_closed, text))
    return _NUMBER.sub("#", _HEXADECIMAL.sub("#", text))


def _if_closed(found: re.Match[str]) -> str:
    return "…" if found[1] else found[0]


def id_of(words: str) -> str:
    return sha256(words.encode("utf-8", "replace")).hexdigest()[:16]
