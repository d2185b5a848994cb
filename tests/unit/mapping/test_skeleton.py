"""Skeletons of control files: valid, complete, and asking for nothing that the model does not have."""

from typing import Any

from server.mapping.language.control import validate
from server.mapping.language.skeleton import generate_skeleton
from tests.support.mapping_world import destination, job, model, name

PERSON = destination(
    "person", name("title", "person-name"), name("born", "datetime"), name("tags", multivalue=True),
    name("boss", "ref"), title="title", key=("born",),
)  # fmt: skip
BOOK = destination("book", name("home", "postal-address"), depends="person", optional=True)
MODEL = model(PERSON, BOOK)


def test_a_skeleton_is_valid_and_compiles_without_a_word() -> None:
    skeleton = generate_skeleton(MODEL)
    assert validate(skeleton, {MODEL.name: MODEL}, readers={"json": lambda options: None}, processors=()) == []
    assert job(MODEL, *skeleton["instructions"]).program.setup_messages == ()  # type: ignore[attr-defined, misc]


def test_every_name_is_set_once() -> None:
    instructions: Any = generate_skeleton(MODEL)["instructions"]
    targets = [
        (i["destination"], i["name"]) for i in instructions if i["destination"] in MODEL.destinations and "name" in i
    ]
    assert targets == [(d.name, n) for d in MODEL.destinations.values() for n in d.names]
    assert [i for i in instructions if i.get("action") == "new"] == [{"action": "new", "destination": "person"}]


def test_only_the_chosen_names() -> None:
    instructions = generate_skeleton(MODEL, {("person", "tags"), ("person", "born")})["instructions"]
    assert instructions == [
        {"action": "new", "destination": "person"},
        {"source": "TODO-born", "destination": "person", "name": "born", "dateFormat": "yyyy-MM-dd"},
        {"source": "TODO-tags", "destination": "person", "name": "tags", "multivalue": True},
    ]
