"""Uploads beside others: one big file by octets and as a form, many small ones, and peak memory.

Ours, `naive` and `starlette` hash and fsync; `tus` and `nginx` do neither. Compare only rows of one table: rounds are
interleaved, memory is kept warm, sources are in memory.
"""

import argparse
import os
import random
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts.benchmarks.peers import Server, missing, start, upload_command
from scripts.benchmarks.warm import Holder

MIB = 1024 * 1024
BIG = (
    ("ours", "octets"),
    ("ours", "form"),
    ("ours", "form, almost-boundaries"),
    ("naive", "octets"),
    ("starlette", "form"),
    ("tus", "octets"),
    ("nginx", "octets"),
)
SMALL = ("ours", "tus", "nginx")
FORM_TYPE = "multipart/form-data; boundary=b"
FORM_HEAD = r'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
GOALS = "goals: ours/naive and ours/starlette >= 2.5, ours/tus >= 1.3, ours/nginx >= 0.5, form/octets >= 0.9"
WRK = """
local rest = string.rep("0123456789abcdef", %d)
math.randomseed(os.time() + %d)
local count = 0
request = function()
  count = count + 1
  local body = string.format("%%016d%%016d", math.random(1e15), count) .. rest
  return wrk.format("%s", "%s" .. (%s and string.format("%%d-%%d", math.random(1e15), count) or ""), %s, body)
end
"""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the big file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="for each round of small files")
    parser.add_argument("--peak-sizes", type=int, nargs="*", default=[1024, 8192], help="MiB")
    parser.add_argument("--only", choices=("big", "small", "peak"), nargs="*", default=["big", "small", "peak"])
    parser.add_argument("--tus", type=Path, default=Path("/tmp/tus"), help="where npm installed @tus/server")
    parser.add_argument("--disk", type=Path, default=Path(tempfile.gettempdir()))
    return parser.parse_args()


def main() -> None:
    chosen, console = options(), Console(width=110)
    if "big" in chosen.only:
        console.print(big(chosen, console))
        console.print(GOALS)
    if "small" in chosen.only:
        console.print(small(chosen, console))
    if "peak" in chosen.only:
        console.print(peak(chosen))


def big(chosen: argparse.Namespace, console: Console) -> Table:
    sources = {"plain": source("plain", chosen.size), "almost": source("almost", chosen.size)}
    cases = [case for case in BIG if not told(missing(case[0], chosen.tus), console)]
    servers = {name: start(name, chosen.disk, chosen.tus) for name in dict.fromkeys(name for name, _ in cases)}
    holder = Holder((chosen.size + 1536) * MIB)
    found: dict[tuple[str, str], list[tuple[float, float]]] = {case: [] for case in cases}
    try:
        for _ in range(chosen.rounds):
            for case in random.sample(cases, len(cases)):
                body = sources["almost" if "almost" in case[1] else "plain"]
                found[case].append(timed(servers[case[0]], case[1].partition(",")[0], body, holder))
    finally:
        for server in servers.values():
            server.stop()
        for path in sources.values():
            path.unlink()
    return big_table(found, chosen)


def timed(server: Server, kind: str, body: Path, holder: Holder) -> tuple[float, float]:
    """MiB a second, and the server's CPU seconds a GiB, of one upload."""
    server.empty()
    os.sync()
    holder.hold()
    holder.hold()
    body.read_bytes()
    holder.release()
    used, started = server.cpu(), time.perf_counter()
    subprocess.run(upload_command(server, kind, body), check=True)
    seconds, size = time.perf_counter() - started, body.stat().st_size / MIB
    return size / seconds, (server.cpu() - used) * 1024 / size


def big_table(found: dict[tuple[str, str], list[tuple[float, float]]], chosen: argparse.Namespace) -> Table:
    table = Table("server", "body", "MiB/s", "range", "CPU s/GiB", "ours is", title=f"one file of {chosen.size} MiB")
    speeds = {case: [speed for speed, _ in rounds] for case, rounds in found.items()}
    middle = {case: statistics.median(rounds) for case, rounds in speeds.items()}
    for (name, kind), rounds in found.items():
        same = ("ours", "form" if kind == "form" else "octets")
        ratio = f"{middle[same] / middle[name, kind]:.2f} x" if name != "ours" else ""
        if name == "ours" and kind != "octets":
            ratio = f"form/octets {middle[name, kind] / middle['ours', 'octets']:.2f}"
        spread = f"{min(speeds[name, kind]):.0f}..{max(speeds[name, kind]):.0f}"
        cpu = statistics.median(cpu for _, cpu in rounds)
        table.add_row(name, kind, f"{middle[name, kind]:.0f}", spread, f"{cpu:.2f}", ratio)
    return table


def small(chosen: argparse.Namespace, console: Console) -> Table:
    names = [name for name in SMALL if not told(missing(name, chosen.tus), console)]
    servers = {name: start(name, chosen.disk, chosen.tus) for name in names}
    holder = Holder(2048 * MIB)
    found: dict[str, list[float]] = {name: [] for name in names}
    try:
        for _ in range(chosen.rounds):
            for name in random.sample(names, len(names)):
                servers[name].empty()
                os.sync()
                holder.hold()
                holder.release()
                found[name].append(many(servers[name], chosen.seconds))
    finally:
        for server in servers.values():
            server.stop()
    table = Table("server", "files/s", "range", "ours is", title="files of 64 KiB, 16 at a time")
    ours = statistics.median(found["ours"])
    for name, rounds in found.items():
        middle = statistics.median(rounds)
        table.add_row(name, f"{middle:.0f}", f"{min(rounds):.0f}..{max(rounds):.0f}", f"{ours / middle:.2f} x")
    table.caption = "goals: ours/tus >= 2, ours/nginx >= 0.28"
    return table


def many(server: Server, seconds: int) -> float:
    """Answered requests a second, each with a body of its own."""
    headers = {
        "tus": '{["Tus-Resumable"]="1.0.0", ["Content-Type"]="application/offset+octet-stream", '
        '["Upload-Length"]="65536"}'
    }.get(server.name, "{}")
    put = server.name == "nginx"
    script = WRK % (
        (65536 - 32) // 16,
        random.randrange(10**6),
        "PUT" if put else "POST",
        "/" if put else "/octets",
        "true" if put else "false",
        headers,
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "-s", file.name, f"http://127.0.0.1:{server.port}/"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output:
        raise SystemExit(f"{server.name} refused uploads:\n{output}")
    match = re.search(r"Requests/sec:\s*([\d.]+)", output)
    assert match, output
    return float(match[1])


def peak(chosen: argparse.Namespace) -> Table:
    table = Table("body", "upload of", "peak RSS MiB", title="ours: peak memory of one upload (goal <= 64)")
    for kind in ("octets", "form"):
        for size in chosen.peak_sizes:
            server = start("ours", chosen.disk, chosen.tus)
            try:
                pour(server, kind, size)
                table.add_row(kind, f"{size} MiB", f"{server.peak():.0f}")
            finally:
                server.stop()
    return table


def pour(server: Server, kind: str, size: int) -> None:
    """Sends a body that is nowhere whole: read from a pipe."""
    zeros = f"head -c {size}M /dev/zero"
    if kind == "form":
        zeros = f"printf -- '{FORM_HEAD}'; {zeros}; printf -- '\\r\\n--b--\\r\\n'"
    curl = ["curl", "-sS", "--fail", "-o", "/dev/null", "-X", "POST", "-H", "Expect:", "-T", "-"]
    url = f"http://127.0.0.1:{server.port}/{kind}"
    with subprocess.Popen(["sh", "-c", zeros], stdout=subprocess.PIPE) as pipe:
        subprocess.run([*curl, "-H", f"Content-Type: {FORM_TYPE}", url], stdin=pipe.stdout, check=True)


def source(kind: str, size: int) -> Path:
    """A file in memory: random bytes, or the beginnings of boundaries over and over."""
    path = Path("/dev/shm") / f"bench-{kind}-{size}"
    hostile = (b"\r\n--" + b"-" * 20 + b"\r\n") * (MIB // 26)
    with path.open("wb") as file:
        for _ in range(size):
            file.write(os.urandom(MIB) if kind == "plain" else hostile + bytes(MIB - len(hostile)))
    return path


def told(reason: str | None, console: Console) -> bool:
    if reason:
        console.print(f"left out: {reason}")
    return bool(reason)


if __name__ == "__main__":
    main()
