"""The description of the Haplo APIs."""

import json as plain_json
from collections.abc import Mapping

from server.dialects.haplo import wire
from server.dialects.haplo.errors import INVALID_KEY
from server.dialects.haplo.push import PREFIX as PUSH
from server.dialects.haplo.routes import BatchApi, StandardApi
from server.web.description.api_description import (
    BYTES,
    JSON,
    MULTIPART,
    OCTETS,
    TEXT,
    URLENCODED,
    ApiDescription,
    Body,
    Content,
    Operation,
    Response,
    Responses,
    Schema,
    always,
    choice,
    in_path,
    json,
    plain,
    record,
)

_DIGEST: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_A_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_A_BATCH = "q5y0c1sz0xg2p3bd6v3rj8mwfk"
_A_CONTROL = plain_json.dumps(
    {
        "dataImportControlFileVersion": 0,
        "model": "example:people",
        "files": {"data0": {"read": "json"}},
        "instructions": [
            {"action": "new", "destination": "profile"},
            {"source": "email", "destination": "profile", "name": "email"},
        ],
    }
)
_WORDS: Schema = {"type": "string", "maxLength": wire.LONGEST_NAME}

_WITH_BODY: Responses = {
    408: Response("The body came too slowly.", plain("the client sent nothing for 60 seconds")),
    413: Response("The body is too large.", plain("the body is larger than 68719476736 bytes")),
    507: Response("The disk is too full.", plain("not enough disk space")),
}
_REFUSED = Response(
    "The key is missing or wrong, or was wrong too often.", json(wire.HaploRefusal, plain_json.loads(INVALID_KEY))
)
_IN_QUERY = "Each parameter may also be in the query string; the body takes precedence."


def _form(fields: Mapping[str, Schema], example: Mapping[str, object], *optional: str) -> Body:
    """Describes a form of either kind; a form with a file is multipart."""
    needed = {name: schema for name, schema in fields.items() if name not in optional}
    schema = record(needed, {name: fields[name] for name in optional}, more=True)
    media = (MULTIPART,) if "file" in fields else (URLENCODED, MULTIPART)
    return Body(tuple(Content(each, schema, example) for each in media), description=_IN_QUERY)


def _post(name: str, path: str, summary: str, body: Body, done: Response, refused: str) -> Operation:
    answers = {200: done, 400: Response("The request is refused.", plain(refused)), 403: _REFUSED, **_WITH_BODY}
    return Operation(name, "POST", path, summary, answers, body=body)


def _text(description: str, schema: Schema, example: str) -> Response:
    return Response(description, (Content("text/plain", schema, example),))


def _operations(prefix: str, kind: str, source: str, of_source: str, example: str) -> tuple[Operation, ...]:
    """Returns what both batch APIs have; `source` is the parameter that says how a batch is imported."""
    return (
        _post(
            f"create{kind}Batch",
            f"{prefix}/batch",
            f"Create a batch for {of_source}",
            _form({"comment": TEXT, source: TEXT}, {"comment": "People, March", source: example}, "comment"),
            _text("The identifier of the batch.", TEXT, _A_BATCH),
            wire.FAILED_VALIDATION,
        ),
        _post(
            f"addFileTo{kind}Batch",
            f"{prefix}/file",
            "Add a file to a batch",
            _form(
                {"batch": TEXT, "name": _WORDS, "file": BYTES},
                {"batch": _A_BATCH, "name": "data0", "file": '[{"email": "ada@example.org"}]'},
            ),
            _text("The SHA-256 of the file.", _DIGEST, _A_DIGEST),
            f"Batch {_A_BATCH} is not in the 'uploading' state",
        ),
        _post(
            f"schedule{kind}Batch",
            f"{prefix}/schedule",
            "Start the import of a batch, or a dry run",
            _form(
                {"batch": TEXT, "mode": choice(("import", "dry-run", ""))},
                {"batch": _A_BATCH, "mode": "dry-run"},
                "mode",
            ),
            _text("Scheduled.", always(wire.SCHEDULED), wire.SCHEDULED),
            f"Batch not found: {_A_BATCH}",
        ),
    )


_CONTROL = _post(
    "uploadControlFile",
    f"{BatchApi.prefix}/control",
    "Upload a control file",
    _form({"comment": TEXT, "file": BYTES}, {"comment": "People", "file": _A_CONTROL}, "comment"),
    _text("The SHA-256 of the control file, by which batches name it.", _DIGEST, _A_DIGEST),
    wire.control_problems(["No instructions found"]),
)


def _reply(description: str, example: str) -> Response:
    """Describes a reply in the format of the push API's definition."""
    xml = Content("application/xml", TEXT, '<response result="success" applied="1" failures="0" errorCount="0" />')
    return Response(description, (Content(JSON, wire.HaploPushReply, _reply_example(example)), xml))


def _reply_example(result: str) -> object:
    return plain_json.loads(wire.push_json(wire.PushReply(result)))


_PUSH = Operation(
    "pushData",
    "POST",
    f"{PUSH}/{{url}}",
    "Push one file, and get the outcome of each record",
    {
        200: _reply("Every record was applied.", "success"),
        400: _reply("A record failed, or the push was refused.", "failure"),
        403: Response(
            "The key is missing or wrong, was wrong too often, or may not push to this address.",
            (
                Content(JSON, {"anyOf": [wire.HaploRefusal, wire.HaploPushReply]}, _reply_example("not authorised")),
                Content("application/xml", TEXT),
            ),
        ),
        408: _reply("The body came too slowly.", "error"),
        413: _reply("The body is too large.", "error"),
        507: _reply("The disk is too full.", "error"),
    },
    (in_path("url", "The `url` in the `push` of an import process.", "members"),),
    Body((Content(OCTETS, BYTES, '[{"email": "ada@example.org"}]'),), description="The file, with any Content-Type."),
    description="The response follows when the import has ended. Other methods get 400.",
)

DESCRIPTION = ApiDescription(
    "haplo",
    "Haplo's import APIs: batches with uploaded control files, batches of configured processes, and pushes.",
    (
        _CONTROL,
        *_operations(BatchApi.prefix, "Controlled", "control", "a control file that was uploaded", _A_DIGEST),
        *_operations(StandardApi.prefix, "Standard", "kind", "an import process", "people-feed"),
        _PUSH,
    ),
    {
        "haplo": {
            "type": "http",
            "scheme": "basic",
            "description": f"The user is `{wire.USER}`, the password a key of scope `haplo-batch`, `haplo-standard` or "
            "`haplo-push`. In an urlencoded form the field `_ak` may hold the key instead.",
        },
        "haplo-header": {"type": "apiKey", "in": "header", "name": "X-ONEIS-Key", "description": "The same key."},
    },
)
