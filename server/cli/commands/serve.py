"""`penstock serve`: runs the server."""

import asyncio
import ipaddress
import os
import signal
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import structlog
import typer

from server.admin.site import Facts
from server.app import make_app, run, serve
from server.cli.commands.init import occupied, write_example
from server.cli.open_engine import engine_for, same_flags, settings_for
from server.cli.options import Config, DataDir
from server.cli.output import say
from server.dialects import SCOPES
from server.engine.access.scopes import OF_ALL_TENANTS
from server.engine.engine import Engine
from server.logs import LogFormat, configure_logs
from server.settings import Settings, shown

log = structlog.get_logger("penstock.server")

# scopes of the first start's key: the example needs these, and no administration
FIRST_SCOPES = tuple(scope for scope in SCOPES if scope not in OF_ALL_TENANTS)

WELCOME = """\
This is the first start: a key was made. It is shown only now, so keep it.

    {secret}

Try it (the batch that this makes takes the files in imports/sample/; README.md continues from here):

    curl --user haplo:{secret} -d kind=example-standard-api {address}/api/haplo-data-import-standard-api/batch

Look at it: {address}/ asks for a key of its own: .venv/bin/penstock keys create me --scope admin{flags}
"""


def entry(
    config: Config = None,
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(metavar="H", help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(metavar="P", help="The port; 0 takes a free one.")] = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Ask for no key; on loopback only.")] = False,
    log_format: Annotated[LogFormat | None, typer.Option(help="How log lines are written to stderr.")] = None,
    welcome: Annotated[
        bool, typer.Option("--welcome", help="At the first start write an example and make a key.")
    ] = False,
) -> None:
    """Answer the import APIs until SIGTERM or SIGINT."""
    _ignore_signals()
    if welcome and config is None and occupied(Path()) is None:
        write_example(Path())
    flags: dict[str, dict[str, object]] = {"server": {"host": host, "port": port, "log_format": log_format}}
    settings = settings_for(config, data_dir, flags)
    if no_auth and not is_loopback(settings.server.host):
        raise typer.BadParameter(
            f"everybody who reaches {settings.server.host} could import; listen on 127.0.0.1", param_hint="--no-auth"
        )
    configure_logs(settings.server.log_format)
    run(_serve(settings, no_auth=no_auth, welcome=welcome and not no_auth, flags=same_flags(config, data_dir)))


def _ignore_signals() -> None:
    """Ignores signals that would end the server: tools send them to all, and a closing terminal sends SIGHUP."""
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # SIGHUP until the server answers; then it reloads the definitions


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _serve(settings: Settings, *, no_auth: bool, welcome: bool, flags: str) -> None:
    async with engine_for(settings, no_auth=no_auth) as engine:
        await asyncio.to_thread(engine.definitions.load)
        secret = await _first_key(engine) if welcome else None
        facts = Facts(version("penstock"), shown(settings), settings.server.session_seconds)
        app, at = make_app(engine, facts=facts), settings.server
        say_hello = _announce(secret, flags)

        def announce(address: str) -> None:
            log.info("server started", address=address, **_in_force(settings))
            say_hello(address)

        await serve(app, at.host, at.port, announce, at.trusted_proxies)
    log.info("server stopped")


def _in_force(settings: Settings) -> dict[str, object]:
    """Returns the settings that the log's first line shows, without secrets."""
    limits, jobs = settings.limits, settings.jobs
    return {
        "version": version("penstock"),
        "pid": os.getpid(),
        "data_dir": str(settings.storage.data_dir.absolute()),
        "imports": str(settings.imports.dir.absolute()),
        "slots": jobs.slots,
        "attempts": jobs.attempts,
        "memory_bytes": jobs.memory_bytes,
        "stall_seconds": jobs.stall_seconds,
        "max_upload_bytes": limits.max_upload_bytes,
        "min_free_bytes": limits.min_free_bytes,
    }


async def _first_key(engine: Engine) -> str | None:
    if await engine.access.keys.list():
        return None
    _, secret = await engine.access.keys.create("first key", FIRST_SCOPES)
    return secret


def _announce(secret: str | None, flags: str) -> Callable[[str], None]:
    def announce(address: str) -> None:
        try:
            if secret:
                say(WELCOME.format(secret=secret, address=address, flags=flags))
            say(f"penstock: listening on {address}")
        except OSError as error:
            log.warning("stdout not writable", reason=str(error), address=address)
            _leave_stdout()

    return announce


def _leave_stdout() -> None:
    """Replaces stdout, so that its unwritten buffer does not fail the exit."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
