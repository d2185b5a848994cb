"""The `penstock` command: one module per command group, imported only when it is called for."""

import importlib
import sys
from collections.abc import Sequence

import typer

# command -> module and what `penstock --help` says of it
COMMANDS = {
    "init": ("init", "Write penstock.toml and imports/ with a worked example."),
    "serve": ("serve", "Answer the import APIs."),
    "keys": ("keys", "Create, list, revoke and rotate API keys."),
    "models": ("models", "Check model files."),
    "control": ("control", "Check control files."),
    "import": ("imports", "Import files with an import process."),
    "batches": ("batches", "List and show batches."),
    "jobs": ("jobs", "List, show and cancel jobs; read their logs."),
    "records": ("records", "List tables and export what was imported."),
    "fsck": ("fsck", "Check every blob, row and reference."),
    "backup": ("backup", "Write everything into one file, while servers go on."),
    "restore": ("restore", "Make a data directory of a backup, every byte checked."),
}


def make_app(wanted: str | None) -> typer.Typer:
    """All commands by name; only the wanted one is imported, the others are there to be listed."""
    app = typer.Typer(
        help="A bulk-import server for one box.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for name, (module, summary) in COMMANDS.items():
        entry = importlib.import_module(f"server.cli.{module}").entry if name == wanted else _not_wanted
        if isinstance(entry, typer.Typer):
            app.add_typer(entry, name=name, help=summary, no_args_is_help=True)
        else:
            app.command(name, help=summary)(entry)
    return app


def _not_wanted() -> None:
    raise AssertionError("a command that was not named cannot run")


def run(arguments: Sequence[str]) -> int:
    """Exit code: 0 done, 1 the work failed, 2 wrong usage."""
    wanted = next((argument for argument in arguments if not argument.startswith("-")), None)
    try:
        make_app(wanted)(list(arguments), prog_name="penstock")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except KeyboardInterrupt:
        return _said("interrupted", 130)
    except Exception as error:
        # imported late: it knows the errors of every room, and most commands end well
        code: int | None = importlib.import_module("server.cli.failures").exit_code(error)
        if code is None:
            raise
        return _said(str(error), code)
    return 0


def _said(message: str, code: int) -> int:
    for line in message.splitlines():
        print(f"penstock: {line}", file=sys.stderr)
    return code
