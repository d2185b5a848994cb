"""Shows stored values to people."""

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

import orjson

from server.mapping.record.export import Field
from server.mapping.values.types.structured import PARTS

SHORT = 80
LONG = 20_000
MOST_ITEMS = 50


class Shown(NamedTuple):
    """A value as a page shows it. `kind` is text, number, list, code, time or none; `more` values are left out."""

    kind: str
    text: str = ""
    href: str | None = None
    items: Sequence["Shown"] = ()
    more: int = 0


NONE = Shown("none")


def shown(field: Field, value: object, length: int = SHORT) -> Shown:
    """Returns how a page shows a value of `Field.read`; it cuts texts longer than `length`."""
    if value is None:
        return NONE
    if isinstance(value, list) and not _is(field, "json"):
        most = MOST_ITEMS if length > SHORT else 3
        return Shown("list", items=[_one(field, item, length) for item in value[:most]], more=max(0, len(value) - most))
    return _one(field, value, length)


def _one(field: Field, value: object, length: int) -> Shown:
    if field.refers_to and isinstance(value, int) and not isinstance(value, bool):
        return Shown("ref", f"{field.refers_to} {value}", f"/admin/records/{quote(field.refers_to)}/{value}")
    if isinstance(value, bool):
        return Shown("text", "true" if value else "false")
    if isinstance(value, int | float):
        return Shown("number", str(value))
    if isinstance(value, dict | list):
        words = _parts(field, value)
        return Shown("text", cut(words, length)) if words else Shown("code", cut(_json(value), length))
    text = str(value)
    if _is(field, "datetime"):
        return Shown("time", text)
    return Shown("text", cut(text, length), _address(field, text) if length > SHORT else None)


def _is(field: Field, type_: str) -> bool:
    return field.name is not None and field.name.type == type_


def _parts(field: Field, value: object) -> str:
    """Returns the parts of a person's name or a postal address in their usual order."""
    type_ = field.name.type if field.name is not None else ""
    if not isinstance(value, dict) or type_ not in PARTS:
        return ""
    between = " " if type_ == "person-name" else ", "
    return between.join(str(value[part]) for part in PARTS[type_] if value.get(part))


def _address(field: Field, text: str) -> str | None:
    """Returns the address of a link that a browser can open safely; None for other texts."""
    return text if _is(field, "url") and text.lower().startswith(("http://", "https://")) else None


def _json(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # nested too deeply
        return "…"


def cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "…"
