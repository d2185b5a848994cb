"""The functions of the catalog: what is promised about keys, control files, batches, files, logs and outcomes."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from storage.catalog.base import ORIGINAL_BYTES, Batch, BatchFile, Key, LogLine, NewBatch, Outcome
from storage.catalog.sql import batches, controls, journal, keys, references
from storage.opening import refers_to
from storage.queues import jobs
from storage.queues.base import NewJob
from tests.support.backends import CATALOGS

T = TypeVar("T")
Write = Callable[..., T]

NOW = datetime(2025, 3, 1, 9, 30, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(days=7)
DIGEST = "a" * 64
OTHER = "b" * 64


@pytest.fixture(params=CATALOGS)
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Write[Any]]:
    """`write(function, argument, …)` runs a function of a connection in a transaction of its own."""
    catalog = CATALOGS[request.param](tmp_path)

    def run(operation: Callable[..., T], *arguments: Any, **named: Any) -> T:
        return catalog.write_now(operation, *arguments, **named)

    yield run
    catalog.close_now()


@pytest.fixture
def make_key(write: Write[Any]) -> Callable[..., Key]:
    return partial(write, keys.add, name="feed", hash="h", scopes=["folio"], created=NOW)


@pytest.fixture
def make_batch(write: Write[Any]) -> Callable[..., Batch]:
    def make(identifier: str = "one", **values: Any) -> Batch:
        return write(  # type: ignore[no-any-return]
            batches.add,
            NewBatch(**{"identifier": identifier, "api": "haplo", "comment": "", "created": NOW} | values),  # type: ignore[arg-type]
        )

    return make


@pytest.fixture
def add_file(write: Write[Any]) -> Callable[..., BatchFile | None]:
    return partial(write, batches.add_file, filename="data.json", digest=DIGEST, size=4, created=NOW)


@pytest.fixture
def job(write: Write[Any]) -> str:
    return write(jobs.put, NewJob("import", "import"), NOW).id  # type: ignore[no-any-return]


def test_a_key_comes_back_as_it_was_made(write: Write[Any], make_key: Callable[..., Key]) -> None:
    key = make_key(prefix="p" * 16, tenants=("north",), expires=LATER)
    assert write(keys.with_prefix, "p" * 16) == write(keys.get, key.id) == key
    assert (key.scopes, key.tenants, key.created, key.expires) == (("folio",), ("north",), NOW, LATER)
    assert write(keys.with_prefix, "q" * 16) is None


def test_the_hash_of_a_key_is_not_in_its_repr(make_key: Callable[..., Key]) -> None:
    assert "scrypt" not in repr(make_key(prefix="p", hash="scrypt"))


def test_two_keys_never_share_a_prefix(make_key: Callable[..., Key]) -> None:
    make_key(prefix="p")
    with pytest.raises(IntegrityError):
        make_key(prefix="p")


def test_a_revoked_key_keeps_its_first_moment(write: Write[Any], make_key: Callable[..., Key]) -> None:
    key = make_key(prefix="p")
    assert write(keys.revoke, key.id, NOW)
    assert write(keys.revoke, key.id, LATER)
    assert write(keys.get, key.id).revoked == NOW
    assert not write(keys.revoke, 99, NOW)


@pytest.mark.parametrize(("own", "ends"), [(None, LATER), (NOW, NOW), (LATER + timedelta(1), LATER)])
def test_a_replaced_key_ends_with_the_overlap_or_before(
    write: Write[Any], make_key: Callable[..., Key], own: datetime | None, ends: datetime
) -> None:
    old, new = make_key(prefix="p", expires=own), make_key(prefix="q")
    assert write(keys.replace, old.id, new.id, LATER)
    replaced = write(keys.get, old.id)
    assert (replaced.replaced_by, replaced.expires) == (new.id, ends)
    assert not write(keys.replace, 99, new.id, LATER)


def test_keys_are_listed_oldest_first_and_remember_their_use(write: Write[Any], make_key: Callable[..., Key]) -> None:
    made = [make_key(prefix=prefix) for prefix in "cab"]
    write(keys.touch, made[1].id, LATER)
    listed = write(keys.every)
    assert [key.id for key in listed] == [key.id for key in made]
    assert [key.last_used for key in listed] == [None, LATER, None]


def test_a_moment_must_have_a_time_zone(make_key: Callable[..., Key]) -> None:
    with pytest.raises(Exception, match="a moment needs a time zone"):
        make_key(prefix="p", expires=datetime(2025, 1, 1))


def test_moments_of_other_zones_are_kept_in_utc(write: Write[Any], make_key: Callable[..., Key]) -> None:
    key = make_key(prefix="p", created=datetime.fromisoformat("2025-03-01T10:30:00.123456+01:00"))
    stored = write(lambda c: c.exec_driver_sql("SELECT created FROM keys").scalar())
    assert (key.created, stored) == (NOW, "2025-03-01T09:30:00.123456Z")


def test_the_same_control_file_and_comment_is_one_entry(write: Write[Any]) -> None:
    add = partial(write, controls.add, api="haplo", digest=DIGEST, created=NOW)
    first, again, other = add(comment="x"), add(comment="x"), add(comment="y")
    assert first == again != other
    assert write(controls.with_digest, "haplo", DIGEST) == other
    assert write(controls.with_digest, "folio", DIGEST) is None
    assert write(controls.get, first.id) == first


def test_control_files_are_found_newest_first_by_page_and_text(write: Write[Any]) -> None:
    for comment in ("People", "100% books", "more people"):
        write(controls.add, api="haplo", digest=DIGEST, comment=comment, created=NOW)

    def comments(**wanted: Any) -> list[str]:
        return [control.comment for control in write(controls.find, **wanted)]

    assert comments() == ["more people", "100% books", "People"]
    assert comments(text="PEOPLE") == ["more people", "People"]
    assert comments(text="%") == ["100% books"]
    assert comments(before=2) == ["People"]
    assert comments(api="folio") == []


def test_a_batch_comes_back_as_it_was_made(write: Write[Any], make_batch: Callable[..., Batch]) -> None:
    batch = make_batch(control=DIGEST, process="12", tenant="north", properties={"notify": ["a"]})
    assert write(batches.with_identifier, "one") == write(batches.get, batch.id) == batch
    assert (batch.state, batch.errors, batch.job) == ("uploading", 0, None)


def test_a_batch_of_one_api_is_not_visible_to_another(write: Write[Any], make_batch: Callable[..., Batch]) -> None:
    batch = make_batch()
    assert write(batches.with_identifier, "one", "haplo") == batch
    assert write(batches.with_identifier, "one", "folio") is None


def test_two_batches_never_share_an_identifier(make_batch: Callable[..., Batch]) -> None:
    make_batch()
    with pytest.raises(IntegrityError):
        make_batch(api="folio")


def test_batches_are_found_newest_first_by_every_filter(write: Write[Any], make_batch: Callable[..., Batch]) -> None:
    make_batch("one", comment="Monday", process="12")
    make_batch("two", api="folio", state="ready", tenant="north")
    make_batch("three", comment="monday again")

    def found(**wanted: Any) -> list[str]:
        return [batch.identifier for batch in write(batches.find, **wanted)]

    assert found() == ["three", "two", "one"]
    assert found(limit=1) == ["three"]
    assert found(before=2) == ["one"]
    assert found(api="folio") == found(tenant="north") == found(states=["ready", "error"]) == ["two"]
    assert found(process="12") == ["one"]
    assert found(text="MONDAY") == ["three", "one"]
    assert found(text="tw") == ["two"]


def test_a_batch_moves_only_from_the_states_named(write: Write[Any], make_batch: Callable[..., Batch]) -> None:
    batch = make_batch()
    move = partial(write, batches.move, batch.id)
    assert move(["uploading", "ready"], "scheduled", job="j1")
    assert not move(["uploading", "ready"], "scheduled", job="j2")
    assert move(["scheduled"], "error", errors=3)
    after = write(batches.get, batch.id)
    assert (after.state, after.job, after.errors) == ("error", "j1", 3)


def test_properties_are_replaced(write: Write[Any], make_batch: Callable[..., Batch]) -> None:
    batch = make_batch(properties={"a": 1})
    assert write(batches.set_properties, batch.id, {"b": 2})
    assert write(batches.get, batch.id).properties == {"b": 2}
    assert not write(batches.set_properties, 99, {})


def test_a_file_is_added_only_in_the_state_asked_for(
    write: Write[Any], make_batch: Callable[..., Batch], add_file: Callable[..., BatchFile | None]
) -> None:
    batch = make_batch()
    file = add_file(batch.id, name="a")
    assert file is not None
    assert write(batches.files, batch.id) == [file] == [write(batches.get_file, file.id)]
    assert add_file(batch.id, name="a", state="ready") is None
    assert add_file(99, name="a") is None
    write(batches.move, batch.id, ["uploading"], "scheduled")
    assert add_file(batch.id, name="a") is None
    assert write(batches.files, batch.id) == [file]


def test_the_last_file_of_a_name_runs_at_the_place_of_its_first(
    write: Write[Any], make_batch: Callable[..., Batch], add_file: Callable[..., BatchFile | None]
) -> None:
    batch = make_batch()
    for name, filename in (("a", "1"), ("b", "2"), ("a", "3")):
        add_file(batch.id, name=name, filename=filename)
    assert [(f.name, f.filename) for f in write(batches.files_for_run, batch.id)] == [("a", "3"), ("b", "2")]
    assert [f.filename for f in write(batches.files, batch.id)] == ["1", "2", "3"]


def test_a_log_line_written_again_replaces_itself(write: Write[Any], job: str) -> None:
    lines = [LogLine(position, "info", f"line {position}", NOW) for position in range(4)]
    write(journal.append_log, job, lines[:3])
    write(journal.append_log, job, lines[1:])
    write(journal.append_log, job, [])
    assert write(journal.log, job) == lines
    assert write(journal.log, job, after=1, limit=1) == [lines[2]]
    assert write(journal.log, "another") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("start", [0]),
        ("Bad AGE (record 17)", [1]),
        ("(record 1", [1]),
        ("age", [1, 2]),
        ("exception", [3]),
        ("note", []),
        ("%", []),
    ],
)
def test_a_search_of_a_log_looks_at_the_message_the_record_and_the_kind(
    write: Write[Any], job: str, text: str, found: list[int]
) -> None:
    lines = [
        LogLine(0, "info", "", NOW, "start"),
        LogLine(1, "error", "bad age", NOW, record=17),
        LogLine(2, "error", "bad age", NOW),
        LogLine(3, "error", "gone", NOW, "exception"),
    ]
    write(journal.append_log, job, lines)
    searched = write(journal.search_log, job, after=-1, to=None, text=text, level=None, limit=9)
    assert [line.position for line in searched] == found


def test_an_outcome_written_again_replaces_itself(write: Write[Any], job: str) -> None:
    failed = Outcome(1, "failed", "a.json", 7, "no title", b"{\xff}", {"value": "x"})
    write(journal.put_outcomes, job, [Outcome(0, "created"), Outcome(1, "created")])
    write(journal.put_outcomes, job, [failed, Outcome(2, "skipped")])
    assert write(journal.list_outcomes, job) == [Outcome(0, "created"), failed, Outcome(2, "skipped")]
    assert write(journal.list_outcomes, job, statuses=["failed"]) == [failed]
    assert write(journal.list_outcomes, job, after=0, limit=1) == [failed]
    assert Counter(outcome.status for outcome in write(journal.list_outcomes, job)) == {
        "created": 1,
        "failed": 1,
        "skipped": 1,
    }


def test_an_original_is_cut(write: Write[Any], job: str) -> None:
    write(journal.put_outcomes, job, [Outcome(0, "failed", original=b"x" * (ORIGINAL_BYTES + 1))])
    assert write(journal.list_outcomes, job)[0].original == b"x" * ORIGINAL_BYTES


def test_outcomes_and_lines_past_a_point_can_be_forgotten(write: Write[Any], job: str) -> None:
    write(journal.append_log, job, [LogLine(position, "info", "", NOW) for position in range(3)])
    write(journal.put_outcomes, job, [Outcome(record, "created") for record in range(3)])
    write(journal.forget_from, job, 1, 2)
    assert [outcome.record for outcome in write(journal.list_outcomes, job)] == [0]
    assert [line.position for line in write(journal.log, job)] == [0, 1]


def refer_by_file(connection: Connection) -> None:
    batch = batches.add(connection, NewBatch("one", "haplo", "", NOW))
    batches.add_file(connection, batch.id, name="a", filename=None, digest=DIGEST, size=1, created=NOW)


def refer_by_control(connection: Connection) -> None:
    controls.add(connection, api="haplo", digest=DIGEST, comment="", created=NOW)


def refer_by_batch(connection: Connection) -> None:
    batches.add(connection, NewBatch("one", "haplo", "", NOW, control=DIGEST))


def refer_by_job(connection: Connection) -> None:
    jobs.put(connection, NewJob("import", "import", control=DIGEST), NOW)


@pytest.mark.parametrize("refer", [refer_by_file, refer_by_control, refer_by_batch, refer_by_job])
def test_a_blob_is_needed_by_whatever_names_it(write: Write[Any], refer: Callable[[Connection], None]) -> None:
    assert not write(refers_to, DIGEST)
    write(refer)
    assert write(refers_to, DIGEST)
    assert not write(refers_to, OTHER)


def test_every_blob_the_catalog_needs_is_named_once(write: Write[Any]) -> None:
    for refer in (refer_by_file, refer_by_control):
        write(refer)
    assert write(lambda c: list(references.digests(c))) == [DIGEST]
