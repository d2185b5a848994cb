"""The failed records of a job, or those stored with warnings, by cause: messages that differ only in values have one.

A cause is known by the digest of its words. With very many failed records, causes are counted over a part of them.
"""

import asyncio
import re
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from server.mapping.model.scope import Loss
from storage.catalog.base import Catalog, Outcome, OutcomeStatus
from storage.catalog.sql import journal
from storage.queues.base import FINAL, Job

ALL = 10_000  # failed records up to which every one is counted
STRETCHES = 20  # evenly spread over a larger job; so many records are counted in each:
STRETCH = ALL // STRETCHES
_STEP = 2_000
_FAILED: Sequence[OutcomeStatus] = ("failed",)
Kind = Literal["failed", "warnings"]
_MOST_CAUSES = 50
_MOST_KNOWN = 32

_VALUE = re.compile(r"^((?:Invalid|Value in input data cannot be mapped|Missing or invalid)[^:\n]*): .*$", re.MULTILINE)
# A quote that nothing closes takes the rest of its line along, so that no part of it is looked at again.
_DOUBLY_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*(")?')
_SINGLY_QUOTED = re.compile(r"(?<!\w)'(?:[^'\\\n]|\\.)*('(?!\w))?")
_HEXADECIMAL = re.compile(r"\b(?=[a-f]*\d)[0-9a-f]{8,}(?:-[0-9a-f]{4,})*\b")
_NUMBER = re.compile(r"(?<![\w-])[-+]?\d+(?:[-.,:/]\d+)*(?!\w)")  # dates too, but not the 8 of utf-8


@dataclass(frozen=True, slots=True)
class Cause:
    """`words` are the message with its values masked, `example` is one message as it was said of `record`."""

    id: str
    words: str
    count: int
    example: str
    record: int


@dataclass(frozen=True, slots=True)
class Causes:
    """Most frequent first. `counted` of `total` records were looked at; `others` had causes beyond these."""

    causes: Sequence[Cause]
    counted: int
    total: int
    others: int


@dataclass(frozen=True, slots=True)
class FailedPage:
    """By record. `further`: behind which record to go on; `looked`: how many were searched, where not all were."""

    records: Sequence[Outcome]
    further: int | None = None
    looked: int | None = None


class Wanted(NamedTuple):
    """Which records of which job."""

    job: str
    kind: Kind


class Failures:
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: OrderedDict[tuple[str, Kind], Causes] = (
            OrderedDict()
        )  # of jobs that have ended: nothing is added to those

    async def page(
        self, job: Job, *, kind: Kind = "failed", cause: str | None = None, after: int = -1, limit: int = 50
    ) -> FailedPage:
        """The records of the kind behind `after`, all or those of a cause; a search looks at `ALL` at most."""
        wanted = Wanted(job.id, kind)
        if cause is not None:
            return await asyncio.to_thread(self._of_cause, wanted, cause, after, limit)
        found = await self._catalog.read(outcomes_of, wanted, after=after, limit=limit + 1)
        return FailedPage(found[:limit], found[limit - 1].record if len(found) > limit else None)

    async def causes(self, job: Job, kind: Kind = "failed") -> Causes:
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
        wanted: list[int] = []
        looked, last = 0, after
        for record, message in self._messages(of, after, ALL):
            looked, last = looked + 1, record
            if id_of(masked(message)) == cause:
                wanted.append(record)
            if len(wanted) > limit:
                return FailedPage(self._records(of.job, wanted[:limit]), wanted[limit - 1])
        ended = looked < ALL
        return FailedPage(self._records(of.job, wanted), None if ended else last, None if ended else looked)

    def _records(self, job: str, records: Sequence[int]) -> Sequence[Outcome]:
        return self._catalog.read_now(journal.outcomes_at, job, records)

    def _causes(self, job: Job, kind: Kind) -> Causes:
        counts: Counter[str] = Counter()
        examples: dict[str, tuple[int, str]] = {}
        for record, message in self._some(job, kind):
            words = masked(message)
            counts[words] += 1
            examples.setdefault(words, (record, message))
        found = [
            Cause(id_of(words), words, count, examples[words][1], examples[words][0])
            for words, count in counts.most_common(_MOST_CAUSES)
        ]
        counted = counts.total()
        others = counted - sum(cause.count for cause in found)
        return Causes(found, counted, max(number_of(job, kind), counted), others)

    def _some(self, job: Job, kind: Kind) -> Iterator[tuple[int, str]]:
        """All of them, or stretches from everywhere in the job: what fails at its end may fail for other reasons."""
        wanted = Wanted(job.id, kind)
        if number_of(job, kind) <= ALL:
            yield from self._messages(wanted, -1, ALL)
            return
        last = -1
        for stretch in range(STRETCHES):
            start = max(last, (job.counts.read - STRETCH) * stretch // (STRETCHES - 1) - 1)
            for record, message in self._messages(wanted, start, STRETCH):
                last = record
                yield record, message

    def _messages(self, wanted: Wanted, after: int, most: int) -> Iterator[tuple[int, str]]:
        """In several short looks: a long one would hold back the catalog's write-ahead log."""
        while most > 0:
            step = min(_STEP, most)
            rows = self._catalog.read_now(_messages, wanted=wanted, after=after, limit=step)
            yield from ((record, message or "") for record, message in rows)
            if len(rows) < step:
                return
            after, most = rows[-1][0], most - step


def number_of(job: Job, kind: Kind) -> int:
    """How many records of the job are of the kind."""
    return job.counts.failed if kind == "failed" else job.counts.with_warnings


def outcomes_of(connection: Connection, wanted: Wanted, *, after: int, limit: int) -> list[Outcome]:
    """By record number, behind `after`."""
    if wanted.kind == "warnings":
        return journal.list_outcomes(connection, wanted.job, warned=True, after=after, limit=limit)
    return journal.list_outcomes(connection, wanted.job, statuses=_FAILED, after=after, limit=limit)


def _messages(connection: Connection, wanted: Wanted, after: int, limit: int) -> list[tuple[int, str | None]]:
    if wanted.kind == "failed":
        return journal.messages(connection, wanted.job, "failed", after=after, limit=limit)
    found = journal.warnings(connection, wanted.job, after=after, limit=limit)
    return [(record, "\n".join(map(warning_text, warnings))) for record, warnings in found]


def warning_text(warning: Mapping[str, str]) -> str:
    """A warning of an outcome as a sentence."""
    return Loss(**warning).sentence


def masked(message: str) -> str:
    """The message without the values of its record: numbers, quoted texts, and what follows a vendor's complaint."""
    text = _VALUE.sub(r"\1: …", message)
    text = _SINGLY_QUOTED.sub(_if_closed, _DOUBLY_QUOTED.sub(_if_closed, text))
    return _NUMBER.sub("#", _HEXADECIMAL.sub("#", text))


def _if_closed(found: re.Match[str]) -> str:
    return "…" if found[1] else found[0]


def id_of(words: str) -> str:
    return sha256(words.encode("utf-8", "replace")).hexdigest()[:16]
