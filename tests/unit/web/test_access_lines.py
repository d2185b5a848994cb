"""Lines of the access log: gathered within a turn of the loop, never lost, never mixed with others'."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
import structlog

from server.logs import configure_logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


async def test_lines_of_one_turn_come_in_order_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json")
    log = structlog.get_logger("penstock.access")
    for number in range(3):
        log.info("request", number=number)
    assert capsys.readouterr().err == ""
    await asyncio.sleep(0)
    lines = capsys.readouterr().err.splitlines()
    assert [f'"number":{number}' in line for number, line in enumerate(lines)] == [True] * 3
    log.info("request", number=3)
    await asyncio.sleep(0)
    assert '"number":3' in capsys.readouterr().err


def test_without_a_loop_a_line_is_written_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json")
    structlog.get_logger("penstock.access").info("request", number=1)
    assert '"number":1' in capsys.readouterr().err


async def test_other_lines_do_not_wait(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json")
    structlog.get_logger("penstock.engine").info("said")
    assert '"said"' in capsys.readouterr().err
