"""Opens an engine for a command, from its flags and settings."""

import asyncio
import logging
import shlex
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import typer

from server.engine.engine import Engine, EngineConfig, open_engine
from server.engine.execution.dispatcher import JobLimits
from server.engine.follow_ups.mail import MailServer
from server.engine.uploads.flow import UploadLimits
from server.engine.vendors.folio.upload_definitions import DefinitionRules
from server.engine.vendors.voss.transactions import TransactionRules
from server.logs import configure_logs
from server.settings import Settings, read_settings

Work = Callable[[Engine], Awaitable[None]]

HOLDS = ("catalog.db", "records.db", "blobs")  # at least one of them makes a folder a data directory


class WorkFailed(Exception):
    """A command failed; the message is for the person who typed it."""


def one_of(value: str, known: Collection[str], flag: str) -> None:
    if value not in known:
        raise typer.BadParameter(f"{value!r} is unknown; known are: {', '.join(known)}", param_hint=flag)


async def known_process(engine: Engine, id: str) -> None:
    """Raises WorkFailed, with the known ids, where the imports folder has no process of this id."""
    await asyncio.to_thread(engine.definitions.reload)
    there = engine.definitions.processes
    if id not in there:
        folder = engine.definitions.folder
        raise WorkFailed(f"Import process not found: {id}; {folder} has: {', '.join(sorted(there)) or 'none'}")


def settings_for(
    config: Path | None, data_dir: Path | None = None, flags: dict[str, dict[str, object]] | None = None
) -> Settings:
    """Returns the settings in force for a command; flags that were not given do not count."""
    given = {
        section: {key: value for key, value in keys.items() if value is not None}
        for section, keys in (flags or {}).items()
    }
    if data_dir is not None:
        given["storage"] = {"data_dir": data_dir}
    return read_settings(config, given)


def engine_for(settings: Settings, *, no_auth: bool = False) -> AbstractAsyncContextManager[Engine]:
    public_url = None if settings.server.public_url is None else str(settings.server.public_url)
    config = EngineConfig(
        imports=settings.imports.dir,
        uploads=UploadLimits(**settings.limits.model_dump()),
        jobs=JobLimits(**settings.jobs.model_dump()),
        folio=DefinitionRules(**settings.folio.model_dump(), public_url=public_url),
        voss=TransactionRules(**settings.voss.model_dump()),
        mail=None if settings.smtp.host is None else MailServer(**settings.smtp.model_dump()),
        public_url=public_url,
        no_auth=no_auth,
    )
    return open_engine(settings.storage.data_dir, config)


def same_flags(config: Path | None, data_dir: Path | None) -> str:
    """Returns the flags that a suggested command needs for the same settings and data."""
    given = {"--config": config, "--data-dir": data_dir}
    return "".join(f" {flag} {shlex.quote(str(path))}" for flag, path in given.items() if path is not None)


def with_engine(config: Path | None, data_dir: Path | None, work: Work, *, making: bool = False) -> None:
    """Opens an engine and does the work on it; a server may run on the same data.

    Only a command that is `making` something makes the data directory where there is none.
    """
    settings = settings_for(config, data_dir)
    if not making:
        _refuse_absent(settings.storage.data_dir)
    configure_logs(settings.server.log_format, logging.WARNING)
    asyncio.run(_with_engine(settings, work))


def reading(config: Path | None, data_dir: Path | None, read: Callable[[Engine], None]) -> None:
    """Runs blocking work in a thread, on an engine with the definitions of the imports folder."""

    async def work(engine: Engine) -> None:
        await asyncio.to_thread(engine.definitions.load)
        await asyncio.to_thread(read, engine)

    with_engine(config, data_dir, work)


def _refuse_absent(folder: Path) -> None:
    if not folder.is_dir():
        raise WorkFailed(f"{folder}: no such directory; give the data directory with --data-dir or --config")
    if not any((folder / part).exists() for part in HOLDS):
        raise WorkFailed(f"{folder}: not a data directory of Penstock: it has none of {', '.join(HOLDS)}")


async def _with_engine(settings: Settings, work: Work) -> None:
    async with engine_for(settings) as engine:
        await work(engine)
