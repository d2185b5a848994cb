"""The pure shapes of the wire: parameters in, documents out."""

import json
from typing import Any

import pytest

from server.dialects.haplo import wire
from server.dialects.haplo.errors import TABLE
from server.engine.errors import RequestInvalid
from server.engine.vendors.haplo.pushes import Change
from server.web.errors import answer_to

REPLY = wire.PushReply(
    "failure",
    applied=1,
    failures=1,
    error_count=1,
    errors=("Missing values in profile: email (record 1)",),
    actions=((0, (Change("object:save", "profile", 7, True),)),),
)


def test_push_json_keeps_the_order_of_the_keys_and_indents_by_four() -> None:
    assert wire.push_json(REPLY).splitlines()[:3] == ["{", '    "result": "failure",', '    "applied": 1,']
    assert json.loads(wire.push_json(REPLY)) == {
        "result": "failure",
        "applied": 1,
        "failures": 1,
        "errorCount": 1,
        "errors": ["Missing values in profile: email (record 1)"],
        "actions": [
            {
                "changed": [{"kind": "object:save", "destination": "profile", "ref": "7", "new": True}],
                "record": "record 0",
            }
        ],
    }


def test_push_json_of_nothing() -> None:
    assert wire.push_json(wire.PushReply("success")) == (
        '{\n    "result": "success",\n    "applied": 0,\n    "failures": 0,\n'
        '    "errorCount": 0,\n    "errors": [],\n    "actions": []\n}'
    )


def test_push_xml() -> None:
    assert wire.push_xml(REPLY) == (
        '<response result="failure" applied="1" failures="1" errorCount="1">'
        "<errors><error>Missing values in profile: email (record 1)</error></errors>"
        '<actions><record identifier="record 0">'
        '<changed kind="object:save" destination="profile" ref="7" new="true" />'
        "</record></actions></response>"
    )


def test_push_xml_drops_what_xml_cannot_hold() -> None:
    assert "<error>a&lt;b</error>" in wire.push_xml(wire.push_error("a\x00\x1b<\ud800b"))


def test_body_wins_over_the_query_and_the_last_repeat_over_the_first() -> None:
    query = [("batch", "q1"), ("batch", "q2"), ("mode", "q")]
    assert wire.merged(query, {"mode": "b"}) == {"batch": "q2", "mode": "b"}


@pytest.mark.parametrize("value", ["a\x00b", "\udcff", "x" * 1025])
def test_a_name_that_cannot_be_kept_fails_validation(value: str) -> None:
    with pytest.raises(RequestInvalid, match="the parameter name ") as refused:
        wire.file_request({"batch": "b", "name": value})
    assert value not in str(refused.value)  # the log line is ours


@pytest.mark.parametrize(
    ("read", "given", "named"),
    [
        (lambda given: wire.batch_request(given, "control"), {}, "control is missing"),
        (lambda given: wire.batch_request(given, "kind"), {}, "kind is missing"),
        (lambda given: wire.batch_request(given, "kind"), {"kind": "k", "comment": "\0"}, "comment holds"),
        (wire.file_request, {"name": "n"}, "batch is missing"),
        (wire.file_request, {"batch": "b"}, "name is missing"),
        (wire.schedule_request, {"mode": "import"}, "batch is missing"),
        (wire.control_comment, {"comment": "\udcff"}, "comment holds"),
    ],
)
def test_the_log_names_the_parameter_and_the_client_reads_the_vendors_words(
    read: Any, given: dict[str, Any], named: str
) -> None:
    with pytest.raises(RequestInvalid) as refused:
        read(given)
    assert f"the parameter {named}" in str(refused.value)
    answer = answer_to(TABLE, refused.value)
    assert (answer.status, answer.body(refused.value)) == (400, "Bad request (failed validation)")
