"""Every sentence of storage/blobs/base.py, for every store there is."""

import errno
import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.blobs.base import Stored
from storage.blobs.local import LOOK_AT_SPACE_EVERY, WRITEBACK_EVERY, LocalBlobs
from storage.digest import digest_of
from storage.errors import BlobDamaged, BlobMissing, StorageFull
from tests.support.backends import BLOBS

NOBODY = digest_of(b"never stored")


@pytest.fixture(params=BLOBS)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Makes one more store on the same data; checks at the end that nothing is left in flight."""
    yield lambda **options: BLOBS[request.param](tmp_path, **options)
    assert [name for name in os.listdir(tmp_path / "incoming") if name != ".lock"] == []


@pytest.fixture
def store(open_store: Callable[..., Any]) -> LocalBlobs:
    return open_store()  # type: ignore[no-any-return]


def put(store: LocalBlobs, data: bytes) -> Stored:
    writer = store.writer()
    writer.write(data)
    writer.seal()
    stored = writer.publish()
    writer.settle()
    return stored


def abandoned(data_dir: Path, data: bytes, *, publish: bool) -> str:
    """A body whose process dies before it is settled."""
    lines = [
        "import os, sys",
        "from storage.blobs.local import LocalBlobs",
        "writer = LocalBlobs(sys.argv[1]).writer()",
        "writer.write(sys.argv[2].encode())",
        "writer.seal()",
        "writer.publish()" if publish else "",
        "os._exit(0)",
    ]
    command = [sys.executable, "-c", "\n".join(lines), str(data_dir), data.decode()]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    return digest_of(data)


def never(digest: str) -> bool:
    return False


# writer


def test_write_appends_bytes_and_hashes_them(store: LocalBlobs) -> None:
    writer = store.writer()
    writer.write(b"one ")
    writer.write(bytearray(b"two "), memoryview(b"th"), b"ree")
    assert writer.seal() == (digest_of(b"one two three"), 13)
    writer.publish()
    writer.settle()
    assert store.path(digest_of(b"one two three")).read_bytes() == b"one two three"


def test_write_raises_storage_full_when_free_space_falls_below_the_floor(
    open_store: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(min_free_bytes=1000)
    writer = store.writer()
    real = os.statvfs(".")
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((*real[:4], 0, *real[5:])))
    writer.write(b"small bodies are not looked at again")
    with pytest.raises(StorageFull, match="0 bytes free, 1000 must stay free"):
        writer.write(bytes(LOOK_AT_SPACE_EVERY))
    writer.discard()


def test_write_raises_storage_full_when_the_disk_is(store: LocalBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = store.writer()

    def no_space(fd: int, data: tuple[bytes, ...]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "writev", no_space)
        with pytest.raises(StorageFull):
            writer.write(b"x")
    writer.discard()


def test_write_goes_on_after_a_short_write(store: LocalBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    write, writev = os.write, os.writev
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    monkeypatch.setattr(os, "writev", lambda fd, pieces: writev(fd, [pieces[0][:3]]))
    stored = put(store, b"more than three bytes")
    store.verify(stored.digest)
    assert store.size(stored.digest) == 21


def test_seal_knows_digest_and_size_and_nothing_is_visible(store: LocalBlobs) -> None:
    writer = store.writer()
    writer.write(b"abc")
    assert writer.seal() == (digest_of(b"abc"), 3)
    assert not store.has(digest_of(b"abc"))
    writer.discard()


def test_an_empty_body_is_a_body(store: LocalBlobs) -> None:
    assert put(store, b"") == (digest_of(b""), 0)
    assert store.path(digest_of(b"")).read_bytes() == b""


def test_publish_makes_the_blob_visible(store: LocalBlobs) -> None:
    writer = store.writer()
    writer.write(b"abc")
    writer.seal()
    writer.publish()
    with store.open(digest_of(b"abc")) as file:
        assert file.read() == b"abc"
    writer.settle()


def test_publish_syncs_the_bytes_before_the_name_and_the_folder_after(
    store: LocalBlobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    steps = []
    real = {name: getattr(os, name) for name in ("fsync", "link")}

    def fsync(fd: int) -> None:
        steps.append(f"fsync {'folder' if stat.S_ISDIR(os.fstat(fd).st_mode) else 'file'}")
        real["fsync"](fd)

    def link(source: Path, target: Path) -> None:
        steps.append("link")
        real["link"](source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    put(store, b"abc")
    assert steps == ["fsync file", "fsync folder", "fsync folder", "link", "fsync folder"]


def test_a_published_blob_is_read_only(store: LocalBlobs) -> None:
    stored = put(store, b"abc")
    assert stat.S_IMODE(store.path(stored.digest).stat().st_mode) == 0o400


def test_the_same_bytes_published_twice_are_kept_once(store: LocalBlobs) -> None:
    first = put(store, b"abc")
    assert put(store, b"abc") == first
    assert list(store.digests()) == [first.digest]
    assert store.path(first.digest).stat().st_nlink == 1


def test_publishing_over_a_blob_of_the_wrong_size_repairs_it(store: LocalBlobs) -> None:
    stored = put(store, b"abc" * 100)
    path = store.path(stored.digest)
    path.chmod(0o644)
    path.write_bytes(b"abc")
    put(store, b"abc" * 100)
    store.verify(stored.digest)
    assert store.size(stored.digest) == 300


def test_the_later_bytes_mend_what_the_disk_has_damaged(store: LocalBlobs) -> None:
    """Of the same size too; while the damaged file is read, and whether the new upload is kept or dropped."""
    stored = put(store, b"abc" * 100)
    damage(store, stored.digest, b"abd" * 100)
    reader = store.open(stored.digest)
    writer = store.writer()
    writer.write(b"abc" * 100)
    writer.publish()
    store.verify(stored.digest)
    writer.discard()
    store.verify(stored.digest)
    assert reader.read() == b"abd" * 100
    reader.close()
    assert store.sweep(never) == 0
    store.verify(stored.digest)


def test_verify_can_be_ended_between_two_pieces(store: LocalBlobs) -> None:
    stored = put(store, b"x" * (9 * 1024 * 1024))
    asked = []

    def enough() -> None:
        asked.append(1)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        store.verify(stored.digest, enough)
    assert asked == [1]


def damage(store: LocalBlobs, digest: str, content: bytes) -> None:
    path = store.path(digest)
    path.chmod(0o600)
    path.write_bytes(content)


def test_until_settle_a_crash_makes_the_next_sweep_remove_a_blob_that_nothing_refers_to(
    open_store: Callable[..., Any], tmp_path: Path
) -> None:
    store = open_store()
    digest = abandoned(tmp_path, b"published", publish=True)
    assert store.has(digest)
    assert store.sweep(never) == 1
    assert not store.has(digest)


def test_settle_says_that_the_blob_stays_for_good(store: LocalBlobs) -> None:
    stored = put(store, b"abc")
    assert store.sweep(never) == 0
    assert store.has(stored.digest)


def test_discard_drops_the_body(store: LocalBlobs) -> None:
    writer = store.writer()
    writer.write(b"abc")
    writer.discard()
    assert list(store.digests()) == []


def test_discard_drops_a_blob_that_this_writer_made(store: LocalBlobs) -> None:
    writer = store.writer()
    writer.write(b"abc")
    writer.publish()
    writer.discard()
    assert not store.has(digest_of(b"abc"))


def test_discard_leaves_a_blob_that_was_there_before(store: LocalBlobs) -> None:
    stored = put(store, b"abc")
    writer = store.writer()
    writer.write(b"abc")
    writer.publish()
    writer.discard()
    store.verify(stored.digest)


@pytest.mark.parametrize("settled_first", [True, False])
def test_discard_leaves_a_blob_that_another_writer_has_published(
    open_store: Callable[..., Any], settled_first: bool
) -> None:
    first, second = open_store().writer(), open_store().writer()
    for writer in (first, second):
        writer.write(b"abc")
        writer.publish()
    if settled_first:
        second.settle()
    first.discard()
    assert open_store().path(digest_of(b"abc")).read_bytes() == b"abc"
    second.settle()
    assert open_store().has(digest_of(b"abc"))


@pytest.mark.parametrize("step", ["write", "seal", "publish"])
def test_discard_is_safe_in_any_state_and_twice(store: LocalBlobs, step: str) -> None:
    writer = store.writer()
    writer.write(b"abc")
    if step != "write":
        writer.seal()
    if step == "publish":
        writer.publish()
    writer.discard()
    writer.discard()
    assert list(store.digests()) == []


def test_discard_does_nothing_after_settle(store: LocalBlobs) -> None:
    writer = store.writer()
    writer.write(b"abc")
    writer.publish()
    writer.settle()
    writer.discard()
    store.verify(digest_of(b"abc"))


# store


def test_writer_raises_storage_full_below_the_free_space_floor(open_store: Callable[..., Any]) -> None:
    with pytest.raises(StorageFull, match="lower \\[limits\\] min_free_bytes"):
        open_store(min_free_bytes=1 << 62).writer()


@pytest.mark.parametrize("digest", [NOBODY, "", "..", "../../etc/passwd", "A" * 64, NOBODY + "/"])
def test_what_is_not_there_is_missing(store: LocalBlobs, digest: str) -> None:
    assert not store.has(digest)
    for ask in (store.path, store.open, store.size, store.verify):
        with pytest.raises(BlobMissing):
            ask(digest)


def test_path_is_the_file_of_a_blob(open_store: Callable[..., Any], tmp_path: Path) -> None:
    stored = put(open_store(), b"abc")
    folder = tmp_path / "blobs" / "sha256" / stored.digest[:2] / stored.digest[2:4]
    assert open_store().path(stored.digest) == folder / stored.digest


def test_has_and_size_answer_without_reading_the_bytes(store: LocalBlobs) -> None:
    stored = put(store, b"abc")
    path = store.path(stored.digest)
    path.chmod(0o644)
    path.write_bytes(b"xyz")
    assert store.has(stored.digest)
    assert store.size(stored.digest) == 3


def test_verify_raises_blob_damaged_when_the_digest_differs(store: LocalBlobs) -> None:
    stored = put(store, b"abc")
    store.verify(stored.digest)
    path = store.path(stored.digest)
    path.chmod(0o644)
    path.write_bytes(b"abd")
    with pytest.raises(BlobDamaged, match=f"its bytes now have digest {digest_of(b'abd')}"):
        store.verify(stored.digest)


def test_digests_yields_every_blob_and_nothing_else(store: LocalBlobs) -> None:
    stored = {put(store, f"body {n}".encode()).digest for n in range(5)}
    (store.path(next(iter(stored))).parent / "README").write_text("not a blob")
    assert sorted(store.digests()) == sorted(stored)


def test_remove_deletes_a_blob(store: LocalBlobs) -> None:
    stored = put(store, b"abc")
    store.remove(stored.digest)
    assert not store.has(stored.digest)


@pytest.mark.parametrize("digest", [NOBODY, "../../catalog.db"])
def test_remove_of_none_does_nothing(store: LocalBlobs, digest: str) -> None:
    store.remove(digest)


def test_remove_leaves_a_blob_that_a_living_writer_has_published(store: LocalBlobs) -> None:
    stored = put(store, b"abc")
    writer = store.writer()
    writer.write(b"abc")
    writer.publish()
    store.remove(stored.digest)
    assert store.has(stored.digest)
    writer.settle()


def test_sweep_removes_bodies_never_published(open_store: Callable[..., Any], tmp_path: Path) -> None:
    abandoned(tmp_path, b"half a body", publish=False)
    store = open_store()
    assert store.sweep(never) == 1
    assert list(store.digests()) == []


def test_sweep_keeps_a_published_blob_that_is_referenced(open_store: Callable[..., Any], tmp_path: Path) -> None:
    digest = abandoned(tmp_path, b"promised", publish=True)
    store = open_store()
    assert store.sweep(lambda asked: asked == digest) == 1
    store.verify(digest)
    assert stat.S_IMODE(store.path(digest).stat().st_mode) == 0o400


def test_sweep_leaves_bodies_of_living_writers(open_store: Callable[..., Any]) -> None:
    writing, published = open_store().writer(), open_store().writer()
    writing.write(b"still coming")
    published.write(b"about to be promised")
    digest = published.publish().digest
    assert open_store().sweep(never) == 0
    writing.write(b" in")
    assert writing.publish().digest == digest_of(b"still coming in")
    assert open_store().has(digest)
    writing.settle()
    published.settle()


def test_sweep_leaves_a_dead_writers_blob_that_a_living_one_relies_on(
    open_store: Callable[..., Any], tmp_path: Path
) -> None:
    digest = abandoned(tmp_path, b"the same bytes", publish=True)
    writer = open_store().writer()
    writer.write(b"the same bytes")
    writer.publish()
    assert open_store().sweep(never) == 0
    assert open_store().has(digest)
    writer.settle()
    assert open_store().sweep(lambda asked: True) == 1
    open_store().verify(digest)


def test_a_body_begun_during_a_sweep_waits_for_it(open_store: Callable[..., Any], tmp_path: Path) -> None:
    abandoned(tmp_path, b"x", publish=True)
    with pytest.raises(BlockingIOError):
        open_store().sweep(lambda digest: lock_now(tmp_path / "incoming" / ".lock"))
    open_store().sweep(never)


def lock_now(path: Path) -> None:
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_in_flight_counts_bodies_being_written_now(open_store: Callable[..., Any], tmp_path: Path) -> None:
    abandoned(tmp_path, b"dead ones do not count", publish=False)
    first, second = open_store().writer(), open_store().writer()
    assert open_store().in_flight() == 2
    first.discard()
    assert open_store().in_flight() == 1
    second.discard()
    assert open_store().sweep(never) == 1
    assert open_store().in_flight() == 0


def test_a_large_body_is_written_back_early_and_whole(store: LocalBlobs) -> None:
    block = bytes(range(256)) * 4096
    writer = store.writer()
    for _ in range(2 * WRITEBACK_EVERY // len(block) + 1):
        writer.write(block)
    stored = writer.publish()
    writer.settle()
    store.verify(stored.digest)
