"""A backup is whole or refused, byte by byte; a restore is whole or leaves nothing."""

import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from storage.backup import read_backup, write_backup
from storage.blobs.base import BlobStore
from storage.catalog.base import NewBatch
from storage.catalog.sql import batches, keys, secrets
from storage.errors import BackupDamaged, BackupRefused, BlobDamaged, BlobMissing
from storage.opening import Storage, open_storage
from storage.records.base import Checkpoint, Column, Table

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NOTES = Table("notes", (Column("text"),))
BLOBS = (b"", b"one", b"x" * 100_000)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    """A batch with three files, a key, and rows."""
    storage = open_storage(tmp_path / "data")
    stored = [keep(storage.blobs, content) for content in BLOBS]

    def fill(connection: Any) -> None:
        keys.add(
            connection, name="k", prefix="p" * 16, hash="h", scopes=["admin"], tenants=(), created=NOW, expires=None
        )
        batch = batches.add(connection, NewBatch("a-batch", "cli", "", NOW))
        for number, (digest, size) in enumerate(stored):
            batches.add_file(
                connection, batch.id, name=str(number), filename=None, digest=digest, size=size, created=NOW
            )

    storage.catalog.write_now(fill)
    storage.records.ensure([NOTES])
    session = storage.records.session("a-job", [NOTES])
    with session.chunk(Checkpoint()) as chunk:
        for number in range(100):
            chunk.insert("notes", chunk.reserve("notes"), {"text": f"note {number}"}, number)
    session.close()
    yield storage
    storage.close_now()


def keep(blobs: BlobStore, content: bytes) -> Any:
    writer = blobs.writer()
    writer.write(content)
    stored = writer.publish()
    writer.settle()
    return stored


@pytest.fixture
def file(storage: Storage, tmp_path: Path) -> Path:
    write_backup(storage.data_dir, storage.blobs, tmp_path / "all.tar")
    return tmp_path / "all.tar"


def test_everything_comes_back(storage: Storage, file: Path, tmp_path: Path) -> None:
    read_backup(file, tmp_path / "other")
    other = open_storage(tmp_path / "other")
    try:
        assert list(other.records.rows("notes")) == list(storage.records.rows("notes"))
        assert other.catalog.read_now(keys.every) == storage.catalog.read_now(keys.every)
        (batch,) = other.catalog.read_now(batches.find)
        files = other.catalog.read_now(batches.files, batch.id)
        assert [other.blobs.path(file.digest).read_bytes() for file in files] == list(BLOBS)
    finally:
        other.close_now()


def test_progress_goes_from_nothing_to_all(storage: Storage, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_backup(storage.data_dir, storage.blobs, tmp_path / "all.tar", lambda *one: told.append(one))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]


def test_a_blob_that_is_missing_or_damaged_leaves_no_backup(storage: Storage, tmp_path: Path) -> None:
    place = storage.blobs.path(next(iter(sorted(storage.blobs.digests()))))
    content = place.read_bytes()
    place.chmod(0o644)
    place.write_bytes(content + b"?")
    with pytest.raises(BlobDamaged):
        write_backup(storage.data_dir, storage.blobs, tmp_path / "all.tar")
    place.unlink()
    with pytest.raises(BlobMissing):
        write_backup(storage.data_dir, storage.blobs, tmp_path / "all.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_backup_cut_anywhere_restores_nothing(file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    ends = [0, 100, 512, 5000, len(content) // 2, len(content.rstrip(b"\0")) - 1]
    for end in ends:
        file.write_bytes(content[:end])
        with pytest.raises((BackupDamaged, BackupRefused)):
            read_backup(file, tmp_path / "other")
        assert not (tmp_path / "other").exists()


def test_a_byte_that_changed_is_found_in_every_part(file: Path, tmp_path: Path) -> None:
    content = file.read_bytes()
    with tarfile.open(file) as archive:
        places = {member.name: member.offset_data + member.size // 2 for member in archive if member.size}
    assert len(places) == 6
    for name, place in places.items():
        file.write_bytes(content[:place] + bytes([content[place] ^ 128]) + content[place + 1 :])
        with pytest.raises((BackupDamaged, BackupRefused)):
            read_backup(file, tmp_path / "other")
        assert not (tmp_path / "other").exists(), name


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "blobs/sha256/aa/bb/cc", "penstock-backup.json"])
def test_an_archive_of_somebody_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "text").write_text("{}")
    file = tmp_path / "other.tar"
    with tarfile.open(file, "w") as archive:
        archive.add(tmp_path / "text", name)
    with pytest.raises(BackupRefused):
        read_backup(file, tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.tar", "text"]


def test_a_part_that_does_not_belong_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("x")
    with tarfile.open(file) as old, tarfile.open(tmp_path / "more.tar", "w") as archive:
        for number, member in enumerate(old.getmembers()):
            if number == 1:
                archive.add(tmp_path / "text", "../outside")
            archive.addfile(member, old.extractfile(member))
    with pytest.raises(BackupDamaged, match="no part of a backup"):
        read_backup(tmp_path / "more.tar", tmp_path / "other")
    assert not (tmp_path / "outside").exists()


def test_a_folder_with_anything_in_it_is_left_alone(storage: Storage, file: Path) -> None:
    with pytest.raises(BackupRefused, match="not empty"):
        read_backup(file, storage.data_dir)
    with pytest.raises(BackupRefused, match="already"):
        write_backup(storage.data_dir, storage.blobs, file)


def test_an_empty_folder_is_filled(file: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    read_backup(file, tmp_path / "other")
    assert (tmp_path / "other/catalog.db").stat().st_size


def test_no_secret_of_the_server_is_in_a_backup(storage: Storage, tmp_path: Path) -> None:
    """With it, a reader of the archive could sign in to the running server."""
    secret = storage.catalog.write_now(secrets.get_or_make, "session", NOW)
    write_backup(storage.data_dir, storage.blobs, tmp_path / "all.tar")
    assert secret not in (tmp_path / "all.tar").read_bytes()
    assert storage.catalog.read_now(secrets.get, "session") == secret
    read_backup(tmp_path / "all.tar", tmp_path / "restored")
    restored = open_storage(tmp_path / "restored")
    assert restored.catalog.read_now(secrets.get, "session") is None
    restored.close_now()
