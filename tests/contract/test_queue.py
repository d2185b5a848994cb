"""The contract of a JobQueue (storage/queues/base.py): one test for each sentence."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from storage.queues.base import LONGEST_PAUSE, Counts, DueCursor, Job, NewJob, new_job_id
from tests.support.backends import QUEUES, OpenQueue

NOW = datetime(2025, 3, 1, 9, 30, tzinfo=UTC)
LEASE = 60.0
STEP = 2.0
PAST_LEASE = NOW + timedelta(seconds=LEASE)


@pytest.fixture(params=QUEUES)
def open_queue(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], OpenQueue]:
    return lambda: QUEUES[request.param](tmp_path)


@pytest.fixture
async def store(open_queue: Callable[[], OpenQueue]) -> AsyncIterator[OpenQueue]:
    opened = await asyncio.to_thread(open_queue)
    yield opened
    await opened.catalog.close()


async def put(store: OpenQueue, now: datetime = NOW, **values: object) -> Job:
    job = NewJob(**{"kind": "import", "mode": "import"} | values)  # type: ignore[arg-type]
    return await store.catalog.write(store.queue.put, job, now)


async def get(store: OpenQueue, job: Job) -> Job:
    found = await store.catalog.read(store.queue.get, job.id)
    assert found is not None
    return found


async def claim(store: OpenQueue, owner: str = "a", now: datetime = NOW, **values: object) -> str | None:
    job = await store.queue.claim(owner, now, LEASE, **values)  # type: ignore[arg-type]
    return None if job is None else job.id


async def time_passes(store: OpenQueue, seconds: float = LEASE) -> None:
    """A claimer looks now and then, and takes nothing."""
    await claim(store, modes=("none",))
    while seconds > 0:
        store.steady.seconds += min(seconds, STEP)
        seconds -= STEP
        await claim(store, modes=("none",))


async def finish(store: OpenQueue, job: Job, owner: str, state: str = "done", **values: object) -> bool:
    return await store.catalog.write(store.queue.finish, job.id, owner, state, NOW, **values)  # type: ignore[arg-type]


async def test_put_returns_the_job_as_it_is_stored(store: OpenQueue) -> None:
    batch = {"process": "12", "control": "0" * 64, "payload": {"é": [1, None]}, "priority": 2, "lane": "x"}
    job = await put(store, **batch)  # type: ignore[arg-type]
    assert await get(store, job) == job
    assert (job.state, job.due, job.attempts, job.counts) == ("queued", NOW, 0, Counts())


async def test_put_joins_the_callers_transaction(store: OpenQueue) -> None:
    def put_then_raise(connection: Connection) -> None:
        store.queue.put(connection, NewJob("import", "import"), NOW)
        raise ValueError("undo")

    with pytest.raises(ValueError, match="undo"):
        await store.catalog.write(put_then_raise)
    assert await claim(store) is None


async def test_claim_hands_out_by_priority_then_due_then_age(store: OpenQueue) -> None:
    earlier = [NOW - timedelta(minutes=minutes) for minutes in range(5)]
    third = await put(store, earlier[1], due=earlier[1])
    fourth = await put(store, earlier[0], due=earlier[1])
    second = await put(store, earlier[0], due=earlier[2])
    first = await put(store, earlier[0], priority=1)
    order = [await claim(store, owner) for owner in "abcde"]
    assert order == [first.id, second.id, third.id, fourth.id, None]


async def test_claim_leaves_jobs_that_are_not_due(store: OpenQueue) -> None:
    job = await put(store, due=NOW + timedelta(seconds=1))
    assert await claim(store) is None
    assert await claim(store, now=NOW + timedelta(seconds=1)) == job.id


async def test_a_claimed_job_is_its_owners_until_the_lease_ends(store: OpenQueue) -> None:
    job = await put(store)
    assert await claim(store, "a") == job.id
    running = await get(store, job)
    assert (running.state, running.owner, running.lease_until) == ("running", "a", PAST_LEASE)
    await time_passes(store, LEASE - STEP)
    assert await claim(store, "b") is None
    await time_passes(store, STEP)
    assert await claim(store, "b") == job.id
    assert (await get(store, job)).owner == "b"


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(days=365), -timedelta(hours=1), -timedelta(days=365)])
async def test_a_jump_of_the_clock_takes_no_job_from_its_owner_and_keeps_none_there(
    store: OpenQueue, jump: timedelta
) -> None:
    job = await put(store)
    await claim(store, "a")
    assert await claim(store, "b", NOW + jump) is None
    assert await store.queue.extend(job.id, "a", NOW + jump, LEASE)
    assert await claim(store, "b", NOW + 2 * jump) is None
    await time_passes(store)
    assert await claim(store, "b", NOW + 2 * jump) == job.id, "its owner has stopped to extend"


async def test_one_that_was_stopped_itself_takes_no_job_when_it_goes_on(store: OpenQueue) -> None:
    """All were: the owner has had no moment to extend."""
    job = await put(store)
    await claim(store, "a")
    assert await claim(store, "b") is None
    store.steady.seconds += 100 * LEASE
    assert await claim(store, "b") is None
    assert await store.queue.extend(job.id, "a", NOW + timedelta(seconds=1), LEASE)
    await time_passes(store, LEASE - STEP)
    assert await claim(store, "b") is None


async def test_a_job_of_a_dead_owner_is_handed_out_again(store: OpenQueue) -> None:
    job = await put(store)
    await claim(store, "dead")
    assert await claim(store, "b", dead_owner=lambda owner: False) is None
    assert await claim(store, "b", dead_owner=lambda owner: owner == "dead") == job.id


async def test_each_claim_is_an_attempt_and_the_first_one_sets_started(store: OpenQueue) -> None:
    job = await put(store)
    await claim(store, "a")
    await store.queue.release(job.id, "a", PAST_LEASE)
    await claim(store, "b", PAST_LEASE)
    again = await get(store, job)
    assert (again.attempts, again.started) == (2, NOW)


@pytest.mark.parametrize("how", ["the owner died", "the lease ended"])
async def test_a_job_taken_over_is_no_new_attempt_however_often(store: OpenQueue, how: str) -> None:
    """Its owner's end, or the stop of its machine, does not speak against the job."""
    job = await put(store, max_attempts=2)
    died = how == "the owner died"
    await claim(store, "0")
    for number in range(1, 6):
        await time_passes(store, 0 if died else LEASE)
        assert await claim(store, str(number), dead_owner=lambda owner: died) == job.id
        assert (await get(store, job)).attempts == 1
    await store.queue.release(job.id, "5", NOW)
    assert await claim(store, "6") == job.id
    assert await claim(store, "7", dead_owner=lambda owner: True) == job.id, "in its last attempt too"
    assert (await get(store, job)).attempts == 2


async def test_a_job_without_attempts_left_fails_and_is_told_in_the_same_transaction(store: OpenQueue) -> None:
    lost, told = await put(store, max_attempts=1), []
    other = await put(store, NOW + timedelta(hours=1), due=NOW)

    def abandoned(connection: Connection, job: Job) -> None:
        told.append((job.id, job.state, store.queue.get(connection, job.id) == job))

    await claim(store, "a")
    await store.queue.release(lost.id, "a", NOW)
    assert await claim(store, "b", PAST_LEASE, abandoned=abandoned) == other.id
    assert told == [(lost.id, "failed", True)]
    ended = await get(store, lost)
    assert (ended.state, ended.finished, ended.owner) == ("failed", PAST_LEASE, None)
    assert ended.error == "given up after 1 attempt: the worker stopped each time before the job had ended"


async def test_nothing_is_given_up_when_telling_fails(store: OpenQueue) -> None:
    lost = await put(store, max_attempts=1)
    await claim(store, "a")
    await store.queue.release(lost.id, "a", NOW)

    def fails(connection: Connection, job: Job) -> None:
        raise ValueError("could not tell")

    with pytest.raises(ValueError, match="could not tell"):
        await claim(store, "b", PAST_LEASE, abandoned=fails)
    assert (await get(store, lost)).state == "queued"


async def test_jobs_put_at_once_wait_for_no_clock_that_is_set_back(store: OpenQueue) -> None:
    """They are handed out in their order, before those that came later by the clock that is right again."""
    ahead = NOW + timedelta(hours=1)
    first, second = await put(store, ahead), await put(store, ahead + timedelta(seconds=1))
    scheduled = await put(store, ahead, due=ahead + timedelta(hours=1))
    assert await claim(store, "a", NOW) == first.id
    late = await put(store, NOW + timedelta(seconds=5))
    assert await claim(store, "b", NOW + timedelta(seconds=6)) == second.id
    assert await claim(store, "c", NOW + timedelta(seconds=7)) == late.id
    assert await claim(store, "d", NOW + timedelta(seconds=8)) is None
    assert (await get(store, scheduled)).due == ahead + timedelta(hours=1)


async def test_a_job_that_is_put_off_waits_no_longer_than_pauses_are(store: OpenQueue) -> None:
    """A pause that was reckoned from a clock a year ahead would last a year; a right one is kept."""
    ahead = NOW + timedelta(days=365)
    job = await put(store, ahead)
    await claim(store, "a", ahead)
    await store.queue.release(job.id, "a", ahead + timedelta(seconds=10))
    assert await claim(store, "b", NOW) == job.id
    await store.queue.release(job.id, "b", NOW + LONGEST_PAUSE)
    assert await claim(store, "c", NOW) is None


async def test_a_job_waits_no_longer_than_those_put_it_off_who_claim_its_kind(store: OpenQueue) -> None:
    """A clock set back by an hour is no reason to wait so long where pauses are minutes; tasks may pause so long."""
    ahead, pause = NOW + timedelta(hours=1), timedelta(minutes=5)
    job, task = await put(store, ahead), await put(store, ahead, mode="errand")
    for one in (job, task):
        await claim(store, "a", ahead, modes=[one.mode])
        await store.queue.release(one.id, "a", ahead + pause)
    assert await claim(store, "b", NOW + timedelta(hours=1), modes=["import"], longest_pause=pause) is None
    assert await claim(store, "b", NOW, modes=["import"], longest_pause=pause) == job.id
    assert await claim(store, "b", NOW) is None, "a task may have been put off for an hour"


async def test_a_job_released_at_once_waits_for_no_clock(store: OpenQueue) -> None:
    job = await put(store)
    await claim(store, "a")
    await store.queue.release(job.id, "a", None, counted=False)
    assert await claim(store, "b", NOW - timedelta(hours=1)) == job.id


async def test_extend_moves_the_lease_as_long_as_nobody_else_has_the_job(store: OpenQueue) -> None:
    job = await put(store)
    await claim(store, "a")
    await time_passes(store, LEASE - STEP)
    assert await store.queue.extend(job.id, "a", PAST_LEASE, LEASE)
    assert (await get(store, job)).lease_until == PAST_LEASE + timedelta(seconds=LEASE)
    await time_passes(store, LEASE - STEP)
    assert await claim(store, "b") is None
    await time_passes(store, STEP)
    assert await store.queue.extend(job.id, "a", PAST_LEASE + timedelta(seconds=9), LEASE), "late, but no other took it"
    await time_passes(store)
    assert await claim(store, "b") == job.id
    assert not await store.queue.extend(job.id, "a", NOW, LEASE)


async def test_progress_records_counts_and_forgives_earlier_attempts(store: OpenQueue) -> None:
    job, counts = await put(store), Counts(read=3, created=2, failed=1)
    await claim(store, "a")
    await claim(store, "b", dead_owner=lambda owner: owner == "a")
    assert not await store.catalog.write(store.queue.progress, job.id, "a", Counts(), 0)
    assert await store.catalog.write(store.queue.progress, job.id, "b", counts, 7)
    now = await get(store, job)
    assert (now.counts, now.errors, now.attempts, now.state) == (counts, 7, 1, "running")


async def test_only_reading_further_than_ever_forgives(store: OpenQueue) -> None:
    job = await put(store)
    await claim(store, "a")
    await progress(store, job, "a", 3)
    await store.queue.release(job.id, "a", PAST_LEASE)
    await claim(store, "b", PAST_LEASE)
    for read in (0, 1, 3):
        await progress(store, job, "b", read)
        assert (await get(store, job)).attempts == 2
    await progress(store, job, "b", 4)
    assert (await get(store, job)).attempts == 1


async def progress(store: OpenQueue, job: Job, owner: str, read: int) -> None:
    counts = Counts(read=read, created=read)
    assert await store.catalog.write(store.queue.progress, job.id, owner, counts, 0)


async def test_finish_ends_the_job_once_and_only_for_its_owner(store: OpenQueue) -> None:
    job, counts = await put(store), Counts(read=1, failed=1)
    await claim(store, "a")
    assert not await finish(store, job, "b")
    assert await finish(store, job, "a", "failed", counts=counts, errors=1, error="why")
    assert not await finish(store, job, "a")
    ended = await get(store, job)
    assert (ended.state, ended.finished, ended.counts, ended.errors, ended.error) == ("failed", NOW, counts, 1, "why")
    assert (ended.owner, ended.lease_until) == (None, None)
    assert await claim(store, "b", PAST_LEASE) is None


async def test_finish_joins_the_callers_transaction(store: OpenQueue) -> None:
    job = await put(store)
    await claim(store, "a")

    def finish_then_raise(connection: Connection) -> None:
        store.queue.finish(connection, job.id, "a", "done", NOW)
        raise ValueError("undo")

    with pytest.raises(ValueError, match="undo"):
        await store.catalog.write(finish_then_raise)
    assert (await get(store, job)).state == "running"


@pytest.mark.parametrize(("counted", "attempts"), [(True, 1), (False, 0)])
async def test_release_gives_a_job_back(store: OpenQueue, counted: bool, attempts: int) -> None:
    job, later = await put(store), NOW + timedelta(seconds=5)
    await claim(store, "a")
    assert not await store.queue.release(job.id, "b", later)
    assert await store.queue.release(job.id, "a", later, counted=counted)
    back = await get(store, job)
    assert (back.state, back.owner, back.due, back.attempts) == ("queued", None, later, attempts)
    assert await claim(store, "b") is None
    assert await claim(store, "b", later) == job.id


async def test_the_reason_of_a_release_is_in_the_sentence_of_a_job_given_up(store: OpenQueue) -> None:
    job = await put(store, max_attempts=1)
    await claim(store, "a")
    await store.queue.release(job.id, "a", NOW, error="the worker ran out of memory")
    assert await claim(store, "b") is None
    assert (await get(store, job)).error == "given up after 1 attempt: the worker ran out of memory"


async def test_cancel_ends_a_queued_job_and_asks_the_owner_of_a_running_one(store: OpenQueue) -> None:
    queued, running, done = [await put(store, priority=-n) for n in range(3)]
    for job in (queued, running, done):
        await claim(store, job.id)
    await store.queue.release(queued.id, queued.id, NOW)
    await finish(store, done, done.id)
    cancelled = [await store.catalog.write(store.queue.cancel, j.id, NOW) for j in (queued, running, done)]
    assert [(j.state, j.cancel_requested) for j in cancelled] == [  # type: ignore[union-attr]
        ("cancelled", True),
        ("running", True),
        ("done", False),
    ]
    assert cancelled[0].finished == NOW  # type: ignore[union-attr]
    assert await store.catalog.write(store.queue.cancel, "nobody", NOW) is None


async def test_a_job_with_a_cancel_pending_is_handed_out_again(store: OpenQueue) -> None:
    job = await put(store)
    await claim(store, "a")
    await store.catalog.write(store.queue.cancel, job.id, NOW)
    again = await store.queue.claim("b", NOW, LEASE, lambda owner: owner == "a")
    assert again is not None
    assert (again.id, again.cancel_requested) == (job.id, True)


async def test_jobs_of_one_lane_run_one_after_the_other(store: OpenQueue) -> None:
    first, second = await put(store, lane="x"), await put(store, NOW + timedelta(seconds=1), due=NOW, lane="x")
    elsewhere = await put(store, NOW + timedelta(seconds=2), due=NOW, lane="y")
    assert [await claim(store, owner) for owner in "abc"] == [first.id, elsewhere.id, None]
    await finish(store, elsewhere, "b")
    await store.queue.release(first.id, "a", PAST_LEASE)
    assert await claim(store, "c") is None
    assert await claim(store, "c", PAST_LEASE) == first.id
    await finish(store, first, "c")
    assert await claim(store, "d") == second.id


@pytest.mark.parametrize("counted", [True, False])
async def test_a_job_that_has_begun_goes_on_before_others_of_its_lane(store: OpenQueue, counted: bool) -> None:
    first, second = await put(store, lane="x"), await put(store, NOW + timedelta(seconds=1), due=NOW, lane="x")
    await claim(store, "a")
    await store.queue.release(first.id, "a", NOW + timedelta(seconds=2), counted=counted)
    assert await claim(store, "b", PAST_LEASE) == first.id
    await finish(store, first, "b")
    assert await claim(store, "b", PAST_LEASE) == second.id


async def test_wait_ends_at_once_when_a_job_is_put_or_given_back(store: OpenQueue) -> None:
    assert await claim(store) is None
    await asyncio.gather(store.queue.wait(30), put(store))
    job = await store.queue.claim("a", NOW, LEASE)
    assert job is not None
    assert await claim(store, "b") is None
    await asyncio.gather(store.queue.wait(30), store.queue.release(job.id, "a", NOW))
    assert await claim(store, "b") == job.id


async def test_wait_does_not_miss_a_put_since_the_last_claim(store: OpenQueue) -> None:
    assert await claim(store) is None
    await put(store)
    await asyncio.wait_for(store.queue.wait(30), 0.4)


async def test_a_claimer_that_takes_one_of_two_jobs_leaves_the_others_awake(store: OpenQueue) -> None:
    assert await claim(store, "b") is None
    await put(store)
    await put(store)
    await claim(store, "a")
    await asyncio.wait_for(store.queue.wait(30, "b"), 0.4)


async def test_wait_notices_another_process(store: OpenQueue, open_queue: Callable[[], OpenQueue]) -> None:
    other = await asyncio.to_thread(open_queue)
    assert await claim(store) is None
    job, _ = await asyncio.gather(put(other), store.queue.wait(30))
    assert await claim(store) == job.id
    await other.catalog.close()


async def test_wait_ends_after_its_time_and_not_before(store: OpenQueue) -> None:
    loop = asyncio.get_running_loop()
    assert await claim(store) is None
    start = loop.time()
    await store.queue.wait(0.2)
    assert 0.2 <= loop.time() - start < 5


async def test_find_filters_and_pages_newest_first(store: OpenQueue) -> None:
    made = [await put(store, NOW + timedelta(seconds=n), process=str(n % 2)) for n in range(6)]
    odd = [job.id for job in reversed(made) if job.process == "1"]
    page = await store.catalog.read(store.queue.find, process="1", limit=2)
    rest = await store.catalog.read(store.queue.find, process="1", before=page[-1].id)
    assert [job.id for job in page + rest] == odd
    assert await store.catalog.read(store.queue.find, states=["done"]) == []


MODES = ("import", "dry-run")


async def ids(store: OpenQueue, read: Callable[..., Sequence[Job]], *args: object) -> list[str]:
    return [job.id for job in await store.catalog.read(read, *args)]


async def ended(store: OpenQueue, seconds: float, state: str = "done", failed: int = 0) -> Job:
    job = await put(store, NOW + timedelta(seconds=seconds), max_attempts=9, priority=9)
    assert await claim(store, now=NOW + timedelta(seconds=seconds)) == job.id
    counts = Counts(read=failed, failed=failed)
    at = NOW + timedelta(seconds=seconds)
    assert await store.catalog.write(store.queue.finish, job.id, "a", state, at, counts=counts)  # type: ignore[arg-type]
    return job


async def test_get_answers_none_for_a_job_that_is_not_there(store: OpenQueue) -> None:
    assert await store.catalog.read(store.queue.get, "none") is None


async def test_running_returns_the_oldest_start_first(store: OpenQueue) -> None:
    late = await put(store)
    soon = await put(store, priority=1)
    await put(store, mode="errand", priority=2)
    started = [await claim(store, now=NOW + timedelta(seconds=second)) for second in range(3)]
    assert started[1:] == [soon.id, late.id]
    assert await ids(store, store.queue.running, MODES) == [soon.id, late.id]
    assert await ids(store, store.queue.running, MODES, 1) == [soon.id]


async def test_waiting_counts_what_is_due_and_says_since_when(store: OpenQueue) -> None:
    assert await store.catalog.read(store.queue.waiting, MODES, NOW, 9) == (0, None)
    for seconds in (0, -5, 5):
        await put(store, NOW + timedelta(seconds=seconds))
    await put(store, NOW - timedelta(seconds=9), mode="errand")
    assert await store.catalog.read(store.queue.waiting, MODES, NOW, 9) == (2, NOW - timedelta(seconds=5))
    assert (await store.catalog.read(store.queue.waiting, MODES, NOW, 1)).number == 1


async def test_coming_and_late_jobs_are_in_the_order_of_their_time(store: OpenQueue) -> None:
    times = [NOW + timedelta(hours=hours) for hours in (3, 1, 2)]
    third, first, second = [(await put(store, due=due)).id for due in times]
    assert await ids(store, store.queue.coming, NOW, 9) == [first, second, third]
    assert await ids(store, store.queue.coming, NOW, 9, DueCursor(times[1], first)) == [second, third]
    assert await ids(store, store.queue.late, times[2], 9) == [first, second]


async def test_ended_jobs_are_listed_the_most_recent_first(store: OpenQueue) -> None:
    well, partly, failed = [
        (await ended(store, seconds, state, rows)).id
        for seconds, state, rows in ((1, "done", 0), (2, "done", 3), (3, "failed", 0))
    ]
    assert await ids(store, store.queue.ended_lately, MODES, 9) == [failed, partly, well]
    assert await ids(store, store.queue.failed_lately, MODES, 9) == [failed, partly]
    assert await ids(store, store.queue.ended_lately, ("errand",), 9) == []


async def test_ended_since_pages_in_the_order_of_the_ends(store: OpenQueue) -> None:
    first, second, third = [(await ended(store, seconds)).id for seconds in (1, 2, 3)]
    since = NOW + timedelta(seconds=2)
    assert await ids(store, store.queue.ended_since, MODES, NOW) == [first, second, third]
    assert await ids(store, store.queue.ended_since, MODES, since, None, 1) == [second]
    assert await ids(store, store.queue.ended_since, MODES, since, second) == [third]


async def test_changed_returns_what_is_not_as_it_is_known(store: OpenQueue) -> None:
    job = await put(store)
    since = NOW - timedelta(seconds=1)
    assert await ids(store, store.queue.changed, MODES, since, {}) == [job.id]
    assert await ids(store, store.queue.changed, MODES, since, {job.id: "queued"}) == []
    assert await claim(store) == job.id
    assert await ids(store, store.queue.changed, MODES, PAST_LEASE, {job.id: "running"}) == [job.id]
    await finish(store, job, "a")
    assert await ids(store, store.queue.changed, MODES, PAST_LEASE, {job.id: "running"}) == [job.id]
    assert await ids(store, store.queue.changed, MODES, PAST_LEASE, {job.id: "done"}) == []


async def test_jobs_are_numbered_by_state_mode_and_kind(store: OpenQueue) -> None:
    for mode in ("import", "import", "dry-run"):
        await put(store, mode=mode)
    await claim(store, modes=("dry-run",))
    sorts = {("queued", "import", "import"): 2, ("running", "dry-run", "import"): 1}
    assert await store.catalog.read(store.queue.number_by_sort) == sorts


async def test_next_due_is_the_earliest_queued_job(store: OpenQueue) -> None:
    assert await store.catalog.read(store.queue.next_due) is None
    await put(store, due=NOW + timedelta(hours=1))
    await put(store)
    assert await store.catalog.read(store.queue.next_due) == NOW


async def test_ids_in_finds_the_jobs_in_these_states(store: OpenQueue) -> None:
    job = await put(store)
    query = store.queue.ids_in(["queued"])
    assert await store.catalog.read(lambda connection: list(connection.execute(query).scalars())) == [job.id]
    await claim(store)
    assert await store.catalog.read(lambda connection: list(connection.execute(query).scalars())) == []


def test_job_ids_sort_in_the_order_of_their_moments() -> None:
    moments = [NOW + timedelta(microseconds=n * 7) for n in range(2000)]
    ids = [new_job_id(moment) for moment in moments]
    assert ids == sorted(ids)
    assert len({new_job_id(NOW) for _ in range(100)}) == 100
