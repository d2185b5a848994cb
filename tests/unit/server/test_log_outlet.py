"""Log lines when stderr is full, gone, closed or stuck: none raises, none waits long, and lost lines are counted."""

import fcntl
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from server import logs

AT_ONCE = 5.0


class Stderr:
    """A text stream on a descriptor that a test can exchange under it, as a disk gets full and has room again."""

    closed = False

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def take_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """In the test itself: pytest puts its own in place once the fixtures are there."""
        monkeypatch.setattr(sys, "stderr", self)

    def fileno(self) -> int:
        return self.descriptor

    def isatty(self) -> bool:
        return False


@pytest.fixture(autouse=True)
def _own_outlet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    monkeypatch.setattr(logs, "OUTLET", logs.Outlet())
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def full() -> Iterator[Stderr]:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield Stderr(descriptor)
    os.close(descriptor)


def test_a_full_disk_costs_lines_and_then_they_are_told(
    full: Stderr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full.take_over(monkeypatch)
    logs.configure_logs("json")
    log = structlog.get_logger("penstock.jobs")
    log.info("one")
    logging.getLogger("a.library").warning("two\nlines")
    assert logs.lost_lines() == 2
    with (tmp_path / "log").open("wb") as room:
        full.descriptor = room.fileno()
        log.info("three")
        log.info("four")
    told, *rest = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert (told["event"], told["lost"], told["level"]) == ("log lines could not be written", 2, "warning")
    assert "No space left" in told["reason"]
    assert [line["event"] for line in rest] == ["three", "four"]
    assert logs.lost_lines() == 2


def test_a_pipe_whose_reader_died(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(sys, "stderr", Stderr(writer))
    logs.configure_logs("console")
    try:
        raise ValueError("in a handler that should keep something alive")
    except ValueError:
        structlog.get_logger("penstock.jobs").exception("it goes on")
    os.close(writer)
    structlog.get_logger("penstock.jobs").info("on a descriptor that is closed")
    assert logs.lost_lines() > 2


@pytest.mark.timeout(30)
@pytest.mark.parametrize("blocking", [True, False])
def test_a_reader_that_stands_still_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, blocking: bool) -> None:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4 * 4096)
    os.set_blocking(writer, blocking)
    monkeypatch.setattr(sys, "stderr", Stderr(writer))
    monkeypatch.setattr(logs, "PATIENCE", 0.01)
    logs.configure_logs("console")
    log = structlog.get_logger("penstock.jobs")
    for number in range(200):
        log.info("a line", number=number, text="x" * 500)
    assert logs.lost_lines() > 100
    said = os.read(reader, 1 << 16)
    log.info("the reader goes on")
    said += os.read(reader, 1 << 16)
    os.close(reader)
    os.close(writer)
    lines = said.decode().splitlines()
    assert "number=0" in lines[0]
    assert [line.split("  ")[-1].split(" logger")[0].strip() for line in lines[-1:]] == ["the reader goes on"]
    assert sum("log lines could not be written" in line for line in lines) == 1


def test_no_stderr_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    logs.configure_logs("console")
    structlog.get_logger("penstock.jobs").info("nobody hears it")
    assert logs.lost_lines() == 1


def test_a_value_that_cannot_be_shown(full: Stderr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full.take_over(monkeypatch)

    class Unspeakable:
        def __str__(self) -> str:
            raise RuntimeError("no words")

        __repr__ = __str__

    with (tmp_path / "log").open("wb") as room:
        full.descriptor = room.fileno()
        for kind in ("json", "console"):
            logs.configure_logs(kind)
            structlog.get_logger("penstock.jobs").info("a value", value=Unspeakable())
            logging.getLogger("a.library").warning("%s", Unspeakable())
            logging.getLogger("a.library").warning("%d pieces", "no number")
    lines = (tmp_path / "log").read_text().splitlines()
    assert [("could not be rendered" in line) for line in lines] == [True] * 6


@pytest.mark.parametrize("terminal", [True, False])
def test_what_a_client_sent_makes_no_line_and_no_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, terminal: bool
) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        stderr = Stderr(file.fileno())
        monkeypatch.setattr(stderr, "isatty", lambda: terminal, raising=False)
        monkeypatch.setattr(sys, "stderr", stderr)
        logs.configure_logs("console")
        forged = "x\n2026-01-01T00:00:00.000000Z info     all is well\x1b]0;owned\x07"
        try:
            raise ValueError(forged)
        except ValueError:
            structlog.get_logger("penstock.jobs").exception(forged, value=forged)
    text = path.read_text()
    assert "\x1b]0;" not in text
    assert "\x07" not in text
    assert sum(line.startswith("2026-01-01") for line in text.splitlines()) == 0


def test_closed_standard_files_are_never_lent_to_others() -> None:
    """A descriptor that is free at the start would be the next database's or upload's, and log lines would go there."""
    program = (
        "import os; from server.logs import keep_standard_files; keep_standard_files(); "
        "n = os.open('/dev/null', os.O_RDONLY); os._exit(n)"
    )
    shut = subprocess.run(["/bin/sh", "-c", f'exec "{sys.executable}" -c "{program}" <&- >&- 2>&-'], check=False)
    assert shut.returncode > 2
