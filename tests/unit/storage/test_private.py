"""What the data directory holds is for its own user alone, with any umask and any owner of the folder."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.backup import read_backup, write_backup
from storage.opening import Storage, open_storage
from storage.records.base import Checkpoint


@pytest.fixture(params=[0o000, 0o022, 0o077])
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def open_to_others(data_dir: Path) -> list[str]:
    found = [data_dir, *data_dir.rglob("*")]
    return [f"{path.name} {stat.S_IMODE(path.stat().st_mode):o}" for path in found if path.stat().st_mode & 0o077]


def work_on(storage: Storage) -> None:
    """Writes everywhere, and stops in the middle: the journals are there."""
    storage.catalog.write_now(lambda connection: None)
    storage.records.ensure([])
    session = storage.records.session("job", [])
    with session.chunk(Checkpoint()):
        pass
    session.close()
    settled, writing = storage.blobs.writer(), storage.blobs.writer()
    settled.write(b"settled")
    settled.publish()
    settled.settle()
    writing.write(b"on its way")


@pytest.mark.usefixtures("_umask")
def test_a_new_data_directory(tmp_path: Path) -> None:
    data_dir = tmp_path / "some" / "data"
    storage = open_storage(data_dir)
    work_on(storage)
    assert {"catalog.db-wal", "records.db-wal"} <= {path.name for path in data_dir.iterdir()}
    assert open_to_others(data_dir) == []
    storage.close_now()


@pytest.mark.usefixtures("_umask")
def test_a_folder_that_a_package_or_a_volume_made(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    data_dir.chmod(0o777)
    storage = open_storage(data_dir)
    work_on(storage)
    assert open_to_others(data_dir) == []
    storage.close_now()


def test_what_an_earlier_version_left_open_is_closed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data_dir = tmp_path / "data"
    open_storage(data_dir).close_now()
    for path in (data_dir, data_dir / "blobs", data_dir / "incoming", *data_dir.glob("*.db*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    storage = open_storage(data_dir)
    work_on(storage)
    assert open_to_others(data_dir) == []
    assert "catalog.db could be read by others and is closed to them now" in caplog.text
    storage.close_now()


@pytest.mark.usefixtures("_umask")
def test_a_backup_and_what_is_restored_from_it(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "data")
    work_on(storage)
    write_backup(tmp_path / "data", storage.blobs, tmp_path / "backup")
    storage.close_now()
    read_backup(tmp_path / "backup", tmp_path / "restored")
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o600
    assert open_to_others(tmp_path / "restored") == []
