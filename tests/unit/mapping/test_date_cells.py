"""A date cell is a date, in any form of the column's texts."""

import pytest

from server.cells import DateCell
from server.mapping.values.javascript import INVALID
from server.mapping.values.setup import PlainType
from server.mapping.values.values import PLAIN_TYPES


def plain_type(type_: str, **options: object) -> PlainType:
    return PLAIN_TYPES[type_](options)


@pytest.mark.parametrize("pattern", ["dd/MM/yyyy", "ISO 8601", "yyyyMMdd", "d MMM yy HH:mm"])
@pytest.mark.parametrize(
    ("cell", "stored"),
    [
        ("2024-02-29", "2024-02-29T00:00:00Z"),
        ("2024-02-29T13:05:07", "2024-02-29T13:05:07Z"),
        ("2024-02-29T13:05:07.250000", "2024-02-29T13:05:07.250Z"),
        ("1900-01-01", "1900-01-01T00:00:00Z"),
    ],
)
def test_a_date_cell_needs_no_format(pattern: str, cell: str, stored: str) -> None:
    assert plain_type("datetime", dateFormat=pattern).convert(DateCell(cell)) == stored


def test_a_text_of_the_same_letters_needs_one() -> None:
    assert plain_type("datetime", dateFormat="dd/MM/yyyy").convert("2024-02-29") is INVALID


def test_elsewhere_a_date_cell_is_its_text() -> None:
    stored = plain_type("text").convert(DateCell("2024-02-29"))
    assert (type(stored), stored) == (str, "2024-02-29")
