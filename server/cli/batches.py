"""`penstock batches`: what was sent, and what became of it."""

from dataclasses import asdict
from typing import Annotated

import typer

from server.cli.options import AsJson, Config, DataDir
from server.cli.output import show_list, show_one
from server.cli.session import known_process, one_of, with_engine
from server.engine.documents import (
    BATCH_STATES,
    Batch,
    BatchState,
    Document,
    batch_document,
    batch_summary,
    state_in_words,
)
from server.engine.engine import Engine
from server.engine.keys import SCOPES

APIS = (*SCOPES, "cli")

entry = typer.Typer()


@entry.command("list")
def list_batches(
    api: Annotated[str | None, typer.Option(metavar="API", help=f"Only those of one API: {', '.join(APIS)}.")] = None,
    process: Annotated[str | None, typer.Option(metavar="ID", help="Only those of one import process.")] = None,
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help=f"Only those in one state: {', '.join(BATCH_STATES)}.")
    ] = None,
    search: Annotated[str | None, typer.Option(help="Only those with this text in comment, id or path.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    as_json: AsJson = False,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """List batches, newest first."""
    wanted = () if state is None else (_state(state),)
    if api is not None:
        one_of(api, APIS, "--api")

    async def work(engine: Engine) -> None:
        found = await engine.batches.list(api=api, process=process, states=wanted, text=search, limit=limit)
        if process is not None and not found:
            await known_process(engine, process)
        rows = [batch_summary(batch) if as_json else await _for_people(engine, batch) for batch in found]
        show_list(rows, ["id", "api", "process", "state", "errors", "created", "comment"], as_json=as_json)

    with_engine(config, data_dir, work)


@entry.command()
def show(id: str, as_json: AsJson = False, config: Config = None, data_dir: DataDir = None) -> None:
    """Show a batch with its files, its job and its log."""

    async def work(engine: Engine) -> None:
        document = await batch_document(engine, id)
        if not as_json:
            document |= {"state": await _words(engine, await engine.batches.get(None, id))}
        show_one(document, as_json=as_json)

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


def _state(text: str) -> BatchState:
    one_of(text, BATCH_STATES, "--state")
    return text  # type: ignore[return-value]


async def _for_people(engine: Engine, batch: Batch) -> Document:
    return batch_summary(batch) | {"state": await _words(engine, batch)}


async def _words(engine: Engine, batch: Batch) -> str:
    job = await engine.jobs.get(batch.job) if batch.job else None
    return state_in_words(batch.state, job)
