"""`penstock batches`: what was sent, and what became of it."""

from dataclasses import asdict
from typing import Annotated

import typer

from server.cli.options import AsJson, Config, DataDir
from server.cli.output import show_list, show_one
from server.cli.session import with_engine
from server.engine.documents import batch_document, batch_summary
from server.engine.engine import Engine

entry = typer.Typer()


@entry.command("list")
def list_batches(
    api: Annotated[str | None, typer.Option(help="Only those of one API.")] = None,
    search: Annotated[str | None, typer.Option(help="Only those with this text in comment, id or path.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    as_json: AsJson = False,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """List batches, newest first."""

    async def work(engine: Engine) -> None:
        rows = [batch_summary(batch) for batch in await engine.batches.list(api=api, text=search, limit=limit)]
        show_list(rows, ["id", "api", "process", "state", "errors", "created", "comment"], as_json=as_json)

    with_engine(config, data_dir, work)


@entry.command()
def show(id: str, as_json: AsJson = False, config: Config = None, data_dir: DataDir = None) -> None:
    """Show a batch with its files, its job and its log."""

    async def work(engine: Engine) -> None:
        show_one(await batch_document(engine, id), as_json=as_json)

    with_engine(config, data_dir, work)


@entry.command()
def rows(
    id: str,
    after: Annotated[int, typer.Option(help="Only those behind this record.")] = -1,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    as_json: AsJson = False,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Show every record of a batch and what became of it so far."""

    async def work(engine: Engine) -> None:
        batch = await engine.batches.get(None, id)
        found = await engine.queue_rows(batch, after=after, limit=limit)
        show_list([asdict(row) for row in found], ["record", "state", "line", "message"], as_json=as_json)

    with_engine(config, data_dir, work)
