"""A process that dies before any step of an upload leaves either a whole, promised blob or nothing at all."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from storage.blobs.local import LocalBlobs
from storage.digest import digest_of

BODY = b"the body"
DIGEST = digest_of(BODY)
STEPS = ("open", "writev", "fsync", "rename", "mkdir", "link", "chmod", "unlink")

CHILD = """
import os, sys
from storage.blobs.local import LocalBlobs

data_dir, dies_at, body = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode()
blobs = LocalBlobs(data_dir)
step = 0

def dying(name):
    real = getattr(os, name)
    def call(*arguments, **options):
        global step
        step += 1
        if step == dies_at:
            print(name, end="", file=sys.stderr, flush=True)
            os._exit(9)
        return real(*arguments, **options)
    return call

promise = os.path.join(data_dir, "promised")
for name in sys.argv[5:]:
    setattr(os, name, dying(name))
writer = blobs.writer()
writer.write(body)
writer.seal()
writer.publish()
if sys.argv[4] == "keep":
    with open(promise, "x"):
        pass
    writer.settle()
else:
    writer.discard()
"""


def run(data_dir: Any, dies_at: Any, ending: Any = "keep") -> Any:
    command = [sys.executable, "-c", CHILD, str(data_dir), str(dies_at), BODY.decode(), ending, *STEPS]
    return subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)


def files_of(data_dir: Any) -> list[Any]:
    found = [path for folder in ("blobs", "incoming") for path in (data_dir / folder).rglob("*") if path.is_file()]
    return [path.name for path in found if path.name != ".lock"]


def steps_until_the_end(tmp_path: Path, ending: Any) -> Any:
    """Kills a new process at each step in turn, until one lives to its end."""
    names: list[Any] = []
    while True:
        folder = tmp_path / str(len(names))
        folder.mkdir()
        ended = run(folder, len(names) + 1, ending)
        if ended.returncode == 0:
            return names
        assert ended.returncode == 9, ended.stderr
        names.append(ended.stderr)
        check_what_is_left(folder, ending)


def check_what_is_left(folder: Any, ending: Any) -> None:
    promised = (folder / "promised").exists()
    blobs = LocalBlobs(folder)
    if promised:
        blobs.verify(DIGEST)
    blobs.sweep(lambda digest: promised)
    assert blobs.in_flight() == 0
    assert files_of(folder) == ([DIGEST] if promised else [])
    if promised:
        blobs.verify(DIGEST)


@pytest.mark.parametrize("ending", ["keep", "discard"])
def test_killed_before_each_step(tmp_path: Path, ending: str) -> None:
    names = steps_until_the_end(tmp_path, ending)
    wanted = {"open", "writev", "rename", "fsync", "mkdir", "link", "unlink"} | (
        {"chmod"} if ending == "keep" else set()
    )
    assert set(names) == wanted


@pytest.mark.parametrize("ending", ["keep", "discard"])
def test_killed_before_each_step_over_a_blob_that_is_promised_already(tmp_path: Path, ending: str) -> None:
    for dies_at in range(1, 30):
        folder = tmp_path / str(dies_at)
        blobs = LocalBlobs(folder)
        put(blobs)
        ended = run(folder, dies_at, ending)
        LocalBlobs(folder).sweep(lambda digest: True)
        blobs.verify(DIGEST)
        assert files_of(folder) == [DIGEST]
        if ended.returncode == 0:
            break
    assert ended.returncode == 0, ended.stderr


def put(blobs: Any) -> None:
    writer = blobs.writer()
    writer.write(BODY)
    writer.publish()
    writer.settle()


def test_a_killed_process_does_not_take_the_blob_of_a_living_one(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    writer = blobs.writer()
    writer.write(BODY)
    writer.publish()
    dead = run(tmp_path, 12)
    assert dead.returncode == 9
    blobs.sweep(lambda digest: False)
    blobs.verify(DIGEST)
    writer.settle()
    blobs.sweep(lambda digest: True)
    blobs.verify(DIGEST)
    assert os.listdir(tmp_path / "incoming") == [".lock"]
