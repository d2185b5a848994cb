"""The pages of models: the list, one model, its editor, and skeletons of control files."""

from collections.abc import Iterable

from aiohttp import web

from server.admin.definitions.editor import Editor, Words
from server.admin.definitions.skeletons import OFFERED, places_of, skeleton_for
from server.admin.site import Site
from server.mapping.model.model import Destination, Model, Name, qualified_column

PATH = "/admin/models"
START = """{
  "name": "example:things",
  "label": "Things",
  "destinations": [
    {
      "name": "thing",
      "table": "things",
      "kind": "dictionary",
      "key": ["code"],
      "names": {
        "code": {"type": "text", "required": true},
        "title": {"type": "text"}
      }
    }
  ]
}
"""


class ModelsPages:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._engine = site.engine
        self._editor = Editor(site, Words("models", "model", "name", PATH, START))

    def routes(self) -> Iterable[web.RouteDef]:
        yield web.get(PATH, self._list)
        yield web.get(f"{PATH}/-/new", self._editor.write)
        yield web.get(f"{PATH}/-/change", self._change)
        yield web.post(f"{PATH}/-/save", self._editor.save)
        yield web.get(f"{PATH}/-/control-file", self._skeleton)
        yield web.get(f"{PATH}/-/download", self._download)
        yield web.get(PATH + "/{name:.+}", self._show)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        models = sorted(self._engine.definitions.models.values(), key=lambda model: model.name)
        return await self._site.page(
            request, "models.html", models=models, built_in=self._engine.definitions.is_built_in
        )

    async def _show(self, request: web.Request) -> web.StreamResponse:
        model = self._engine.authoring.model(request.match_info["name"])
        definitions = self._engine.definitions
        return await self._site.page(
            request,
            "model.html",
            model=model,
            built_in=definitions.is_built_in(model.name),
            processes=[process for process in definitions.processes.values() if process.model == model.name],
            columns=columns_of,
        )

    async def _change(self, request: web.Request) -> web.StreamResponse:
        model = self._engine.authoring.model(request.query.get("name", ""))
        source = await self._engine.authoring.source("models", model.name)
        if source is None:
            return self._site.fail(request, 409, f"the model {model.name} is built in, or its file is gone")
        return await self._editor.change(request, model.name, source.text, source.version)

    async def _skeleton(self, request: web.Request) -> web.StreamResponse:
        skeleton = skeleton_for(self._engine.authoring, request)
        return await self._site.page(
            request,
            "model_skeleton.html",
            model=skeleton.model,
            skeleton=skeleton,
            places=_by_destination(skeleton.model),
            readers=OFFERED,
        )

    async def _download(self, request: web.Request) -> web.StreamResponse:
        """Shows a skeleton of a control file."""
        skeleton = skeleton_for(self._engine.authoring, request)
        headers = {"Content-Disposition": 'attachment; filename="control.json"'}
        return web.Response(body=skeleton.text.encode(), content_type="application/json", headers=headers)


def columns_of(model: Model, destination: Destination, name: Name) -> list[str]:
    """Returns the columns of a Name, with those of its qualifiers."""
    qualifiers = model.qualifiers if destination.kind == "object" else ()
    return [name.column, *(qualified_column(name, qualifier) for qualifier in qualifiers)]


def _by_destination(model: Model) -> list[tuple[Destination, list[tuple[str, Name]]]]:
    places = list(places_of(model))
    return [
        (destination, [(place, name) for place, owner, name in places if owner is destination])
        for destination in model.destinations.values()
    ]
