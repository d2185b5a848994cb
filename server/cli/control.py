"""`penstock control`: would this control file be accepted, and would its instructions run?"""

from pathlib import Path
from typing import Annotated

import typer

from server.cli.options import Config, DataDir
from server.cli.output import show_checked
from server.cli.session import settings_for
from server.engine.definitions import Definitions
from server.engine.document_checks import check_control_file

entry = typer.Typer()


@entry.callback()
def group() -> None:
    """Check control files."""


@entry.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE")], config: Config = None, data_dir: DataDir = None
) -> None:
    """Check a control file against the models of the imports folder; exit 1 when it is wrong."""
    definitions = Definitions(settings_for(config, data_dir).imports.dir)
    definitions.load()
    show_checked(*check_control_file(file, definitions.models))
