"""For every test: a blocking call of ours on the event loop fails it. Hypothesis has no deadline: machines differ."""

import multiprocessing
from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import settings

from server.engine.execution import worker

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _nothing_blocks_the_loop() -> Iterator[None]:
    with blockbuster_ctx(["server", "storage"]):
        yield


@pytest.fixture(scope="session", autouse=True)
def _workers_start_quickly() -> Iterator[None]:
    """Forks worker processes from a process of their own that has loaded the modules already.

    A thousand tests open a server, and each server starts a worker. To spawn one, as the product does, costs most of
    a second; the tests in acceptance/ do that.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["server.engine.worker_process"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "_SPAWN", context)
        yield
