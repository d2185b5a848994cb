"""`penstock keys`: creates, lists, revokes and rotates API keys."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from server.cli.open_engine import with_engine
from server.cli.options import AsJson, Config, DataDir
from server.cli.output import remark, say, show_list
from server.dialects import SCOPES
from server.engine.access.keys import REMEMBERED
from server.engine.engine import Engine
from storage.catalog.base import Key

entry = typer.Typer()

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(text: str, flag: str) -> timedelta:
    """Parses a duration such as 90d, 12h, 30m or 4w."""
    found = re.fullmatch(r"([0-9]{1,6})([mhdw])", text)
    if found is None or int(found[1]) == 0:
        raise typer.BadParameter(
            f"{text!r} is not a time span; write a number and m, h, d or w, like 90d", param_hint=flag
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@entry.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[
        list[str],
        typer.Option(metavar="SCOPE", help=f"What it may do, one or more of: {', '.join(SCOPES)} (everything)."),
    ],
    tenant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TENANT",
            help="The tenants it may see and touch (VOSS: a hierarchy path, with all below); all without.",
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="90d", help="How long it works; without end otherwise.")
    ] = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Create a key and print it, alone, on stdout. It cannot be shown again."""

    until = datetime.now(UTC) + duration(expires, "--expires") if expires else None
    unknown = next((name for name in scope if name not in SCOPES), None)
    if unknown is not None:
        raise typer.BadParameter(f"unknown scope {unknown!r}; the scopes are {', '.join(SCOPES)}", param_hint="--scope")

    async def work(engine: Engine) -> None:
        _, secret = await engine.access.keys.create(name, scope, tenant or (), until)
        say(secret)

    with_engine(config, data_dir, work, making=True)


@entry.command("list")
def list_keys(as_json: AsJson = False, config: Config = None, data_dir: DataDir = None) -> None:
    """List all keys; never their secrets."""

    async def work(engine: Engine) -> None:
        show_list(
            [_row(key) for key in await engine.access.keys.list()],
            ["id", "name", "state", "scopes", "tenants", "created", "expires", "last_used"],
            as_json=as_json,
        )

    with_engine(config, data_dir, work)


@entry.command()
def revoke(id: int, config: Config = None, data_dir: DataDir = None) -> None:
    """Revoke a key at once, in a running server too."""

    async def work(engine: Engine) -> None:
        key = await engine.access.keys.revoke(id)
        await asyncio.sleep(REMEMBERED)  # until no running server has the key in its cache
        remark(f"key {key.id} ({key.name}) is revoked")

    with_engine(config, data_dir, work)


@entry.command()
def rotate(
    id: int,
    overlap: Annotated[str, typer.Option(metavar="7d", help="How long the old key still works.")] = "7d",
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Create a successor with the same rights and print it, alone, on stdout."""

    span = duration(overlap, "--overlap")

    async def work(engine: Engine) -> None:
        _, secret = await engine.access.keys.rotate(id, span)
        say(secret)

    with_engine(config, data_dir, work)


def _row(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "state": _state(key, datetime.now(UTC)),
        "scopes": key.scopes,
        "tenants": key.tenants,
        "created": key.created,
        "expires": key.expires,
        "revoked": key.revoked,
        "last_used": key.last_used,
        "replaced_by": key.replaced_by,
    }


def _state(key: Key, now: datetime) -> str:
    if key.revoked is not None:
        return "revoked"
    return "expired" if key.expires is not None and key.expires <= now else "active"
