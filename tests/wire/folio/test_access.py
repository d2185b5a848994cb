"""Tenants, keys, sessions and users."""

import base64
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.replay import Ask, House
from tests.wire.folio.client import LATER, USER, V1, Client, Reply

LIST = V1 + "/definition"
TENANT = "x-okapi-tenant"


def token(**payload: object) -> str:
    return "e30." + base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=") + ".x"


async def login(client: Client, user: str, password: str | None, tenant: str = "diku") -> Reply:
    bare = replace(client, key=None, user=None, tenant=tenant)
    return await bare.ask("POST", "/authn/login-with-expiry", {"username": user, "password": password})


def cookies(reply: Reply) -> dict[str, str]:
    lines = reply.headers.getall("Set-Cookie")  # type: ignore[attr-defined]
    return dict(line.partition(";")[0].split("=", 1) for line in lines)


@pytest.mark.asyncio(loop_scope="module")
class TestTenants:
    async def test_a_tenant_must_be_named(self, shared: Client) -> None:
        for tenant in (None, " "):
            reply = await replace(shared, tenant=tenant).ask("GET", LIST)
            assert (reply.status, reply.type) == (400, "text/plain")
            assert reply.text == "Unable to process request Tenant must be set"

    async def test_tenants_never_see_each_other(self, shared: Client) -> None:
        mine = await shared.define("a.mrc")
        file = mine["fileDefinitions"][0]["id"]
        other = replace(shared, tenant="other")
        one = f"{LIST}/{mine['id']}"
        assert (await other.ask("GET", LIST)).json["totalRecords"] == 0
        asked = [
            ("GET", one, None),
            ("PUT", one, {}),
            ("POST", LIST + "/file", {"name": "b", "uploadDefinitionId": mine["id"]}),
            ("POST", f"{V1}/file?uploadDefinitionId={mine['id']}&fileId={file}", b"x"),
            ("DELETE", f"{LIST}/file/{file}?uploadDefinitionId={mine['id']}", None),
            ("DELETE", f"{LATER}/{mine['id']}", None),
            ("POST", f"{LATER}/{mine['id']}/files/{file}", b"x"),
        ]
        assert [(await other.ask(*request)).status for request in asked] == [404] * len(asked)
        assert await shared.see(mine) == mine

    async def test_a_key_may_be_limited_to_tenants(self, shared: Client, shared_house: House) -> None:
        _, secret = await shared_house.engine.access.keys.create("limited", ["folio"], ["one", "two"])
        client = replace(shared, key=secret)
        assert (await replace(client, tenant="two").ask("GET", LIST)).status == 200
        assert (await replace(client, tenant="diku").ask("GET", LIST)).status == 401


@pytest.mark.asyncio(loop_scope="module")
class TestKeys:
    async def test_no_key_comes_before_everything(self, shared: Client) -> None:
        reply = await replace(shared, key=None, tenant=None).ask("POST", LIST, b"nonsense")
        assert (reply.status, reply.text) == (401, "unable to create definition -- unauthorized")
        assert reply.type == "text/plain"

    async def test_a_key_of_another_scope(self, shared: Client, shared_house: House) -> None:
        reply = await replace(shared, key=shared_house.keys["haplo-batch"]).ask("GET", LIST)
        assert reply.status == 401
        assert (await replace(shared, key=shared_house.keys["admin"]).ask("GET", LIST)).status == 200

    async def test_a_key_in_a_cookie(self, shared: Client) -> None:
        client = replace(shared, key=None, more={"Cookie": f"folioAccessToken={shared.key}"})
        assert (await client.ask("GET", LIST)).status == 200


@pytest.mark.asyncio(loop_scope="module")
class TestSessions:
    async def test_a_login_gives_tokens_that_work(self, shared: Client) -> None:
        reply = await login(shared, "ann", shared.key)
        assert reply.status == 201
        assert all(reply.json[name].endswith("Z") for name in ("accessTokenExpiration", "refreshTokenExpiration"))
        given = cookies(reply)
        bare = replace(shared, key=None, user=None)
        by_cookie = replace(bare, more={"Cookie": f"folioAccessToken={given['folioAccessToken']}"})
        by_header = replace(bare, key=given["folioAccessToken"])
        user = (await by_cookie.ask("GET", "/bl-users/by-username/ann")).json["user"]
        for client in (by_cookie, by_header):
            made = await client.define("a.mrc")
            assert made["metadata"]["createdByUserId"] == user["id"]

    async def test_it_works_for_its_tenant_only(self, shared: Client) -> None:
        access = cookies(await login(shared, "ann", shared.key))["folioAccessToken"]
        assert (await replace(shared, key=access, tenant="other").ask("GET", LIST)).status == 401

    async def test_it_is_refreshed_once(self, shared: Client) -> None:
        given = cookies(await login(shared, "ann", shared.key))
        client = replace(shared, key=None, more={"Cookie": f"folioRefreshToken={given['folioRefreshToken']}"})
        renewed = await client.ask("POST", "/authn/refresh")
        assert renewed.status == 201
        assert (await client.ask("POST", "/authn/refresh")).status == 401
        assert (await replace(shared, key=cookies(renewed)["folioAccessToken"]).ask("GET", LIST)).status == 200
        assert (await replace(shared, key=cookies(renewed)["folioRefreshToken"]).ask("GET", LIST)).status == 401

    async def test_a_logout_ends_it(self, shared: Client) -> None:
        client = replace(shared, key=cookies(await login(shared, "ann", shared.key))["folioAccessToken"])
        assert (await client.ask("POST", "/authn/logout")).status == 204
        assert (await client.ask("GET", LIST)).status == 401

    async def test_it_ends_with_its_key(self, shared: Client, shared_house: House) -> None:
        key, secret = await shared_house.engine.access.keys.create("short", ["folio"])
        client = replace(shared, key=cookies(await login(shared, "short", secret))["folioAccessToken"])
        assert (await client.ask("GET", LIST)).status == 200
        await shared_house.engine.access.keys.revoke(key.id)
        assert (await client.ask("GET", LIST)).status == 401

    async def test_it_ends_with_its_time(self, shared: Client, shared_house: House) -> None:
        sessions = shared_house.engine.access.sessions
        key = await shared_house.engine.access.keys.authorize(shared.key or "", "folio")
        lives = dict(sessions._lives)
        sessions._lives["access"] = timedelta(seconds=-1)
        try:
            begun = await sessions.begin(key, "ann", "diku")
        finally:
            sessions._lives.update(lives)
        assert (await replace(shared, key=begun.access.text).ask("GET", LIST)).status == 401

    @pytest.mark.parametrize("user", ["bob", "ann"])
    async def test_name_and_key_must_fit(self, shared: Client, user: str) -> None:
        reply = await login(shared, user, shared.key if user == "bob" else "wrong")
        assert (reply.status, reply.text) == (401, "unable to log in -- unauthorized")

    async def test_a_login_needs_both_and_a_tenant(self, shared: Client) -> None:
        assert (await login(shared, "ann", None)).errors == [("may not be null", "-1")]
        assert (await login(shared, "ann", shared.key, tenant="")).status == 400

    async def test_there_are_no_consortia(self, shared: Client) -> None:
        assert (await shared.ask("GET", "/consortia")).status == 404

    async def test_made_up_tokens_are_refused(self, shared: Client) -> None:
        for made_up in (token(user_id=USER), "a.b.c", "..", "é"):
            client = replace(shared, key=None, more={"Cookie": f"folioAccessToken={made_up}"})
            assert (await client.ask("GET", LIST)).status == 401


@pytest.mark.asyncio(loop_scope="module")
class TestUsers:
    async def test_without_a_user_there_is_no_metadata(self, shared: Client) -> None:
        for user in (None, "nobody", ""):
            assert "metadata" not in await replace(shared, user=user).define("a")

    async def test_whoever_changes_it_first_is_its_maker(self, shared: Client) -> None:
        made = await replace(shared, user=None).define("a")
        changed = (await shared.ask("PUT", f"{LIST}/{made['id']}", {})).json
        assert changed["metadata"]["createdByUserId"] == USER


async def test_the_user_is_read_from_a_token_where_no_key_is_asked_for(client: Client, house: House) -> None:
    house.engine.access.keys.everybody = True
    bare = replace(client, user=None)
    assert (await replace(bare, key=token(user_id=USER)).define("a"))["metadata"]["createdByUserId"] == USER
    for odd in (token(user_id=5), token(), "e30.W10.x", "e30.!.x", "a.b.c"):
        assert "metadata" not in await replace(bare, key=odd).define("a")


async def test_wrong_sessions_are_slowed_as_wrong_keys_are(house: House) -> None:
    """A right key goes on to be let in."""
    for number in range(20):
        wrong = Ask("GET", LIST, headers={"x-okapi-token": f"a.b.{number}", "x-okapi-tenant": "diku"})
        assert (await house.ask(wrong)).status == 401
    answer = await house.ask(wrong)
    assert answer.status == 429
    assert "Retry-After" in answer.headers
    _, secret = await house.engine.access.keys.create("right", ["folio"])
    right = Ask("GET", LIST, headers={"x-okapi-token": secret, "x-okapi-tenant": "diku"})
    assert (await house.ask(right)).status == 200
