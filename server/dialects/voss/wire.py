"""The shapes of the VOSS bulk load API on the wire (vendor's documentation: Bulk load API). Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson

from server.engine.batches.log_text import log_text
from server.engine.errors import RequestInvalid
from server.engine.vendors.voss.bulk_plan import node_pkid
from server.engine.vendors.voss.transaction_states import (
    BulkLoad,
    Found,
    LogLine,
    Part,
    RowState,
    State,
    Status,
    UploadedFile,
    schedule_pkid,
)
from server.web.auth import basic_credentials, scheme_key

TRANSACTION = "/api/tool/Transaction/"
BULK_LOAD = "/api/data/BulkLoad/"
SCHEDULE = "/api/data/Schedule/"
METHOD = "bulkload_spreadsheet"
USUAL_LIMIT = 250
MOST = 2000  # of a page
MOST_POLLED = 500
MOST_REMOVED = 1000  # records of one request: their removal is one transaction
LONGEST = 1024  # characters of a text

_DATE = re.compile(r"[0-9]{4}-(0[1-9]|1[012])-(0[1-9]|[12][0-9]|3[01])").fullmatch
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]").fullmatch
_ZONE = re.compile(r"[+-]?[0-9]{1,4}").fullmatch
_FARTHEST = 15 * 60  # minutes from UTC
_WORDS = {"add": "Create", "modify": "Modify", "delete": "Delete", "execute": "Execute", "": "Unknown"}
_PART_ACTIONS: Mapping[Part, str] = {
    "load": "Create Bulk Load",
    "schedule": "Create Schedule",
    "execute": "Execute Resource",
}


def to_json(document: object) -> bytes:
    """Keys in alphabetical order, as the vendor's samples have them."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)


def key_in_headers(headers: Mapping[str, str]) -> str | None:
    """The password of HTTP Basic, whoever the user; the user where there is no password; else the key as it stands."""
    basic = basic_credentials(headers)
    if basic is None:
        return scheme_key(headers, "basic")
    return basic.password or basic.user or None


# Requests


@dataclass(frozen=True, slots=True)
class Page:
    skip: int = 0
    limit: int = USUAL_LIMIT
    count: bool = True


@dataclass(frozen=True, slots=True)
class LoadBody:
    """`due` is None for at once."""

    file: str
    due: datetime | None = None
    timezone: int | None = None
    request_meta: Mapping[str, Any] = field(default_factory=dict)


def page(query: Mapping[str, str]) -> Page:
    return Page(
        skip=_whole(query, "skip", 0, 2**53),
        limit=min(_whole(query, "limit", USUAL_LIMIT, 2**53), MOST),
        count=flag(query, "count", True),
    )


def flag(query: Mapping[str, str], name: str, usual: bool) -> bool:
    word = query.get(name, "").strip(" ").lower()
    if word not in ("", "true", "false"):
        raise RequestInvalid(f"{name}={word[:40]} is wrong, should be true or false")
    return usual if not word else word == "true"


def _whole(query: Mapping[str, str], name: str, usual: int, most: int) -> int:
    word = query.get(name, "").strip(" ")
    if not word:
        return usual
    if not (word.isascii() and word.isdecimal() and len(word) < 17 and int(word) <= most):
        raise RequestInvalid(f"{name}={word[:40]} is wrong, should be a whole number from 0")
    return int(word)


def needed_hierarchy(query: Mapping[str, str]) -> str:
    if not query.get("hierarchy", "").strip():
        raise RequestInvalid("The parameter hierarchy is missing; give a node's pkid or dotted path")
    return query["hierarchy"]


def check_method(query: Mapping[str, str]) -> None:
    if query.get("method") != METHOD:
        raise RequestInvalid(f"method={query.get('method', '')[:40]} is wrong, should be {METHOD}")


def polled(query: Sequence[str]) -> list[str]:
    """The ids of `transactions=`, separated by commas or given several times."""
    ids = [id.strip(" ") for text in query for id in text.split(",") if id.strip(" ")]
    if not ids:
        raise RequestInvalid("The parameter transactions is missing; give one or more transaction ids, with commas")
    if len(ids) > MOST_POLLED:
        raise RequestInvalid(f"{len(ids)} transactions were asked for at once; at most {MOST_POLLED} may be")
    return list(dict.fromkeys(ids))


def json_object(content: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise RequestInvalid(f"The body is not JSON: {error}; names and texts stand in double quotes") from None
    if not isinstance(document, dict):
        raise RequestInvalid("The body must be a JSON object")
    return document


def load_body(document: Mapping[str, Any]) -> LoadBody:
    file = text(document, "bulkload_file")
    meta = _request_meta(document.get("request_meta", {}))
    at_once = document.get("execute_immediately", True)
    if not isinstance(at_once, bool):
        raise RequestInvalid(f"execute_immediately is {_shown(at_once)}, should be true or false")
    if at_once:
        return LoadBody(file, request_meta=meta)
    zone = _timezone(document.get("execute_timezone"))
    date = _matching(document, "execute_date", _DATE, "a date as YYYY-MM-DD")
    time = _matching(document, "execute_time", _TIME, "a time as HH:MM:SS")
    try:
        due = datetime.fromisoformat(f"{date}T{time}").replace(tzinfo=UTC) - timedelta(minutes=zone)
    except (ValueError, OverflowError):
        raise RequestInvalid(f"execute_date {date} is no day of the calendar") from None
    return LoadBody(file, due, zone, meta)


def _timezone(value: object) -> int:
    """Minutes east of UTC, as a number or as its digits."""
    if isinstance(value, str) and _ZONE(value.strip(" ")):
        value = int(value)
    if type(value) is not int or abs(value) > _FARTHEST:
        raise RequestInvalid(
            f"execute_timezone is {_shown(value)}, should be minutes relative to UTC, such as 0, 120 or -60"
        )
    return value


def _matching(document: Mapping[str, Any], name: str, pattern: Any, right: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not pattern(value):
        raise RequestInvalid(f"{name} is {_shown(value)}, should be {right}")
    return value


def _request_meta(value: object) -> dict[str, Any]:
    known = ("external_id", "external_reference", "callback_url", "callback_username", "callback_password")
    if not isinstance(value, dict):
        raise RequestInvalid("request_meta must be a JSON object")
    for name in value.keys() & set(known):
        if not isinstance(value[name], str):
            raise RequestInvalid(f"request_meta.{name} is {_shown(value[name])}, should be a text")
        if len(value[name]) > LONGEST:
            raise RequestInvalid(f"request_meta.{name} has {len(value[name])} characters; at most {LONGEST} may be")
    return {name: value[name] for name in known if name in value}


def text(document: Mapping[str, Any], name: str, usual: str | None = None) -> str:
    value = document.get(name, usual)
    if not isinstance(value, str) or not value or len(value) > LONGEST or re.search("[\x00-\x1f\ud800-\udfff]", value):
        raise RequestInvalid(f"{name} is {_shown(value)}, should be a text of at most {LONGEST} characters")
    return value


def hrefs(document: Mapping[str, Any]) -> list[str]:
    """The pkids of `{"hrefs": ["/api/data/BulkLoad/PKID", …]}`."""
    listed = document.get("hrefs")
    if not isinstance(listed, list) or not listed or not all(isinstance(href, str) for href in listed):
        raise RequestInvalid("hrefs must list the addresses of the resources to delete")
    if len(listed) > MOST_REMOVED:
        raise RequestInvalid(f"hrefs has {len(listed)} addresses; at most {MOST_REMOVED} may be deleted at once")
    return [href.rstrip("/").rpartition("/")[2] for href in listed]


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    try:
        return orjson.dumps(value).decode()[:60]
    except orjson.JSONEncodeError:  # it is nested deeper than can be written
        return "a list or an object"


# Answers


def uploaded(files: Sequence[UploadedFile]) -> dict[str, object]:
    return {"uploadedfiles": [{"id": file.id, "name": file.name} for file in files]}


def accepted(state: State) -> dict[str, object]:
    id = state.transaction.id
    past = {"message": state.message} if state.past else {}
    return {"href": TRANSACTION + id, "success": True, "transaction_id": id, **past}


def finished(state: State) -> dict[str, object]:
    """To a client that waited."""
    done = {"message": state.message, "detail": state.detail, "status": state.status}
    meta = {"summary_attrs": [], "uri": TRANSACTION + state.transaction.id}
    return accepted(state) | done | {"pkid": state.transaction.id, "model_type": "tool/BulkLoad", "meta": meta}


def fault(status: int, code: int, message: str, transaction: str | None = None) -> dict[str, object]:
    return {
        "success": False,
        "error_code": code,
        "error_message": message,
        "http_code": status,
        "transaction_id": transaction,
        "traceback": None,
    }


def moment(value: datetime | None) -> str | None:
    """Microseconds and no zone: it is UTC."""
    return None if value is None else value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def poll(found: Sequence[tuple[Found, RowState | None]]) -> dict[str, object]:
    return {
        each.id: {
            "status": status_of(each, row),
            "href": TRANSACTION + each.id,
            "description": message_of(each, row) if status_of(each, row) == "Fail" else None,
        }
        for each, row in found
    }


def status_of(found: Found, row: RowState | None = None) -> Status:
    if row is not None:
        return row.status
    return "Success" if found.part in ("load", "schedule") else found.state.status


def message_of(found: Found, row: RowState | None = None) -> str | None:
    if row is None:
        return None if found.part in ("load", "schedule") else found.state.message
    if row.outcome is not None and row.outcome.message:
        return row.outcome.message
    return found.state.message if row.status == "Fail" else None


def parts(state: State) -> list[Found]:
    """Newest first. What was scheduled is executed by a transaction of its own, once its time has come."""
    return [Found(state, part=part) for part in reversed(state.parts)]


def summary(found: Found, row: RowState | None = None) -> dict[str, object]:
    """A line of a list of transactions, or of sub-transactions."""
    return {
        "action": action_of(found, row),
        "detail": detail_of(found, row),
        "message": message_of(found, row),
        "pkid": found.id,
        "status": status_of(found, row),
        "submitted_time": moment(submitted_of(found)),
        "transaction": TRANSACTION + found.id,
        "href": TRANSACTION + found.id,
        "username": found.state.transaction.username,
    }


def action_of(found: Found, row: RowState | None) -> str:
    if row is not None:
        return _WORDS[row.row.action]
    return found.state.transaction.action if found.part is None else _PART_ACTIONS[found.part]


def detail_of(found: Found, row: RowState | None) -> str:
    if row is not None:
        line = row.outcome.line if row.outcome is not None and row.outcome.line else row.row.line
        place = f"row {line}" if line is not None else f"record {row.row.record + 1}"
        return f"{row.row.entity}: {place} of sheet {row.row.sheet}"
    if found.part is None:
        return found.state.detail
    name = found.state.transaction.name
    return f"Execute : {name}" if found.part == "execute" else f"Name:{name}"


def submitted_of(found: Found) -> datetime:
    state = found.state
    if found.record is None and found.part != "execute":
        return state.transaction.submitted
    return state.job.started or state.transaction.due or state.transaction.submitted


@dataclass(frozen=True, slots=True)
class Detail:
    """What a transaction's own page shows beside its state."""

    row: RowState | None = None
    log: Sequence[LogLine] = ()
    rows: Sequence[RowState] = ()
    page: Page = Page()


def transaction(found: Found, detail: Detail) -> dict[str, object]:
    state, row = found.state, detail.row
    own = summary(found, row)
    del own["transaction"]
    made = found.part in ("load", "schedule")
    submitted = state.transaction.submitted
    started = submitted if made else state.started
    completed = submitted if made else state.finished
    rows = [summary(Found(state, record=each.row.record), each) for each in detail.rows]
    subs = [summary(part) for part in parts(state)] if found.part is None and found.record is None else rows
    data: dict[str, object] = own | {
        "started_time": moment(started),
        "completed_time": moment(completed),
        "duration": (completed - started).total_seconds() if started and completed else None,
        "rolled_back": "Yes" if row is not None and row.status == "Fail" else "No",
        "priority": "Normal",
        "resource": _resource(found, row),
        "request_meta": {k: v for k, v in state.transaction.request_meta.items() if k != "callback_password"},
        "late": "Yes" if state.late else "No",
        "log": _log(found, detail),
        "sub_transactions": subs,
        "parent": None if found.part is None and found.record is None else _parent(found),
        "submitter_host_name": None,
        "processor_host_name": None,
    }
    if state.schedules and found.part is None:
        data["executed_by"] = None if state.execution is None else TRANSACTION + state.execution
    if state.transaction.scheduled_by is not None and found.part is None and found.record is None:
        data["scheduled_by"] = TRANSACTION + state.transaction.scheduled_by
    if found.part in (None, "execute") and found.record is None and "execute" in state.parts:
        data["rows"] = {"href": TRANSACTION + state.part_id("execute"), "total": state.rows.total}
    if found.part == "execute":
        data["pagination"] = pagination(detail.page, state.rows.total)
    return {"meta": _meta(found), "data": data}


def _parent(found: Found) -> str:
    return TRANSACTION + (found.state.transaction.id if found.part else found.state.part_id("execute"))


def _resource(found: Found, row: RowState | None) -> dict[str, object]:
    transaction = found.state.transaction
    if row is not None:
        return {"model_type": row.row.entity, "hierarchy": row.row.hierarchy or transaction.hierarchy}
    load: dict[str, object] = {
        "model_type": "data/BulkLoad",
        "pkid": transaction.load,
        "hierarchy": transaction.hierarchy,
    }
    if found.part == "schedule":
        return {"model_type": "data/Schedule", "pkid": schedule_pkid(transaction), "hierarchy": transaction.hierarchy}
    return load


def _log(found: Found, detail: Detail) -> list[dict[str, object]]:
    if detail.row is not None:
        said = detail.row.outcome.message if detail.row.outcome is not None else None
        lines = [(0, "error", each, found.state.job.finished or found.state.job.started) for each in (said,) if each]
    else:
        lines = [
            (line.position, line.level, line.message if line.kind == "exception" else log_text(line), line.created)
            for line in detail.log
            if line.kind not in ("start", "end")
        ]
    return [
        {
            "href": TRANSACTION + found.id,
            "log_id": sha256(f"{found.id} {position}".encode()).hexdigest()[:24],
            "message": message,
            "severity": level,
            "time": moment(time),
            "transaction_id": found.id,
        }
        for position, level, message, time in lines
    ]


def _meta(found: Found) -> dict[str, object]:
    def action(name: str) -> dict[str, str]:
        href = f"{TRANSACTION}{found.id}/{name}?format=json"
        return {"class": "execute", "href": href, "method": "GET", "title": name.capitalize()}

    whole = found.part is None and found.record is None
    actions = (
        {} if not whole else {"replay": action("replay")} | ({} if found.state.ended else {"cancel": action("cancel")})
    )
    return {
        "model_type": "tool/Transaction",
        "summary_attrs": ["action", "detail", "status", "submitted_time"],
        "references": {"parent": [], "children": []},
        "uri": TRANSACTION + found.id,
        "actions": actions,
    }


def pagination(page: Page, total: int) -> dict[str, int]:
    return {"skip": page.skip, "limit": page.limit, "total": total if page.count else 0}


def listing(model: str, address: str, page: Page, total: int, resources: Sequence[object]) -> dict[str, object]:
    meta = {"model_type": model, "uri": address, "references": {"parent": [], "children": []}}
    return {"meta": meta, "pagination": pagination(page, total), "resources": resources}


def bulk_load(load: BulkLoad) -> dict[str, object]:
    data = {
        "pkid": load.id,
        "name": load.name,
        "filename": load.filename,
        "fileid": load.file,
        "description": load.description,
        "owner": load.owner,
    }
    return {"meta": _data_meta("data/BulkLoad", BULK_LOAD + load.id, load.hierarchy), "data": data}


def made(load: BulkLoad) -> dict[str, object]:
    meta = {"parent_id": None, "summary_attrs": [{"name": load.name}], "uri": BULK_LOAD + load.id}
    return {"pkid": load.id, "model_type": "data/BulkLoad", "meta": meta, "success": True}


def schedule(state: State) -> dict[str, object]:
    """As the client gave it: local date and time of its zone."""
    transaction = state.transaction
    zone = transaction.timezone or 0
    local = (transaction.due or transaction.submitted) + timedelta(minutes=zone)
    pkid = schedule_pkid(transaction)
    resource = {
        "action": "execute",
        "resource_type": "data/BulkLoad",
        "resource_attribute": "name",
        "resource_instance": transaction.name,
        "perform_action": True,
    }
    single = {
        "single_date": f"{local:%Y-%m-%d}",
        "single_time": f"{local:%H:%M:%S}",
        "single_timezone": str(zone),
    }
    data = {
        "pkid": pkid,
        "name": transaction.name,
        "owner": transaction.username,
        "schedule_type": "single",
        "active": True,
        "skip_next": False,
        "last_executed": None,
        "scheduled_resources": [resource],
        "single_execute": single,
        "execute_utc": moment(transaction.due),
        "transaction": TRANSACTION + transaction.id,
    }
    return {"meta": _data_meta("data/Schedule", SCHEDULE + pkid, transaction.hierarchy), "data": data}


def hierarchy_node(path: str) -> dict[str, object]:
    name = path.rpartition(".")[2]
    return {"pkid": node_pkid(path), "name": name, "path": path, "hierarchy_path": path}


def _data_meta(model: str, uri: str, hierarchy: str | None) -> dict[str, object]:
    return {"model_type": model, "uri": uri, "hierarchy": hierarchy, "references": {"parent": [], "children": []}}
