"""Who gets in, how long, and what a change must bring with it."""

import base64
import time
from pathlib import Path

import orjson
import pytest
from cryptography.fernet import Fernet
from yarl import URL

from server.admin.site import Facts
from server.web.sign_in import cookie_name
from tests.wire.admin.house import AdminHouse, Browser, open_admin

WRONG_KEY = "k" * 40


async def test_the_right_key_opens_the_site(admin: AdminHouse) -> None:
    visitor = await admin.visitor()
    page = await visitor.sign_in(admin.keys["admin"])
    assert (page.status, page.to) == (303, "/admin/")
    home = await visitor.get("/admin/")
    assert (home.status, home.headings[0]) == (200, "Home")
    assert "admin key" in home.text


async def test_a_wrong_key_is_refused_in_words_and_the_form_is_there_again(admin: AdminHouse) -> None:
    page = await (await admin.visitor()).sign_in(WRONG_KEY)
    assert page.status == 403
    assert "This key is unknown, revoked or expired." in page.text
    assert page.form("/admin/sign-in").method == "post"
    assert WRONG_KEY not in page.body


async def test_a_key_without_the_scope_admin_is_refused(admin: AdminHouse) -> None:
    page = await (await admin.visitor()).sign_in(admin.keys["folio"])
    assert page.status == 403
    assert "This key may not sign in: it needs the scope admin." in page.text
    assert "Set-Cookie" not in page.headers


async def test_no_key_is_asked_for(admin: AdminHouse) -> None:
    page = await (await admin.visitor()).sign_in(" ")
    assert page.status == 403
    assert "Enter a key." in page.text


async def test_who_keeps_trying_has_to_wait(admin: AdminHouse) -> None:
    visitor = await admin.visitor()
    for _ in range(20):
        assert (await visitor.sign_in(WRONG_KEY)).status == 403
    page = await visitor.sign_in(WRONG_KEY)
    assert page.status == 429
    assert 1 <= int(page.headers["Retry-After"]) <= 60
    assert "This key is wrong, and there were too many wrong keys before it. Enter the right key, or wait" in page.text
    assert (await visitor.sign_in(admin.keys["admin"])).status == 303


async def test_a_visitor_without_a_session_signs_in_and_goes_on(admin: AdminHouse) -> None:
    visitor = await admin.visitor()
    page = await visitor.get("/admin/?a=1&b=%26")
    assert (page.status, page.to) == (303, "/admin/sign-in?next=%2Fadmin%2F%3Fa%3D1%26b%3D%2526")
    asked = await visitor.get(page.to)
    assert asked.form("/admin/sign-in").fields["next"] == "/admin/?a=1&b=%26"
    went = await visitor.sign_in(admin.keys["admin"], next=asked.form("/admin/sign-in").fields["next"])
    assert went.to == "/admin/?a=1&b=%26"


@pytest.mark.parametrize(
    "next",
    ["https://example.org/", "//example.org/", "/\\example.org", "javascript:alert(1)", "/\r\nSet-Cookie: a=b", ""],
)
async def test_signing_in_leads_to_no_other_site(admin: AdminHouse, next: str) -> None:
    visitor = await admin.visitor()
    asked = await visitor.get("/admin/sign-in", params={"next": next})
    assert asked.form("/admin/sign-in").fields["next"] == "/admin/"
    assert (await visitor.sign_in(admin.keys["admin"], next=next)).to == "/admin/"


async def test_who_is_signed_in_is_not_asked_again(admin: AdminHouse) -> None:
    boss = await admin.boss()
    page = await boss.get("/admin/sign-in?next=/admin/keys")
    assert (page.status, page.to) == (303, "/admin/keys")


async def test_the_cookie_is_for_this_site_and_no_script(admin: AdminHouse) -> None:
    page = await (await admin.visitor()).sign_in(admin.keys["admin"])
    flags = {flag.strip() for flag in page.headers["Set-Cookie"].split(";")}
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"} <= flags
    assert "Secure" not in flags
    assert admin.keys["admin"] not in page.headers["Set-Cookie"]


async def test_the_cookie_is_for_tls_only_where_people_come_over_tls(tmp_path: Path, imports: Path) -> None:
    async with open_admin(tmp_path / "data", imports, public_url="https://imports.example.org/") as house:
        visitor = await house.visitor()
        page = await visitor.post("/admin/sign-in", {"key": house.keys["admin"]})
        assert "Secure" in {flag.strip() for flag in page.headers["Set-Cookie"].split(";")}


async def test_the_public_address_is_an_origin_of_ours(tmp_path: Path, imports: Path) -> None:
    async with open_admin(tmp_path / "data", imports, public_url="https://imports.example.org/") as house:
        visitor = await house.visitor()
        key = {"key": house.keys["admin"]}
        ours = await visitor.post("/admin/sign-in", key, headers={"Origin": "https://imports.example.org"})
        other = await visitor.post("/admin/sign-in", key, headers={"Origin": "https://example.org"})
        assert (ours.status, other.status) == (303, 400)


async def test_a_session_ends_with_its_key(admin: AdminHouse) -> None:
    boss = await admin.boss()
    (key,) = [key for key in await admin.engine.access.keys.list() if key.name == "admin key"]
    await admin.engine.access.keys.revoke(key.id)
    page = await boss.get("/admin/")
    assert page.to.startswith("/admin/sign-in?")
    change = await boss.post("/admin/sign-out")
    assert (change.status, "your session is over" in change.text.lower()) == (403, True)


async def test_a_session_ends_by_itself(tmp_path: Path, imports: Path) -> None:
    async with open_admin(tmp_path / "data", imports, facts=Facts(session_seconds=60)) as house:
        boss = await house.boss()
        assert (await boss.get("/admin/")).status == 200
        await _age(house, boss, seconds=30)
        assert (await boss.get("/admin/")).status == 200
        await _age(house, boss, seconds=61)
        assert (await boss.get("/admin/")).status == 303


async def test_a_cookie_of_our_own_making_opens_nothing(admin: AdminHouse) -> None:
    visitor = await admin.visitor()
    name = cookie_name(await admin.engine.access.secrets.get("session"), guard="")
    for value in ("", "x", "gAAAAAB" + "A" * 100, "é"):
        page = await visitor.get("/admin/", headers={"Cookie": f"{name}={value}"})
        assert page.status == 303


async def test_two_servers_on_one_host_do_not_end_each_others_sessions(tmp_path: Path, imports: Path) -> None:
    """Browsers send cookies to every port."""
    async with open_admin(tmp_path / "one", imports) as one, open_admin(tmp_path / "two", imports) as two:
        here = await one.boss()
        there = Browser(two.address, here.session)
        assert (await there.get("/admin/")).status == 303
        await there.sign_in(two.keys["admin"])
        assert (await there.get("/admin/")).status == 200
        assert (await here.get("/admin/")).status == 200


async def test_signing_out_ends_the_session_in_this_browser(admin: AdminHouse) -> None:
    boss = await admin.boss()
    page = await boss.post("/admin/sign-out")
    assert (page.status, page.to) == (303, "/admin/sign-in?notice=signed-out")
    assert "You are signed out." in (await boss.get(page.to)).text
    assert (await boss.get("/admin/")).status == 303


@pytest.mark.parametrize(
    ("headers", "token", "words"),
    [
        ({}, "own", "does not come from a page of this site"),
        ({"Origin": "https://example.org"}, "own", "does not come from a page of this site"),
        ({"Origin": "null"}, "own", "does not come from a page of this site"),
        ({"Origin": "http://[broken"}, "own", "does not come from a page of this site"),
        ({"Origin": "ours"}, "stale", "belongs to an earlier session"),
        ({"Origin": "ours"}, "", "belongs to an earlier session"),
        ({"Referer": "ours/admin/"}, "stale", "belongs to an earlier session"),
    ],
)
async def test_a_change_comes_from_our_own_pages_with_the_token(
    admin: AdminHouse, headers: dict[str, str], token: str, words: str
) -> None:
    boss = await admin.boss()
    sent = {name: value.replace("ours", admin.address) for name, value in headers.items()}
    page = await boss.post("/admin/sign-out", {"csrf": boss.token if token == "own" else token}, headers=sent)
    assert page.status == 400
    assert words in page.text
    assert (await boss.get("/admin/")).status == 200  # nothing was done


async def test_a_token_of_another_session_is_stale(admin: AdminHouse) -> None:
    one, two = await admin.boss(), await admin.boss()
    assert (await two.post("/admin/sign-out", {"csrf": one.token})).status == 400


async def test_without_keys_everybody_on_this_machine_is_signed_in(tmp_path: Path, imports: Path) -> None:
    async with open_admin(tmp_path / "data", imports, no_auth=True) as house:
        visitor = await house.visitor()
        page = await visitor.get("/admin/")
        assert (page.status, "Everybody on this machine" in page.text) == (200, True)
        await visitor.learn_token()
        assert (await visitor.post("/admin/sign-out")).status == 303


@pytest.mark.parametrize("host", ["example.org", "example.org:8080", "10.0.0.7", "localhost.example.org", "[", ""])
async def test_without_keys_a_foreign_name_for_this_machine_opens_nothing(
    tmp_path: Path, imports: Path, host: str
) -> None:
    """A page elsewhere may point its own name at this machine."""
    async with open_admin(tmp_path / "data", imports, no_auth=True) as house:
        page = await (await house.visitor()).get("/admin/", headers={"Host": host})
        assert page.status in (400, 403)
        assert "Set-Cookie" not in page.headers


async def _age(house: AdminHouse, boss: Browser, *, seconds: int) -> None:
    """The same session, as it was made so long ago."""
    secret = await house.engine.access.secrets.get("session")
    fernet, name = Fernet(base64.urlsafe_b64encode(secret)), cookie_name(secret, guard="")
    (cookie,) = [cookie for cookie in boss.session.cookie_jar if cookie.key == name]
    content = orjson.loads(fernet.decrypt(cookie.value.encode()))
    content["created"] = int(time.time()) - seconds
    aged = fernet.encrypt_at_time(orjson.dumps(content), int(time.time()) - seconds)
    boss.session.cookie_jar.update_cookies({name: aged.decode()}, URL(boss.address))
