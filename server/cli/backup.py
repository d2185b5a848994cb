"""`penstock backup`: everything in one file."""

from pathlib import Path
from typing import Annotated

import typer

from server.cli.options import Config, DataDir
from server.cli.output import bar, say
from server.cli.session import WorkFailed, reading
from server.engine.engine import Engine


def entry(
    file: Annotated[Path, typer.Argument(metavar="FILE")], config: Config = None, data_dir: DataDir = None
) -> None:
    """Write everything into one file, while servers go on."""
    folder = file.absolute().parent
    if not folder.is_dir():
        raise WorkFailed(f"{file}: cannot be written: there is no directory {folder}")

    def read(engine: Engine) -> None:
        with bar(of_bytes=True) as shown:
            task = shown.add_task(file.name)
            size = engine.backup(file, lambda done, total: shown.update(task, completed=done, total=total))
        say(f"{file}: {size} bytes")

    reading(config, data_dir, read)
