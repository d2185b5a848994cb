"""scripts/bench marc: MARC records parsed, stored and accounted for, beside a pymarc loop that stores the same rows.

Ours is the whole way of a file that a FOLIO client had processed: job execution, batch, queue, worker process, reader,
mapping, checkpoints, outcomes. The loop runs in a process of its own. Rounds are interleaved; read the ratios. On a
busy machine our worker, which runs at nice 10, gives way to others: there the processor time says more.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pymarc
from pymarc import Field, Indicators, Record, Subfield
from rich.console import Console
from rich.table import Table

from scripts.benchmarks.imports import peak_memory, workers
from server.engine.access.callers import Caller
from server.engine.engine import Engine, EngineConfig, open_engine
from server.engine.execution.dispatcher import JobLimits
from server.engine.vendors.folio.upload_definitions import JobProfile, NewFile  # type: ignore[attr-defined]

CALLER = Caller("bench")
COLUMNS = ("job", "tenant", "order", "format", "leader", "control_number", "title", "parsed", "raw")
SYSTEM = ("_job", "_record", "_version", "_created_at", "_updated_at")
BATCH = 2000
console = Console()


def record(number: int) -> bytes:
    """Some 900 bytes in 20 fields, one record in four with letters beyond ASCII."""
    accent = "é" if number % 4 == 0 else "e"
    made = Record(force_utf8=True)
    made.add_field(
        Field("001", data=f"ocm{number:08}"), Field("003", data="OCoLC"), Field("005", data="20200101120000.0")
    )
    made.add_field(Field("008", data="840719s1984    nyua     b    001 0 eng  "))
    made.add_field(_field("020", ("a", f"97801{number:08}"), ("c", "$12.50")), _field("035", ("a", f"(OCoLC){number}")))
    made.add_field(
        _field("040", ("a", "DLC"), ("c", "DLC"), ("d", "OCL")), _field("050", ("a", "QA76.73"), ("b", "P98"))
    )
    made.add_field(_field("100", ("a", f"Lov{accent}lace, Ada"), ("d", "1815-1852")))
    made.add_field(
        _field("245", ("a", f"Notes on th{accent} engine, volume {number} :"), ("b", "a sketch /"), ("c", "Ada."))
    )
    made.add_field(_field("260", ("a", "London :"), ("b", "Taylor,"), ("c", "1843.")))
    made.add_field(_field("300", ("a", "66 p. :"), ("b", "ill. ;"), ("c", "23 cm.")))
    made.add_field(*(_field("500", ("a", f"A general note of some length, number {n}.")) for n in range(3)))
    made.add_field(*(_field("650", ("a", f"Subject {n}"), ("x", "History"), ("z", "England.")) for n in range(4)))
    encoded: bytes = made.as_marc()
    return encoded


def _field(tag: str, *parts: tuple[str, str]) -> Field:
    return Field(tag, Indicators(" ", " "), [Subfield(code, text) for code, text in parts])


def write_input(path: Path, records: int) -> None:
    """A few hundred different ones over and over: making them takes longer than reading them."""
    some = [record(number) for number in range(400)]
    with path.open("wb") as file:
        for number in range(records):
            file.write(some[number % len(some)])


async def ours(source: Path, folder: Path) -> dict[str, float]:
    limits = JobLimits(slots=1)
    async with open_engine(folder / "data", EngineConfig(imports=folder / "imports", jobs=limits)) as engine:
        engine.definitions.load()
        engine.background.start()
        warm_up = folder / "warm.mrc"
        write_input(warm_up, 10)
        await imported(engine, await loaded(engine, warm_up))
        definition = await loaded(engine, source)
        started, used = time.perf_counter(), sum(map(processor_time, workers()))
        await imported(engine, definition)
        seconds = time.perf_counter() - started
        used = sum(map(processor_time, workers())) - used
        return {"seconds": seconds, "processor": used, "rss_mib": max(map(peak_memory, workers()))}


async def loaded(engine: Engine, source: Path) -> str:
    """A definition whose one file has come."""
    definition = await engine.folio.upload_definitions.create(CALLER, [NewFile(source.name)])
    with source.open("rb") as file:

        async def read() -> bytes:
            return file.read(1 << 20)

        upload = await engine.uploads.receive_octets(read, filename=source.name)
        await engine.folio.upload_definitions.load_file(CALLER, definition.id, definition.files[0].id, upload)
    return definition.id


async def imported(engine: Engine, definition: str) -> None:
    processed = await engine.folio.upload_definitions.process(CALLER, definition, JobProfile())
    (job,) = await engine.jobs.list(limit=1)
    await engine.jobs.wait(job.id)
    execution = await engine.folio.job_queries.get(CALLER.tenant, processed.files[0].job or "")
    assert execution.status == "COMMITTED", execution


def processor_time(pid: int) -> float:
    """Seconds of a process, in user and in system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def plain(source: Path, database: Path) -> None:
    """pymarc as its documentation shows it, and the same rows in the same table, with a commit for as many records."""
    started, used = time.perf_counter(), time.process_time()
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    names = ", ".join(f'"{name}"' for name in (*COLUMNS, *SYSTEM))
    connection.execute(f"CREATE TABLE source_records (id INTEGER PRIMARY KEY, {names})")
    connection.execute('CREATE UNIQUE INDEX place ON source_records (job, "order")')
    insert = f"INSERT INTO source_records ({names}) VALUES ({', '.join('?' * len((*COLUMNS, *SYSTEM)))})"
    job, now = str(uuid4()), datetime.now(UTC).isoformat()
    rows = plain_rows(source, job, now)
    while batch := [row for row, _ in zip(rows, range(BATCH), strict=False)]:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(insert, batch)
        connection.execute("COMMIT")
    connection.close()
    used = time.process_time() - used
    print(
        json.dumps({"seconds": time.perf_counter() - started, "processor": used, "rss_mib": peak_memory(os.getpid())})
    )


def plain_rows(source: Path, job: str, now: str) -> Iterator[tuple[object, ...]]:
    with source.open("rb") as file:
        reader = pymarc.MARCReader(file)
        for order, found in enumerate(reader):
            assert found is not None
            raw = reader.current_chunk.decode("utf-8")
            title, control = found.get("245"), found.get("001")
            shown = " ".join(title.get_subfields("a", "b")) if title else None
            parsed = json.dumps(found.as_dict())
            own = (job, "bench", order, "MARC_RAW", str(found.leader), control.data if control else None, shown)
            yield (*own, parsed, raw, job, order, 1, now, now)


def plain_elsewhere(source: Path, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "scripts.benchmarks.marc", "--plain", source, folder / "plain.db"]
    done = subprocess.run(command, check=True, capture_output=True)  # type: ignore[arg-type]
    found: dict[str, float] = json.loads(done.stdout)
    return found


def compare(records: int, rounds: int, work: Path) -> None:
    source = work / "input.mrc"
    write_input(source, records)
    results: dict[str, list[dict[str, float]]] = {"ours": [], "pymarc loop": []}
    for _ in range(rounds):
        for name in random.sample(list(results), len(results)):
            with tempfile.TemporaryDirectory(dir=work) as folder:
                one = Path(folder)
                measured = asyncio.run(ours(source, one)) if name == "ours" else plain_elsewhere(source, one)
            results[name].append(measured)
            console.print(f"  {name}: {records / measured['seconds']:,.0f} records/s", style="dim")
    show(records, source.stat().st_size, results)


def show(records: int, size: int, results: dict[str, list[dict[str, float]]]) -> None:
    table = Table(title=f"{records:,} MARC records of {size // records} bytes (medians)")
    for heading in ("", "records/s", "ours / it", "records per processor second", "ours / it", "peak MiB"):
        table.add_column(heading, justify="left" if not heading else "right")
    middle = {
        name: {key: statistics.median(run[key] for run in runs) for key in ("seconds", "processor")}
        for name, runs in results.items()
    }
    for name, runs in results.items():
        cells = [name]
        for key in ("seconds", "processor"):
            cells += [f"{records / middle[name][key]:,.0f}", f"{middle[name][key] / middle['ours'][key]:.2f}"]
        table.add_row(*cells, f"{max(run['rss_mib'] for run in runs):.0f}")
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench marc", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plain", nargs=2, type=Path, metavar=("FILE", "DATABASE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        plain(*options.plain)
        return
    work = Path(tempfile.mkdtemp(prefix="penstock-bench-", dir="/var/tmp"))
    try:
        compare(options.records, options.rounds, work)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
