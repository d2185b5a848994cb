"""Date patterns of Java's SimpleDateFormat, each compiled once to a function from a text to ISO 8601 in UTC.

As in Java, text after the date is ignored (unless `whole`) as are blanks before a field, and the count of a letter
matters only where two numbers touch. Fields are atomic groups: each takes what it can and never backtracks, so that
no text is read twice. Unlike Java, month 13 is refused and not rolled over. The pattern `ISO 8601` is ours.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

DateParser = Callable[[str], str | None]

ISO_8601 = "ISO 8601"
WHOLE_TEXT = "wholeText"  # of an instruction: its dates are not followed by other text
LONGEST_PATTERN = 200  # characters
_KEPT = 4096  # texts and what they were read as
_LONGEST_KEPT = 64  # characters

_MONTHS = [
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
]  # fmt: skip
_DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_ZONES: Mapping[str, float] = {
    "utc": 0, "gmt": 0, "ut": 0, "z": 0, "wet": 0, "west": 1, "bst": 1, "cet": 1, "cest": 2, "eet": 2, "eest": 3,
    "msk": 3, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "jst": 9,
}  # fmt: skip

_NUMERIC = "yMdDHkKhmsSu"
_NAMED: Mapping[str, str] = {
    "a": "am|pm",
    "G": "ad|ce",
    "E": "|".join(f"{day}|{day[:3]}" for day in _DAYS),
    "L": "|".join(f"{month}|{month[:3]}" for month in _MONTHS),
    "z": r"(?:gmt|utc)?[+-][0-9]{1,2}:?[0-9]{2}|" + "|".join(sorted(_ZONES, key=len, reverse=True)),
    "X": r"z|[+-][0-9]{2}(?::?[0-9]{2})?",
}
_TOUCHING: Mapping[str, Sequence[str]] = {
    "z": (r"(?:gmt|utc)?[+-][0-9]{2}:?[0-9]{2}|" + "|".join(sorted(_ZONES, key=len, reverse=True)),),
    "X": ("z|[+-][0-9]{2}", "z|[+-][0-9]{4}", "z|[+-][0-9]{2}:[0-9]{2}"),
}  # by their count, before a number: zones of one length each
_LIMITS: Mapping[str, tuple[int, int]] = {
    "y": (1, 9999), "M": (1, 12), "d": (1, 31), "D": (1, 366), "H": (0, 23), "k": (1, 24), "K": (0, 11),
    "h": (1, 12), "m": (0, 59), "s": (0, 59), "S": (0, 999), "u": (1, 7),
}  # fmt: skip
LETTERS = frozenset(_NUMERIC + "aGELzZX")
_NOTHING_BEHIND = r"(?:[ T]00?:00(?::00(?:\.0{1,9})?)?Z?)?\s*\Z"
_TOKEN = re.compile(r"'(?:[^']|'')*'|([A-Za-z])\1*|[^A-Za-z']", re.DOTALL)


def date_parser(pattern: str, *, whole: bool = False) -> DateParser:
    """Compiles a pattern. Raises ValueError with the reason if the pattern cannot be used.

    `whole`: nothing may follow the date but blanks and a time of midnight.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"it is longer than {LONGEST_PATTERN} characters")
    return _remembering(_parse_iso if pattern == ISO_8601 else _compiled(pattern, whole))


def _remembering(parse: DateParser) -> DateParser:
    """Keeps results, as files repeat the same few days. Long texts are not kept, as they could fill the memory."""
    kept = lru_cache(maxsize=_KEPT)(parse)

    def remembered(text: str) -> str | None:
        return kept(text) if len(text) <= _LONGEST_KEPT else parse(text)

    return remembered


def _compiled(pattern: str, whole: bool) -> DateParser:
    tokens = _tokens(pattern)
    expression, letters = _expression(tokens)
    match = re.compile(expression + (_NOTHING_BEHIND if whole else ""), re.IGNORECASE | re.ASCII).match
    if letters == ["y", "M", "d"]:
        return _plain_date(match)
    return _any_date(match, letters)


def _tokens(pattern: str) -> list[tuple[str, int]]:
    """Splits a pattern into (letter, count) for a field and (text, 0) for what is between fields."""
    tokens, end = [], 0
    for found in _TOKEN.finditer(pattern):
        if found.start() != end:
            break
        end = found.end()
        tokens.append((found[1], len(found[0])) if found[1] else (_literal(found[0]), 0))
    if end != len(pattern):
        raise ValueError("a quote is not closed")
    for letter, count in tokens:
        if count and letter not in LETTERS:
            raise ValueError(f"the letter {letter} is not supported")
    return tokens


def _literal(text: str) -> str:
    if not text.startswith("'"):
        return text
    return "'" if text == "''" else text[1:-1].replace("''", "'")


def _expression(tokens: list[tuple[str, int]]) -> tuple[str, list[str]]:
    """Returns a regular expression with one group for each field, and the letters of the fields in that order."""
    parts: list[str] = []
    letters: list[str] = []
    for index, (letter, count) in enumerate(tokens):
        if not count:
            parts.append(re.escape(letter))
            continue
        field = _field(letter, count)
        touching = index + 1 < len(tokens) and tokens[index + 1][1] > 0 and _is_number(*tokens[index + 1])
        parts.append(rf"(?>[ \t]*({_shape(field, count, touching)}))")
        letters.append("yy" if letter == "y" and count <= 2 else field)
    return "".join(parts), letters


def _field(letter: str, count: int) -> str:
    if letter in "ML":
        return "L" if count > 2 else "M"
    return "z" if letter == "Z" else letter


def _is_number(letter: str, count: int) -> bool:
    return _field(letter, count) in _NUMERIC


def _shape(field: str, count: int, touching: bool) -> str:
    if touching and field in _TOUCHING:
        return _TOUCHING[field][min(count, len(_TOUCHING[field])) - 1]
    return _NAMED.get(field) or (f"[0-9]{{1,{count}}}" if touching else "[0-9]{1,12}")


Match = Callable[[str], "re.Match[str] | None"]


def _plain_date(match: Match) -> DateParser:
    """Reads the common case fast: only year, month and day, all numbers."""

    def parse(text: str) -> str | None:
        found = match(text)
        if found is None:
            return None
        year, month, day = found.groups()
        try:
            return date(int(year), int(month), int(day)).isoformat() + "T00:00:00Z"
        except (ValueError, OverflowError):
            return None

    return parse


def _any_date(match: Match, letters: list[str]) -> DateParser:
    first = datetime.now(UTC).year - 80  # two digits mean a year from here on

    def parse(text: str) -> str | None:
        found = match(text)
        if found is None:
            return None
        try:
            return _written(_moment(_fields(zip(letters, found.groups(), strict=True), first)))
        except (ValueError, OverflowError):
            return None

    return parse


def _fields(pairs: "zip[tuple[str, str]]", first: int) -> dict[str, float]:
    values: dict[str, float] = {}
    for letter, text in pairs:
        if letter == "yy":
            values["y"] = _year(text, first)
        elif letter in _LIMITS:
            values[letter] = int(text)
        else:
            values[letter] = _named(letter, text.lower())
        low, high = _LIMITS.get(letter[0], (-24 * 60, 24 * 60))
        if not low <= values[letter[0]] <= high:
            raise ValueError(letter)
    if "L" in values:
        values["M"] = values["L"]
    return values


def _year(text: str, first: int) -> int:
    """Returns the year. Exactly two digits are a year of the century that begins 80 years ago."""
    year = int(text)
    return year + (first - year + 99) // 100 * 100 if len(text) == 2 else year


def _named(letter: str, text: str) -> float:
    if letter == "L":
        return 1 + next(index for index, month in enumerate(_MONTHS) if month.startswith(text))
    if letter == "a":
        return 12 if text == "pm" else 0
    return _offset(text) if letter in "zX" else 0


def _offset(text: str) -> float:
    """Returns the minutes east of Greenwich."""
    if text in _ZONES:
        return _ZONES[text] * 60
    digits = re.sub(r"[^0-9]", "", text)
    hours, minutes = (digits, "0") if len(digits) <= 2 else (digits[:-2], digits[-2:])
    if int(hours) > 23 or int(minutes) > 59:
        raise ValueError(text)
    return (int(hours) * 60 + int(minutes)) * (-1 if "-" in text else 1)


def _moment(values: Mapping[str, float]) -> datetime:
    year, month, day = (int(values.get(letter, default)) for letter, default in (("y", 1970), ("M", 1), ("d", 1)))
    moment = datetime(year, month, day, _hour(values), int(values.get("m", 0)), int(values.get("s", 0)))
    if "D" in values and "d" not in values and "M" not in values:
        moment += timedelta(days=values["D"] - 1)
        if moment.year != year:
            raise ValueError("day of year")
    return moment + timedelta(milliseconds=values.get("S", 0), minutes=-values.get("z", values.get("X", 0)))


def _hour(values: Mapping[str, float]) -> int:
    if "H" in values:
        return int(values["H"])
    if "k" in values:
        return int(values["k"]) % 24
    return int(values.get("K", values.get("h", 0))) % 12 + int(values.get("a", 0))


def _written(moment: datetime) -> str:
    """Writes a moment to the second, with milliseconds only if there are any."""
    text = moment.isoformat()[:19]
    return f"{text}.{moment.microsecond // 1000:03d}Z" if moment.microsecond >= 1000 else text + "Z"


def _parse_iso(text: str) -> str | None:
    if len(text) > 40:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return _written(moment.replace(tzinfo=None) - (moment.utcoffset() or timedelta()))
    except (ValueError, OverflowError):
        return None
