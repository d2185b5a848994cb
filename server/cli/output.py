"""What commands print: results on stdout, remarks on stderr."""

import dataclasses
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, Task, TextColumn
from rich.table import Table
from rich.text import Text

from server.cli.terminal_text import one_line, visible

Row = Mapping[str, object]

_NO_TERMINAL = 1000  # columns: one line for each row, for grep and awk
_HEIGHT = 25  # lines: without it rich takes a simple terminal to be 80 columns wide
_COLUMN = 12  # the least width of a column; a narrower terminal wraps


def show_list(rows: Sequence[Row], columns: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        show_json(rows)
        return
    cells = [[one_line(_cell(row.get(column))) for column in columns] for row in rows]
    table = Table(box=None, header_style="bold", pad_edge=False)
    longest = max((len(line[0]) for line in cells), default=0)
    table.add_column(columns[0], min_width=longest)  # people copy it into the next command
    for column in columns[1:]:
        table.add_column(column, overflow="fold")
    for line in cells:
        table.add_row(*map(Text, line))  # rich would read a str as markup
    known = shutil.get_terminal_size().columns if sys.stdout.isatty() else _NO_TERMINAL
    width = max(known, longest + _COLUMN * len(columns))
    Console(width=width, height=_HEIGHT).print(table)


def show_one(row: Row, *, as_json: bool) -> None:
    if as_json:
        show_json(row)
        return
    width = max(map(len, row))
    for name, value in row.items():
        text = _cell(value)
        say(f"{name:<{width}}  " + text.replace("\n", "\n" + " " * (width + 2)))


def show_json(value: object) -> None:
    say(orjson.dumps(value, default=_plain, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode())


def say(line: str) -> None:
    """Prints a text; a program that reads stdout gets it unchanged."""
    print(visible(line) if sys.stdout.isatty() else line, flush=True)


def remark(line: str) -> None:
    print(f"penstock: {visible(line)}", file=sys.stderr, flush=True)


def counted(number: int, thing: str) -> str:
    """Returns a number and its noun, such as `1 record` or `2 records`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def show_checked(good: Sequence[str], problems: Sequence[str]) -> None:
    """Prints `good` on stdout, or every problem on stderr; exits with 1 where there is a problem."""
    fail_on(problems)
    for line in good:
        say(line)


def fail_on(problems: Sequence[str]) -> None:
    """Prints every problem; exits with 1 where there is one."""
    for problem in problems:
        remark(problem)
    if problems:
        raise typer.Exit(1)


def bar(*, of_bytes: bool = False) -> Progress:
    """Returns a progress bar on stderr, shown only on a terminal."""
    count = DownloadColumn() if of_bytes else MofNCompleteColumn()
    console = Console(stderr=True)
    return Progress(
        _Description("{task.description}", markup=False),
        BarColumn(),
        count,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


class _Description(TextColumn):
    """Shows names of files and tables without markup and control characters."""

    def render(self, task: Task) -> Text:
        return Text(one_line(task.description))


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Iterable):
        return list(value)
    return str(value)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(part)}" for name, part in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(_cell, value))
    return str(value)
