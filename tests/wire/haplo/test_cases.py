"""The vendor's APIs, request by request (vendor's documentation: Batch import API, Standard batch import API)."""

from collections.abc import Sequence
from hashlib import sha256
from string import Template
from typing import Any

import pytest

from tests.support.replay import Ask, File, Form, House, Multipart, Say, basic
from tests.wire.haplo.people import CONTROL, control_bytes

BATCH = "/api/haplo-data-import-batch"
STANDARD = "/api/haplo-data-import-standard-api"

VALIDATION = Say(400, "Bad request (failed validation)")
NOT_JSON = Say(400, "Uploaded file is not JSON")
EMPTY_CONTROL = Say(
    400,
    "Invalid control file:\n"
    "  Not a control file\n"
    "  Control file does not specify model in the model property\n"
    "  Control file does not specify processing instructions in the instructions property\n"
    "  Control file does not have files property",
)
SCHEDULED = Say(200, "SCHEDULED")
NOTHING_THERE = Say(404, "there is nothing at this path")
UNAUTHORISED = Say(
    403,
    '{"success":false,"kind":"UNAUTHORISED",'
    '"error":{"message":"Unauthorised: You are not permitted to perform that action"}}',
    "application/json",
)
INVALID_KEY = Say(
    403,
    '{"success":false,"kind":"INVALID-API-KEY","error":{"message":"Invalid API Key"}}',
    "application/json",
)


def refused(message: str) -> Say:
    return Say(400, message)


def not_uploading(batch: str) -> Say:
    return refused(f"Batch {batch} is not in the 'uploading' state")


def only_post(method: str) -> Say:
    return Say(405, f"this path does not take {method} requests", headers={"Allow": "POST"})


def to_batch(endpoint: str, form: Form = None, **more: Any) -> Ask:
    return Ask("POST", f"{BATCH}/{endpoint}", form, **{"key": "haplo-batch", **more})


def to_standard(endpoint: str, form: Form = None, **more: Any) -> Ask:
    return Ask("POST", f"{STANDARD}/{endpoint}", form, **{"key": "haplo-standard", **more})


def control(**changes: object) -> Multipart:
    return Multipart(comment="Example control", file=File(control_bytes(**changes), b"control.json"))


def control_of(content: bytes) -> Multipart:
    return Multipart(file=File(content, b"control.json"))


def digest(content: bytes) -> Say:
    return Say(200, sha256(content).hexdigest())


DATA = b'[{"email": "ada@example.org", "name": "Ada"}]'
FILE = Multipart(batch="$batch", name="data0", file=File(DATA))
STANDARD_FILE = Multipart(batch="$standard_batch", name="data0", file=File(DATA))

ABC = {"control": "abc"}
NO_ABC = refused("Control file not found: abc")
BY_HEADER: dict[str, Any] = {"key": None, "headers": {"X-ONEIS-Key": "$batch_key"}}

ROWS: Sequence[tuple[str, Ask, Say]] = [
    ("1 control", to_batch("control", control()), digest(CONTROL)),
    ("2 control without comment", to_batch("control", control_of(CONTROL)), digest(CONTROL)),
    ("5 not json", to_batch("control", control_of(b"not json")), NOT_JSON),
    ("5 empty file", to_batch("control", control_of(b"")), NOT_JSON),
    ("6 empty object", to_batch("control", control_of(b"{}")), EMPTY_CONTROL),
    (
        "7 model",
        to_batch("control", control(model="no:such")),
        refused("Invalid control file:\n  Model not implemented: no:such"),
    ),
    (
        "8 reader",
        to_batch("control", control(files={"a": {"read": "csv"}})),
        refused("Invalid control file:\n  Unknown reader for file a: csv"),
    ),
    ("9 no file part", to_batch("control", Multipart(comment="x")), VALIDATION),
    ("9 empty text for file", to_batch("control", Multipart(comment="x", file="")), VALIDATION),
    ("10 urlencoded file", to_batch("control", {"file": "text"}), VALIDATION),
    ("10 file as a plain field", to_batch("control", Multipart(file=CONTROL)), VALIDATION),
    ("11 array", to_batch("control", control_of(b"[]")), EMPTY_CONTROL),
    ("11 null", to_batch("control", control_of(b"null")), EMPTY_CONTROL),
    ("11 number", to_batch("control", control_of(b"5")), EMPTY_CONTROL),
    ("14 unknown control", to_batch("batch", ABC), NO_ABC),
    ("15 empty control", to_batch("batch", {"control": ""}), refused("Control file not found: ")),
    ("16 no control", to_batch("batch", {"comment": "x"}), VALIDATION),
    ("16 no body", to_batch("batch"), VALIDATION),
    ("17 file", to_batch("file", FILE), digest(DATA)),
    ("17 zero bytes", to_batch("file", Multipart(FILE, file=File(b""))), digest(b"")),
    ("17 name in the query", to_batch("file?name=data0", Multipart(batch="$batch", file=File(DATA))), digest(DATA)),
    ("17 body wins", to_batch("file?batch=nope", FILE), digest(DATA)),
    ("17 unknown parameter", to_batch("file", Multipart(FILE, more="x")), digest(DATA)),
    ("18 unknown batch", to_batch("file", Multipart(FILE, batch="nope")), refused("Batch not found: nope")),
    ("18 empty batch", to_batch("file", Multipart(FILE, batch="")), refused("Batch not found: ")),
    ("19 no name", to_batch("file", Multipart(batch="$batch", file=File(DATA))), VALIDATION),
    ("19 no batch", to_batch("file", Multipart(name="x", file=File(DATA))), VALIDATION),
    ("19 no file", to_batch("file", Multipart(batch="$batch", name="x")), VALIDATION),
    ("19 validation before look-up", to_batch("file", Multipart(batch="nope", file=File(DATA))), VALIDATION),
    ("19 urlencoded", to_batch("file", {"batch": "$batch", "name": "x", "file": "y"}), VALIDATION),
    ("21 dry run", to_batch("schedule", {"batch": "$batch", "mode": "dry-run"}), SCHEDULED),
    ("22 import", to_batch("schedule", {"batch": "$batch"}), SCHEDULED),
    ("22 empty mode", to_batch("schedule", {"batch": "$batch", "mode": ""}), SCHEDULED),
    ("22 mode import", to_batch("schedule", {"batch": "$batch", "mode": "import"}), SCHEDULED),
    ("22 multipart", to_batch("schedule", Multipart(batch="$batch")), SCHEDULED),
    ("22 query", to_batch("schedule?batch=$batch"), SCHEDULED),
    ("23 twice", to_batch("schedule", {"batch": "$scheduled"}), not_uploading("$scheduled")),
    ("24 unknown batch", to_batch("schedule", {"batch": "nope"}), refused("Batch not found: nope")),
    ("25 no batch", to_batch("schedule", {"mode": "dry-run"}), VALIDATION),
    ("26 file after schedule", to_batch("file", Multipart(FILE, batch="$scheduled")), not_uploading("$scheduled")),
    ("27 unknown mode", to_batch("schedule", {"batch": "$batch", "mode": "dryrun"}), refused("Unknown mode: dryrun")),
    ("28 no files", to_batch("schedule", {"batch": "$empty"}), SCHEDULED),
    ("32 no credentials, urlencoded", to_batch("batch", {"control": "x"}, key=None), UNAUTHORISED),
    ("32 no credentials, multipart", to_batch("file", FILE, key=None), UNAUTHORISED),
    ("32 no credentials, no body", to_batch("schedule", key=None), UNAUTHORISED),
    ("32 no credentials, another type", to_batch("batch", b"_ak=$batch_key", key=None), UNAUTHORISED),
    ("33 wrong key", to_batch("batch", {"control": "x"}, key=None, headers=basic("haplo", "WRONG")), INVALID_KEY),
    ("33 long wrong key", to_batch("batch", key=None, headers=basic("haplo", "x" * 44)), INVALID_KEY),
    ("33 wrong key, multipart", to_batch("file", FILE, key=None, headers=basic("haplo", "WRONG")), INVALID_KEY),
    ("33 empty key", to_batch("batch", key=None, headers=basic("haplo", "")), UNAUTHORISED),
    ("33 key before parameters", to_batch("batch", key=None, headers=basic("haplo", "WRONG")), INVALID_KEY),
    ("34 another user", to_batch("batch", key=None, headers={"Authorization": "$other_user"}), UNAUTHORISED),
    ("35 key of the other API", to_batch("batch", {"control": "x"}, key="haplo-standard"), INVALID_KEY),
    ("35 the other way round", to_standard("batch", {"kind": "x"}, key="haplo-batch"), INVALID_KEY),
    ("36 the bare prefix", Ask("POST", BATCH, key="haplo-batch"), NOTHING_THERE),
    ("38 GET", Ask("GET", f"{BATCH}/batch", key="haplo-batch"), only_post("GET")),
    ("38 DELETE", Ask("DELETE", f"{STANDARD}/schedule"), only_post("DELETE")),
    ("38 below the path", to_batch("batch/extra"), NOTHING_THERE),
    ("38 trailing slash", to_batch("batch/"), NOTHING_THERE),
    ("40 key in the query", to_batch("batch?_ak=$batch_key", ABC, key=None), UNAUTHORISED),
    (
        "40 key in a multipart form",
        to_batch("batch", Multipart(control="abc", _ak="$batch_key"), key=None),
        UNAUTHORISED,
    ),
    ("40 key in the body", to_batch("batch", {"control": "abc", "_ak": "$batch_key"}, key=None), NO_ABC),
    ("39 key in its own header", to_batch("batch", ABC, **BY_HEADER), NO_ABC),
    ("39 wrong key in its own header", to_batch("batch", key=None, headers={"X-ONEIS-Key": "WRONG"}), INVALID_KEY),
    ("42 unknown kind", to_standard("batch", {"kind": "nope"}), refused("Standard API not found: nope")),
    ("43 no kind", to_standard("batch", {"comment": "x"}), VALIDATION),
    ("44 file", to_standard("file", STANDARD_FILE), digest(DATA)),
    ("45 unknown batch", to_standard("file", Multipart(STANDARD_FILE, batch="nope")), refused("Batch not found: nope")),
    ("46 schedule", to_standard("schedule", {"batch": "$standard_batch"}), SCHEDULED),
    ("46 dry run", to_standard("schedule", {"batch": "$standard_batch", "mode": "dry-run"}), SCHEDULED),
    ("48 a batch of the other API", to_standard("file", FILE), refused("Batch not found: $batch")),
    ("48 scheduled by the other API", to_standard("schedule", {"batch": "$batch"}), refused("Batch not found: $batch")),
    ("48 the other way round", to_batch("file", STANDARD_FILE), refused("Batch not found: $standard_batch")),
    ("49 no control", to_standard("control", control()), NOTHING_THERE),
    ("51 made in the UI", to_batch("schedule", {"batch": "$ready"}), not_uploading("$ready")),
    ("51 file to one made in the UI", to_batch("file", Multipart(FILE, batch="$ready")), not_uploading("$ready")),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("ask", "say"), [pytest.param(ask, say, id=name) for name, ask, say in ROWS])
async def test_each_request_gets_its_answer(shared_house: House, ask: Ask, say: Say) -> None:
    house = shared_house
    things = await house.things(ask.names())
    answer = await house.ask(ask, things)
    assert (answer.status, answer.body) == (say.status, Template(say.body).safe_substitute(things))
    assert answer.type == say.type
    assert "WWW-Authenticate" not in answer.headers
    for name, value in say.headers.items():
        assert answer.headers[name] == value
