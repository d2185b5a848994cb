"""Who is alive, and the lock that every writer takes."""

import multiprocessing
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from storage.locking import FileLock
from storage.presence import ProcessRegistry

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def presence(tmp_path: Path) -> Iterator[ProcessRegistry]:
    here = ProcessRegistry(tmp_path / "locks")
    yield here
    here.close()


def names(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "locks").iterdir()}


def be_present(folder: Path, say: Connection) -> None:
    say.send(ProcessRegistry(folder).identity)
    say.recv()


def test_a_living_process_is_not_dead(tmp_path: Path, presence: ProcessRegistry) -> None:
    other = ProcessRegistry(tmp_path / "locks")
    assert presence.identity != other.identity
    assert not other.is_dead(presence.identity)
    assert not presence.is_dead(presence.identity)
    assert not other.is_dead(presence.owner("slot 1"))
    other.close()


def test_a_killed_process_is_dead_and_its_file_is_removed(tmp_path: Path, presence: ProcessRegistry) -> None:
    hear, say = SPAWN.Pipe()
    process = SPAWN.Process(target=be_present, args=(tmp_path / "locks", say))
    process.start()
    identity = hear.recv()
    assert not presence.is_dead(identity)
    process.kill()
    process.join()
    assert identity in names(tmp_path)
    assert presence.is_dead(f"{identity}:slot 1")
    assert names(tmp_path) == {presence.identity}
    for end in (hear, say):
        end.close()


def test_who_said_goodbye_or_was_never_there_is_dead(tmp_path: Path, presence: ProcessRegistry) -> None:
    other = ProcessRegistry(tmp_path / "locks")
    other.close()
    other.close()
    assert presence.is_dead(other.identity)
    assert other.is_dead(other.identity)
    assert presence.is_dead("nobody")


def test_sweep_removes_the_files_of_the_dead_only(tmp_path: Path, presence: ProcessRegistry) -> None:
    (tmp_path / "locks" / "123-abc").touch()
    assert presence.sweep() == 1
    assert names(tmp_path) == {presence.identity}


@pytest.mark.parametrize("same", [True, False], ids=["one lock", "two locks on one path"])
def test_the_lock_has_one_holder_among_threads(tmp_path: Path, same: bool) -> None:
    first = FileLock(tmp_path / "lock")
    second = first if same else FileLock(tmp_path / "lock")
    inside, most = 0, 0

    def work(lock: FileLock) -> None:
        nonlocal inside, most
        for _ in range(200):
            with lock:
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work, args=(lock,)) for lock in (first, second) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    for lock in {first, second}:
        lock.close()


def hold_again_and_again(path: Path, say: Connection) -> None:
    lock = FileLock(path)
    say.send("started")
    while not say.poll():
        with lock:
            sum(range(10_000))


def test_a_greedy_holder_cannot_starve_the_others(tmp_path: Path) -> None:
    hear, say = SPAWN.Pipe()
    process = SPAWN.Process(target=hold_again_and_again, args=(tmp_path / "lock", say))
    process.start()
    hear.recv()
    lock = FileLock(tmp_path / "lock")
    for _ in range(200):
        with lock:
            pass
    hear.send("enough")
    process.join(10)
    assert process.exitcode == 0
    for end in (lock, hear, say):
        end.close()


def test_the_lock_is_let_go_when_its_holder_raises(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    with pytest.raises(KeyError), lock:
        raise KeyError
    with lock:
        pass
    lock.close()
