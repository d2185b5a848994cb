"""Names of downloads: in one header line, in their own letters, and never turned round."""

import pytest

from server.web.downloads import attachment


@pytest.mark.parametrize(
    ("name", "plain", "encoded"),
    [
        ("größe 1.csv", "gr__e 1.csv", "gr%C3%B6%C3%9Fe%201.csv"),
        ('a";x="y.html', "a_;x=_y.html", "a%22%3Bx%3D%22y.html"),
        ("a\r\nSet-Cookie: x", "a__Set-Cookie: x", "a__Set-Cookie%3A%20x"),
        ("\u202excod.exe", "_xcod.exe", "_xcod.exe"),
        ("\u2067a\u200eb\u2028", "_a_b_", "_a_b_"),
        ("a/b\\c%22*", "a_b_c_22_", "a%2Fb%5Cc%2522%2A"),
        ("a\u200cb", "a_b", "a%E2%80%8Cb"),
        ("\ud800", "_", "%3F"),
        ("", "file", "file"),
    ],
)
def test_a_name_in_both_forms(name: str, plain: str, encoded: str) -> None:
    assert attachment(name) == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
