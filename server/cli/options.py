"""Flags that many commands take."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The settings file; ./penstock.toml where it exists.")
]
DataDir = Annotated[Path | None, typer.Option("--data-dir", metavar="DIR", help="The folder that holds the data.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
