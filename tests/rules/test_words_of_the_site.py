"""The site and the first document that people read are in plain present-day English."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLD_WORDS = re.compile(
    r"\b(whoever|whatever|somebody|nobody|anybody|lest|whence|is told|let go|comes round)\b", re.IGNORECASE
)
SHOWN = [*sorted((ROOT / "server/admin/templates").glob("*.html")), ROOT / "README.md"]


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.name)
def test_no_word_is_old_fashioned(path: Path) -> None:
    assert OLD_WORDS.findall(path.read_text()) == []
