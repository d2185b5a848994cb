"""Telephone numbers in the form in which they are stored."""

import pytest

from server.mapping.phones import dialling_code, export_form


@pytest.mark.parametrize(
    ("typed", "country", "stored"),
    [
        ("020 7946 0000", "GB", "+44 20 7946 0000"),
        ("(020) 7946 0000", "GB", "+44 20 7946 0000"),
        ("+44 (0)20 7946 0000", "FR", "+44 20 7946 0000"),
        ("0044 20 7946 0000", "FR", "+44 20 7946 0000"),
        ("44 20 7946 0000", "FR", "+44 20 7946 0000"),
        ("0117 946 0000", "GB", "+44 117 946 0000"),
        ("0161 4960000", "GB", "+44 161 496 0000"),
        ("01234 567890", "GB", "+44 1234 567890"),
        ("07700 900123", "GB", "+44 7700 900123"),
        ("0800 123 4567", "GB", "+44 800 1234567"),
        ("0906 123 4567", "GB", "+44 906 1234567"),
        ("05 87 65 64 32", "FR", "+33 5 87 65 64 32"),
        ("+33587656432", "GB", "+33 5 87 65 64 32"),
        ("(415) 555-2671", "GB", "+1 415-555-2671"),
        ("1-415-555-2671", "GB", "+1 415-555-2671"),
        ("415.555.2671", "GB", "+1 415-555-2671"),
        ("4155552671", "US", "+1 415-555-2671"),
        ("555-2671", "US", "+1 555-2671"),
        ("030 1234 56", "DE", "+49 30 1234 56"),
        ("+39 06 1234567", "GB", "+39 06 1234567"),
        ("+353 1 234 5678", "GB", "+353 1 234 5678"),
        ("020 7946 0000 ext 12", "GB", "+44 20 7946 0000 ext 12"),
    ],
)
def test_stored_form(typed, country, stored):
    assert export_form(typed, dialling_code(country)) == stored


@pytest.mark.parametrize("typed", ["none", "", "+", "0", "+44", "ext 12"])
def test_without_a_number(typed):
    assert export_form(typed, 44) is None


def test_a_country_that_is_none_has_no_code():
    assert dialling_code("XX") == 0


@pytest.mark.parametrize("text", [" " * 500_000 + "x", "ext" * 200_000, "ext 1" + " " * 500_000 + "x", "1" * 500_000])
def test_a_long_text_takes_no_longer_than_it_is(text: str) -> None:
    export_form(text, 44)
