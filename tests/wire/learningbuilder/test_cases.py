"""CreateBatch, request by request (vendor's documentation: API/WorkflowImportQueue/CreateBatch)."""

import gzip
import json
from collections.abc import Sequence
from typing import Any

import pytest

from server.dialects.learningbuilder.errors import REFUSALS
from tests.support.replay import Ask, House
from tests.wire.learningbuilder.members import PATH, create, path

ROW = b'{"UniqueId": "1"}'
OK = "OK"
BOM = b"\xef\xbb\xbf"

Row = tuple[str, Ask, str, str]  # name, request, OK or a code, the message of a refusal


def anonymous(**headers: str) -> Ask:
    return Ask("POST", path(), ROW, headers=headers)


def missing(name: str) -> tuple[str, str]:
    return "PARAMETER_MISSING", f"the query parameter {name} is missing or empty"


def bad_path(value: str) -> tuple[str, str]:
    return "CREATION_PATH_INVALID", f"the query parameter creationPath cannot be used: {value!r}"


def bad_mail(name: str, address: str) -> tuple[str, str]:
    return "EMAIL_INVALID", f"the query parameter {name} holds what is no e-mail address: {address!r}"


def asked(**changes: str) -> Ask:
    return create(to=path(**changes))


ACCEPTED: Sequence[tuple[str, Ask]] = [
    ("a row", create(ROW)),
    ("rows on lines", create(ROW + b"\n" + ROW + b"\n")),
    ("lines of Windows", create(ROW + b"\r\n" + ROW + b"\r\n")),
    ("blank lines", create(b"\n" + ROW + b"\n\n  \r\n" + ROW + b"\n\n")),
    ("a byte order mark", create(BOM + ROW)),
    ("a byte order mark on a line of its own", create(BOM + b"\n" + ROW)),
    ("an empty object", create(b"{}")),
    ("an object of any depth", create(b'{"a": [{"b": ' + b"[" * 200 + b"]" * 200 + b"}]}")),
    ("unknown columns fail the row, not the call", create(b'{"Nobody": 1}')),
    ("gzip", create(gzip.compress(ROW), **{"Content-Encoding": "gzip"})),
    ("gzip in two members", create(gzip.compress(ROW + b"\n") + gzip.compress(ROW), **{"Content-Encoding": "gzip"})),
    ("any content type", create(ROW, **{"Content-Type": "multipart/form-data"})),
    ("the path in another case", create(to=path().replace(PATH, "/api/workflowimportqueue/createbatch"))),
    ("parameters in another case", create(to=path().replace("fileName", "FILENAME").replace("Id=", "ID="))),
    ("the scheme in another case", create(Authorization="ApiKey $key")),
    ("the administrator's key", create(Authorization="apikey $admin_key")),
    ("an unknown parameter", asked(more="x")),
    ("a creation path of one", asked(creationPath="_")),
    ("a creation path of fifteen", asked(creationPath="ABCDEFGHIJ01234")),
    ("both addresses", asked(sendSuccessEmailTo="a@example.org", sendFailureEmailTo="b@example.org")),
    ("lists of addresses", asked(sendFailureEmailTo="a@example.org, b@x.example.org;c+d@localhost;")),
    ("an empty list", asked(sendSuccessEmailTo="")),
    ("braces and slashes in the name", asked(fileName="ACME Process {2026/11/22}")),
]

REFUSED: Sequence[Row] = [
    ("no key", anonymous(), "API_KEY_MISSING", "the request has no API key"),
    ("another scheme", anonymous(Authorization="Bearer $key"), "API_KEY_MISSING", "the request has no API key"),
    ("an empty key", anonymous(Authorization="apikey "), "API_KEY_MISSING", "the request has no API key"),
    (
        "a wrong key",
        anonymous(Authorization="apikey WRONG"),
        "API_KEY_INVALID",
        "the API key is unknown, expired or revoked",
    ),
    (
        "a key without the permission",
        anonymous(Authorization="apikey $other_key"),
        "PERMISSION_MISSING",
        "the API key does not have the permission BeginWorkflowImportProcess",
    ),
    (
        "the key before the parameters",
        Ask("POST", PATH, ROW),
        "API_KEY_MISSING",
        "the request has no API key",
    ),
    ("no fileName", asked(without="fileName"), *missing("fileName")),
    ("an empty fileName", asked(fileName=" "), *missing("fileName")),
    ("no importProcessId", asked(without="importProcessId"), *missing("importProcessId")),
    ("no creationPath", asked(without="creationPath"), *missing("creationPath")),
    (
        "a fileName in the body",
        create(b"fileName=x", to=path(without="fileName"), **{"Content-Type": "application/x-www-form-urlencoded"}),
        *missing("fileName"),
    ),
    (
        "a parameter twice",
        create(to=path() + "&FileName=x"),
        "PARAMETER_REPEATED",
        "the query parameter fileName is there more than once",
    ),
    (
        "a long fileName",
        asked(fileName="x" * 1025),
        "PARAMETER_INVALID",
        "the query parameter fileName cannot be used: it is longer than 1,024 characters",
    ),
    (
        "a fileName of two lines",
        asked(fileName="a\nBcc: x@example.org"),
        "PARAMETER_INVALID",
        "the query parameter fileName cannot be used: it holds a character that cannot be shown",
    ),
    ("a creation path of sixteen", asked(creationPath="ABCDEFGHIJ012345"), *bad_path("ABCDEFGHIJ012345")),
    *(
        (f"a creation path with {name} {place}", asked(creationPath=value), *bad_path(value))
        for name, blank in (
            ("a line end", "\n"),
            ("a return", "\r\n"),
            ("a blank", " "),
            ("a tab", "\t"),
            ("NEL", "\x85"),
        )
        for place, value in (("behind it", "ACME" + blank), ("before it", blank + "ACME"))
    ),
    *(
        (
            f"a line end behind {name}",
            asked(**{name: value + "\n"}),
            "PARAMETER_INVALID",
            f"the query parameter {name} cannot be used: it holds a character that cannot be shown",
        )
        for name, value in (("fileName", "ACME"), ("importProcessId", "12"))
    ),
    ("a line end behind an address", asked(sendSuccessEmailTo="a@b.c\n"), *bad_mail("sendSuccessEmailTo", "a@b.c\n")),
    ("a creation path in lower case", asked(creationPath="acme"), *bad_path("acme")),
    ("a creation path with a dash", asked(creationPath="AC-ME"), *bad_path("AC-ME")),
    ("a creation path in other letters", asked(creationPath="ÄCME"), *bad_path("ÄCME")),
    ("no address", asked(sendSuccessEmailTo="ada"), *bad_mail("sendSuccessEmailTo", "ada")),
    ("one of two", asked(sendFailureEmailTo="a@b.c,d"), *bad_mail("sendFailureEmailTo", "d")),
    (
        "a header in an address",
        asked(sendFailureEmailTo="a@b.c\r\nBcc: d@e.f"),
        *bad_mail("sendFailureEmailTo", "a@b.c\r\nBcc: d@e.f"),
    ),
    (
        "fifty-one addresses",
        asked(sendFailureEmailTo=",".join(f"a{number}@example.org" for number in range(51))),
        "PARAMETER_INVALID",
        "the query parameter sendFailureEmailTo cannot be used: it has more than 50 addresses",
    ),
    (
        "an unknown process",
        asked(importProcessId="nobody"),
        "IMPORT_PROCESS_NOT_FOUND",
        "Import process not found: nobody",
    ),
    ("an empty body", create(b""), "BODY_EMPTY", "the body has no rows"),
    ("no body", create(None), "BODY_EMPTY", "the body has no rows"),
    ("blank lines only", create(b"\n \n\r\n"), "BODY_EMPTY", "the body has no rows"),
    ("a byte order mark only", create(BOM), "BODY_EMPTY", "the body has no rows"),
    (
        "a bad line",
        create(ROW + b"\n\n{bad}\n" + ROW),
        "LINE_INVALID",
        "line 3, column 2: not valid JSON, unexpected character, expected a string key: '{bad}'",
    ),
    (
        "an object over two lines",
        create(b'{"a":\n1}'),
        "LINE_INVALID",
        "line 1, column 6: not valid JSON, unexpected end of data: '{\"a\":'",
    ),
    ("an array", create(b'[{"a": 1}]'), "LINE_INVALID", "line 1: not a JSON object: '[{\"a\": 1}]'"),
    ("a number", create(ROW + b"\n5"), "LINE_INVALID", "line 2: not a JSON object: '5'"),
    ("null", create(b"null"), "LINE_INVALID", "line 1: not a JSON object: 'null'"),
    (
        "a comma between lines",
        create(ROW + b",\n" + ROW),
        "LINE_INVALID",
        'line 1, column 18: not valid JSON, unexpected content after document: \'{"UniqueId": "1"},\'',
    ),
    (
        "UTF-16",
        create('{"a": 1}'.encode("utf-16")),
        "LINE_INVALID",
        "line 1: the body is in UTF-16; JSON Lines must be in UTF-8",
    ),
    (
        "gzip that nobody announced",
        create(gzip.compress(ROW)),
        "LINE_INVALID",
        "line 1: the body is compressed; say so with the header Content-Encoding: gzip",
    ),
    (
        "gzip that is none",
        create(ROW, **{"Content-Encoding": "gzip"}),
        "BODY_MALFORMED",
        "the body is not gzip, as its Content-Encoding says: Error -3 while decompressing data: incorrect header check",
    ),
    (
        "half of a gzip body",
        create(gzip.compress(ROW)[:-4], **{"Content-Encoding": "gzip"}),
        "BODY_INCOMPLETE",
        "the gzip body ends in the middle",
    ),
    (
        "another encoding",
        create(ROW, **{"Content-Encoding": "br"}),
        "BODY_MALFORMED",
        "Content-Encoding 'br' is not supported; send gzip, deflate or no encoding",
    ),
    ("GET", Ask("GET", path()), "METHOD_NOT_ALLOWED", "this path does not take GET requests"),
    ("another call", Ask("POST", PATH + "es"), "PATH_UNKNOWN", "there is nothing at this path"),
    ("in another case", Ask("POST", PATH.lower() + "/x"), "PATH_UNKNOWN", "there is nothing at this path"),
]

BY_CODE = {row.code: row for row in REFUSALS}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("ask", [pytest.param(ask, id=name) for name, ask in ACCEPTED])
async def test_each_good_request_makes_a_batch(shared_house: House, ask: Ask) -> None:
    house = shared_house
    answer = await house.ask(ask, await house.things(ask.names()))
    assert (answer.status, answer.type) == (200, "application/json; charset=utf-8")
    document: dict[str, Any] = json.loads(answer.body)
    batch = await house.engine.batches.get("learningbuilder", document.pop("queueBatchId"))
    assert document == {"queueBatchDetails": f"{house.address}/admin/batches/{batch.identifier}"}
    assert batch.job is not None
    assert (await house.engine.jobs.wait(batch.job)).state == "done"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("ask", "code", "message"), [pytest.param(*row, id=name) for name, *row in REFUSED])
async def test_each_bad_request_is_told_what_to_do(shared_house: House, ask: Ask, code: str, message: str) -> None:
    house = shared_house
    before = await house.engine.batches.list(limit=1)
    answer = await house.ask(ask, await house.things(ask.names()))
    row = BY_CODE[code]
    assert json.loads(answer.body) == {"error": {"errorCode": code, "message": message, "howToFix": row.fix}}
    assert (answer.status, answer.type) == (row.status, "application/json; charset=utf-8")
    assert answer.headers.get("WWW-Authenticate") == ("apikey" if answer.status == 401 else None)
    assert await house.engine.batches.list(limit=1) == before


async def test_mail_never_links_to_the_host_that_a_client_names(house: House) -> None:
    """Without `public_url` a client's Host could be any address, and mail goes to other people."""
    wanted = path(sendSuccessEmailTo="a@example.org", sendFailureEmailTo="b@example.org")
    ask = create(ROW, to=wanted, Host="evil.example")
    answer = await house.ask(ask, await house.things(ask.names()))
    assert answer.status == 200
    (job,) = await house.engine.jobs.list()
    assert "a@example.org" in str(job.payload)
    assert "evil" not in str(job.payload)
