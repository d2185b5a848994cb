"""`penstock jobs`: lists, shows and cancels jobs."""

from typing import Annotated

import typer

from server.cli.open_engine import with_engine
from server.cli.options import AsJson, Config, DataDir
from server.cli.output import remark, say, show_json, show_list, show_one
from server.engine.documents import job_document, log_lines, state_in_words, whole_log
from server.engine.engine import Engine

entry = typer.Typer()


@entry.command("list")
def list_jobs(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    as_json: AsJson = False,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """List jobs, newest first."""

    async def work(engine: Engine) -> None:
        found = await engine.jobs.list(limit=limit)
        rows = [job_document(job) | ({} if as_json else {"state": state_in_words(job.state, job)}) for job in found]
        show_list(rows, ["id", "process", "mode", "state", "created", "finished", "errors", "error"], as_json=as_json)

    with_engine(config, data_dir, work)


@entry.command()
def show(id: str, as_json: AsJson = False, config: Config = None, data_dir: DataDir = None) -> None:
    """Show a job and the counts of its records."""

    async def work(engine: Engine) -> None:
        job = await engine.jobs.get(id)
        show_one(job_document(job) | ({} if as_json else {"state": state_in_words(job.state, job)}), as_json=as_json)

    with_engine(config, data_dir, work)


@entry.command()
def log(id: str, as_json: AsJson = False, config: Config = None, data_dir: DataDir = None) -> None:
    """Print the log of a job."""

    async def work(engine: Engine) -> None:
        await engine.jobs.get(id)
        if as_json:
            show_json(await log_lines(engine, id))
        else:
            say(await whole_log(engine, id))

    with_engine(config, data_dir, work)


@entry.command()
def cancel(id: str, config: Config = None, data_dir: DataDir = None) -> None:
    """Cancel a job: at once while it is queued, at its next checkpoint while it runs."""

    async def work(engine: Engine) -> None:
        job = await engine.jobs.cancel(id)
        remark(f"job {id} is {job.state}" + (", and will stop" if job.state == "running" else ""))

    with_engine(config, data_dir, work)
