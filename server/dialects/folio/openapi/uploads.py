"""What FOLIO's modules say of their operations: uploads here, job executions in `described_jobs`."""

from server.dialects.folio.openapi.common import (
    BAD,
    FILE,
    PAGE,
    READ,
    TENANT,
    WITH_BODY,
    body,
    done,
    json_body,
    listing,
    missing,
    one,
    operation,
    problem,
)
from server.dialects.folio.openapi.jobs import OPERATIONS as OF_JOBS
from server.dialects.folio.openapi.operation_names import NAMES
from server.dialects.folio.openapi.schemas import (
    A_DEFINITION,
    AN_EXTENSION,
    AN_UPLOAD_DEFINITION,
    FILE_ID,
    ID,
    SCHEMAS,
    SENT,
)
from server.engine.vendors.folio.file_extensions import DATA_TYPES
from server.engine.vendors.folio.staged_uploads import MOST_PARTS
from server.web.description.api_description import (
    BYTES,
    COUNT,
    FLAG,
    OCTETS,
    ApiDescription,
    Body,
    Content,
    Operation,
    Parameter,
    Response,
    choice,
    in_path,
    json,
    listed,
    record,
    ref,
)

_LANGUAGE = Parameter("lang", "Two letters; without effect.", {"type": "string", "pattern": "^[a-zA-Z]{2}$"})
_QUERY = Parameter("query", "CQL; all, where it is left out.", example="status==NEW")
_LISTED = (_QUERY, *PAGE, _LANGUAGE)
_DEFINITION = in_path("definition", "The id of an upload definition.", ID)
_EXTENSION = in_path("extension", "The id of a file extension.", ID)
_NO_DEFINITION = missing(f"Upload Definition with id '{ID}' not found")
_NO_FILE = missing(f"File not found. FileDefinition ID: {FILE_ID}")
_FILES = {"fileDefinitions": [{"name": "bib.mrc"}]}
_ENDED = Response("The file is kept.", json(ref("FolioDefinition"), A_DEFINITION))
_LATER_ENDED = Response("The file is kept.", json(ref("FolioUploadDefinition"), AN_UPLOAD_DEFINITION))
_CREATED = {"Location": "Where it is."}

_V1 = "/data-import/upload"
_FIRST = (
    operation(
        "POST",
        f"{_V1}/definition",
        "Announce files (first version)",
        {201: Response("They may be sent.", json(ref("FolioDefinition"), A_DEFINITION), _CREATED), **WITH_BODY},
        _LANGUAGE,
        body=json_body("FolioNewDefinition", _FILES),
    ),
    operation(
        "GET",
        f"{_V1}/definition",
        "List upload definitions (first version)",
        {200: listing("uploadDefinitions", "FolioDefinition", A_DEFINITION), **problem("query"), **READ},
        *_LISTED,
    ),
    operation(
        "GET",
        f"{_V1}/definition/{{definition}}",
        "Show an upload definition (first version)",
        {200: one("FolioDefinition", A_DEFINITION), **_NO_DEFINITION, **READ},
        _DEFINITION,
    ),
    operation(
        "PUT",
        f"{_V1}/definition/{{definition}}",
        "Replace an upload definition; with status LOADED, process its files (first version)",
        {200: one("FolioDefinition", A_DEFINITION), **_NO_DEFINITION, **WITH_BODY},
        _DEFINITION,
        body=json_body("FolioNewDefinition", {"status": "LOADED"}),
    ),
    operation(
        "POST",
        f"{_V1}/definition/file",
        "Announce one more file (first version)",
        {
            201: Response("It may be sent.", json(ref("FolioDefinition"), A_DEFINITION), _CREATED),
            **_NO_DEFINITION,
            **WITH_BODY,
        },
        body=json_body("FolioNewFile", {"uploadDefinitionId": ID, "name": "more.mrc"}),
    ),
    operation(
        "DELETE",
        f"{_V1}/definition/file/{{file}}",
        "Take a file back (first version)",
        {204: done("It is gone."), **_NO_FILE, **READ, **BAD},
        FILE,
        Parameter("uploadDefinitionId", "The id of its upload definition.", required=True, example=ID),
    ),
    operation(
        "POST",
        f"{_V1}/file",
        "Send a file (first version)",
        {200: _ENDED, **_NO_FILE, **WITH_BODY},
        Parameter("uploadDefinitionId", "The id of an upload definition.", required=True, example=ID),
        Parameter("fileId", "The id of a file in it.", required=True, example=FILE_ID),
        body=body(OCTETS, BYTES),
    ),
)

_LATER = "/data-import/uploadDefinitions"
_ONE = f"{_LATER}/{{definition}}"
_ONE_FILE = f"{_ONE}/files/{{file}}"
_UPLOADS = (
    operation(
        "POST",
        _LATER,
        "Announce files",
        {
            201: Response("They may be sent.", json(ref("FolioUploadDefinition"), AN_UPLOAD_DEFINITION), _CREATED),
            **WITH_BODY,
        },
        _LANGUAGE,
        body=json_body("FolioNewUploadDefinition", _FILES),
    ),
    operation(
        "GET",
        _LATER,
        "List upload definitions",
        {
            200: listing("uploadDefinitions", "FolioUploadDefinition", AN_UPLOAD_DEFINITION),
            **problem("query"),
            **READ,
        },
        *_LISTED,
    ),
    operation(
        "GET",
        _ONE,
        "Show an upload definition",
        {200: one("FolioUploadDefinition", AN_UPLOAD_DEFINITION), **_NO_DEFINITION, **READ},
        _DEFINITION,
    ),
    operation(
        "PUT",
        _ONE,
        "Change an upload definition",
        {200: one("FolioUploadDefinition", AN_UPLOAD_DEFINITION), **_NO_DEFINITION, **WITH_BODY},
        _DEFINITION,
        body=json_body("FolioNewUploadDefinition", {"status": "NEW"}),
    ),
    operation(
        "DELETE",
        _ONE,
        "Delete an upload definition with its files",
        {204: done("It is gone."), **_NO_DEFINITION, **READ, **BAD},
        _DEFINITION,
    ),
    operation(
        "POST",
        f"{_ONE}/files",
        "Announce one more file",
        {
            201: Response("It may be sent.", json(ref("FolioUploadDefinition"), AN_UPLOAD_DEFINITION), _CREATED),
            **_NO_DEFINITION,
            **WITH_BODY,
        },
        _DEFINITION,
        body=json_body("FolioNewUploadFile", {"name": "more.mrc"}),
    ),
    operation(
        "POST",
        _ONE_FILE,
        "Send a file",
        {200: _LATER_ENDED, **_NO_FILE, **WITH_BODY},
        _DEFINITION,
        FILE,
        body=body(OCTETS, BYTES),
    ),
    operation(
        "DELETE",
        _ONE_FILE,
        "Take a file back",
        {204: done("It is gone."), **_NO_FILE, **READ, **BAD},
        _DEFINITION,
        FILE,
    ),
    operation(
        "POST",
        f"{_ONE_FILE}/assembleStorageFile",
        "Make the file of its parts",
        {204: done("The file is kept."), **_NO_FILE, **WITH_BODY},
        _DEFINITION,
        FILE,
        body=json_body("FolioAssembly", {"key": "diku/1-bib.mrc", "uploadId": ID, "tags": ["9f86d081"]}),
    ),
    operation(
        "POST",
        f"{_ONE}/processFiles",
        "Store the records of the files",
        {204: done("It will be done."), **_NO_DEFINITION, **WITH_BODY},
        _DEFINITION,
        body=json_body("FolioProcessFiles", {"uploadDefinition": {"id": ID}, "jobProfileInfo": {"id": ID}}),
    ),
)

_EXTENSIONS = "/data-import/fileExtensions"
_ALL_EXTENSIONS = listing("fileExtensions", "FolioFileExtension", AN_EXTENSION)
_NEW_EXTENSION = {"extension": ".mrc", "importBlocked": False, "dataTypes": ["MARC"]}
_NO_EXTENSION = missing(f"File extension not found: {ID}")
_SMALL = (
    operation(
        "GET",
        _EXTENSIONS,
        "List file extensions",
        {200: _ALL_EXTENSIONS, **problem("query"), **READ},
        *_LISTED,
    ),
    operation(
        "POST",
        _EXTENSIONS,
        "Add a file extension",
        {201: Response("It was added.", json(ref("FolioFileExtension"), AN_EXTENSION), _CREATED), **WITH_BODY},
        body=json_body("FolioNewFileExtension", _NEW_EXTENSION),
    ),
    operation(
        "POST",
        f"{_EXTENSIONS}/restore/default",
        "Restore the file extensions that there were at first",
        {200: _ALL_EXTENSIONS, **READ, **BAD},
    ),
    operation(
        "GET",
        f"{_EXTENSIONS}/{{extension}}",
        "Show a file extension",
        {200: one("FolioFileExtension", AN_EXTENSION), **_NO_EXTENSION, **READ},
        _EXTENSION,
    ),
    operation(
        "PUT",
        f"{_EXTENSIONS}/{{extension}}",
        "Change a file extension",
        {200: one("FolioFileExtension", AN_EXTENSION), **_NO_EXTENSION, **WITH_BODY},
        _EXTENSION,
        body=json_body("FolioNewFileExtension", _NEW_EXTENSION),
    ),
    operation(
        "DELETE",
        f"{_EXTENSIONS}/{{extension}}",
        "Delete a file extension",
        {204: done("It is gone."), **_NO_EXTENSION, **READ, **BAD},
        _EXTENSION,
    ),
    operation(
        "GET",
        "/data-import/dataTypes",
        "List data types",
        {
            200: Response(
                "All of them.",
                json(
                    record({"dataTypes": listed(choice(DATA_TYPES)), "totalRecords": COUNT}),
                    {"dataTypes": list(DATA_TYPES), "totalRecords": len(DATA_TYPES)},
                ),
            ),
            **READ,
        },
    ),
    operation(
        "GET",
        "/data-import/splitStatus",
        "Whether clients should send large files in parts",
        {200: Response("As it is set.", json(record({"splitStatus": FLAG}), {"splitStatus": False})), **READ},
    ),
)

_AN_ADDRESS = {
    "url": f"http://127.0.0.1:8080/data-import/parts/{ID}/1?expires=1772357400&signature=9f86d081",
    "key": "diku/1-bib.mrc",
    "uploadId": ID,
}
_ADDRESS = one("FolioUploadUrl", _AN_ADDRESS)
_PARTS = (
    operation(
        "GET",
        "/data-import/uploadUrl",
        "Begin a file in parts: where its first part goes",
        {200: _ADDRESS, **READ, **BAD},
        Parameter("filename", "What the file is called.", {"type": "string", "maxLength": 1024}, example="bib.mrc"),
        Parameter("fileName", "The same, as other clients spell it; one of the two is needed."),
    ),
    operation(
        "GET",
        "/data-import/uploadUrl/subsequent",
        "Where the next part goes",
        {200: _ADDRESS, **missing(f"Upload in parts not found: {ID}"), **READ},
        Parameter("key", "What the first answer said.", required=True, example="diku/1-bib.mrc"),
        Parameter("uploadId", "What the first answer said.", required=True, example=ID),
        Parameter(
            "partNumber",
            "Which part it is.",
            {"type": "integer", "minimum": 2, "maximum": MOST_PARTS},
            required=True,
            example=2,
        ),
    ),
    Operation(
        NAMES["PUT /data-import/parts/{upload}/{number}"],
        "PUT",
        "/data-import/parts/{upload}/{number}",
        "Send a part to the address that was given out",
        {
            200: Response("It is kept.", (), {"ETag": "To be named when the parts are put together."}),
            **missing(f"Upload in parts not found: {ID}"),
            **{status: answer for status, answer in WITH_BODY.items() if status not in (422, 429)},
        },
        (
            in_path("upload", "Out of the address.", ID),
            in_path("number", "Out of the address.", 1, {"type": "integer", "minimum": 1}),
            Parameter("expires", "Out of the address.", COUNT, required=True, example=1772357400),
            Parameter("signature", "Out of the address.", required=True, example="9f86d081"),
        ),
        Body((Content(OCTETS, BYTES),), description="The bytes, of whatever type."),
        keys=(),
        description="The signed address is the permission: no key, no tenant.",
    ),
)

_LOGGED_IN = Response(
    "The session is in the cookies.",
    json(
        ref("FolioSession"),
        {"accessTokenExpiration": "2026-03-01T09:40:00Z", "refreshTokenExpiration": "2026-03-08T09:30:00Z"},
    ),
    {"Set-Cookie": "`folioAccessToken` and `folioRefreshToken`."},
)
_SESSIONS = (
    Operation(
        NAMES["POST /authn/login-with-expiry"],
        "POST",
        "/authn/login-with-expiry",
        "Log in with the name and the secret of a key",
        {201: _LOGGED_IN, **WITH_BODY},
        (TENANT,),
        Body(json(ref("FolioLogin"), {"username": "importer", "password": "KEY"})),
        keys=(),
    ),
    Operation(
        NAMES["POST /authn/refresh"],
        "POST",
        "/authn/refresh",
        "Go on with a session",
        {201: _LOGGED_IN, **READ, **BAD},
        (TENANT,),
        keys=("folio-refresh",),
    ),
    Operation(
        NAMES["POST /authn/logout"],
        "POST",
        "/authn/logout",
        "End a session",
        {204: done("It has ended, if there was one."), **BAD},
        (),
        keys=("folio-token", "folio-cookie", "folio-refresh"),
    ),
    operation(
        "GET",
        "/bl-users/by-username/{user}",
        "Who a user is",
        {
            200: one(
                "FolioUser",
                {"user": {"username": "importer", "id": ID, "active": True, "personal": {"lastName": "importer"}}},
            ),
            **READ,
        },
        in_path("user", "The name of a user.", "importer"),
    ),
)

DESCRIPTION = ApiDescription(
    "folio",
    "FOLIO's data import: upload definitions, their files, job executions, and what clients call around them.",
    (*_UPLOADS, *_FIRST, *_SMALL, *_PARTS, *_SESSIONS, *OF_JOBS),
    {
        "folio-token": {
            "type": "apiKey",
            "in": "header",
            "name": "x-okapi-token",
            "description": "A key of scope `folio`, or the token of a session.",
        },
        "folio-cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": "folioAccessToken",
            "description": "What logging in gives.",
        },
        "folio-refresh": {
            "type": "apiKey",
            "in": "cookie",
            "name": "folioRefreshToken",
            "description": "What logging in gives, to go on with.",
        },
    },
    {**SCHEMAS, **SENT},
)
