"""What a type expects instead of a value that it cannot store, in words."""

from collections.abc import Mapping

from server.mapping.values.javascript import js_text
from server.mapping.values.types.dates import ISO_8601
from server.mapping.values.types.structured import PERSON_NAME, POSTAL_ADDRESS

_EXPECTED: Mapping[str, str] = {
    "text": "a text, a number, true or false",
    "ref": "one that leads to a row that is there",
    "object-type": "the code of a type of the model",
    "json": "an object or a list",
    "email-address": "an address such as name@example.org",
    "url": "an address with its scheme, such as https://example.org",
    "telephone-number": "one telephone number, with its country where that is another one: +44 20 7946 0000",
    "text-paragraph": "a text that is not empty",
    "text-multiline": "a text that is not empty",
    "isbn": "a text that is not empty",
    "configuration-name": "a name such as example:name",
    "person-name": f"an object with {', '.join(PERSON_NAME)}, of which last is needed",
    "postal-address": f"an object with {', '.join(POSTAL_ADDRESS)}, of which the two letters of the country are needed",
}


def expected_for(type_: str, action: Mapping[str, object]) -> str:
    """Returns what an instruction takes for a Name of the type."""
    if type_ == "boolean":
        return f"one of {_words(action, 'trueValue', 'true')} and {_words(action, 'falseValue', 'false')}"
    if type_ in ("integer", "number", "decimal"):
        return _number(type_, action.get("decimal"))
    if type_ in ("date", "datetime"):
        return _date(type_, action.get("dateFormat"))
    return _EXPECTED.get(type_, f"a value of the type {type_}")


def _words(action: Mapping[str, object], key: str, default: str) -> str:
    words = action.get(key, default)
    return "/".join(map(js_text, words)) if isinstance(words, list) else js_text(words)


def _number(type_: str, mark: object) -> str:
    if type_ == "integer":
        return "a whole number such as 1250" + (
            f' (its digits may be grouped; "{mark}" is the decimal mark)' if mark else ""
        )
    if mark is not None:
        return f'a number such as 1250{js_text(mark)}5; "{js_text(mark)}" is the decimal mark'
    return 'a number such as 1250.5; where digits are grouped or the decimal mark is another, name it: "decimal": ","'


def _date(type_: str, pattern: object) -> str:
    if not isinstance(pattern, str) or pattern == ISO_8601:
        example = "2026-01-31" if type_ == "date" else "2026-01-31T10:15:00Z"
        return f'a date such as {example}; where dates are written otherwise, name it: "format": "dd/MM/yyyy"'
    return f"a date in the form {pattern}"
