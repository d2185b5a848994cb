"""What the engine's events add up to: records counted once, speeds of what runs, and listeners that fail alone."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from server.engine.errors import DiskFull, LineInvalid, UploadIncomplete, UploadTooSlow
from server.engine.events import Event, Events, JobBegun, JobLeft, JobRead, UploadEnded, upload_result
from server.engine.operations.single_flight import SingleFlight
from server.metrics.activity import STATUSES, Activity
from storage.queues.base import Counts, Job

NOW = datetime(2025, 3, 1, tzinfo=UTC)
JOB = Job(
    id="j",
    kind="folio",
    batch=1,
    process=None,
    control=None,
    mode="import",
    state="running",
    lane=None,
    priority=0,
    due=NOW,
    attempts=1,
    max_attempts=3,
    owner="o",
    lease_until=NOW,
    created=NOW,
    started=NOW,
    finished=None,
    cancel_requested=False,
    counts=Counts(),
    errors=0,
    error=None,
    payload={},
)
COUNTS = st.builds(Counts, **{name: st.integers(0, 1000) for name in ("read", *STATUSES)})


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


def told(*events: Event, clock: Any = lambda: 0.0) -> Activity:
    activity = Activity(clock)
    for event in events:
        activity.hear(event)
    return activity


def having(**counts: int) -> Job:
    return replace(JOB, counts=Counts(**counts))


def test_records_of_an_earlier_attempt_are_not_counted_again() -> None:
    activity = told(JobBegun(having(read=7, created=7)), JobLeft("j", having(read=10, created=9, failed=1)))
    assert activity.records["import", "created"] == 2
    assert activity.records["import", "failed"] == 1


def test_a_job_that_was_given_back_and_goes_on_counts_once() -> None:
    first = (JobBegun(having()), JobLeft("j", having(read=5, created=5)))
    activity = told(*first, JobBegun(having(read=5, created=5)), JobLeft("j", having(read=8, created=8)))
    assert activity.records["import", "created"] == 8


def test_a_running_job_counts_at_every_look_and_no_more_at_its_end() -> None:
    activity = told(JobBegun(having()))
    activity.count({"j": Counts(read=3, updated=3), "another": Counts(updated=100)})
    assert activity.records["import", "updated"] == 3
    activity.hear(JobLeft("j", having(read=4, updated=4)))
    activity.count({"j": Counts(read=9, updated=9)})  # the answer to a look that came too late
    assert activity.records["import", "updated"] == 4
    assert activity.running == {}


@given(COUNTS, st.lists(COUNTS, min_size=1))
def test_numbers_only_ever_grow_and_end_at_the_most_that_was_seen(before: Counts, looks: list[Counts]) -> None:
    activity = told(JobBegun(replace(JOB, counts=before)))
    last = 0
    for look in looks:
        activity.count({"j": look})
        assert activity.records.total() >= last
        last = activity.records.total()
    for status in STATUSES:
        most = max(getattr(look, status) for look in looks)
        assert activity.records["import", status] == max(0, most - getattr(before, status))


def test_the_speed_is_that_of_the_last_ten_signs_of_life() -> None:
    now = 0.0
    activity = told(JobBegun(having()), clock=lambda: now)
    assert activity.speed() == 0
    for second in range(1, 31):
        now = float(second)
        activity.hear(JobRead("j", 100 * second if second <= 15 else 1500 + 1000 * (second - 15)))
    assert activity.speed() == 1000
    now = 33.0
    assert activity.speed() == 1000
    now = 40.0  # silent since 30: what was read in 10 seconds took 20
    assert activity.speed() == 500
    activity.hear(JobLeft("j", None))
    assert activity.speed() == 0


def test_signs_of_life_of_an_unknown_job_are_let_go() -> None:
    assert told(JobRead("j", 5)).speed() == 0


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (UploadIncomplete("gone"), "interrupted"),
        (UploadTooSlow("slow"), "interrupted"),
        (asyncio.CancelledError(), "interrupted"),
        (DiskFull(1, 2), "disk_full"),
        (LineInvalid("line 1"), "refused"),
        (OSError("broken"), "fault"),
    ],
)
def test_what_an_upload_came_to(error: BaseException, result: str) -> None:
    assert upload_result(error) == result


def test_a_listener_that_raises_is_logged_and_bothers_nobody(log: list[Any]) -> None:
    def failing(event: Event) -> None:
        raise ValueError("no")

    events, heard = Events(), []  # type: ignore[var-annotated]
    events.listen(failing)
    events.listen(heard.append)
    events.tell(UploadEnded("received", 3))
    assert heard == [UploadEnded("received", 3)]
    assert [(line["event"], line["told"]) for line in log] == [("a listener failed", "UploadEnded")]


async def test_a_question_is_asked_once_at_a_time_and_again_once_it_was_answered() -> None:
    asked, answer = 0, asyncio.Event()

    async def ask() -> int:
        nonlocal asked
        asked += 1
        await answer.wait()
        return asked

    question = SingleFlight(ask)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.01 seconds"):
        await question.answer(0.01)
    waiting = asyncio.gather(question.answer(5), question.answer(5))
    answer.set()
    assert await waiting == [1, 1]  # type: ignore[comparison-overlap]
    assert await question.answer(5) == 2
