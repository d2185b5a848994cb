"""`penstock models`, `control` and `processes`: checks of definition files."""

from pathlib import Path
from typing import Annotated

import typer

from server.cli.open_engine import settings_for
from server.cli.options import Config, DataDir
from server.cli.output import show_checked
from server.engine.definitions.definitions import Definitions
from server.engine.definitions.document_checks import (
    check_control_file,
    check_folder,
    check_model_files,
    check_process_files,
)

Files = Annotated[list[Path] | None, typer.Argument(metavar="FILE")]

models, control, processes = typer.Typer(), typer.Typer(), typer.Typer()


@models.callback()
def models_group() -> None:
    """Check model files."""


@models.command("check")
def check_models(files: Files = None, config: Config = None, data_dir: DataDir = None) -> None:
    """Check model files, those of the imports folder without FILE; exit 1 when one is wrong."""
    folder = settings_for(config, data_dir).imports.dir
    show_checked(*check_model_files(files or sorted((folder / "models").glob("*.json"))))


@control.callback()
def control_group() -> None:
    """Check control files."""


@control.command("check")
def check_control(
    file: Annotated[Path, typer.Argument(metavar="FILE")], config: Config = None, data_dir: DataDir = None
) -> None:
    """Check a control file against the models of the imports folder; exit 1 when it is wrong."""
    definitions = _definitions(config, data_dir)
    definitions.load()
    show_checked(*check_control_file(file, definitions.models))


@processes.callback()
def processes_group() -> None:
    """Check import processes."""


@processes.command("check")
def check_processes(files: Files = None, config: Config = None, data_dir: DataDir = None) -> None:
    """Check process files; without FILE the models and processes of the imports folder together, as a server does.

    Exit 1 when one is wrong.
    """
    definitions = _definitions(config, data_dir)
    if files:
        show_checked(*check_process_files(files, definitions.read().models))
    else:
        show_checked(*check_folder(definitions))


def _definitions(config: Path | None, data_dir: Path | None) -> Definitions:
    return Definitions(settings_for(config, data_dir).imports.dir)
