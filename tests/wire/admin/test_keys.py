"""Keys: made and shown once, listed without secrets, rotated without a gap, revoked after a question."""

from datetime import UTC, date, datetime, timedelta

import pytest

from server.dialects import SCOPES
from server.engine.access.keys import Key
from tests.support.replay import basic
from tests.wire.admin.house import AdminHouse, Signed
from tests.wire.admin.pages import Page

FAR = date.today() + timedelta(days=400)


async def key(site: Signed, name: str) -> Key:
    return [key for key in await site.engine.access.keys.list() if key.name == name][-1]


def secret_of(page: Page) -> str:
    (secret,) = [word for word in page.text.split() if len(word) == 44]
    return secret


def row(page: Page, name: str) -> str:
    """What the list says of a key."""
    start = page.text.index(f" {name} #")
    return page.text[start : start + 300]


async def test_every_scope_has_a_line(site: Signed) -> None:
    page = await site.get("/admin/keys/new")
    assert [f"{name} {opens}" for name, opens in SCOPES.items() if f"{name} {opens}" not in page.text] == []


async def test_a_key_is_made_and_shown_once(site: Signed) -> None:
    fields = {
        "name": " nightly  feed ",
        "scope-folio": "on",
        "scope-voss": "on",
        "tenants": "diku\r\n\r\n sys.A B \r\n",
    }
    page = await site.post("/admin/keys/new", {**fields, "expires": FAR.isoformat()})
    assert (page.status, page.headers["Cache-Control"]) == (200, "no-store")
    made = await key(site, "nightly feed")
    assert (made.scopes, made.tenants) == (("folio", "voss"), ("diku", "sys.A B"))
    assert made.expires == datetime(FAR.year, FAR.month, FAR.day, 23, 59, 59, tzinfo=UTC)
    assert (await site.engine.access.keys.authenticate(secret_of(page))).id == made.id
    listed = await site.get("/admin/keys")
    assert secret_of(page) not in listed.body
    assert "active folio, voss diku, sys.A B " in row(listed, "nightly feed")


async def test_a_key_without_limits(site: Signed) -> None:
    await site.post("/admin/keys/new", {"name": "all", "scope-native": "on", "tenants": "", "expires": ""})
    made = await key(site, "all")
    assert (made.scopes, made.tenants, made.expires) == (("native",), (), None)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": " "}, "Name: say who or what uses the key."),
        ({"name": "n" * 201}, "Name: it has 201 characters; at most 200 are allowed."),
        ({"scope-voss": ""}, "Scopes: choose at least one"),
        ({"scope-everything": "on", "scope-voss": ""}, "Scopes: choose at least one"),
        ({"expires": "tomorrow"}, "Last day: 'tomorrow' is not a date"),
        ({"expires": "2020-02-30"}, "Last day: '2020-02-30' is not a date"),
        ({"expires": "2020-01-31"}, "Last day: it has passed"),
        ({"expires": "10000-01-01"}, "Last day: '10000-01-01' is not a date"),
    ],
)
async def test_what_is_wrong_is_said_and_what_was_typed_is_kept(
    site: Signed, fields: dict[str, str], problem: str
) -> None:
    before = len(await site.engine.access.keys.list())
    page = await site.post("/admin/keys/new", {"name": "feed", "scope-voss": "on", "tenants": "a\nb", **fields})
    assert page.status == 400
    assert problem in page.text
    form = page.form("/admin/keys/new")
    assert form.fields["name"] == fields.get("name", "feed")
    assert ("scope-voss" in form.fields) == (fields.get("scope-voss") != "")
    assert form.fields.get("expires", "") == fields.get("expires", "")
    assert "a\nb</textarea>" in page.body
    assert len(await site.engine.access.keys.list()) == before


async def test_markup_in_a_name_stays_text(site: Signed) -> None:
    await site.post("/admin/keys/new", {"name": "<script>alert(1)</script>", "scope-voss": "on"})
    page = await site.get("/admin/keys")
    assert "<script>alert" not in page.body
    assert "<script>alert(1)</script> #" in page.text


async def test_use_is_shown(site: Signed, admin: AdminHouse) -> None:
    assert "never" in row(await site.get("/admin/keys"), "voss key")
    headers = basic("me", admin.keys["voss"])
    assert (await site.get("/api/tool/Transaction/?hierarchy=sys", headers=headers)).status == 200
    await site.engine.access.keys.close()  # the use is noted after the answer
    assert (await key(site, "voss key")).last_used is not None


async def test_a_rotated_key_works_beside_its_successor_for_a_while(site: Signed, admin: AdminHouse) -> None:
    old = await key(site, "folio key")
    asked = await site.get(f"/admin/keys/{old.id}/rotate")
    assert asked.form(f"/admin/keys/{old.id}/rotate").fields["days"] == "7"
    page = await site.post(f"/admin/keys/{old.id}/rotate", {"days": "30"})
    assert page.status == 200
    made = await site.engine.access.keys.authenticate(secret_of(page))
    assert (made.name, made.scopes) == (old.name, old.scopes)
    assert (await site.engine.access.keys.authenticate(admin.keys["folio"])).replaced_by == made.id
    assert f"Takes the place of key {old.id}, which works until" in page.text
    listed = (await site.get("/admin/keys")).text
    assert f"#{old.id} replaced by #{made.id}" in listed


async def test_rotated_with_no_overlap_the_old_key_ends_at_once(site: Signed) -> None:
    old = await key(site, "folio key")
    assert (await site.post(f"/admin/keys/{old.id}/rotate", {"days": "0"})).status == 200
    assert site.engine.access.keys.state(await key_by(site, old.id)) == "expired"


@pytest.mark.parametrize("days", ["", "x", "-1", "3", "99999999999999999999"])
async def test_an_overlap_that_is_not_offered_is_refused(site: Signed, days: str) -> None:
    old = await key(site, "folio key")
    page = await site.post(f"/admin/keys/{old.id}/rotate", {"days": days})
    assert (page.status, "Choose how long the old key still works." in page.text) == (400, True)
    assert (await key_by(site, old.id)).replaced_by is None


async def test_a_key_that_has_ended_or_a_successor_is_not_rotated(site: Signed) -> None:
    one, two = await key(site, "folio key"), await key(site, "voss key")
    await site.engine.access.keys.revoke(one.id)
    await site.engine.access.keys.rotate(two.id, timedelta(days=1))
    page = await site.post(f"/admin/keys/{one.id}/rotate", {"days": "7"})
    assert (page.status, "This key is revoked" in page.text) == (400, True)
    page = await site.post(f"/admin/keys/{two.id}/rotate", {"days": "7"})
    assert (page.status, "This key has a successor already" in page.text) == (400, True)


async def test_revoking_is_asked_about_first_and_then_done_at_once(site: Signed, admin: AdminHouse) -> None:
    ended = await key(site, "learningbuilder key")
    asked = await site.get(f"/admin/keys/{ended.id}/revoke")
    assert "Revoke learningbuilder key?" in asked.headings
    assert "You are signed in with this key" not in asked.text
    assert (await key_by(site, ended.id)).revoked is None
    page = await site.post(asked.form(f"/admin/keys/{ended.id}/revoke").action)
    assert (page.status, page.to) == (303, "/admin/keys?notice=key-revoked")
    assert (await key_by(site, ended.id)).revoked is not None
    listed = await site.get(page.to)
    assert "The key is revoked." in listed.text
    assert f"/admin/keys/{ended.id}/revoke" not in listed.links.values()
    headers = {"Authorization": f"apikey {admin.keys['learningbuilder']}"}
    answer = await site.ask("POST", "/API/WorkflowImportQueue/CreateBatch", headers=headers)
    assert answer.status == 401


async def test_the_key_one_is_signed_in_with_is_marked_and_warned_about(site: Signed) -> None:
    own = await key(site, "admin key")
    assert "(yours)" in row(await site.get("/admin/keys"), "admin key")
    for change in ("rotate", "revoke"):
        assert "You are signed in with this key" in (await site.get(f"/admin/keys/{own.id}/{change}")).text
    await site.post(f"/admin/keys/{own.id}/revoke")
    assert (await site.get("/admin/keys")).to.startswith("/admin/sign-in?")


@pytest.mark.parametrize("id", ["0", "999", "x", "-1", "1.0", "9" * 40, "%00", "\u0661"])
@pytest.mark.parametrize("change", ["rotate", "revoke"])
async def test_a_key_that_is_not_there_is_said_so(site: Signed, id: str, change: str) -> None:
    assert (await site.get(f"/admin/keys/{id}/{change}")).status == 404
    assert (await site.post(f"/admin/keys/{id}/{change}", {"days": "7"})).status == 404


async def key_by(site: Signed, id: int) -> Key:
    return await site.engine.access.keys.get(id)
