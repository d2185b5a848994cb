"""The imports folder of the example house: short and long names, every type, a process for most formats."""

from collections.abc import Mapping

Document = Mapping[str, object]

PEOPLE = "example:people"

EVERYTHING = {
    "name": "library:catalogue-of-everything-that-was-ever-acquired",
    "label": "Catalogue of everything that was ever acquired",
    "description": "Each type of value once, and names as long as people make them.",
    "destinations": [
        {
            "name": "item",
            "label": "Item",
            "table": "items",
            "kind": "dictionary",
            "key": ["shelfmark"],
            "names": {
                "shelfmark": {"type": "text", "required": True, "description": "as on the spine"},
                "title": {"type": "text"},
                "summary": {"type": "text-paragraph"},
                "note_of_the_cataloguing_department_about_the_condition": {"type": "text-multiline"},
                "copies": {"type": "integer"},
                "price": {"type": "number"},
                "lent": {"type": "boolean"},
                "acquired": {"type": "datetime"},
                "contact": {"type": "email-address"},
                "page": {"type": "url"},
                "subjects": {"type": "text", "multivalue": True},
                "details": {"type": "json"},
                "keeper": {"type": "ref", "refers_to": "people"},
            },
        }
    ],
}

MEMBERS = {
    "name": "example:members",
    "label": "Members",
    "description": "Whoever pays a fee.",
    "destinations": [
        {
            "name": "member",
            "label": "Member",
            "table": "members",
            "kind": "dictionary",
            "key": ["number"],
            "names": {
                "number": {"type": "integer", "required": True},
                "name": {"type": "text"},
                "email": {"type": "email-address"},
                "joined": {"type": "datetime"},
                "fee": {"type": "number"},
            },
        }
    ],
}

MODELS: Mapping[str, Document] = {"catalogue": EVERYTHING, "members": MEMBERS}


def _process(
    id: str, label: str, model: Document, destination: str, read: str, *names: str, **more: object
) -> Document:
    shape = {"model": model["name"], "destination": destination, "read": read, "write": "upsert"}
    return {"id": id, "label": label, **shape, "columns": {name: name for name in names}, **more}


TWO_FILES = {
    "dataImportControlFileVersion": 0,
    "model": PEOPLE,
    "files": {
        "staff": {"read": "csv-with-name-row"},
        "visitors": {"read": "tsv-with-name-row"},
    },
    "instructions": [
        {"action": "upsert", "destination": "profile"},
        {"source": "last", "destination": "value:person-name", "name": "last"},
        {"source": "first", "destination": "value:person-name", "name": "first"},
        {"action": "field-structured", "structured": "value:person-name", "destination": "profile", "name": "title"},
        {"source": "mail", "destination": "profile", "name": "email", "filters": ["haplo:to-lower-case"]},
    ],
}

PROCESSES: Mapping[str, Document] = {
    "members": _process(
        "members",
        "Members",
        MEMBERS,
        "member",
        "csv-with-name-row",
        *("number", "name", "email", "fee"),
        description="A spreadsheet of members, saved as CSV. A member who is known by number is updated.",
    ),
    "12": _process("12", "Membership hub", MEMBERS, "member", "json-lines", "number", "name", "email", "fee"),
    "catalogue": _process(
        "catalogue",
        "The weekly delivery of the cataloguing department, with all that has changed since the last one",
        EVERYTHING,
        "item",
        "json-lines",
        *("shelfmark", "title", "summary", "note_of_the_cataloguing_department_about_the_condition", "copies"),
        *("price", "lent", "contact", "page", "subjects", "details"),
        description="One JSON object a line. " * 6,
        push={"url": "catalogue"},
    ),
    "two-files": {
        "id": "two-files",
        "label": "Staff and visitors",
        "description": "Two files that come together.",
        "control": TWO_FILES,
    },
}
