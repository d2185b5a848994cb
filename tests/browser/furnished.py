"""A house with something in every room: all APIs used, batches in every state, failures, keys, long names."""

import io
import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openpyxl

from server.cli.commands.init import write_example
from server.dialects import SCOPES
from tests.browser.client import Client, Sent, Visitor, by_password
from tests.browser.definitions import MODELS, PROCESSES
from tests.support.server_process import Server, Site, wait_for

BATCH = "/api/haplo-data-import-batch"
STANDARD = "/api/haplo-data-import-standard-api"
FOLIO = "/data-import/uploadDefinitions"
LOAD = "/api/tool/BulkLoad/?method=bulkload_spreadsheet&hierarchy=sys&nowait=true&format=json"
PROFILE = {"id": "e34d7b92-9b83-11eb-a8b3-0242ac130003", "name": "Default", "dataType": "MARC"}
LONG = "The delivery of the second half of the third quarter, sent again because the first one was cut off " * 2
NAMES = ("Ada Moss", "Ben Okafor", "Chloé Dubois", "Dewi Llewellyn-Vaughan", "Émile Zając", "Fatima al-Rashid")
SLOW_ROWS = 400_000


@dataclass
class House:
    """A server that runs, what it takes to use it, and the batches that pages are looked at with."""

    site: Site
    server: Server
    keys: dict[str, str]  # secrets by name
    batches: dict[str, str]  # identifiers by what became of them

    @property
    def url(self) -> str:
        return f"http://{self.server.address}"

    def client(self) -> Client:
        return by_password(self.server.address, self.keys["pusher"])

    def visitor(self) -> Visitor:
        return Visitor(self.server.address, self.keys["boss"])

    def ended(self, batch: str) -> str:
        """The state in which its job ended."""
        return str(self.site.ended(batch)["batch_state"])


@contextmanager
def open_house(folder: Path) -> Iterator[House]:
    """As `penstock init` makes it, with a few more models and processes, and two keys."""
    write_example(folder)
    site = Site(folder, "")
    site.configure(jobs={"stall_seconds": 3600, "chunk_records": 1000}, limits={"min_free_bytes": 0})
    for name, document in MODELS.items():
        site.define("models", name, document)
    for name, document in PROCESSES.items():
        site.define("processes", name, document)
    house = House(site, site.serve(), {"boss": site.run("keys", "create", "boss", "--scope", "admin").strip()}, {})
    scopes = {f"scope-{scope}": "on" for scope in SCOPES if scope != "admin"}
    made = house.visitor().send("/admin/keys/new", name="all the systems that push", **scopes).body.decode()
    house.keys["pusher"] = made.partition('id="secret">')[2].partition("<")[0]
    try:
        yield house
    finally:
        _end(house)


def addresses(house: House) -> list[str]:
    """Pages that are looked at in any case: batches in all states, a check to confirm, and what no link leads to."""
    proposal = [f"/admin/new-import/{house.batches['proposed']}"] if "proposed" in house.batches else []
    return [*(f"/admin/batches/{batch}" for batch in house.batches.values()), *proposal, "/manual/"]


@contextmanager
def open_furnished(folder: Path) -> Iterator[House]:
    with open_house(folder) as house:
        furnish(house)
        yield house


def _end(house: House) -> None:
    for server in house.site.servers:
        for pid in server.children():
            os.kill(pid, signal.SIGCONT)
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait(10)
    shutil.rmtree(house.site.folder, ignore_errors=True)


def furnish(house: House) -> None:
    make_keys(house.visitor())
    haplo(house)
    standard(house)
    learningbuilder(house)
    voss(house)
    folio(house)
    pushed(house)
    for api, *names in (("voss", "tomorrow", "workbook"), ("folio", "marc with a fault", "marc")):
        found = house.client().get(f"/api/v1/batches?api={api}").json()["batches"]  # the newest first
        house.batches |= {name: batch["id"] for name, batch in zip(names, found, strict=True)}
    proposed(house)
    held(house)


def make_keys(visitor: Visitor) -> None:
    """Two are there already, so these are 3, 4 (with 6 as its successor) and 5."""
    long = "the integration of the membership hub with the catalogue of the northern branch"
    last = f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%d}"
    visitor.post("/admin/keys/new", name=long, tenants="diku\nnorth", expires=last, **{"scope-folio": "on"})
    visitor.post("/admin/keys/new", name="old system", **{"scope-voss": "on"})
    visitor.post("/admin/keys/new", name="lost laptop", **{"scope-haplo-batch": "on"})
    visitor.post("/admin/keys/4/rotate", days="7")
    visitor.post("/admin/keys/5/revoke")


def people(count: int, *, wrong: int = 0) -> list[dict[str, object]]:
    """Every `wrong`-th has an address that is none, or no name."""
    made: list[dict[str, object]] = []
    for number in range(count):
        first, _, last = NAMES[number % len(NAMES)].partition(" ")
        person: dict[str, object] = {"first": first, "last": last, "e-mail": f"{first}.{number}@example.org".lower()}
        person |= {"phone": "+44 20 7946 0018", "start": "2024-03-01", "status": "current", "tags": ["staff", "east"]}
        person["books"] = [{"title": f"On {last}", "isbn": f"978-0-00-{number:06}-0", "year": 1990 + number % 30}]
        if wrong and number % wrong == 1:
            person |= {"e-mail": f"nobody at {number}"} if number % 2 else {"first": "", "last": ""}
        made.append(person)
    return made


def lines(records: Sequence[Mapping[str, object]]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def haplo(house: House) -> None:
    """A dry run, an import, one that is still open, one that cannot be read, one with failures."""
    client = house.client()
    document = (house.site.folder / "imports/processes/people.control.json").read_bytes()
    control = client.send_form(f"{BATCH}/control", comment="People, as agreed in May", file=Sent("c.json", document))
    digest = control.body.decode()

    def batch(comment: str, content: bytes | None, mode: str = "import") -> str:
        made = client.send_form(f"{BATCH}/batch", comment=comment, control=digest).body.decode()
        if content is not None:
            client.send_form(f"{BATCH}/file", batch=made, name="data0", file=Sent("people.json", content))
        if mode:
            client.send_form(f"{BATCH}/schedule", batch=made, mode=mode)
        return made

    good = json.dumps(people(12)).encode()
    late = people(5)[-1] | {"start": "some day in March"}  # stored without its date, which is a warning
    house.batches["dry-run"] = batch("A first try", good, "dry-run")
    house.batches["complete"] = batch("The real thing", good)
    house.batches["uploading"] = batch("Waits for its file", None, "")
    house.batches["error"] = batch("Cut off on the way", good[:200])
    house.batches["failures"] = batch(LONG, json.dumps(people(90, wrong=3)).encode())
    house.batches["warnings"] = batch("Dates as they were typed", json.dumps([*people(4), late]).encode())
    for name in ("dry-run", "complete", "error", "failures", "warnings"):
        house.ended(house.batches[name])


def standard(house: House) -> None:
    client = house.client()
    made = client.send_form(f"{STANDARD}/batch", comment="Through the Standard API", kind="example-standard-api")
    batch = made.body.decode()
    content = json.dumps(people(3)).encode()
    client.send_form(f"{STANDARD}/file", batch=batch, name="data0", file=Sent("data.json", content))
    client.send_form(f"{STANDARD}/schedule", batch=batch)
    house.batches["standard"] = batch
    house.ended(batch)


def learningbuilder(house: House) -> None:
    rows: list[dict[str, object]] = [
        {"number": number, "name": NAMES[number % 6], "email": f"m{number}@example.org", "fee": number * 1.5}
        for number in range(40)
    ]
    rows[7]["email"], rows[8]["shoe size"], rows[9]["number"] = "not an address", 43, "nine"
    path = "/API/WorkflowImportQueue/CreateBatch?fileName=Members%20of%20the%20north&importProcessId=12"
    client = Client(house.server.address, {"Authorization": f"apikey {house.keys['pusher']}"})
    batch = client.send_octets(f"{path}&creationPath=HUB_NORTH", lines(rows)).json()["queueBatchId"]
    house.batches["learningbuilder"] = batch
    house.ended(batch)


def workbook(**sheets: Sequence[Sequence[object]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


COUNTRIES = (("entity:data/Countries,hierarchy:sys",), ("# Action", "country_name", "iso_code"))
SITES = (("entity:data/Sites,hierarchy:sys",), ("# Action", "site_name", "country"))


def load_workbook(house: House, name: str, content: bytes, **more: object) -> str:
    """The id of its transaction."""
    client = house.client()
    client.send_form("/api/uploadfiles/", uploadedfile=Sent(name, content))
    return str(client.send_json(LOAD, {"bulkload_file": name, **more}).json()["transaction_id"])


def voss(house: House) -> None:
    """One that ran, with a row that failed, and one for tomorrow."""
    rows = [*COUNTRIES, (None, "Germany", "DE"), ("explode", "Nowhere", "XX"), (None, "France", "FR")]
    more = [*SITES, *((None, f"Site {number}", "DE") for number in range(8))]
    transaction = load_workbook(house, "Countries and sites.xlsx", workbook(Countries=rows, Sites=more))
    wait_for("the load", lambda: _status(house, transaction) in ("Success", "Fail"))
    due = datetime.now(UTC) + timedelta(days=1)
    when = {"execute_date": f"{due:%Y-%m-%d}", "execute_time": "12:00:00", "execute_timezone": 120}
    tomorrow = workbook(Countries=[*COUNTRIES, (None, "Italy", "IT")])
    load_workbook(house, "Countries of tomorrow.xlsx", tomorrow, execute_immediately=False, **when)


def _status(house: House, transaction: str) -> str:
    found = house.client().get(f"/api/tool/Transaction/{transaction}/?format=json").json()
    return str(found["data"]["status"])


def folio(house: House) -> None:
    client = Client(house.server.address, {"x-okapi-tenant": "diku", "x-okapi-token": house.keys["pusher"]})
    content = (house.site.folder / "imports/sample/books.mrc").read_bytes()
    definition = client.send_json(FOLIO, {"fileDefinitions": [{"name": "books.mrc"}, {"name": "broken.mrc"}]}).json()
    path = f"{FOLIO}/{definition['id']}"
    for file, body in zip(
        definition["fileDefinitions"], (content * 5, content + b"00042no record at all"), strict=True
    ):
        loaded = client.send_octets(f"{path}/files/{file['id']}", body).json()
    client.send_json(f"{path}/processFiles", {"uploadDefinition": loaded, "jobProfileInfo": PROFILE})
    jobs = [file["jobExecutionId"] for file in definition["fileDefinitions"]]

    def all_ended() -> bool:
        found = [client.get(f"/change-manager/jobExecutions/{job}").json()["status"] for job in jobs]
        return all(status in ("COMMITTED", "ERROR") for status in found)

    wait_for("the job executions", all_ended)


def pushed(house: House) -> None:
    items = [
        {
            "shelfmark": f"QA 76.{number}",
            "title": f"Volume {number} of the collected works, with an index and forty plates",
            "summary": "A long story about a gate in a weir, told by the water. " * (12 if number == 3 else 2),
            "note_of_the_cataloguing_department_about_the_condition": "spine loose\nstains on page 12\nsigned",
            "copies": number,
            "price": 12.5 + number,
            "lent": number % 2 == 0,
            "contact": "desk@example.org",
            "page": f"https://catalogue.example.org/items/with/a/rather/long/address/{number}?view=complete&lang=en",
            "subjects": ["hydraulics", "fiction", "Ünïcode ✓"],
            "details": {"binding": "half leather", "size": {"height": 240, "width": 160}},
        }
        for number in range(60)
    ]
    answer = house.client().ask("POST", "/api/push-data/catalogue", lines(items))
    assert answer.status == 200, answer.body


HEADER = b"number,name,email,fee\n"
BAD = b"fifty,No Number,n@example.org,1\n,Nobody at all,x@example.org,2\nsixty,None Either,y@example.org,3\n"


def members_csv(start: int = 30) -> bytes:
    """Ten members, and three that cannot be imported, for two reasons."""
    rows = [f"{n},{NAMES[n % 6]},new{n}@example.org,{n}.50\n" for n in range(start, start + 10)]
    return HEADER + "".join(rows).encode() + BAD


def proposed(house: House) -> None:
    """An import of the site itself that waits to be confirmed."""
    where = house.visitor().post(
        "/admin/new-import",
        process="members",
        comment="Members of the spring",
        file=Sent("members.csv", members_csv(35)),
    )
    house.batches["proposed"] = where.partition("?")[0].rpartition("/")[2]
    house.ended(house.batches["proposed"])


def held(house: House) -> None:
    """One that runs, and is held in the middle of it; behind it one that waits, and one that was cancelled."""
    client = Client(house.server.address, {"Authorization": f"apikey {house.keys['pusher']}"})
    path = "/API/WorkflowImportQueue/CreateBatch?fileName=All%20members&importProcessId=12&creationPath=HUB"
    content = b"".join(b'{"number": %d}\n' % number for number in range(1000, 1000 + SLOW_ROWS))
    running = client.send_octets(path, content).json()["queueBatchId"]
    wait_for("a part of the rows", lambda: house.site.job(running).get("fraction"))
    wait_for("a moment without a transaction", lambda: _holds(house, house.server.worker()))
    assert house.site.job(running)["state"] == "running", "it ended before it was held"
    waiting, unwanted = (client.send_octets(path, lines([{"number": 1}])).json()["queueBatchId"] for _ in "ab")
    visitor = house.visitor()
    visitor.post(f"/admin/batches/{unwanted}/cancel")
    copy = visitor.post(f"/admin/batches/{house.batches['complete']}/copy").partition("?")[0].rpartition("/")[2]
    house.batches |= {"running": running, "scheduled": waiting, "cancelled": unwanted, "ready": copy}


def _holds(house: House, worker: int) -> bool:
    """Stops the worker, unless it has a transaction open, which would block all other writers."""
    os.kill(worker, signal.SIGSTOP)
    try:
        for database in ("catalog.db", "records.db"):
            with closing(
                sqlite3.connect(house.site.data_dir / database, timeout=0.2, isolation_level=None)
            ) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        os.kill(worker, signal.SIGCONT)
        return False
    return True
