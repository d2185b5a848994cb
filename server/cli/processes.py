"""`penstock processes`: is what the imports folder says about import processes right?"""

from pathlib import Path
from typing import Annotated

import typer

from server.cli.options import Config, DataDir
from server.cli.output import show_checked
from server.cli.session import settings_for
from server.engine.definitions import Definitions
from server.engine.document_checks import check_folder, check_process_files

entry = typer.Typer()


@entry.callback()
def group() -> None:
    """Check import processes."""


@entry.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE")] = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Check process files; without FILE the models and processes of the imports folder together, as a server does.

    Exit 1 when one is wrong.
    """
    definitions = Definitions(settings_for(config, data_dir).imports.dir)
    if not files:
        show_checked(*check_folder(definitions))
        return
    reading = definitions.read()
    show_checked(*check_process_files(files, reading.models))
