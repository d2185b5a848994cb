"""The manual's Markdown as HTML: anchors, links between pages, code, and nothing raw."""

from pathlib import Path

from server.admin.manual.manual import read_pages
from server.admin.manual.markdown import anchor, render


def html(text: str) -> str:
    return str(render(text, lambda target: target).html)


def test_a_heading_has_an_anchor_and_leads_to_itself() -> None:
    assert html("## What `read` is, exactly") == (
        '<h2 id="what-read-is-exactly"><a href="#what-read-is-exactly">What <code>read</code> is, exactly</a></h2>\n'
    )


def test_a_title_that_comes_twice_has_two_anchors() -> None:
    assert [heading.anchor for heading in render("# A\n\n## B\n\n## B\n", str).headings] == ["a", "b", "b-1"]


def test_anchors_are_those_of_code_hosts() -> None:
    assert anchor("`on_bad_value`: what to do?") == "on_bad_value-what-to-do"


def test_title_and_summary_are_the_first_heading_and_paragraph() -> None:
    found = render("# Models\n\nWhere *data* goes.\n\nMore.\n", str)
    assert (found.title, found.summary) == ("Models", "<p>Where <em>data</em> goes.</p>\n")


def test_raw_html_is_text() -> None:
    assert "<script" not in html("a <script>x</script>\n\n<b onclick=x>y</b>\n")


def test_a_dangerous_address_is_no_link() -> None:
    assert "href" not in html("[x](javascript:alert(1)) ![y](data:text/html,z)")


def test_code_scrolls_and_stays_as_it_is() -> None:
    assert html('```json\n{"a": "<b>"}\n```\n') == (
        '<pre tabindex="0"><code>{&quot;a&quot;: &quot;&lt;b&gt;&quot;}\n</code></pre>\n'
    )


def test_code_of_an_example_says_what_it_is() -> None:
    shown = html("```json rows <b>\n{}\n```\n")
    assert '<figcaption class="soft">Rows of &lt;b&gt;</figcaption>' in shown
    assert "figcaption" not in html("```sh run\nls\n```\n")


def test_a_table_scrolls() -> None:
    assert html("| a |\n|---|\n| b |\n").startswith('<div class="scroll" tabindex="0">\n<table>')


def test_links_lead_to_pages_and_nowhere_else(tmp_path: Path) -> None:
    links = "[m](models.md) [a](models.md#names) [o](https://example.org/) [d](/docs) [h](#here) [f](../app.py)"
    (tmp_path / "first-import.md").write_text(f"# First\n\n{links} [g](gone.md)\n")
    (tmp_path / "models.md").write_text("# Models\n")
    first, models = read_pages(tmp_path)
    assert (first.name, models.name) == ("first-import", "models")
    for target in ("/manual/models", "/manual/models#names", "https://example.org/", "/docs", "#here"):
        assert f'href="{target}"' in first.document.html
    assert "<span>f</span> <span>g</span>" in first.document.html
