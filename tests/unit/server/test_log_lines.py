"""What clients send stands in log lines as data: no line of its own, no colour, no order to a terminal."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from server.logs import LogFormat, configure_logs, format_in_force

NASTY = "a\nb\r\x1b[31m\u2028\u2029\x85\x00\x9b31m\x7f\u202e'\" end=1 [error    ] forged"
SIGNS = set("\r\x1b\u2028\u2029\x85\x00\x9b\x7f\u202e")


@pytest.fixture(params=["console", "json"])
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    before = format_in_force()
    configure_logs(request.param)
    yield request.param
    configure_logs(before)


@pytest.mark.parametrize("logger", ["ours", "ours, with half a sign", "another's"])
def test_a_client_s_text_makes_no_line_and_no_order(
    kind: LogFormat, logger: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if logger == "another's":
        logging.getLogger("y").warning("said %s", NASTY)
    else:
        nasty = NASTY if logger == "ours" else NASTY + "\ud800"
        structlog.get_logger("x").info("request", value=nasty, nested={"k\n": [nasty]})
    written = capsys.readouterr().err
    assert "forged" in written
    assert written.count("\n") == 1
    assert not SIGNS & set(written)
    if kind == "json":
        assert isinstance(json.loads(written), dict)
