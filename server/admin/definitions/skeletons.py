"""Makes the skeleton of a control file from the query of a page: model, destinations, Names and reader."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import orjson
from aiohttp import web

from server.engine.definitions.authoring import Authoring
from server.mapping.language.skeleton import generate_skeleton
from server.mapping.model.model import Destination, Model, Name
from server.readers.formats import FORMATS

OFFERED = tuple(name for name, format in FORMATS.items() if format.is_offered)


@dataclass(frozen=True, slots=True)
class Skeleton:
    """`picked` are the positions of the chosen Names (`0-3`: the fourth of the first destination); none means all."""

    model: Model
    reader: str
    picked: frozenset[str]
    text: str

    @property
    def comment(self) -> str:
        return f"From the model {self.model.label or self.model.name}"

    @property
    def query(self) -> str:
        pairs = [
            ("model", self.model.name),
            ("reader", self.reader),
            *(("pick", place) for place in sorted(self.picked)),
        ]
        return urlencode(pairs)


def skeleton_for(authoring: Authoring, request: web.Request) -> Skeleton:
    """Returns the skeleton; raises ModelNotFound."""
    query = request.query
    model = authoring.model(query.get("model", ""))
    reader = query.get("reader", "json")
    reader = reader if reader in OFFERED else "json"
    asked = set(query.getall("pick", []))
    picked = {place: (destination, name) for place, destination, name in places_of(model) if place in asked}
    chosen = {(destination.name, name.name) for destination, name in picked.values()}
    document = generate_skeleton(model, chosen or None, reader)
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
    return Skeleton(model, reader, frozenset(picked), text)


def places_of(model: Model) -> Iterator[tuple[str, Destination, Name]]:
    for number, destination in enumerate(model.destinations.values()):
        for index, name in enumerate(destination.names.values()):
            yield f"{number}-{index}", destination, name
