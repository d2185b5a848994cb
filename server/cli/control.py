"""`penstock control`: would this control file be accepted, and would its instructions run?"""

from pathlib import Path
from typing import Annotated

import typer

from server.cli.documents import read_document
from server.cli.options import Config, DataDir
from server.cli.output import fail_on, say
from server.cli.session import settings_for
from server.engine.definitions import Definitions, check_control
from server.mapping.compile import compile_control
from server.mapping.control import parse_control
from server.mapping.scope import RunFault

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
    document = read_document(file)
    fail_on([f"{file}: {message}" for message in check_control(document, definitions.models)])
    fail_on([f"{file}: when it runs: {message}" for message in _run_time_problems(document, definitions)])
    say(f"{file}: good")


def _run_time_problems(document: object, definitions: Definitions) -> list[str]:
    """What a run would log before its first record; the API accepts such a file."""
    if not isinstance(document, dict):
        return []
    control = parse_control(document)
    try:
        program = compile_control(control, definitions.models[control.model], definitions.models)
    except RunFault as error:
        return [str(error)]
    return list(program.setup_messages)
