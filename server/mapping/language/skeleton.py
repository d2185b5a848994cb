"""Writes a control file to start from: every Name of a model once, with sources for its author to fill in."""

from collections.abc import Collection, Iterator, Mapping

from server.mapping.model.model import Destination, Model, Name
from server.mapping.values.types.structured import PARTS

_OPTIONS: Mapping[str, Mapping[str, object]] = {
    "datetime": {"dateFormat": "yyyy-MM-dd"},
    "boolean": {"trueValue": "true", "falseValue": "false"},
    "telephone-number": {"country": "GB"},
    "ref": {"filters": ["haplo:string-to-ref"]},
}


def generate_skeleton(
    model: Model, chosen: Collection[tuple[str, str]] | None = None, read: str = "json"
) -> dict[str, object]:
    """Returns a valid control file for chosen pairs of destination and Name, or for all of them."""
    instructions: list[dict[str, object]] = []
    for destination in model.destinations.values():
        names = [n for n in destination.names.values() if chosen is None or (destination.name, n.name) in chosen]
        if names or (chosen is None and not destination.optional):
            instructions += _destination(destination, names)
    return {
        "dataImportControlFileVersion": 0,
        "model": model.name,
        "files": {"DEFAULT": {"read": read}},
        "instructions": instructions,
    }


def _destination(destination: Destination, names: Collection[Name]) -> Iterator[dict[str, object]]:
    if destination.depends is None:
        yield {"action": "new", "destination": destination.name}
    for name in names:
        yield from _name(destination.name, name)


def _name(destination: str, name: Name) -> Iterator[dict[str, object]]:
    target: dict[str, object] = {"destination": destination, "name": name.name}
    if name.multivalue:
        target["multivalue"] = True
    if name.type not in PARTS:
        yield {"source": f"TODO-{name.name}", **target, **_OPTIONS.get(name.type, {})}
        return
    pseudo = f"value:{name.type}"
    for part in PARTS[name.type]:
        yield {"source": f"TODO-{name.name}-{part}", "destination": pseudo, "name": part}
    yield {"action": "field-structured", "structured": pseudo, **target}
