"""scripts/bench xlsx: a workbook of 200,000 rows into a table, ours beside an openpyxl read-only loop storing the same.

Ours is the whole engine: upload, transaction, worker process, the check before, mapping, checkpoints. Rounds are
interleaved, since the machine's speed drifts; read the ratio, and that of CPU seconds where others use the machine.
"""

import argparse
import asyncio
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import openpyxl
from rich.console import Console
from rich.table import Table

from scripts.benchmarks.imports import peak_memory, workers
from server.engine.engine import Engine, EngineConfig, open_engine
from server.engine.vendors.voss.transactions import LoadRequest
from storage.catalog.base import Key

COLUMNS = ("name", "email", "city", "age", "active", "note")
HEADER = "entity:data/People,hierarchy:sys"
console = Console()


def write_input(path: Path, rows: int) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("People")
    sheet.append([HEADER])
    sheet.append(COLUMNS)
    for i in range(rows):
        sheet.append((f"Some Name {i}", f"user{i}@example.org", "Berlin " + "x" * 20, i % 90, i % 2 == 0, "y" * 20))
    book.save(path)


async def load(engine: Engine, source: Path, key: Key) -> None:
    with source.open("rb") as file:

        async def read() -> bytes:
            return file.read(1 << 20)

        upload = await engine.uploads.receive_octets(read, filename=source.name)
        await engine.voss.receive(upload, key, None)
    state = await engine.voss.load(LoadRequest(source.name, "sys"), key)
    state = await engine.voss.wait(state.transaction.id, key)
    assert state.status == "Success", state.message
    assert state.job.counts.failed == 0, state.message


async def ours(source: Path, warm_up: Path, folder: Path) -> dict[str, float]:
    (folder / "imports").mkdir(parents=True)
    async with open_engine(folder / "data", EngineConfig(imports=folder / "imports")) as engine:
        key, _ = await engine.access.keys.create("bench", ["voss"])
        engine.background.start()
        await load(engine, warm_up, key)
        started, used = time.perf_counter(), cpu_seconds()
        await load(engine, source, key)
        seconds, cpu = time.perf_counter() - started, cpu_seconds() - used
        return {"seconds": seconds, "cpu": cpu, "rss_mib": max(map(peak_memory, workers()))}


def cpu_seconds() -> float:
    """Of this process and its workers."""
    ticks = 0
    for pid in workers():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def store_with_openpyxl(source: Path, database: Path) -> None:
    """The peer: a read-only loop, as its documentation advises, and batches of a thousand rows."""
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = WAL")
    names = ", ".join(COLUMNS)
    connection.execute(f"CREATE TABLE people (id INTEGER PRIMARY KEY, {names})")
    insert = f"INSERT INTO people ({names}) VALUES ({', '.join('?' * len(COLUMNS))})"
    book = openpyxl.load_workbook(source, read_only=True)
    waiting: list[tuple[object, ...]] = []
    for row in book.worksheets[0].iter_rows(min_row=3, values_only=True):
        waiting.append(row[: len(COLUMNS)])
        if len(waiting) == 1000:
            connection.executemany(insert, waiting)
            connection.commit()
            waiting.clear()
    connection.executemany(insert, waiting)
    connection.commit()
    connection.close()


def peer(source: Path, folder: Path) -> dict[str, float]:
    """In a process of its own, so that its memory is its own."""
    folder.mkdir()
    started = time.perf_counter()
    command = [sys.executable, "-m", "scripts.benchmarks.xlsx", "--peer", str(source), str(folder / "peer.db")]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return {"seconds": time.perf_counter() - started, "cpu": float(said[1]), "rss_mib": float(said[0])}


def show(rows: int, found: dict[str, list[dict[str, float]]]) -> None:
    table = Table(
        "",
        "seconds",
        "rows/s",
        "peak MiB",
        "ratio",
        "CPU s",
        "CPU ratio",
        title=f"{rows:,} rows of a workbook (medians)",
    )
    middle = {name: {k: statistics.median(r[k] for r in rounds) for k in rounds[0]} for name, rounds in found.items()}
    for name, values in middle.items():
        ratio = middle["openpyxl"]["seconds"] / values["seconds"]
        pace = f"{rows / values['seconds']:,.0f}"
        memory = f"{values['rss_mib']:.0f}"
        of_cpu = middle["openpyxl"]["cpu"] / values["cpu"]
        told = (f"{values['seconds']:.2f}", pace, memory, f"{ratio:.1f} x", f"{values['cpu']:.2f}", f"{of_cpu:.1f} x")
        table.add_row(name, *told)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", nargs=2, metavar=("SOURCE", "DATABASE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peer:
        store_with_openpyxl(*map(Path, given.peer))
        print(peak_memory_of_self(), time.process_time())
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, warm_up = folder / "people.xlsx", folder / "warm.xlsx"
        write_input(source, given.rows)
        write_input(warm_up, 10)
        found: dict[str, list[dict[str, float]]] = {"ours": [], "openpyxl": []}
        for number in range(given.rounds):
            found["ours"].append(asyncio.run(ours(source, warm_up, folder / f"ours{number}")))
            found["openpyxl"].append(peer(source, folder / f"peer{number}"))
        show(given.rows, found)


def peak_memory_of_self() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return max((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), default=0.0)


if __name__ == "__main__":
    main()
