"""JavaScript's rules for text, truth and sameness, as control files were written for them."""

from typing import Any

import pytest

from server.mapping.values.javascript import NOTHING, identical, is_skipped, is_truthy, js_text, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as is", "as is"),
        (True, "true"),
        (False, "false"),
        (None, "null"),
        (NOTHING, "undefined"),
        (42, "42"),
        (4.0, "4"),
        (-0.0, "0"),
        (4.5, "4.5"),
        (1e16, "10000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (10**21, "1e+21"),
        (10**400, "Infinity"),
        (-(10**400), "-Infinity"),
        (0.00001, "0.00001"),
        (0.0000015, "0.0000015"),
        (1e-7, "1e-7"),
        (-1.25e-9, "-1.25e-9"),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        ({"a": 1}, "[object Object]"),
        ([1, None, "a", [2, 3]], "1,,a,2,3"),
    ],
)
def test_text(value: Any, text: str) -> None:
    assert js_text(value) == text


def test_long_values_are_cut_in_messages() -> None:
    assert shown("x" * 501) == "x" * 500 + "…"
    assert shown("x" * 500) == "x" * 500


@pytest.mark.parametrize("value", [False, "", None, NOTHING, float("nan")])
def test_field_passes_over(value: Any) -> None:
    assert is_skipped(value)


@pytest.mark.parametrize("value", [0, 0.0, -1, True, " ", "0", [], {}])
def test_field_takes(value: Any) -> None:
    assert not is_skipped(value)


@pytest.mark.parametrize("value", [True, 1, -0.5, "0", [], {}])
def test_true(value: Any) -> None:
    assert is_truthy(value)


@pytest.mark.parametrize("value", [False, 0, 0.0, "", None, NOTHING, float("nan")])
def test_untrue(value: Any) -> None:
    assert not is_truthy(value)


@pytest.mark.parametrize(("a", "b"), [(1, 1), (1, 1.0), ("a", "a"), (True, True), (None, None)])
def test_identical(a: int | str | None, b: Any) -> None:
    assert identical(a, b)
    assert identical(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [(1, True), (0, False), (1, "1"), ("", None), ([], []), ({}, {}), (float("nan"), float("nan")), (0, None)],
)
def test_not_identical(a: Any, b: Any) -> None:
    assert not identical(a, b)
    assert not identical(b, a)
