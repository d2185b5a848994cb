"""The guard of conftest.py sees a blocking call of ours, and lets those of tests and threads pass."""

import asyncio
from pathlib import Path

import pytest
from blockbuster import BlockingError

from server.settings import SettingsWrong, read_settings


async def test_a_blocking_call_on_the_loop_fails() -> None:
    with pytest.raises(BlockingError):
        read_settings(Path(__file__))


async def test_a_blocking_call_in_a_thread_passes() -> None:
    with pytest.raises(SettingsWrong):
        await asyncio.to_thread(read_settings, Path(__file__))


async def test_a_blocking_call_of_a_test_passes() -> None:
    assert Path(__file__).read_bytes()
