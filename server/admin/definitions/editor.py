"""The form that edits, checks and saves a model or a process."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

from server.admin.definitions.document_view import laid_out, numbered, sent_document
from server.admin.site import Site
from server.engine.definitions.authoring import Kind, Review
from server.engine.errors import NotSaved


@dataclass(frozen=True, slots=True)
class Words:
    """`one` is the word for a document of this kind, `named` the key of the document that holds its name."""

    kind: Kind
    one: str
    named: str
    path: str
    start: str


class Editor:
    def __init__(self, site: Site, words: Words) -> None:
        self._site = site
        self._engine = site.engine
        self._words = words

    async def write(self, request: web.Request) -> web.StreamResponse:
        """Shows an empty form."""
        return await self._form(request, self._words.start, {})

    async def change(self, request: web.Request, name: str, text: str, replaces: str | None) -> web.StreamResponse:
        """Shows the form with the saved document; `replaces` is its version."""
        return await self._form(request, text, {"replaces": replaces or "", "of": name})

    async def save(self, request: web.Request) -> web.StreamResponse:
        form = await self._site.small_form(request)
        content = sent_document(form)
        if not content.strip():
            asked = f"Choose a file, or write the {self._words.one} into the field."
            return await self._form(request, "", form.fields, problem=asked)
        replaces = form.fields.get("replaces") or None
        anyway = "anyway" in form.fields
        try:
            review = await self._engine.authoring.save(self._words.kind, content, replaces=replaces, anyway=anyway)
        except NotSaved as error:
            return await self._refused(request, content, form.fields, Review(), str(error))
        if review.saved:
            raise self._site.see(f"{self._words.path}/{quote(review.name)}", f"{self._words.one}-saved")
        return await self._refused(request, content, form.fields, review)

    async def _refused(
        self, request: web.Request, content: bytes, fields: Mapping[str, str], review: Review, problem: str = ""
    ) -> web.StreamResponse:
        """Shows the messages under their lines; a document on one long line is laid out anew first."""
        shown = laid_out(content)
        if shown != content:
            review = await self._engine.authoring.review(self._words.kind, shown)
        return await self._form(request, shown.decode("utf-8", "replace"), fields, shown, review, problem)

    async def _form(
        self,
        request: web.Request,
        text: str,
        fields: Mapping[str, str],
        content: bytes = b"",
        review: Review | None = None,
        problem: str = "",
    ) -> web.StreamResponse:
        review = review or Review(replaces=fields.get("replaces") or None)
        known = fields.get("replaces") or None
        return await self._site.page(
            request,
            "definition_edit.html",
            status=400 if request.method == "POST" else 200,
            words=self._words,
            of=fields.get("of", ""),
            text=text,
            too_long=len(text.encode()) > self._engine.uploads.limits.max_field_bytes,
            problems=[problem] if problem else [],
            document=numbered(content, review) if content else None,
            review=review,
            known=known,
            taken=bool(content) and not review.faults and not problem and review.replaces != known,
        )
