"""The page System: health, versions, data, definitions, the check of everything stored, and the settings."""

import asyncio
import os
import platform
from collections.abc import Iterable

import structlog
from aiohttp import web

from server.admin.site import Site

PATH = "/admin/system"

log = structlog.get_logger("penstock.admin")


class SystemPages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._engine = site.engine

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get(PATH, self._show)
        yield web.post(PATH + "/reload", self._reload)
        yield web.post(PATH + "/check", self._check)

    async def _show(self, request: web.Request) -> web.StreamResponse:
        engine, definitions = self._engine, self._engine.definitions
        disk, blobs, revision, state = await asyncio.gather(
            engine.operations.storage_metrics.disk(),
            engine.operations.data_directory.blobs(),
            engine.operations.data_directory.revision(),
            engine.operations.readiness.check(),
        )
        uname = os.uname()
        return await self._site.page(
            request,
            "system.html",
            state=state,
            python=f"{platform.python_implementation()} {platform.python_version()}",
            machine=f"{uname.sysname} {uname.release} ({uname.machine})",
            data_dir=engine.operations.data_directory.data_dir,
            disk=disk,
            floor=engine.uploads.limits.min_free_bytes,
            blobs=blobs,
            revision=revision,
            models=len(definitions.models),
            processes=len(definitions.processes),
            mistakes=definitions.mistakes,
            fsck=engine.operations.fsck_process,
            settings=self._site.facts.settings,
        )

    async def _reload(self, request: web.Request) -> web.StreamResponse:
        await self._site.form(request)
        problems = await asyncio.to_thread(self._engine.definitions.reload)
        log.info("definitions reloaded", problems=len(problems))
        raise self._site.see(PATH, notice=None if problems else "definitions-reloaded")

    async def _check(self, request: web.Request) -> web.StreamResponse:
        deep = bool((await self._site.form(request)).get("deep"))
        started = self._engine.operations.fsck_process.start(deep=deep)
        raise self._site.see(PATH, notice="check-started" if started else "check-running")
