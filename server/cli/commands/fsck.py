"""`penstock fsck`: checks that everything that was accepted is still there."""

from typing import Annotated

import typer

from server.cli.open_engine import reading
from server.cli.options import AsJson, Config, DataDir
from server.cli.output import remark, say, show_json
from server.engine.engine import Engine


def entry(
    deep: Annotated[bool, typer.Option("--deep", help="Read every blob and compare its digest.")] = False,
    as_json: AsJson = False,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Check every blob, row and reference; exit 1 on damage."""

    def read(engine: Engine) -> None:
        findings = list(engine.operations.fsck.run(deep=deep))
        damage = [finding.message for finding in findings if finding.damage]
        notes = [finding.message for finding in findings if not finding.damage]
        if as_json:
            show_json({"damage": damage, "notes": notes})
        else:
            for message in notes:
                remark(f"note: {message}")
            say("\n".join(damage) or "no damage found")
        if damage:
            raise typer.Exit(1)

    reading(config, data_dir, read)
