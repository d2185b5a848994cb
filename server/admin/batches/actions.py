"""The actions on a batch; each has a page that asks for confirmation."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from aiohttp import web

from server.admin.batches.listing import path_of
from server.admin.site import VISITOR, Site
from server.engine.batches.copying import ENDED
from server.engine.batches.listing import FINAL, Batch
from server.engine.errors import BatchWrongState, RequestInvalid


@dataclass(frozen=True, slots=True)
class Action:
    """An action and its question, in Haplo's words where Haplo has them; `notice` names what is said afterwards."""

    label: str
    question: str
    button: str
    states: tuple[str, ...]
    notice: str
    kind: str = ""
    warning: str = ""


ACTIONS: Mapping[str, Action] = {
    "dry-run": Action(
        label="Dry run…",
        question="Run the import in dry run mode? Data will be checked but not imported.",
        button="Dry run",
        states=("ready",),
        notice="dry-run-scheduled",
        kind="quiet",
    ),
    "import": Action(
        label="Import data…",
        question="Import this data?",
        button="Import data",
        states=("ready",),
        notice="import-scheduled",
        warning="Rows are created and changed as the control file says. A dry run shows beforehand what would happen.",
    ),
    "copy": Action(
        label="Copy as new batch…",
        question="Copy this batch? The copy has the same control file and the same files, and waits to be run.",
        button="Copy",
        states=ENDED,
        notice="batch-copied",
        kind="quiet",
        warning="A copy sends no mail at its end, even if the original batch did.",
    ),
    "load-again": Action(
        label="Load again…",
        question="Load this workbook again, now? It becomes a transaction of its own.",
        button="Load again",
        states=ENDED,
        notice="import-scheduled",
        kind="quiet",
        warning="Rows that were added before are added again, unless their key shows that they exist already.",
    ),
    "cancel": Action(
        label="Cancel…",
        question="Cancel this batch?",
        button="Cancel the batch",
        states=("scheduled", "running"),
        notice="batch-cancelled",
        kind="danger",
        warning="A running batch stops at its next checkpoint; what it has imported until then stays.",
    ),
}


def possible(batch: Batch) -> dict[str, Action]:
    """Returns the actions that the batch's state allows."""
    return {name: action for name, action in ACTIONS.items() if _allows(batch, name, action)}


def _allows(batch: Batch, name: str, action: Action) -> bool:
    if name in ("copy", "load-again"):
        return batch.state in action.states and (name == "copy") == (batch.control is not None)
    return batch.state in action.states


class BatchActionPages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._engine = site.engine
        self._does: Mapping[str, Callable[[web.Request, Batch], Awaitable[web.HTTPSeeOther]]] = {
            "dry-run": self._dry_run,
            "import": self._import,
            "copy": self._copy,
            "load-again": self._load_again,
            "cancel": self._cancel,
        }

    def routes(self) -> Iterable[web.RouteDef]:
        for name in ACTIONS:
            yield web.get(f"/admin/batches/{{id}}/{name}", self._ask)
            yield web.post(f"/admin/batches/{{id}}/{name}", self._do)

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        name, batch = await self._named(request)
        if name not in possible(batch):
            return await self._too_late(request, name, batch)
        return await self._confirmation(request, name, batch)

    async def _do(self, request: web.Request) -> web.StreamResponse:
        await self._site.form(request)
        name, batch = await self._named(request)
        if name not in possible(batch):
            return await self._too_late(request, name, batch)
        try:
            raise await self._does[name](request, batch)
        except BatchWrongState:
            return await self._too_late(request, name, await self._engine.batches.get(None, batch.identifier))

    async def _named(self, request: web.Request) -> tuple[str, Batch]:
        return request.path.rpartition("/")[2], await self._engine.batches.get(None, request.match_info["id"])

    async def _too_late(self, request: web.Request, name: str, batch: Batch) -> web.StreamResponse:
        action = ACTIONS[name]
        needed = " or ".join(repr(state) for state in action.states)
        problem = f"The batch is now in the state {batch.state!r}, and this needs {needed}: another person was quicker."
        if batch.state in action.states:
            problem = "This cannot be done with a batch of this kind."
        elif batch.state == "uploading":
            problem = "The batch is still open for files: the program that made it sends them, and then schedules it."
        return await self._confirmation(request, name, batch, problem)

    async def _confirmation(
        self, request: web.Request, name: str, batch: Batch, problem: str | None = None
    ) -> web.StreamResponse:
        return await self._site.page(
            request,
            "batch_confirm.html",
            status=409 if problem else 200,
            batch=batch,
            action=ACTIONS[name],
            target=path_of(batch.identifier, f"/{name}"),
            files=await self._engine.batches.files(batch),
            problem=problem,
        )

    async def _dry_run(self, _request: web.Request, batch: Batch) -> web.HTTPSeeOther:
        await self._engine.batches.schedule(batch.api, batch.identifier, "dry-run", wanted="ready")
        return self._seen(batch, "dry-run")

    async def _import(self, _request: web.Request, batch: Batch) -> web.HTTPSeeOther:
        await self._engine.batches.schedule(batch.api, batch.identifier, "import", wanted="ready")
        return self._seen(batch, "import")

    async def _copy(self, request: web.Request, batch: Batch) -> web.HTTPSeeOther:
        return self._seen(await self._engine.batches.copy(batch.identifier, request[VISITOR].key), "copy")

    async def _load_again(self, request: web.Request, batch: Batch) -> web.HTTPSeeOther:
        transaction = batch.properties.get("transaction")
        if not isinstance(transaction, str):
            raise RequestInvalid("this batch has neither a control file nor a transaction; send its file again")
        state = await self._engine.voss.replay(transaction, request[VISITOR].key)
        return self._seen(await self._engine.batches.of_job(state.job), "load-again")

    async def _cancel(self, _request: web.Request, batch: Batch) -> web.HTTPSeeOther:
        if batch.job is None or (await self._engine.jobs.get(batch.job)).state in FINAL:
            raise BatchWrongState(batch.identifier, "running")
        job = await self._engine.jobs.cancel(batch.job)
        if job.state in FINAL and job.state != "cancelled":
            raise BatchWrongState(batch.identifier, "running")
        path = path_of(batch.identifier)
        return self._site.see(path, "batch-cancelled" if job.state == "cancelled" else "cancel-asked")

    def _seen(self, batch: Batch, name: str) -> web.HTTPSeeOther:
        return self._site.see(path_of(batch.identifier), ACTIONS[name].notice)
