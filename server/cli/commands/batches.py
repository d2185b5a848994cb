"""`penstock batches`: lists and shows batches and their records."""

import asyncio
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from server.cli.open_engine import WorkFailed, known_process, one_of, with_engine
from server.cli.options import AsJson, Config, DataDir
from server.cli.output import show_list, show_one
from server.dialects import SCOPES
from server.engine.batches.failure_causes import Kind
from server.engine.documents import (
    BATCH_STATES,
    Batch,
    BatchState,
    batch_document,
    batch_summary,
    state_in_words,
)
from server.engine.engine import Engine

APIS = (*SCOPES, "cli")
RESULTS: tuple[Kind, ...] = get_args(Kind)

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
        words = {} if as_json else {"state": await _words(engine, await engine.batches.get(None, id))}
        show_one(document | words, as_json=as_json)

    with_engine(config, data_dir, work)


@entry.command()
def rows(
    id: str,
    after: Annotated[int, typer.Option(help="Only records after this one.")] = -1,
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    as_json: AsJson = False,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Show every record of a batch and its result so far."""

    async def work(engine: Engine) -> None:
        batch = await engine.batches.get(None, id)
        found = await engine.learningbuilder.rows(batch, after=after, limit=limit)
        show_list([asdict(row) for row in found], ["record", "state", "line", "message"], as_json=as_json)

    with_engine(config, data_dir, work)


@entry.command()
def results(
    id: str,
    kind: Annotated[str, typer.Option(metavar="KIND", help=f"Which records: {' or '.join(RESULTS)}.")],
    file: Annotated[str | None, typer.Option(help="The file, where the batch has several.")] = None,
    output: Annotated[Path | None, typer.Option(metavar="F", help="Write to this file instead of stdout.")] = None,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Write records that failed or lost a value as a file in their format, to be corrected."""
    one_of(kind, RESULTS, "--kind")

    async def work(engine: Engine) -> None:
        batch = await engine.batches.get(None, id)
        await asyncio.to_thread(_write, engine, batch, cast(Kind, kind), file, output)

    with_engine(config, data_dir, work)


def _write(engine: Engine, batch: Batch, kind: Kind, file: str | None, output: Path | None) -> None:
    offers = [offer for offer in engine.corrections.offers(batch, kind) if file in (None, offer.role)]
    if len(offers) != 1:
        roles = ", ".join(offer.role for offer in engine.corrections.offers(batch, kind))
        raise WorkFailed(f"name the file with --file; the batch has: {roles or 'none'}")
    pieces = engine.corrections.pieces(batch, offers[0].role, kind)
    with nullcontext(sys.stdout.buffer) if output is None else output.open("wb") as to:
        for piece in pieces:
            to.write(piece)


def _state(text: str) -> BatchState:
    one_of(text, BATCH_STATES, "--state")
    return text  # type: ignore[return-value]


async def _for_people(engine: Engine, batch: Batch) -> dict[str, object]:
    return batch_summary(batch) | {"state": await _words(engine, batch)}


async def _words(engine: Engine, batch: Batch) -> str:
    job = await engine.jobs.get(batch.job) if batch.job else None
    return state_in_words(batch.state, job)
