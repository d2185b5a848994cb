"""`penstock restore`: a data directory from a backup."""

from pathlib import Path
from typing import Annotated

import typer

from server.cli.options import Config, DataDir
from server.cli.output import bar, fail_on, say
from server.cli.session import reading, settings_for
from server.engine.engine import Engine, restore


def entry(
    file: Annotated[Path, typer.Argument(metavar="FILE")], config: Config = None, data_dir: DataDir = None
) -> None:
    """Make a data directory of a backup, every byte checked."""
    folder = settings_for(config, data_dir).storage.data_dir
    with bar(of_bytes=True) as shown:
        task = shown.add_task(file.name)
        restore(file, folder, lambda done, total: shown.update(task, completed=done, total=total))

    def read(engine: Engine) -> None:
        fail_on([finding.message for finding in engine.check(deep=False) if finding.damage])
        say(f"{folder}: restored")

    reading(config, data_dir, read)
