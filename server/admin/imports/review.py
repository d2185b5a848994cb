"""A new import, second half: the review of the check, and the decision to import, check again or abandon."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from urllib.parse import quote

from aiohttp import web

from server.admin.imports.review_view import PATH, review_view
from server.admin.site import VISITOR, Site
from server.engine.errors import BatchNotFound, RequestInvalid
from server.engine.review.proposals import Proposal
from server.mapping.language.reading import CHOICES

Fields = Mapping[str, str]


class ReviewPages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._engine = site.engine

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get(f"{PATH}/{{id}}", self._show)
        yield web.post(f"{PATH}/{{id}}/confirm", self._deciding(self._confirm))
        yield web.post(f"{PATH}/{{id}}/again", self._deciding(self._again))
        yield web.post(f"{PATH}/{{id}}/abandon", self._deciding(self._abandon))

    async def _show(self, request: web.Request) -> web.StreamResponse:
        identifier = request.match_info["id"]
        try:
            proposal = await self._engine.review.proposals.get(identifier)
        except BatchNotFound:
            await self._engine.batches.get(None, identifier)  # raises BatchNotFound where there is no such batch
            raise web.HTTPSeeOther(f"/admin/batches/{quote(identifier, safe='')}") from None
        return await self._page(request, proposal)

    def _deciding(
        self, decide: Callable[[web.Request, str, Fields], Awaitable[web.HTTPSeeOther]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            fields = await self._site.form(request)
            identifier = request.match_info["id"]
            try:
                raise await decide(request, identifier, fields)
            except RequestInvalid as error:
                proposal = await self._engine.review.proposals.get(identifier)
                return await self._page(request, proposal, str(error), _otherwise(fields))

        return handler

    async def _confirm(self, request: web.Request, identifier: str, _: Fields) -> web.HTTPSeeOther:
        batch = await self._engine.review.proposals.confirm(identifier, request[VISITOR].key)
        return self._site.see(f"/admin/batches/{batch.identifier}", "import-confirmed")

    async def _again(self, request: web.Request, identifier: str, fields: Fields) -> web.HTTPSeeOther:
        batch = await self._engine.review.proposals.recheck(identifier, request[VISITOR].key, _otherwise(fields))
        return self._site.see(f"{PATH}/{batch.identifier}", "check-again")

    async def _abandon(self, _request: web.Request, identifier: str, _: Fields) -> web.HTTPSeeOther:
        await self._engine.review.proposals.abandon(identifier)
        return self._site.see(f"{PATH}/{identifier}", "import-abandoned")

    async def _page(
        self,
        request: web.Request,
        proposal: Proposal,
        problem: str | None = None,
        otherwise: Fields | None = None,
    ) -> web.StreamResponse:
        process = self._engine.definitions.processes.get(proposal.batch.process or "")
        summary = await self._engine.review.summaries.of(proposal) if proposal.is_checked else None
        return await self._site.page(
            request,
            "review.html",
            status=409 if problem else 200,
            view=review_view(proposal, summary, process),
            summary=summary,
            job=proposal.job,
            problems=[f"{problem[:1].upper()}{problem[1:]}."] if problem else [],
            otherwise=otherwise or {},
        )


def _otherwise(fields: Fields) -> dict[str, str]:
    """Returns the options to read files with that were chosen in the form."""
    return {key: fields[key] for key in CHOICES if fields.get(key)}
