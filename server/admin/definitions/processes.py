"""The pages of processes: the list, one process, how programs call it, and its editor."""

import shlex
from collections.abc import Iterable, Iterator, Mapping

import orjson
from aiohttp import web

from server.admin.definitions.editor import Editor, Words
from server.admin.site import Site
from server.mapping.language.control import ACTIONS
from server.mapping.language.flows import flows
from server.mapping.language.processes import Process
from server.web.dialect import DescribedDialect, Example
from server.web.links import site_of

PATH = "/admin/processes"
START = """{
  "id": "people-feed",
  "label": "People feed",
  "description": "",
  "model": "example:people",
  "destination": "profile",
  "read": "json-lines",
  "write": "upsert",
  "columns": {"column of the file": "Name of the destination"}
}
"""
WRITES: Mapping[str, str] = {"new": "creates", "upsert": "creates or updates", "load": "updates", "delete": "deletes"}


class ProcessesPages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._engine = site.engine
        self._editor = Editor(site, Words("processes", "process", "id", PATH, START))

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get(PATH, self._list)
        yield web.get(f"{PATH}/-/new", self._editor.write)
        yield web.get(f"{PATH}/-/change", self._change)
        yield web.post(f"{PATH}/-/save", self._editor.save)
        yield web.get(PATH + "/{id:.+}", self._show)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        processes = sorted(self._engine.definitions.processes.values(), key=lambda process: process.label.lower())
        latest = await self._engine.control_files.latest_of([process.id for process in processes])
        return await self._site.page(
            request,
            "processes.html",
            processes=processes,
            latest=latest,
            jobs=await self._engine.monitoring.listing.jobs_of(latest.values()),
            reads=reads,
            writes=writes,
        )

    async def _show(self, request: web.Request) -> web.StreamResponse:
        process = self._engine.definitions.process(request.match_info["id"])
        definitions = self._engine.definitions
        latest = await self._engine.control_files.latest_of([process.id])
        return await self._site.page(
            request,
            "process.html",
            process=process,
            latest=latest.get(process.id),
            jobs=await self._engine.monitoring.listing.jobs_of(latest.values()),
            reads=reads(process),
            writes=writes(process),
            flows=flows(process.control, definitions.models[process.model]),
            options=_options,
            control=_pretty(process.control),
            examples=list(examples(self._site.dialects, process, site_of(request, self._engine.config.public_url))),
            file=definitions.process_files.get(process.id),
        )

    async def _change(self, request: web.Request) -> web.StreamResponse:
        """Shows the process in the editor. A control file of its own becomes part of the process when saved."""
        process = self._engine.definitions.process(request.query.get("id", ""))
        source = await self._engine.authoring.source("processes", process.id)
        if source is None:
            return self._site.fail(request, 409, f"the file of the process {process.id} is gone; see the page System")
        return await self._editor.change(request, process.id, _whole(source.text, process), source.version)


def reads(process: Process) -> Mapping[str, str]:
    """Returns the reader of each file."""
    return {name: str(entry.get("read", "")) for name, entry in process.files.items() if isinstance(entry, dict)}


def writes(process: Process) -> str:
    """Returns in words what the process does to rows."""
    actions = dict.fromkeys(_actions(process.control.get("instructions")))
    return ", ".join(words for action, words in WRITES.items() if action in actions) or "creates"


def examples(dialects: Iterable[DescribedDialect], process: Process, base: str) -> Iterator[Example]:
    """Yields a command line for each API that can run the process, and one for the server's own machine."""
    for dialect in dialects:
        yield from dialect.examples(process, base)
    command = f"penstock import FILE --process {shlex.quote(process.id)} --wait"
    yield Example("The command line, on the server", "", "", command)


def _actions(instructions: object) -> Iterator[str]:
    for instruction in instructions if isinstance(instructions, list) else ():
        if isinstance(instruction, dict):
            action = str(instruction.get("action") or "field")
            yield action
            for key in ACTIONS[action].nested if action in ACTIONS else ():
                yield from _actions(instruction.get(key))


def _options(options: Mapping[str, object]) -> str:
    return "; ".join(f"{key}: {value if isinstance(value, str) else _compact(value)}" for key, value in options.items())


def _compact(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # nested too deeply
        return "…"


def _pretty(document: object) -> str:
    try:
        return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
    except TypeError:
        return repr(document)


def _whole(text: str, process: Process) -> str:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    if isinstance(document, dict) and isinstance(document.get("control"), str):
        return _pretty(document | {"control": process.control}) + "\n"
    return text
