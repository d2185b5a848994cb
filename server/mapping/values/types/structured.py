"""Values with parts, a person's name and a postal address, which are stored as compact JSON text.

The parts are collected in a pseudo destination (`value:person-name`), or the input has them as one JSON object.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache

import orjson
import pycountry

from server.mapping.model.model import Destination, Name
from server.mapping.model.scope import Scope
from server.mapping.values.javascript import NOTHING, is_skipped, is_truthy, js_text
from server.mapping.values.setup import Converter, Lost, Want

PERSON_NAME = ("title", "first", "middle", "last", "suffix")
POSTAL_ADDRESS = ("street1", "street2", "city", "county", "postcode", "country")

PARTS: Mapping[str, tuple[str, ...]] = {"person-name": PERSON_NAME, "postal-address": POSTAL_ADDRESS}


def _pseudo(type_: str, label: str, required: str) -> Destination:
    names = {part: Name(part, required=part == required, column=part) for part in PARTS[type_]}
    return Destination(f"value:{type_}", "", "dictionary", names, label=label, optional=True)


PSEUDO_DESTINATIONS: Mapping[str, Destination] = {
    destination.name: destination
    for destination in (
        _pseudo("person-name", "Person's name, in parts", "last"),
        _pseudo("postal-address", "Postal address, in parts", "country"),
    )
}


def display_text(stored: str) -> str:
    """Returns a stored value as people read it: the parts joined, the values of a list one to a line."""
    if stored[:1] not in ("{", "["):
        return stored
    try:
        value = orjson.loads(stored)
    except orjson.JSONDecodeError:
        return stored
    return _display(value) or stored


def _display(value: object) -> str:
    if isinstance(value, list):
        return "\n".join(_display(display_or(item)) for item in value)
    if not isinstance(value, dict):
        return js_text(value)
    if "country" in value:
        return ", ".join(_present(value, POSTAL_ADDRESS))
    return " ".join(_present(value, PERSON_NAME))


def display_or(item: object) -> object:
    """Parses an element of a list of structured values, which is JSON text itself."""
    if not isinstance(item, str) or not item.startswith("{"):
        return item
    try:
        return orjson.loads(item)
    except orjson.JSONDecodeError:
        return item


def _present(value: Mapping[str, object], parts: Iterable[str]) -> list[str]:
    return [js_text(value[part]) for part in parts if is_truthy(value.get(part, NOTHING))]


def json_text(value: object) -> str | None:
    """Returns compact JSON, or None for what it cannot hold: too deep values, integers beyond 64 bits."""
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError, RecursionError):
        return None


def _only(want: Want, value: Mapping[str, object], parts: tuple[str, ...], scope: Scope) -> object:
    """Returns the known parts as JSON text. A part that is unknown, or is a list or an object, is lost."""
    kept: dict[str, str] = {}
    for key, part in value.items():
        if key in parts and is_truthy(part) and not isinstance(part, dict | list):
            kept[key] = js_text(part)
        elif not is_skipped(part):
            want.lose(scope, {key: part}, f"is not stored; parts of the value are {', '.join(parts)}, each a text")
    return json_text(kept) or NOTHING


def person_name(want: Want) -> Converter:
    def convert(value: object, scope: Scope) -> object:
        if not isinstance(value, dict) or not is_truthy(value.get("last", NOTHING)):
            return NOTHING
        if isinstance(value["last"], dict | list):
            return NOTHING
        return _only(want, value, PERSON_NAME, scope)

    return convert


@cache
def country_codes() -> frozenset[str]:
    return frozenset(country.alpha_2 for country in pycountry.countries)


def postal_address(want: Want) -> Converter:
    known = country_codes()

    def convert(value: object, scope: Scope) -> object:
        if not isinstance(value, dict | list):
            return NOTHING
        country = value.get("country") if isinstance(value, dict) else None
        if not isinstance(country, str) or len(country) != 2:
            return Lost(
                "Missing or invalid country code in postal address, must be two letter ISO code: " + _json(value)
            )
        if country not in known:
            return Lost(f"Invalid postal address: {_json(value)} (Postal addresses must use a recognised country)")
        return _only(want, value, POSTAL_ADDRESS, scope) if isinstance(value, dict) else NOTHING

    return convert


def _json(value: object) -> str:
    return json_text(value) or js_text(value)


STRUCTURED: Mapping[str, Callable[[Want], Converter]] = {"person-name": person_name, "postal-address": postal_address}
