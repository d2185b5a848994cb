"""The `penstock` command: one module for each command group, imported only when it runs."""

import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from server.cli.terminal_text import visible

# command -> module, its name there, and its line in `penstock --help`
COMMANDS = {
    "init": ("init", "entry", "Write penstock.toml and imports/ with a worked example."),
    "serve": ("serve", "entry", "Answer the import APIs."),
    "keys": ("keys", "entry", "Create, list, revoke and rotate API keys."),
    "models": ("checks", "models", "Check model files."),
    "control": ("checks", "control", "Check control files."),
    "processes": ("checks", "processes", "Check import processes."),
    "import": ("imports", "entry", "Import files with an import process."),
    "batches": ("batches", "entry", "List and show batches."),
    "jobs": ("jobs", "entry", "List, show and cancel jobs; read their logs."),
    "records": ("records", "entry", "List tables and export what was imported."),
    "fsck": ("fsck", "entry", "Check every blob, row and reference."),
    "backup": ("backup", "backup", "Write everything into one file, while servers keep running."),
    "restore": ("backup", "restore", "Make a data directory from a backup; every byte is checked."),
}

_WIDTH = 110  # width of help in every terminal; a narrower terminal wraps it, and no word is cut


class _Commands(TyperGroup):
    """Imports a command only when it runs, or when a shell completes it; listing needs no import."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command_of(name) if name in COMMANDS else command, rest


def command_of(name: str) -> Any:
    """Returns a command with its subcommands."""
    return cast(Any, typer.main.get_command(make_app(name))).commands[name]


def make_app(wanted: str | None) -> typer.Typer:
    """Returns all commands; only the wanted one is imported, the others are there to be listed."""
    app = typer.Typer(
        help="A bulk-import server for one box.",
        cls=_Commands,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # boxes would break words that people copy
        context_settings={"help_option_names": ["-h", "--help"], "terminal_width": _WIDTH},
    )
    app.callback()(_root)
    for name, (module, attribute, summary) in COMMANDS.items():
        entry = _imported(module, attribute) if name == wanted else _not_wanted
        if isinstance(entry, typer.Typer):
            app.add_typer(entry, name=name, help=summary, no_args_is_help=True)
        else:
            app.command(name, help=summary)(entry)
    return app


def _imported(module: str, attribute: str) -> Any:
    return getattr(importlib.import_module(f"server.cli.commands.{module}"), attribute)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"penstock {version('penstock')}")
        raise typer.Exit


def _root(
    shown: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A bulk-import server for one box."""


def _not_wanted() -> None:
    raise AssertionError("a command that was not named cannot run")


def run(arguments: Sequence[str]) -> int:
    """Returns the exit code: 0 done, 1 the work failed, 2 wrong usage."""
    try:
        make_app(None)(list(arguments), prog_name="penstock")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except KeyboardInterrupt:
        return _said("interrupted", 130)
    except Exception as error:
        # imported late: it imports the errors of every room, and most commands succeed
        failures = importlib.import_module("server.cli.exit_codes")
        code: int | None = failures.exit_code(error)
        if code is None:
            raise
        return _said(failures.words_of(error), code)
    return 0


def _said(message: str, code: int) -> int:
    for line in visible(message).split("\n"):
        print(f"penstock: {line}", file=sys.stderr)
    return code
