"""A new import, first half: choose a process and send files, which are checked before anything is imported."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from urllib.parse import urlencode

import orjson
from aiohttp import web

from server.admin.definitions.processes import reads, writes
from server.admin.site import VISITOR, Site
from server.engine.definitions.definitions import control_read_as
from server.engine.errors import ControlNotFound, RequestInvalid
from server.engine.review.templates import Role, roles_of, template_of
from server.engine.uploads.uploads import Form, Upload
from server.mapping.language.processes import Process
from server.mapping.language.reading import CHOICES, choices_of
from server.readers.formats import FORMATS

PATH = "/admin/new-import"
LONGEST_COMMENT = 1000
MOST_ROLES = 64
FIELDS = ("file", *(f"file-{number}" for number in range(MOST_ROLES)))


@dataclass(frozen=True, slots=True)
class Chosen:
    """The process, or the control file, that imports the files."""

    process: Process | None
    digest: str | None
    content: bytes
    roles: list[Role]
    options: list[str]  # options that one import may set otherwise

    @property
    def query(self) -> str:
        return urlencode({"process": self.process.id} if self.process else {"control": self.digest})


@dataclass(slots=True)
class Assigned:
    """The uploads by role, and what is wrong with them."""

    files: list[tuple[str, Upload]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class NewImportPages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._engine = site.engine

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get(PATH, self._begin)
        yield web.post(PATH, self._send)
        yield web.get(f"{PATH}/template", self._template)

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        if "process" in request.query or "control" in request.query:
            return await self._form(request, await self._chosen(request.query))
        processes = sorted(self._engine.definitions.processes.values(), key=lambda process: process.label.lower())
        return await self._site.page(request, "new_import_choose.html", processes=processes, reads=reads, writes=writes)

    async def _send(self, request: web.Request) -> web.StreamResponse:
        async with await self._site.files(request, FIELDS) as form:
            chosen = await self._chosen({**request.query, **form.fields})
            assigned = assign(chosen.roles, form)
            comment = form.fields.get("comment", "").strip()[:LONGEST_COMMENT]
            content = self._read_otherwise(chosen, form.fields, assigned.problems)
            if assigned.problems:
                return await self._form(request, chosen, form.fields, assigned.problems)
            batch = await self._engine.review.proposals.propose(
                assigned.files,
                content,
                process=chosen.process.id if chosen.process else None,
                comment=comment or ", ".join(dict.fromkeys(upload.filename for _, upload in assigned.files)),
                key=request[VISITOR].key,
            )
        raise self._site.see(f"{PATH}/{batch.identifier}")

    async def _template(self, request: web.Request) -> web.StreamResponse:
        chosen = await self._chosen(request.query)
        wanted = request.query.get("file") or None
        role = next((role for role in chosen.roles if role.name == wanted and role.has_template), None)
        if role is None:
            raise web.HTTPNotFound
        called = role.name or (chosen.process.id if chosen.process else "template")
        template = template_of(role, "".join(c if c.isascii() and c.isalnum() else "-" for c in called))
        disposition = f'attachment; filename="{template.filename}"'
        headers = {"Content-Disposition": disposition, "Content-Type": template.kind}
        return web.Response(body=template.content, headers=headers)

    async def _chosen(self, fields: Mapping[str, str]) -> Chosen:
        id = fields.get("process") or None
        process = None if id is None else self._engine.definitions.process(id)
        digest = None if process else fields.get("control", "")
        content = await self._engine.review.proposals.control(id, digest)
        control = process.control if process else orjson.loads(content)  # as its author wrote it
        model = self._engine.definitions.models.get(str(control.get("model")))
        if model is None:
            raise ControlNotFound(f"{digest}: its model {control.get('model')} is not there any more")
        roles = await asyncio.to_thread(roles_of, control, model, MOST_ROLES)
        return Chosen(process, digest, content, roles, choices_of(control, model, FORMATS))

    def _read_otherwise(self, chosen: Chosen, fields: Mapping[str, str], problems: list[str]) -> bytes:
        """Returns the control file with the options that were chosen in the form."""
        texts, models = {key: fields.get(key) for key in CHOICES}, self._engine.definitions.models
        try:
            return control_read_as(orjson.loads(chosen.content), texts, models) or chosen.content
        except RequestInvalid as error:
            problems.append(f"{error}.")
            return chosen.content

    async def _form(
        self, request: web.Request, chosen: Chosen, given: Mapping[str, str] | None = None, problems: Iterable[str] = ()
    ) -> web.StreamResponse:
        listed = list(problems)
        return await self._site.page(
            request,
            "new_import.html",
            status=400 if listed else 200,
            chosen=chosen,
            fields=[(field_of(number, role), role) for number, role in enumerate(chosen.roles)],
            options=chosen.options,
            chosen_options={key: text for key, text in (given or {}).items() if key in CHOICES and text},
            comment=(given or {}).get("comment", ""),
            problems=listed,
            limit=self._engine.uploads.limits.max_upload_bytes,
        )


def field_of(number: int, role: Role) -> str:
    """Returns the name of a role's field in the form."""
    return "file" if role.name is None else f"file-{number}"


def assign(roles: list[Role], form: Form) -> Assigned:
    """Assigns each file a role: by its form field, else by its own name, as the command line does."""
    found = Assigned()
    by_field = {field_of(number, role): role.name for number, role in enumerate(roles)}
    for upload in form.uploads:
        role = by_field.get(upload.name) or _by_name(upload.filename, roles)
        if role is None:
            known = ", ".join(role.name for role in roles if role.name)
            found.problems.append(
                f"{upload.filename}: no file of this name is known here; known are {known or 'none'}."
            )
        elif not upload.size:
            found.problems.append(f"{upload.filename} is empty. Choose a file with records in it.")
        elif role in (other for other, _ in found.files):
            found.problems.append(f"There are two files for {role}. Leave one out, or rename it.")
        else:
            found.files.append((role, upload))
    if not form.uploads:
        found.problems.append("Choose a file to import.")
    return found


def _by_name(filename: str, roles: list[Role]) -> str | None:
    named = [role.name for role in roles if role.name is not None]
    for own in (filename, PurePath(filename).stem):
        if own in named:
            return own
    if len(named) < len(roles):
        return filename or "data"
    return named[0] if len(named) == 1 else None
