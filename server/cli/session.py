"""From flags to an open engine, and from errors to exit codes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from server.engine.dispatcher import JobLimits
from server.engine.engine import Engine, open_engine
from server.engine.mail import MailServer
from server.engine.receiving import UploadLimits
from server.engine.transactions import TransactionRules
from server.engine.upload_definitions import DefinitionRules
from server.logs import configure_logs
from server.settings import Settings, read_settings

Work = Callable[[Engine], Awaitable[None]]


class WorkFailed(Exception):
    """A command could not do its work; the message is for the person who typed it."""


def settings_for(
    config: Path | None, data_dir: Path | None = None, flags: dict[str, dict[str, object]] | None = None
) -> Settings:
    """The settings in force for a command; flags that were not given do not count."""
    given = {
        section: {key: value for key, value in keys.items() if value is not None}
        for section, keys in (flags or {}).items()
    }
    if data_dir is not None:
        given["storage"] = {"data_dir": data_dir}
    return read_settings(config, given)


def engine_for(settings: Settings, *, no_auth: bool = False) -> AbstractAsyncContextManager[Engine]:
    return open_engine(
        settings.storage.data_dir,
        imports=settings.imports.dir,
        uploads=UploadLimits(**settings.limits.model_dump()),
        jobs=JobLimits(**settings.jobs.model_dump()),
        definitions=_definition_rules(settings),
        transactions=TransactionRules(**settings.voss.model_dump()),
        mail=None if settings.smtp.host is None else MailServer(**settings.smtp.model_dump()),
        public_url=None if settings.server.public_url is None else str(settings.server.public_url),
        no_auth=no_auth,
    )


def _definition_rules(settings: Settings) -> DefinitionRules:
    url = settings.server.public_url
    return DefinitionRules(**settings.folio.model_dump(), public_url=None if url is None else str(url))


def with_engine(config: Path | None, data_dir: Path | None, work: Work) -> None:
    """Does the work on an engine opened for it; a server on the same data may run beside it."""
    settings = settings_for(config, data_dir)
    configure_logs(settings.server.log_format, logging.WARNING)
    asyncio.run(_with_engine(settings, work))


def reading(config: Path | None, data_dir: Path | None, read: Callable[[Engine], None]) -> None:
    """For work that blocks, with the definitions of the imports folder: it runs in a thread beside the loop."""

    async def work(engine: Engine) -> None:
        await asyncio.to_thread(engine.definitions.load)
        await asyncio.to_thread(read, engine)

    with_engine(config, data_dir, work)


async def _with_engine(settings: Settings, work: Work) -> None:
    async with engine_for(settings) as engine:
        await work(engine)
