"""`penstock backup` and `restore`: a data directory as one file, and back."""

from pathlib import Path
from typing import Annotated

import typer

from server.cli.open_engine import WorkFailed, reading, settings_for
from server.cli.options import Config, DataDir
from server.cli.output import bar, fail_on, say
from server.engine.engine import Engine
from server.engine.engine import restore as restore_into


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE")], config: Config = None, data_dir: DataDir = None
) -> None:
    """Write all data into one file while servers run."""
    folder = file.absolute().parent
    if not folder.is_dir():
        raise WorkFailed(f"{file}: cannot be written: there is no directory {folder}")

    def read(engine: Engine) -> None:
        with bar(of_bytes=True) as shown:
            task = shown.add_task(file.name)
            size = engine.operations.data_directory.backup(
                file, lambda done, total: shown.update(task, completed=done, total=total)
            )
        say(f"{file}: {size} bytes")

    reading(config, data_dir, read)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE")], config: Config = None, data_dir: DataDir = None
) -> None:
    """Make a data directory from a backup; every byte is checked."""
    folder = settings_for(config, data_dir).storage.data_dir
    with bar(of_bytes=True) as shown:
        task = shown.add_task(file.name)
        restore_into(file, folder, lambda done, total: shown.update(task, completed=done, total=total))

    def check(engine: Engine) -> None:
        fail_on([finding.message for finding in engine.operations.fsck.run(deep=False) if finding.damage])
        say(f"{folder}: restored")

    reading(config, data_dir, check)
