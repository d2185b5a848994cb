"""Reads the parameters of the VOSS bulk load API and renders its documents (vendor's documentation: Bulk load API)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, cast

import orjson

from server.dialects.voss import documents
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
from server.engine.vendors.voss.transactions import LoadRequest
from server.web.auth import basic_credentials, scheme_key

TRANSACTION = "/api/tool/Transaction/"
BULK_LOAD = "/api/data/BulkLoad/"
SCHEDULE = "/api/data/Schedule/"
METHOD = "bulkload_spreadsheet"
KEY_LENGTH = 44  # characters; no user and password in so few can hold a key
USUAL_LIMIT = 250
MOST = 2000  # of a page
MOST_POLLED = 500
MOST_REMOVED = 1000  # records of one request: their removal is one transaction

_WORDS = {"add": "Create", "modify": "Modify", "delete": "Delete", "execute": "Execute", "": "Unknown"}
_PART_ACTIONS: Mapping[Part, str] = {
    "load": "Create Bulk Load",
    "schedule": "Create Schedule",
    "execute": "Execute Resource",
}


def to_json(document: object) -> bytes:
    """Renders JSON with keys in alphabetical order, as in the vendor's samples."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)


def key_in_headers(headers: Mapping[str, str]) -> str | None:
    """Returns the password of HTTP Basic, the user if the password is empty, or else the bare key after `Basic`."""
    bare, basic = scheme_key(headers, "basic"), basic_credentials(headers)
    if basic is None or (bare is not None and len(bare) == KEY_LENGTH):  # some keys happen to decode as user:password
        return bare
    return basic.password or basic.user or None


# Requests


@dataclass(frozen=True, slots=True)
class Page:
    skip: int = 0
    limit: int = USUAL_LIMIT
    count: bool = True


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
    """Returns the ids in `transactions=`, which may be separated by commas or given several times."""
    ids = [id.strip(" ") for text in query for id in text.split(",") if id.strip(" ")]
    if not ids:
        raise RequestInvalid("The parameter transactions is missing; give one or more transaction ids, with commas")
    if len(ids) > MOST_POLLED:
        raise RequestInvalid(f"{len(ids)} transactions were asked for at once; at most {MOST_POLLED} may be")
    return list(dict.fromkeys(ids))


def load_request(document: Mapping[str, Any], hierarchy: str, callback_path: str) -> LoadRequest:
    """Reads when to load what. Date, time and zone count only if the load does not start at once."""
    if document.get("execute_immediately", True) is not False:
        load, due, zone = documents.read(document, documents.VossLoad), None, None
    else:
        load = later = documents.read(document, documents.VossScheduledLoad)
        due, zone = _due(later), later.execute_timezone
    meta = load.request_meta.model_dump(exclude_unset=True)
    return LoadRequest(load.bulkload_file, hierarchy, due, zone, meta, callback_path=callback_path)


def _due(load: documents.VossScheduledLoad) -> datetime:
    try:
        local = datetime.fromisoformat(f"{load.execute_date}T{load.execute_time}").replace(tzinfo=UTC)
        return local - timedelta(minutes=load.execute_timezone)
    except (ValueError, OverflowError):
        raise RequestInvalid(f"execute_date {load.execute_date} is no day of the calendar") from None


def hrefs(document: Mapping[str, Any]) -> list[str]:
    """Returns the pkids of `{"hrefs": ["/api/data/BulkLoad/PKID", …]}`."""
    found = documents.read(document, documents.VossHrefs).hrefs
    if len(found) > MOST_REMOVED:
        raise RequestInvalid(f"hrefs has {len(found)} addresses; at most {MOST_REMOVED} may be deleted at once")
    return [href.rstrip("/").rpartition("/")[2] for href in found]


# Answers


def uploaded(files: Sequence[UploadedFile]) -> documents.VossUploaded:
    return {"uploadedfiles": [{"id": file.id, "name": file.name} for file in files]}


def accepted(state: State) -> documents.VossAccepted:
    id = state.transaction.id
    found: documents.VossAccepted = {"href": TRANSACTION + id, "success": True, "transaction_id": id}
    return {**found, "message": state.message} if state.past else found


def finished(state: State) -> documents.VossAccepted:
    """Returns the result of a load to a client that waited for its end."""
    return {
        **accepted(state),
        "message": state.message,
        "detail": state.detail,
        "status": state.status,
        "pkid": state.transaction.id,
        "model_type": "tool/BulkLoad",
        "meta": {"summary_attrs": [], "uri": TRANSACTION + state.transaction.id},
    }


def fault(status: int, code: int, message: str, transaction: str | None = None) -> documents.VossFault:
    return {
        "success": False,
        "error_code": code,
        "error_message": message,
        "http_code": status,
        "transaction_id": transaction,
        "traceback": None,
    }


def moment(value: datetime | None) -> str | None:
    return None if value is None else _time(value)


def _time(value: datetime) -> str:
    """Returns the UTC time with microseconds and without a zone, as the vendor writes it."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def poll(found: Sequence[tuple[Found, RowState | None]]) -> dict[str, documents.VossPolled]:
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
    """Returns the parts, newest first. A scheduled load is executed at its time by a transaction of its own."""
    return [Found(state, part=part) for part in reversed(state.parts)]


def summary(found: Found, row: RowState | None = None) -> documents.VossTransactionSummary:
    return {**_fields(found, row), "transaction": TRANSACTION + found.id}


def _fields(found: Found, row: RowState | None) -> documents.VossTransactionFields:
    return {
        "action": action_of(found, row),
        "detail": detail_of(found, row),
        "message": message_of(found, row),
        "pkid": found.id,
        "status": status_of(found, row),
        "submitted_time": _time(submitted_of(found)),
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
    """What a transaction shows besides its state."""

    row: RowState | None = None
    log: Sequence[LogLine] = ()
    rows: Sequence[RowState] = ()
    page: Page = Page()


def transaction(found: Found, detail: Detail) -> documents.VossTransaction:
    state, row = found.state, detail.row
    made = found.part in ("load", "schedule")
    submitted = state.transaction.submitted
    started = submitted if made else state.started
    completed = submitted if made else state.finished
    rows = [summary(Found(state, record=each.row.record), each) for each in detail.rows]
    subs = [summary(part) for part in parts(state)] if found.part is None and found.record is None else rows
    document = {
        **_fields(found, row),
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
    data = cast(documents.VossTransactionData, document)
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


def _resource(found: Found, row: RowState | None) -> documents.VossResource:
    transaction = found.state.transaction
    if row is not None:
        return {"model_type": row.row.entity, "hierarchy": row.row.hierarchy or transaction.hierarchy}
    load: documents.VossResource = {
        "model_type": "data/BulkLoad",
        "pkid": transaction.load,
        "hierarchy": transaction.hierarchy,
    }
    if found.part == "schedule":
        return {"model_type": "data/Schedule", "pkid": schedule_pkid(transaction), "hierarchy": transaction.hierarchy}
    return load


def _log(found: Found, detail: Detail) -> list[documents.VossLogLine]:
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


def _meta(found: Found) -> documents.VossTransactionMeta:
    return {
        "model_type": "tool/Transaction",
        "summary_attrs": ["action", "detail", "status", "submitted_time"],
        "references": {"parent": [], "children": []},
        "uri": TRANSACTION + found.id,
        "actions": _actions(found),
    }


def _actions(found: Found) -> documents.VossActions:
    """Returns what can be done with a whole transaction; nothing can be done with a part or a row."""
    if found.part is not None or found.record is not None:
        return {}
    replay = _action(found, "replay")
    return {"replay": replay} if found.state.ended else {"replay": replay, "cancel": _action(found, "cancel")}


def _action(found: Found, name: str) -> documents.VossAction:
    href = f"{TRANSACTION}{found.id}/{name}?format=json"
    return {"class": "execute", "href": href, "method": "GET", "title": name.capitalize()}


def pagination(page: Page, total: int) -> documents.VossPagination:
    return {"skip": page.skip, "limit": page.limit, "total": total if page.count else 0}


def listing(model: str, address: str, page: Page, total: int, resources: Sequence[object]) -> dict[str, object]:
    meta: documents.VossListMeta = {"model_type": model, "uri": address, "references": {"parent": [], "children": []}}
    return {"meta": meta, "pagination": pagination(page, total), "resources": resources}


def bulk_load(load: BulkLoad) -> documents.VossBulkLoad:
    data: documents.VossBulkLoadData = {
        "pkid": load.id,
        "name": load.name,
        "filename": load.filename,
        "fileid": load.file,
        "description": load.description,
        "owner": load.owner,
    }
    return {"meta": _data_meta("data/BulkLoad", BULK_LOAD + load.id, load.hierarchy), "data": data}


def made(load: BulkLoad) -> documents.VossMade:
    meta: documents.VossMadeMeta = {
        "parent_id": None,
        "summary_attrs": [{"name": load.name}],
        "uri": BULK_LOAD + load.id,
    }
    return {"pkid": load.id, "model_type": "data/BulkLoad", "meta": meta, "success": True}


def schedule(state: State) -> documents.VossSchedule:
    """Returns the schedule of a load, with date and time in the client's zone."""
    transaction = state.transaction
    zone = transaction.timezone or 0
    local = (transaction.due or transaction.submitted) + timedelta(minutes=zone)
    pkid = schedule_pkid(transaction)
    resource: dict[str, Any] = {
        "action": "execute",
        "resource_type": "data/BulkLoad",
        "resource_attribute": "name",
        "resource_instance": transaction.name,
        "perform_action": True,
    }
    single: documents.VossExecuteAt = {
        "single_date": f"{local:%Y-%m-%d}",
        "single_time": f"{local:%H:%M:%S}",
        "single_timezone": str(zone),
    }
    data: documents.VossScheduleData = {
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


def hierarchy_node(path: str) -> documents.VossHierarchyNode:
    name = path.rpartition(".")[2]
    return {"pkid": node_pkid(path), "name": name, "path": path, "hierarchy_path": path}


def _data_meta(model: str, uri: str, hierarchy: str | None) -> documents.VossDataMeta:
    return {"model_type": model, "uri": uri, "hierarchy": hierarchy, "references": {"parent": [], "children": []}}
