"""The manual on the site, and who may read it."""

import aiohttp
import pytest

from tests.wire.admin.house import AdminHouse, Signed


async def test_the_contents_lead_to_every_page(site: Signed) -> None:
    contents = await site.get("/manual")
    assert contents.status == 200
    pages = {target for target in contents.links.values() if target.startswith("/manual/")}
    assert "/manual/changes" in pages
    for address in pages:
        page = await site.get(address)
        assert (page.status, "Main" in page.body) == (200, True)
        assert page.headings[0] in contents.headings


async def test_an_unknown_page_is_not_found(site: Signed) -> None:
    assert (await site.get("/manual/nothing")).status == 404
    assert (await site.get("/manual/..%2Fapp")).status == 404


async def test_the_pages_keep_the_policy_of_the_site(site: Signed) -> None:
    page = await site.get("/manual/changes")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert "<script>" not in page.body


async def test_the_editors_lead_to_the_manual(site: Signed) -> None:
    for editor, name in (
        ("/admin/models/-/new", "models"),
        ("/admin/processes/-/new", "processes"),
        ("/admin/control-files/new", "control-files"),
    ):
        assert f"/manual/{name}" in (await site.get(editor)).links.values()


@pytest.mark.parametrize(("key", "status"), [(None, 303), ("wrong", 403), ("folio", 403), ("native", 200)])
async def test_a_reader_has_a_session_or_a_key_for_reading(admin: AdminHouse, key: str | None, status: int) -> None:
    headers = {} if key is None else {"Authorization": f"Bearer {admin.keys.get(key, key)}"}
    address = admin.address + "/manual/changes"
    async with aiohttp.request("GET", address, headers=headers, allow_redirects=False) as answer:
        text = await answer.text()
        assert answer.status == status
        assert answer.headers.get("Location") == (None if key else "/admin/sign-in?next=%2Fmanual%2Fchanges")
    assert ("Unreleased" in text) == (status == 200)
    assert "Sign out" not in text
