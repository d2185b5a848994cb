"""What the descriptions of FOLIO's operations have in common: headers, refusals, and the shapes of answers."""

from collections.abc import Mapping

from server.dialects.folio.auth import TENANT_HEADER
from server.dialects.folio.openapi.operation_names import NAMES
from server.dialects.folio.openapi.schemas import FILE_ID, collection
from server.dialects.folio.wire.uploads import MOST, USUAL_LIMIT
from server.web.description.api_description import (
    Body,
    Content,
    Operation,
    Parameter,
    Response,
    Responses,
    Schema,
    in_path,
    json,
    plain,
    ref,
)

TENANT = Parameter(TENANT_HEADER, "For which tenant.", where="header", required=True, example="diku")
_USER = Parameter("x-okapi-user-id", "Who asks, as a UUID.", where="header")
_NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": MOST}
PAGE = (
    Parameter("offset", "How many to pass over.", _NUMBER),
    Parameter("limit", f"How many at most; {USUAL_LIMIT} where it is left out.", _NUMBER),
)
FILE = in_path("file", "The id of a file in the definition.", FILE_ID)

READ: Responses = {
    400: Response(
        "A header or a parameter is missing or wrong.", plain("Unable to process request Tenant must be set")
    ),
    401: Response("The key is missing, wrong, or not for this tenant.", plain("unable to get it -- unauthorized")),
    429: Response("Too many wrong keys from this address; wait a minute.", plain("too many failed attempts")),
}
BAD: Responses = {
    400: Response("The request is refused.", plain("'lang' parameter is incorrect.")),
    507: Response("The disk is too full.", plain("not enough disk space")),
}
_ERRORS: Mapping[str, object] = {
    "errors": [
        {
            "message": "may not be null",
            "type": "1",
            "code": "-1",
            "parameters": [{"key": "fileDefinitions[0].name", "value": "null"}],
        }
    ],
    "total_records": 1,
}


def problem(what: str) -> Responses:
    return {422: Response(f"The {what} can be read, but breaks a rule.", json(ref("FolioErrors"), _ERRORS))}


WITH_BODY: Responses = {
    **READ,
    **BAD,
    **problem("body"),
    408: Response("The body came too slowly.", plain("the client sent nothing for 60 seconds")),
    413: Response("The body is too large.", plain("the body is larger than 8388608 bytes")),
}


def missing(example: str) -> Responses:
    return {404: Response("There is no such thing, or not of this tenant.", plain(example))}


def one(schema: str, example: object) -> Response:
    return Response("As it is now.", json(ref(schema), example))


def listing(name: str, item: str, example: object) -> Response:
    return Response("One page.", json(collection(name, item), {name: [example], "totalRecords": 1}))


def done(description: str) -> Response:
    return Response(description)


def json_body(schema: str, example: object) -> Body:
    return Body(json(ref(schema), example))


def body(media: str, schema: Schema) -> Body:
    return Body((Content(media, schema),))


def operation(
    method: str, path: str, summary: str, answers: Responses, *parameters: Parameter, body: Body | None = None
) -> Operation:
    """Everybody says for which tenant."""
    return Operation(NAMES[f"{method} {path}"], method, path, summary, answers, (*parameters, TENANT, _USER), body)
