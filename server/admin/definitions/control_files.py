"""The pages of control files: the list, one file, and the upload form."""

import asyncio
from collections.abc import Iterable, Mapping
from itertools import islice

import orjson
from aiohttp import web

from server.admin.definitions.document_view import BOM, laid_out, numbered, sent_document
from server.admin.definitions.skeletons import skeleton_for
from server.admin.site import Site
from server.engine.definitions.authoring import Review
from server.engine.definitions.control_files import MOST_COUNTED
from server.engine.errors import ControlInvalid

PATH = "/admin/control-files"
DIGEST = "{digest:[0-9a-f]{64}}"
APIS: Mapping[str, str] = {
    "haplo-batch": "clients of the Batch API make batches with it, by its digest",
    "admin": "imports that are made on this site",
}
UNNAMED = "Unnamed control file"
LONGEST_COMMENT = 1000
MOST_FILES = 100  # listed on a page


class ControlFilesPages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._engine = site.engine

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get(PATH, self._list)
        yield web.get(f"{PATH}/new", self._ask)
        yield web.post(f"{PATH}/new", self._add)
        yield web.get(f"{PATH}/{DIGEST}", self._show)
        yield web.get(f"{PATH}/{DIGEST}/download", self._download)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        before = place(request.query.get("before"))
        found = await self._engine.control_files.page(before=before)
        return await self._site.page(request, "control_files.html", found=found, first=before, most=MOST_COUNTED)

    async def _show(self, request: web.Request) -> web.StreamResponse:
        before = place(request.query.get("before"))
        stored = await self._engine.control_files.get(request.match_info["digest"], before=before)
        content = None if stored.content is None else await asyncio.to_thread(laid_out, stored.content)
        review = Review() if content is None else await self._engine.authoring.review_control(content)
        return await self._site.page(
            request,
            "control_file.html",
            stored=stored,
            size=None if stored.content is None else len(stored.content),
            facts=await asyncio.to_thread(_facts, content),
            document=None if content is None else await asyncio.to_thread(numbered, content, review),
            jobs=await self._engine.monitoring.listing.jobs_of(stored.batches),
            first=before,
        )

    async def _download(self, request: web.Request) -> web.StreamResponse:
        digest = request.match_info["digest"]
        stored = await self._engine.control_files.get(digest)
        if stored.content is None:
            raise web.HTTPNotFound
        headers = {"Content-Disposition": f'attachment; filename="control-{digest[:10]}.json"'}
        return web.Response(body=stored.content, content_type="application/json", headers=headers)

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        """Shows the form, empty or with the skeleton that the query asks for."""
        skeleton = skeleton_for(self._engine.authoring, request) if "model" in request.query else None
        text = "" if skeleton is None else skeleton.text
        return await self._form(request, {"text": text, "comment": skeleton.comment if skeleton else ""})

    async def _add(self, request: web.Request) -> web.StreamResponse:
        form = await self._site.small_form(request)
        content = sent_document(form)
        if not content.strip():
            return await self._form(request, form.fields, ["Choose a file, or write the control file into the field."])
        api = form.fields.get("api", "haplo-batch")
        if api not in APIS:
            return await self._form(request, form.fields, ["Choose who may use the control file."], content)
        comment = form.fields.get("comment", "").strip()[:LONGEST_COMMENT] or UNNAMED
        try:
            digest = await self._engine.batches.add_control(api, content, comment)
        except ControlInvalid:
            return await self._form(request, form.fields, [], content)
        raise self._site.see(f"{PATH}/{digest}", "control-file-added")

    async def _form(
        self, request: web.Request, fields: Mapping[str, str], problems: Iterable[str] = (), content: bytes = b""
    ) -> web.StreamResponse:
        """Shows the form again, with what was sent and what is wrong with it."""
        shown = await asyncio.to_thread(laid_out, content)
        review = await self._engine.authoring.review_control(shown) if content else Review()
        text = shown.decode("utf-8", "replace") if content else fields.get("text", "")
        return await self._site.page(
            request,
            "control_file_new.html",
            status=400 if request.method == "POST" else 200,
            fields={"api": "haplo-batch", "comment": ""} | dict(fields),
            text=text,
            too_long=len(text.encode()) > self._engine.uploads.limits.max_field_bytes,
            problems=list(problems),
            document=await asyncio.to_thread(numbered, shown, review) if content else None,
            apis=APIS,
        )


def place(text: str | None) -> int | None:
    """Returns the id after which a page begins; None for a text that is not an id."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 18 else None


def _facts(content: bytes | None) -> Mapping[str, object]:
    """Returns the model and readers that the control file names, as far as it can be read."""
    try:
        document = orjson.loads((content or b"{}").removeprefix(BOM))
    except orjson.JSONDecodeError:
        return {"model": "", "files": {}, "more": 0}
    document = document if isinstance(document, dict) else {}
    files = document.get("files")
    listed = files if isinstance(files, dict) else {}
    readers = {
        name: str(entry.get("read", ""))
        for name, entry in islice(listed.items(), MOST_FILES)
        if isinstance(entry, dict)
    }
    return {"model": str(document.get("model", "")), "files": readers, "more": max(0, len(listed) - MOST_FILES)}
