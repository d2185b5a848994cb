"""A process that has as many files open as it may: everything says "later", and nothing is left over."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from storage.errors import NoDescriptors
from storage.opening import open_storage


@contextmanager
def no_descriptors() -> Iterator[None]:
    """The limit is lowered to what is open; nothing of this process is closed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(highest + 1, soft), hard))
    taken = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_needs_a_file_says_later_and_works_again(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    writer = storage.blobs.writer()
    writer.write(b"a body")
    with no_descriptors():
        with pytest.raises(NoDescriptors, match="too many files"):
            storage.blobs.writer()
        with pytest.raises(NoDescriptors):
            writer.publish()
        with pytest.raises(NoDescriptors):
            storage.records.session("job", [])
        with pytest.raises(NoDescriptors):
            open_storage(tmp_path / "other")
        with pytest.raises(NoDescriptors):
            storage.blobs.verify("0" * 64)
    assert writer.publish().size == 6
    writer.settle()
    assert storage.blobs.in_flight() == 0
    storage.close_now()


def test_a_body_that_cannot_be_dropped_is_left_to_the_next_sweep(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    writer = storage.blobs.writer()
    writer.write(b"a body")
    digest = writer.publish().digest
    with no_descriptors():
        writer.discard()
    assert storage.blobs.sweep(lambda digest: False) == 1
    assert not storage.blobs.has(digest)
    assert list((tmp_path / "incoming").glob("[!.]*")) == []
    storage.close_now()
