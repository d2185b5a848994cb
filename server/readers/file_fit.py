"""Whether a file is what its reader expects, as far as its beginning tells: so that people hear it in plain words."""

from collections.abc import Mapping

from server.readers.formats import FORMATS
from server.readers.sniff import Guess, sniff

_SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "vertical bars"}


def misfit(filename: str, head: bytes, entry: Mapping[str, object]) -> str | None:
    """What is odd about a file for this entry of a control file; None where it may well fit. `head`: see `sniff`."""
    read = str(entry.get("read"))
    if not head.strip():
        return f"{filename} is empty: no records can come of it."
    guess = sniff(filename, head)
    format = FORMATS.get(read)
    if format is None or format.family is None or guess is None:
        return None
    if guess.read not in (read, *format.may_look_like) and not _is_one_line(guess, read):
        return f"{filename} looks like {FORMATS[guess.read].family}, but is read as {format.family}."
    return _separated(filename, head, guess, entry) or _in_charset(filename, guess, entry)


def _in_charset(filename: str, guess: Guess, entry: Mapping[str, object]) -> str | None:
    seems = guess.options.get("charset")
    if seems is None or entry.get("charset") is not None or str(seems).startswith("utf"):
        return None
    return f"{filename} seems to be in {seems}, but is read as UTF-8. Choose the charset, or save the file as UTF-8."


def _is_one_line(guess: Guess, read: str) -> bool:
    """One JSON object may be a document, or JSON Lines of one line."""
    return read == "json-lines" and guess.read == "json" and bool(guess.options)


def _separated(filename: str, head: bytes, guess: Guess, entry: Mapping[str, object]) -> str | None:
    expected = str(entry.get("separator", "\t" if entry.get("read") == "tsv-with-name-row" else ","))
    seems = str(guess.options.get("separator", "\t" if guess.read == "tsv-with-name-row" else ","))
    first = head.split(b"\n", 1)[0]
    if guess.read not in ("csv-with-name-row", "tsv-with-name-row") or seems == expected:
        return None
    if expected.encode() in first or seems.encode() not in first:
        return None
    return (
        f"{filename} seems to have {_SEPARATORS.get(seems, seems)} between its columns, "
        f"but is read with {_SEPARATORS.get(expected, repr(expected))}."
    )
