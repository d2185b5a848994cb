"""`penstock records`: lists and exports imported records."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Protocol, TextIO

import typer

from server.cli.open_engine import WorkFailed, reading
from server.cli.options import AsJson, Config, DataDir
from server.cli.output import bar, show_list
from server.cli.terminal_text import visible
from server.engine.engine import Engine
from server.engine.records.export import Format, TableText
from server.mapping.record.export import make_export

entry = typer.Typer()


@entry.command()
def tables(as_json: AsJson = False, config: Config = None, data_dir: DataDir = None) -> None:
    """List the tables and how many rows each has."""

    def read(engine: Engine) -> None:
        rows = [{"table": table, "rows": engine.records.store.count(table)} for table in engine.records.store.tables()]
        show_list(rows, ["table", "rows"], as_json=as_json)

    reading(config, data_dir, read)


@entry.command()
def export(
    table: str,
    format: Annotated[Format, typer.Option(help="One JSON object a line, or CSV.")] = "jsonl",
    output: Annotated[Path | None, typer.Option(metavar="F", help="A file instead of stdout.")] = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Write all rows of a table, in order of insertion."""

    def read(engine: Engine) -> None:
        stored = table in engine.records.store.tables()
        if not stored and table not in engine.definitions.tables():
            known = sorted({*engine.records.store.tables(), *engine.definitions.tables()})
            raise WorkFailed(f"there is no table {table}; there are: {', '.join(known) or 'none yet'}")
        with _destination(output) as file:
            _export(engine, table, format, file, stored=stored)

    reading(config, data_dir, read)


class _Writable(Protocol):
    def write(self, text: str, /) -> object: ...


class _Terminal:
    """Escapes client values for a terminal."""

    def __init__(self, screen: TextIO) -> None:
        self._screen = screen

    def write(self, text: str, /) -> object:
        return self._screen.write(visible(text))


def _export(engine: Engine, table: str, format: Format, file: _Writable, *, stored: bool) -> None:
    """Returns a table; one that no import has filled yet has no rows."""
    columns = engine.records.store.columns(table) if stored else ()
    text = TableText(make_export(table, columns, engine.definitions.models.values()), format)
    file.write(text.head)
    with bar() as progress:
        rows = engine.records.store.rows(table) if stored else ()
        for row in progress.track(rows, total=engine.records.store.count(table) if stored else 0, description=table):
            file.write(text.line(row))


@contextmanager
def _destination(output: Path | None) -> Iterator[_Writable]:
    if output is None:
        yield _Terminal(sys.stdout) if sys.stdout.isatty() else sys.stdout
        return
    with output.open("w", encoding="utf-8", newline="") as file:
        yield file
