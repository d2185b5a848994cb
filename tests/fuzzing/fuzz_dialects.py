"""Fuzzes every dialect of a running server: fuzz_dialects.py [--minutes N] [--seed S]

Good requests of each API are changed in their path, headers and body, byte by byte, and sent over sockets. Changed
files are imported whole. A fault: no answer, an answer of 500, an error in the server's log, a job that ends with the
name of an exception, counts that do not add up, an answer that takes longer than five seconds, memory beyond the cap.
"""

import argparse
import base64
import http.client
import json
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from server.cli.commands.init import write_example
from tests.acceptance.conftest import MODEL, process
from tests.acceptance.described import TENANT, Furnished
from tests.fuzzing.fuzz_readers import GOOD, Good, marc, workbook
from tests.fuzzing.mutating import mutated
from tests.support.server_process import Site

SECONDS = 5.0
MEMORY_KIB = 600 << 10  # of the server's process
EDGE = "edge-of-a-part"
EXCEPTION = re.compile(r"\b[A-Z]\w*(Error|Exception|Interrupt)\b|Traceback|\bline \d+, in \w+")
BASIC, APIKEY, OKAPI = "basic", "apikey", "okapi"


@dataclass(frozen=True)
class Request:
    """A good request; `kind` is its content type."""

    method: str
    path: str
    signed: str
    kind: str = ""
    body: bytes = b""

    def raw(self, key: str, random: Random) -> bytes:
        """Changed in one place at least: path, headers or body."""
        where = random.choice(("path", "headers", "body", "body") if self.body else ("path", "path", "headers"))
        change = {part: (lambda data: mutated(data, random)) if part == where else _same for part in _PARTS}
        body = change["body"](self.body)
        path = change["path"](self.path.encode()).replace(b"\r", b"").replace(b"\n", b"").replace(b" ", b"%20")
        headers = change["headers"](b"".join(name + b": " + value + b"\r\n" for name, value in self._headers(key)))
        length = b"Content-Length: %d\r\n" % len(body) if self.body or self.method != "GET" else b""
        line = self.method.encode() + b" " + (path or b"/") + b" HTTP/1.1\r\nHost: localhost\r\n"
        return line + headers + length + b"Connection: close\r\n\r\n" + body

    def _headers(self, key: str) -> Sequence[tuple[bytes, bytes]]:
        ways = {
            BASIC: [(b"Authorization", b"Basic " + base64.b64encode(f"haplo:{key}".encode()))],
            APIKEY: [(b"Authorization", f"apikey {key}".encode())],
            OKAPI: [(b"x-okapi-token", key.encode()), (b"x-okapi-tenant", TENANT.encode())],
        }
        return [*ways[self.signed], *([(b"Content-Type", self.kind.encode())] if self.kind else [])]


_PARTS = ("path", "headers", "body")


def _same(data: bytes) -> bytes:
    return data


def form(fields: Mapping[str, str], file: bytes | None = None, field: str = "file", name: str = "a.json") -> bytes:
    parts = [f'Content-Disposition: form-data; name="{key}"\r\n\r\n{value}'.encode() for key, value in fields.items()]
    if file is not None:
        head = f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
        parts.append(head.encode() + file)
    return b"".join(f"--{EDGE}\r\n".encode() + part + b"\r\n" for part in parts) + f"--{EDGE}--\r\n".encode()


def good_requests(known: Mapping[str, str], random: Random) -> Sequence[Request]:
    """One of each kind that each API takes, about things that exist."""
    multipart, json_kind = f"multipart/form-data; boundary={EDGE}", "application/json"
    urlencoded = "application/x-www-form-urlencoded"
    batch, standard = "/api/haplo-data-import-batch", "/api/haplo-data-import-standard-api"
    upload, definition = "/data-import/uploadDefinitions", known["definition"]
    load = {"bulkload_file": "Loads.xlsx", "execute_immediately": False, "execute_date": "2999-01-01"}
    load |= {"execute_time": "00:00:00", "execute_timezone": 0, "request_meta": {"external_id": "1"}}
    control = {"dataImportControlFileVersion": 0, "model": "example:load", "files": {"DEFAULT": {"read": "json"}}}
    control["instructions"] = [
        {"action": "new", "destination": "entry"},
        {"source": "text", "destination": "entry", "name": "text", "filters": ["haplo:trim"]},
    ]
    names = {"fileDefinitions": [{"name": "a.mrc", "size": 12}, {"name": "b.edi"}]}
    lines = b'{"number": 1, "text": "one"}\n{"number": 2}\n'
    create = "/API/WorkflowImportQueue/CreateBatch?fileName=Ours&importProcessId=load&creationPath=OURS"
    execution = {"sourceType": "FILES", "files": [{"name": "a.mrc"}], "userId": known["definition"]}
    return [
        Request("POST", f"{batch}/control", BASIC, multipart, form({"comment": "c"}, json.dumps(control).encode())),
        Request("POST", f"{batch}/batch", BASIC, urlencoded, f"comment=a+b&control={known['control']}".encode()),
        Request("POST", f"{standard}/batch", BASIC, urlencoded, b"comment=a%20b&kind=load"),
        Request("POST", f"{standard}/file", BASIC, multipart, form({"batch": known["batch"], "name": "load"}, lines)),
        Request("POST", f"{batch}/schedule", BASIC, urlencoded, f"batch={known['batch']}&mode=dry-run".encode()),
        Request("POST", "/api/push-data/entries", BASIC, json_kind, lines),
        Request("POST", upload, OKAPI, json_kind, json.dumps(names).encode()),
        Request("GET", f"{upload}?query=status==NEW sortBy createdDate&limit=3&offset=0".replace(" ", "%20"), OKAPI),
        Request("PUT", f"{upload}/{definition}", OKAPI, json_kind, json.dumps({"id": definition, **names}).encode()),
        Request("POST", f"{upload}/{definition}/files", OKAPI, json_kind, b'{"name": "c.mrc"}'),
        Request(
            "POST",
            f"{upload}/{definition}/files/{known['file']}",
            OKAPI,
            "application/octet-stream",
            marc(random),
        ),
        Request("POST", f"{upload}/{definition}/processFiles", OKAPI, json_kind, b'{"uploadDefinition": {}}'),
        Request("POST", "/change-manager/jobExecutions", OKAPI, json_kind, json.dumps(execution).encode()),
        Request("GET", "/metadata-provider/jobExecutions?statusAny=ERROR&completedAfter=2020-01-01T00:00:00Z", OKAPI),
        Request("GET", "/data-import/uploadUrl?filename=a.mrc", OKAPI),
        Request("POST", "/authn/login-with-expiry", OKAPI, json_kind, b'{"username": "a", "password": "b"}'),
        Request("POST", create, APIKEY, "application/x-ndjson", lines),
        Request("POST", "/api/uploadfiles/", BASIC, multipart, form({}, workbook(random), "uploadedfile", "a.xlsx")),
        Request(
            "POST",
            "/api/tool/BulkLoad/?method=bulkload_spreadsheet&hierarchy=sys&nowait=true&format=json",
            BASIC,
            json_kind,
            json.dumps(load).encode(),
        ),
        Request("GET", "/api/tool/Transaction/?format=json&limit=3&skip=0&order_by=id&direction=asc", BASIC),
        Request("GET", f"/api/tool/Transaction/{known['transactions']}/?format=json", BASIC),
        Request("GET", f"/api/v1/batches/{known['batch']}", BASIC),
        Request("GET", "/api/v1/batches?state=done&api=voss&limit=5", BASIC),
        Request("GET", "/api/v1/records/entries?limit=5", BASIC),
    ]


class Fuzzed:
    """A server under changed requests, and what went wrong."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.furnished = Furnished(site)
        self.server = site.servers[-1]
        host, _, port = self.server.address.rpartition(":")
        self.address = host, int(port)
        self.known = {name: value for found in self.furnished.known.values() for name, value in found.items()}
        self._looked = 0

    def ask(self, raw: bytes) -> list[str]:
        began = time.monotonic()
        try:
            status, answer = self._answer(raw)
        except TimeoutError:
            return ["no answer within a minute"]
        except (ConnectionError, http.client.HTTPException) as error:
            return [f"no answer: {error!r}", *self._said()]
        seconds = time.monotonic() - began
        faults = [f"answered {status}: {answer[:300]!r}"] if status >= 500 and status != 501 else []
        if seconds > SECONDS:
            faults.append(f"answered after {seconds:.1f} s")
        return faults + self._said() + self._memory()

    def _answer(self, raw: bytes) -> tuple[int, bytes]:
        with socket.create_connection(self.address, timeout=60) as connection:
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(raw)
            response = http.client.HTTPResponse(connection, method=raw[:8].partition(b" ")[0].decode())
            response.begin()
            return response.status, response.read(1 << 20)

    def load(self, good: Good, data: bytes) -> list[str]:
        """Imports a changed file whole, and looks at what is said of it."""
        standard = "/api/haplo-data-import-standard-api"
        server, kind = self.server, f"fuzz-{good.reader}"
        batch = server.post(f"{standard}/batch", {"kind": kind})[1]
        status, said = server.post(f"{standard}/file", {"batch": batch, "name": "data0"}, data)
        if status != 200:
            return [f"upload answered {status}: {said}"] if status >= 500 else []
        server.post(f"{standard}/schedule", {"batch": batch})
        self.site.ended(batch, 120)
        shown = self.furnished._ask("GET", f"/api/v1/batches/{batch}").json()
        counts = dict(shown["job"]["counts"])
        with_warnings = counts.pop("with_warnings", 0)
        read = counts.pop("read")
        faults = [] if read == sum(counts.values()) else [f"counts do not add up: {shown['job']['counts']}"]
        if with_warnings > read:
            faults.append(f"more warnings than records: {shown['job']['counts']}")
        log = json.dumps(shown["log"])
        return faults + ([f"said {log[:400]}"] if EXCEPTION.search(log) else []) + self._said()

    def _said(self) -> list[str]:
        faults = self.server.faults()
        new, self._looked = faults[self._looked :], len(faults)
        return [f"log: {line[:400]}" for line in new]

    def _memory(self) -> list[str]:
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        used = int(status.partition("VmRSS:")[2].split()[0])
        return [f"{used >> 10} MiB of memory"] if used > MEMORY_KIB else []


def furnish(folder: Path) -> Site:
    """Models and processes: the ones of the acceptance tests, and one process for each reader."""
    write_example(folder)
    site = Site(folder, "")
    site.define("models", "load", MODEL)
    site.define("processes", "load", process("load", "entry", "number", "text"))
    site.define("processes", "push", process("push", "entry", "number", "text", push={"url": "entries"}))
    site.configure(limits={"min_free_bytes": 0, "idle_seconds": 2}, server={"log_format": "json"})
    names = {name: {"type": kind} for name, kind in (("id", "text"), ("name", "text"), ("n", "integer"))}
    names |= {"note": {"type": "text"}, "001": {"type": "text"}}
    for good in GOOD:
        if good.reader.startswith("source-records"):
            continue
        table = "fuzz_" + good.reader.replace("-", "_")
        destination = {"name": "row", "table": table, "kind": "dictionary", "names": names}
        site.define("models", table, {"name": table, "label": table, "destinations": [destination]})
        kind = f"fuzz-{good.reader}"
        shape = {"id": kind, "label": kind, "model": table, "destination": "row", "write": "create"}
        site.define("processes", kind, {**shape, "read": {"read": good.reader, **good.options}})
    site.key = site.run("keys", "create", "fuzz", "--scope", "admin").strip()
    return site


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where requests with a fault are kept")
    wanted = parser.parse_args(arguments)
    print(f"seed {wanted.seed}", flush=True)
    random, folder = Random(wanted.seed), Path(tempfile.mkdtemp(prefix="fuzz"))
    site = furnish(folder / "site")
    try:
        seen, tried = run(Fuzzed(site), random, wanted.minutes * 60, wanted.keep)
    finally:
        for server in site.servers:
            server.process.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{tried} requests and files, {len(seen)} kinds of fault")
    return 1 if seen else 0


def run(fuzzed: Fuzzed, random: Random, seconds: float, keep: Path, most: int = sys.maxsize) -> tuple[set[str], int]:
    """`most`: requests and files, if there is time."""
    ended, tried, seen = time.monotonic() + seconds, 0, set[str]()
    files = [good for good in GOOD if not good.reader.startswith("source-records")]
    while time.monotonic() < ended and tried < most:
        tried += 1
        if random.random() < 0.05:
            good = random.choice(files)
            data = good.change(good.make(random), random)
            name, look = good.reader, lambda good=good, data=data: fuzzed.load(good, data)
        else:
            request = random.choice(good_requests(fuzzed.known, random))
            data = request.raw(fuzzed.furnished.key, random)
            name, look = "request", lambda data=data: fuzzed.ask(data)  # type: ignore[assignment, misc]
        for fault in _faults(look):
            kind = name + re.sub(r"\d+|'[^']*'|[0-9a-f]{8,}|[\w-]{20,}", "#", fault)[:120]
            if kind not in seen:
                seen.add(kind)
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"dialects-{tried}").write_bytes(data)
                print(f"{name}: {fault} (kept in {keep / f'dialects-{tried}'})", flush=True)
    return seen, tried


def _faults(look: Callable[[], list[str]]) -> list[str]:
    try:
        return look()
    except (AssertionError, OSError, KeyError, ValueError) as error:
        return [f"{type(error).__name__}: {error}"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
