"""`penstock models`: is what the imports folder says about tables right?"""

from pathlib import Path
from typing import Annotated

import typer

from server.cli.options import Config, DataDir
from server.cli.output import show_checked
from server.cli.session import settings_for
from server.engine.document_checks import check_model_files

entry = typer.Typer()


@entry.callback()
def group() -> None:
    """Check model files."""


@entry.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE")] = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Check model files, those of the imports folder without FILE; exit 1 when one is wrong."""
    chosen = files or sorted((settings_for(config, data_dir).imports.dir / "models").glob("*.json"))
    show_checked(*check_model_files(chosen))
