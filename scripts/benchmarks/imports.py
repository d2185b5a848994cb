"""scripts/bench import: a million records into a keyed SQLite table, ours beside the peers, in one run.

Ours is the whole engine: batch, queue, worker process, mapping, checks, checkpoints, outcomes. Rounds are interleaved,
since the machine's speed drifts; read the ratios.
"""

import argparse
import asyncio
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from rich.console import Console
from rich.table import Table

from scripts.benchmarks.import_peers import COLUMNS, PEERS
from server.engine.batches.scheduling import Plan
from server.engine.engine import Engine, EngineConfig, open_engine
from server.engine.execution.dispatcher import JobLimits

READ = {"jsonl": "json-lines", "csv": "csv-with-name-row"}
MODEL = {
    "name": "bench:people",
    "destinations": [
        {
            "name": "profile",
            "table": "people",
            "kind": "dictionary",
            "key": ["email"],
            "names": {
                "email": {"type": "email-address", "required": True},
                "name": {"required": True},
                "age": {"type": "integer"},
                "city": {},
                "active": {"type": "boolean"},
                "note": {},
            },
        }
    ],
}
console = Console()


def process(form: str) -> dict[str, Any]:
    return {
        "id": form,
        "label": form,
        "model": "bench:people",
        "destination": "profile",
        "read": READ[form],
        "write": "upsert",
    }


def write_imports(folder: Path) -> None:
    for part, name, document in (
        ("models", "people", MODEL),
        ("processes", "jsonl", process("jsonl")),
        ("processes", "csv", process("csv")),
    ):
        path = folder / part / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))


def write_input(path: Path, form: str, records: int, first: int = 0) -> None:
    """Some 200 bytes a record."""
    with path.open("wb") as file:
        if form == "csv":
            file.write(",".join(COLUMNS).encode() + b"\n")
        for i in range(first, first + records):
            row = (f"user{i}@example.org", f"Some Name {i}", i % 90, f"Berlin {'x' * 40}", i % 2 == 0, "y" * 40)
            if form == "jsonl":
                file.write(orjson.dumps(dict(zip(COLUMNS, row, strict=True))) + b"\n")
            else:
                file.write(",".join(str(cell).lower() for cell in row).encode() + b"\n")


async def schedule(engine: Engine, form: str, source: Path) -> str:
    """A batch with the file in it, on its way; its job's id."""
    batch = await engine.batches.create("bench", process=form, comment="bench")
    with source.open("rb") as file:

        async def read() -> bytes:
            return file.read(1 << 20)

        upload = await engine.uploads.receive_octets(read, filename=source.name)
        await engine.batches.add_file("bench", batch.identifier, "data", upload)
    plan = Plan(mode="import", attempts=1)
    return (await engine.batches.schedule("bench", batch.identifier, "import", plan=plan)).id


@asynccontextmanager
async def running_engine(folder: Path, slots: int, chunk: int) -> AsyncIterator[Engine]:
    """An engine whose worker processes are up."""
    write_imports(folder / "imports")
    limits = JobLimits(slots=slots, chunk_records=chunk)
    async with open_engine(folder / "data", EngineConfig(imports=folder / "imports", jobs=limits)) as engine:
        engine.definitions.load()
        engine.background.start()
        warm_up = folder / "warm.jsonl"
        write_input(warm_up, "jsonl", 10, first=1 << 40)
        ready = [await schedule(engine, "jsonl", warm_up) for _ in range(slots)]
        await asyncio.gather(*(engine.jobs.wait(job) for job in ready))
        yield engine


async def ours(form: str, source: Path, folder: Path, chunk: int) -> dict[str, float]:
    async with running_engine(folder, 1, chunk) as engine:
        started = time.perf_counter()
        job = await engine.jobs.wait(await schedule(engine, form, source))
        seconds = time.perf_counter() - started
        assert job.state == "done", job.error
        assert job.counts.failed == 0, job.counts
        return {"seconds": seconds, "rss_mib": max(map(peak_memory, workers()))}


def workers() -> list[int]:
    """The processes that this one has spawned."""
    return [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def peak_memory(pid: int) -> float:
    """MiB, the most it ever had resident."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return max((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), default=0.0)


def peer(name: str, form: str, source: Path, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "scripts.benchmarks.import_peers", name, form, source, folder / f"{name}.db"]
    done = subprocess.run(command, check=True, capture_output=True)  # type: ignore[arg-type]
    found: dict[str, float] = orjson.loads(done.stdout.splitlines()[-1])
    return found


def compare(form: str, records: int, rounds: int, names: list[str], chunk: int, work: Path) -> None:
    source = work / f"input.{form}"
    write_input(source, form, records)
    results: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in random.sample(names, len(names)):
            with tempfile.TemporaryDirectory(dir=work) as folder:
                one = Path(folder)
                measured = (
                    asyncio.run(ours(form, source, one, chunk)) if name == "ours" else peer(name, form, source, one)
                )
            results[name].append(measured)
            console.print(f"  {form} {name}: {records / measured['seconds']:,.0f} records/s", style="dim")
    show(form, records, source.stat().st_size, results)


def show(form: str, records: int, size: int, results: dict[str, list[dict[str, float]]]) -> None:
    table = Table(title=f"{records:,} records of {size // records} bytes, {form}, upsert by key (medians)")
    for heading in ("", "records/s", "range", "ours / it", "peak MiB"):
        table.add_column(heading, justify="left" if not heading else "right")
    mine = statistics.median(one["seconds"] for one in results["ours"])
    for name, runs in sorted(results.items(), key=lambda item: statistics.median(r["seconds"] for r in item[1])):
        seconds = [run["seconds"] for run in runs]
        rates = [records / s for s in seconds]
        table.add_row(
            name,
            f"{statistics.median(rates):,.0f}",
            f"{min(rates):,.0f}..{max(rates):,.0f}",
            f"{statistics.median(seconds) / mine:.2f}",
            f"{max(run['rss_mib'] for run in runs):.0f}",
        )
    console.print(table)


async def two_at_once(records: int, chunk: int, work: Path) -> None:
    """Two jobs into one table, disjoint keys, against one of them alone."""
    sources = [work / f"half{i}.jsonl" for i in range(2)]
    for i, source in enumerate(sources):
        write_input(source, "jsonl", records, first=i * records)
    rates = {}
    for title, chosen in (("one job", sources[:1]), ("two jobs, sum", sources)):
        with tempfile.TemporaryDirectory(dir=work) as folder:
            async with running_engine(Path(folder), 2, chunk) as engine:
                started = time.perf_counter()
                ids = [await schedule(engine, "jsonl", source) for source in chosen]
                jobs = await asyncio.gather(*(engine.jobs.wait(id) for id in ids))
                assert all(job.state == "done" and not job.errors for job in jobs), jobs
                rates[title] = len(chosen) * records / (time.perf_counter() - started)
    for title, rate in rates.items():
        console.print(f"{title}: {rate:,.0f} records/s ({rate / rates['one job']:.2f} of one alone)")


async def latency(records: int, work: Path) -> None:
    """A small call that commits a row, 100 a second, while nothing runs and while an import does."""
    folder = work / "latency"
    write_imports(folder / "imports")
    source = folder / "input.jsonl"
    write_input(source, "jsonl", records)
    penstock = Path(sys.executable).with_name("penstock")
    options: list[str | Path] = ["--data-dir", folder / "data", "--config", folder / "penstock.toml"]
    (folder / "penstock.toml").write_text('[imports]\ndir = "imports"\n')
    server = await asyncio.create_subprocess_exec(
        penstock,
        "serve",
        "--port",
        "0",
        "--no-auth",
        *options,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert server.stdout is not None
    address = (await server.stdout.readline()).decode().rpartition(" ")[2].strip()
    try:
        await _measure_latency(address, source)
    finally:
        server.terminate()
        await server.wait()


async def _measure_latency(address: str, source: Path) -> None:
    base = f"{address}/api/haplo-data-import-standard-api"
    async with aiohttp.ClientSession(
        headers={"Authorization": aiohttp.encode_basic_auth("haplo", "x" * 44)}
    ) as session:

        async def post(path: str, data: Any) -> str:
            async with session.post(f"{base}/{path}", data=data) as answer:
                text = await answer.text()
                assert answer.status == 200, text
                return text

        async def call(latencies: list[float], due: float) -> None:
            await asyncio.sleep(due - time.perf_counter())
            await post("batch", {"kind": "jsonl", "comment": "x"})
            latencies.append(time.perf_counter() - due)

        async def load(seconds: float) -> list[float]:
            latencies: list[float] = []
            begin = time.perf_counter()
            await asyncio.gather(*(call(latencies, begin + i / 100) for i in range(int(seconds * 100))))
            return sorted(latencies)

        await load(2)
        idle = await load(6)
        batch = await post("batch", {"kind": "jsonl", "comment": "big"})
        with source.open("rb") as file:
            await post("file", {"batch": batch, "name": "data", "file": file})
        await post("schedule", {"batch": batch})
        busy = await load(6)
    for title, found in (("idle", idle), ("importing", busy)):
        p50, p99 = (found[int(len(found) * part)] * 1000 for part in (0.5, 0.99))
        console.print(f"small call, {title}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {found[-1] * 1000:.1f} ms")
    console.print(f"p99 while importing / idle: {busy[int(len(busy) * 0.99)] / idle[int(len(idle) * 0.99)]:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench import", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--formats", nargs="*", default=list(READ), choices=list(READ))
    parser.add_argument("--chunk", type=int, default=JobLimits().chunk_records)
    parser.add_argument("--parts", nargs="*", default=["compare", "two", "latency"])
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="penstock-bench-", dir="/var/tmp"))
    try:
        if "compare" in options.parts:
            for form in options.formats:
                compare(form, options.records, options.rounds, ["ours", *options.peers], options.chunk, work)
        if "two" in options.parts:
            asyncio.run(two_at_once(options.records // 2, options.chunk, work))
        if "latency" in options.parts:
            asyncio.run(latency(options.records, work))
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
