"""The table of errors: the README has every row of it, no other, and every refusal of the engine has its row."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.dialects.learningbuilder.errors import REFUSALS, TABLE, failure_of
from server.engine import errors
from server.engine.errors import EngineError

README = Path(__file__).parents[3] / "server/dialects/learningbuilder/README.md"


def documented() -> list[tuple[str, int, str, str]]:
    found = re.findall(r"^\| `([A-Z_]+)` \| (\d+) \| (.*?) ?\| (.+) \|$", README.read_text("utf-8"), re.M)
    return [(code, int(status), message, fix) for code, status, message, fix in found]


def test_the_readme_has_the_table() -> None:
    assert documented() == [(row.code, row.status, row.message or "", row.fix) for row in REFUSALS]


def test_each_code_means_one_thing() -> None:
    codes = [row.code for row in REFUSALS]
    assert len(set(codes)) == len(codes)


def below(cls: type[EngineError] = EngineError) -> Iterator[type[EngineError]]:
    yield cls
    for each in cls.__subclasses__():
        yield from below(each)


@pytest.mark.parametrize("cls", [cls for cls in below() if cls.__module__ == errors.__name__], ids=lambda c: c.__name__)
def test_every_refusal_of_the_engine_has_a_row(cls: type[EngineError]) -> None:
    row = next(TABLE[base] for base in cls.__mro__ if base in TABLE)
    assert 400 <= row.status < 500 or row.status == 507


@pytest.mark.parametrize(("status", "code"), [(404, "PATH_UNKNOWN"), (500, "SERVER_FAULT"), (417, "REQUEST_INVALID")])
def test_every_failure_has_a_row(status: int, code: str) -> None:
    row = failure_of(status)
    assert (row.status, row.code) == (status, code)
