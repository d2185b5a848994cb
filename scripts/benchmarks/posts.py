"""scripts/bench posts: a small POST that commits one row, 64 at a time: our server beside aiohttp with aiosqlite.

Ours does what a client's call does: authentication, form, checks, one batch committed. The peer only inserts a row,
with one awaited commit a request, as a first version would.
"""

import argparse
import asyncio
import re
import statistics
import subprocess
import sys
import tempfile
from base64 import b64encode
from pathlib import Path

import aiosqlite
import uvloop
from aiohttp import web
from rich.console import Console
from rich.table import Table

from scripts.benchmarks.imports import write_imports

CONCURRENCY = 64
FORM = "kind=jsonl&comment=hello"
LUA = """
wrk.method = "POST"
wrk.body = "%s"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.headers["Authorization"] = "Basic %s"
"""


async def aiosqlite_app(folder: Path) -> web.Application:
    connection = await aiosqlite.connect(folder / "peer.db", isolation_level=None)
    await connection.execute("PRAGMA journal_mode = WAL")
    await connection.execute("PRAGMA synchronous = FULL")
    await connection.execute("CREATE TABLE batches (id INTEGER PRIMARY KEY, kind TEXT, comment TEXT)")
    one_at_a_time = asyncio.Lock()

    async def create(request: web.Request) -> web.Response:
        form = await request.post()
        async with one_at_a_time:
            await connection.execute("BEGIN")
            row = (form["kind"], form["comment"])
            await connection.execute("INSERT INTO batches (kind, comment) VALUES (?, ?)", row)
            await connection.execute("COMMIT")
        return web.Response(text="done")

    app = web.Application()
    app.router.add_post("/batch", create)
    return app


async def serve_peer(folder: Path) -> None:
    runner = web.AppRunner(await aiosqlite_app(folder))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


def start_peer(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "scripts.benchmarks.posts", "--serve-peer", folder]
    return subprocess.Popen(command, stdout=subprocess.PIPE)  # type: ignore[arg-type]


def start_ours(folder: Path) -> subprocess.Popen[bytes]:
    write_imports(folder / "imports")
    config = folder / "penstock.toml"
    config.write_text('[imports]\ndir = "imports"\n')
    penstock = Path(sys.executable).with_name("penstock")
    command = [penstock, "keys", "create", "bench", "--scope", "haplo-standard", "--config", config]
    key = subprocess.run([*command, "--data-dir", folder / "data"], check=True, capture_output=True, text=True)  # type: ignore[list-item]
    (folder / "key").write_text(key.stdout.strip())
    serve = [penstock, "serve", "--port", "0", "--config", config, "--data-dir", folder / "data"]
    return subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # type: ignore[arg-type]


def load(url: str, key: str, seconds: int) -> tuple[float, float]:
    """Requests a second, and the 99th percentile in milliseconds."""
    script = LUA % (FORM, b64encode(f"haplo:{key}".encode()).decode())
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", f"-c{CONCURRENCY}", f"-d{seconds}s", "--latency", "-s", file.name, url]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output:
        raise SystemExit(f"{url} refused:\n{output}")
    rate, p99 = re.search(r"Requests/sec:\s*([\d.]+)", output), re.search(r"99%\s*([\d.]+)(us|ms|s)", output)
    assert rate is not None, output
    assert p99 is not None, output
    return float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]]


def measure(name: str, seconds: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        folder = Path(place)
        server = start_ours(folder) if name == "ours" else start_peer(folder)
        try:
            assert server.stdout is not None
            address = server.stdout.readline().decode().split()[-1]
            path = "/api/haplo-data-import-standard-api/batch" if name == "ours" else "/batch"
            key = (folder / "key").read_text() if name == "ours" else "x"
            load(address + path, key, 1)
            return load(address + path, key, seconds)
        finally:
            server.terminate()
            server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench posts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--serve-peer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve_peer:
        uvloop.run(serve_peer(options.serve_peer))
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "aiosqlite": []}
    for _ in range(options.rounds):
        for name, runs in found.items():
            runs.append(measure(name, options.seconds))
    show(found)


def show(found: dict[str, list[tuple[float, float]]]) -> None:
    table = Table(title=f"a small POST that commits one row, {CONCURRENCY} at a time (medians; goal >= 5)")
    for heading in ("", "requests/s", "p99 ms", "ours / it"):
        table.add_column(heading, justify="right" if heading else "left")
    mine = statistics.median(rate for rate, _ in found["ours"])
    for name, runs in found.items():
        rate, p99 = (statistics.median(column) for column in zip(*runs, strict=True))
        table.add_row(name, f"{rate:,.0f}", f"{p99:.1f}", f"{mine / rate:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
