"""How files are read: the options of readers that a short process or a single import may choose."""

from collections.abc import Mapping

_TEXT = ("csv-with-name-row", "tsv-with-name-row")
TAKERS: Mapping[str, tuple[str, ...]] = {
    "charset": _TEXT,
    "separator": _TEXT,
    "quote": ("csv-with-name-row",),
    "sheet": ("xlsx-with-name-row",),
}
_SEPARATORS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}


class ReadingWrong(ValueError):
    """No file of the control file takes an option; the message names it."""


def chosen(texts: Mapping[str, str | None]) -> dict[str, object]:
    """Options as people type them: what is left empty is not chosen, `tab` is a tab, a number is a sheet's number."""
    options: dict[str, object] = {key: text for key, text in texts.items() if key in TAKERS and text}
    separator, sheet = options.get("separator"), options.get("sheet")
    if isinstance(separator, str):
        options["separator"] = _SEPARATORS.get(separator.lower(), separator)
    if isinstance(sheet, str) and sheet.isascii() and sheet.isdigit():
        options["sheet"] = int(sheet)
    return options


def read_as(control: Mapping[str, object], options: Mapping[str, object]) -> Mapping[str, object]:
    """The control file with other options for all files that take them; raises ReadingWrong where none does."""
    files = control.get("files")
    if not options or not isinstance(files, Mapping):
        return control
    for key in options:
        if not any(takes(entry, key) for entry in files.values()):
            right = " or ".join(TAKERS[key])
            raise ReadingWrong(f"{key}: no file of this process takes it; files that are read as {right} do")
    return {**control, "files": {name: _with(entry, options) for name, entry in files.items()}}


def takes(entry: object, key: str) -> bool:
    """Whether a file's entry in a control file has a reader with this option."""
    return isinstance(entry, Mapping) and entry.get("read") in TAKERS[key]


def _with(entry: object, options: Mapping[str, object]) -> object:
    if not isinstance(entry, Mapping):
        return entry
    return {**entry, **{key: value for key, value in options.items() if takes(entry, key)}}


def differences(control: Mapping[str, object], other: Mapping[str, object]) -> dict[str, object] | None:
    """The options in which a control file differs from another that is otherwise the same; None where more differs."""
    files, others = control.get("files"), other.get("files")
    if not isinstance(files, Mapping) or not isinstance(others, Mapping) or files.keys() != others.keys():
        return None
    if {**control, "files": None} != {**other, "files": None}:
        return None
    found: dict[str, object] = {}
    for name, entry in files.items():
        if not isinstance(entry, Mapping) or not isinstance(others[name], Mapping):
            return None
        found |= {key: value for key, value in entry.items() if others[name].get(key) != value}
    return found if found.keys() <= TAKERS.keys() else None
