"""The configuration that the requests speak of: one model, and control files for it."""

import json
from typing import Any

MODEL = {
    "name": "example:people",
    "label": "People",
    "destinations": [
        {
            "name": "profile",
            "table": "people",
            "kind": "dictionary",
            "key": ["email"],
            "names": {"email": {"type": "text", "required": True}, "name": {}},
        }
    ],
}

_CONTROL: dict[str, Any] = {
    "dataImportControlFileVersion": 0,
    "model": "example:people",
    "files": {"DEFAULT": {"read": "json"}},
    "instructions": [
        {"action": "new", "destination": "profile"},
        {"source": "email", "destination": "profile", "name": "email"},
        {"source": "name", "destination": "profile", "name": "name"},
    ],
}


def control(**changes: object) -> dict[str, Any]:
    return {**_CONTROL, **changes}


def control_bytes(**changes: object) -> bytes:
    return json.dumps(control(**changes)).encode()


CONTROL = control_bytes()


def _process(id: str, **more: object) -> dict[str, Any]:
    return {"id": id, "label": id, "control": control(), **more}


PROCESSES = {
    "people": _process("people"),
    "push": _process("push-people", push={"url": "people"}),
    "push-xml": _process("push-xml", push={"url": "people-xml", "response": "XML"}),
    "push-off": _process("push-off", push={"url": "off", "enabled": False}),
}
