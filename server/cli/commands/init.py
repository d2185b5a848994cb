"""`penstock init`: writes settings with every default, and a worked example."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from server.cli.open_engine import same_flags
from server.cli.output import remark, say

EXAMPLE = files("server.cli") / "example"
CONTROL = "imports/processes/people.control.json"
SAMPLE_CONTROL = "imports/sample/control.json"  # the same control file, where the example's upload script looks for it


def entry(folder: Annotated[Path, typer.Argument(metavar="[DIR]")] = Path()) -> None:
    """Write penstock.toml, imports/ with a worked example, and sample data; nothing is overwritten."""
    taken = occupied(folder)
    if taken:
        remark(f"{taken} is already there; nothing was written. Name another folder: penstock init DIR")
        raise typer.Exit(1)
    write_example(folder)
    settings = folder / "penstock.toml"
    flags = "" if folder == Path() else same_flags(settings, None)  # without flags, ./penstock.toml is read
    say(f"Wrote {settings} and {folder / 'imports'}/. Next: penstock keys create NAME --scope SCOPE{flags}")


def occupied(folder: Path) -> Path | None:
    """Returns the files that an example would overwrite."""
    return next((path for name in ("penstock.toml", "imports") if (path := folder / name).exists()), None)


def write_example(folder: Path) -> None:
    for name, content in _contents(EXAMPLE, ""):
        _write(folder / name, content)
    _write(folder / SAMPLE_CONTROL, EXAMPLE.joinpath(CONTROL).read_bytes())


def _contents(place: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for item in place.iterdir():
        name = prefix + item.name
        found += _contents(item, name + "/") if item.is_dir() else [(name, item.read_bytes())]
    return found


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:  # "x" never overwrites a file
        file.write(content)
