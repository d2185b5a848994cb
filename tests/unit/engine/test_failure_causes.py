"""Causes of failed records: messages with their values masked, counted over all records or over a part of them."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection

from server.engine.batches.failure_causes import ALL, STRETCH, Failures, id_of, masked
from storage.catalog.base import NewBatch, Outcome
from storage.catalog.sql import batches, journal
from storage.opening import open_storage
from storage.queues import jobs
from storage.queues.base import Counts, Job, NewJob

NOW = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Missing values in profile: email", "Missing values in profile: email"),
        ("Invalid integer for input field age: many", "Invalid integer for input field age: …"),
        ("Invalid date value for input field born: 1: 2", "Invalid date value for input field born: …"),
        ("Value in input data cannot be mapped for name x: 5", "Value in input data cannot be mapped for name x: …"),
        ("line 3, column 15: not valid JSON: '{\"a\": it\\'s x'", "line #, column #: not valid JSON: …"),
        ("line 12 has 5 cells, the name row has 1,300", "line # has # cells, the name row has #"),
        ("people: another row already has email 'a@b'", "people: another row already has email …"),
        ("it doesn't and won't", "it doesn't and won't"),
        ("field street1 of 0123abcd89ef0123456789ab", "field street1 of #"),
        ("one 7\nInvalid number for input field a: b\nthree", "one #\nInvalid number for input field a: …\nthree"),
        ("line 7 has bytes that are not valid utf-8", "line # has bytes that are not valid utf-8"),
        ("line 7 is iso-8859-1 or windows-1252, at -5 of +3.5", "line # is iso-8859-1 or windows-1252, at # of #"),
        ("born 2024-01-31, 10:15, 31/01/2024 or 5-", "born #, #, # or #-"),
        ("", ""),
    ],
)  # fmt: skip
def test_values_are_masked_and_words_stay(message: str, words: str) -> None:
    assert masked(message) == words
    assert masked(words) == words


async def test_many_failures_are_counted_over_all_parts_of_a_job(tmp_path: Path) -> None:
    number = 3 * ALL
    storage = await asyncio.to_thread(open_storage, tmp_path)

    def fill(connection: Connection) -> Job:
        batch = batches.add(connection, NewBatch("x", "cli", "", NOW))
        job = jobs.put(connection, NewJob(kind="cli", mode="import", batch=batch.id), NOW)
        said = ["Invalid number for x: 1"] * (number - 5) + ["Missing values in profile: email"] * 5
        rows = [Outcome(record, "failed", message=message) for record, message in enumerate(said)]
        journal.put_outcomes(connection, job.id, rows)
        return job

    job = await storage.catalog.write(fill)
    failures = Failures(storage.catalog)
    causes = await failures.causes(replace(job, counts=Counts(read=number, failed=number)))
    assert (causes.counted, causes.total, causes.others) == (ALL, number, 0)
    assert [cause.count for cause in causes.causes] == [ALL - 5, 5]
    rare = id_of("Missing values in profile: email")
    first = await failures.page(job, cause=rare)
    assert (first.records, first.scanned, first.next_cursor) == ([], ALL, ALL - 1)
    last = await failures.page(job, cause=rare, after=number - STRETCH)
    assert [record.record for record in last.records] == [*range(number - 5, number)]
    assert last.next_cursor is None
    await storage.close()
