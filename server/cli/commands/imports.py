"""`penstock import`: imports files with an import process."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import aiofiles
import aiofiles.os
import typer
from aiofiles.threadpool.binary import AsyncBufferedReader

from server.cli.import_report import said_of, show_end
from server.cli.open_engine import WorkFailed, known_process, same_flags, with_engine
from server.cli.options import Config, DataDir
from server.cli.output import bar, remark, say
from server.cli.terminal_text import one_line
from server.engine.batches.scheduling import Mode
from server.engine.definitions.definitions import control_read_as
from server.engine.documents import Batch
from server.engine.engine import Engine
from server.engine.uploads.flow import STEP
from server.engine.uploads.uploads import Upload
from storage.queues.base import Job

API = "cli"


def entry(
    files: Annotated[list[Path], typer.Argument(metavar="FILE")],
    process: Annotated[str, typer.Option(metavar="ID", help="The import process.")],
    name: Annotated[
        str | None, typer.Option(help="The files' name in the control file; found automatically if left out.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, import nothing.")] = False,
    charset: Annotated[
        str | None, typer.Option(metavar="NAME", help="The charset of text files, such as windows-1252.")
    ] = None,
    separator: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The separator between cells of text files; `tab` for a tab.")
    ] = None,
    quote: Annotated[str | None, typer.Option(metavar="MARK", help="The quote around cells of CSV, such as '.")] = None,
    sheet: Annotated[
        str | None, typer.Option(metavar="NAME", help="The sheet of a workbook: its name, or its number from 1.")
    ] = None,
    decimal: Annotated[
        str | None, typer.Option(metavar="MARK", help="The decimal mark of all numbers: a comma or a point.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end of the import and print the result.")] = False,
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Import files with an import process; prints the batch's identifier."""
    if name is not None and len(files) > 1:
        raise typer.BadParameter("with several files, give each its own name", param_hint="--name")

    chosen = {"charset": charset, "separator": separator, "quote": quote, "sheet": sheet, "decimal": decimal}

    async def work(engine: Engine) -> None:
        await asyncio.to_thread(engine.definitions.load)  # raises an error where the folder has mistakes
        await known_process(engine, process)
        control = engine.definitions.process(process).control
        roles = [name or role_of(path, control, alone=len(files) == 1) for path in files]
        refuse_repeats(roles)
        content = control_read_as(control, chosen, engine.definitions.models)
        order = _Order(process, "dry-run" if dry_run else "import", content)
        batch = await _submit(engine, order, dict(zip(roles, files, strict=True)))
        say(batch.identifier)
        if wait:
            show = f"penstock batches show {batch.identifier}{same_flags(config, data_dir)}"
            job = await _ended(engine, batch.job or "")
            show_end(job, await said_of(engine, job), show)
        else:
            remark("queued; a server on this data will run it")

    with_engine(config, data_dir, work, making=True)


def role_of(path: Path, control: Mapping[str, object], *, alone: bool) -> str:
    """Returns the name that a file has in the control file: its own name, else the only one there is."""
    entries = control.get("files")
    names = [str(entry) for entry in entries] if isinstance(entries, Mapping) else []
    for own in (path.name, path.stem):
        if own in names:
            return own
    named = [name for name in names if name != "DEFAULT"]
    if alone and len(named) == 1:
        return named[0]
    if "DEFAULT" in names:
        return path.name
    raise typer.BadParameter(
        one_line(
            f"{path}: the process has no file of this name; it has {', '.join(named) or 'none'}: choose one with --name"
        )
    )


def refuse_repeats(roles: Sequence[str]) -> None:
    """Refuses repeated names, since a second file of a name replaces the first: clients of the APIs retry that way."""
    repeated = sorted({role for role in roles if roles.count(role) > 1})
    if repeated:
        names = one_line(", ".join(repeated))
        raise typer.BadParameter(f"several files of one name: {names}; rename them, or import one by one")


@dataclass(frozen=True, slots=True)
class _Order:
    """How to import the files. `content` is a control file that has options other than the process's."""

    process: str
    mode: Mode
    content: bytes | None


async def _submit(engine: Engine, order: _Order, files: Mapping[str, Path]) -> Batch:
    """Reads all files before it creates the batch, so an unreadable file leaves no batch behind."""
    async with AsyncExitStack() as stack:
        uploads = [(role, await stack.enter_async_context(await _read(engine, path))) for role, path in files.items()]
        comment = ", ".join(path.name for path in files.values())
        return await engine.batches.submit_files(
            API, uploads, process=order.process, comment=comment, mode=order.mode, content=order.content
        )


async def _read(engine: Engine, path: Path) -> Upload:
    try:
        async with aiofiles.open(path, "rb") as file:
            return await _receive(engine, path, file)
    except OSError as error:
        raise WorkFailed(f"{path}: cannot be read: {error.strerror}") from None


async def _receive(engine: Engine, path: Path, file: AsyncBufferedReader) -> Upload:
    with bar(of_bytes=True) as progress:
        task = progress.add_task(path.name, total=(await aiofiles.os.stat(path)).st_size)

        async def source() -> bytes:
            piece = await file.read(STEP)
            progress.advance(task, len(piece))
            return piece

        return await engine.uploads.receive_octets(source, filename=path.name)


async def _ended(engine: Engine, id: str) -> Job:
    """Waits for the job's end. It runs queued jobs itself, so it needs no server; a running server may be quicker."""
    engine.background.start()
    with bar() as progress:
        task = progress.add_task("importing", total=None)
        waiting = asyncio.create_task(engine.jobs.wait(id))
        while not (await asyncio.wait([waiting], timeout=0.5))[0]:
            progress.update(task, completed=(await engine.jobs.get(id)).counts.read)
        return await waiting
