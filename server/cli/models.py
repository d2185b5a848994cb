"""`penstock models`: is what the imports folder says about tables right?"""

from pathlib import Path
from typing import Annotated

import typer

from server.cli.documents import read_document
from server.cli.options import Config, DataDir
from server.cli.output import fail_on, say
from server.cli.session import settings_for
from server.mapping.model import Model, ModelInvalid, check_tables, parse_model

entry = typer.Typer()


@entry.callback()
def group() -> None:
    """Check model files."""


@entry.command()
def check(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]…")] = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Check model files, those of the imports folder without FILE; exit 1 when one is wrong."""
    chosen = files or sorted((settings_for(config, data_dir).imports.dir / "models").glob("*.json"))
    models: dict[str, Model] = {}
    problems: list[str] = []
    for path in chosen:
        try:
            model = parse_model(read_document(path), str(path))
        except ModelInvalid as error:
            problems += error.problems
        else:
            models[model.name] = model
            say(f"{path}: {model.name}, {len(model.destinations)} destinations")
    fail_on(problems + check_tables(models))
