"""Where a control file sends what it reads."""

from server.mapping.language.flows import Flow, flows
from server.mapping.model.model import parse_model

PEOPLE = parse_model(
    {
        "name": "people",
        "destinations": [
            {
                "name": "profile",
                "table": "people",
                "kind": "object",
                "key": ["email"],
                "names": {
                    "email": {"column": "mail"},
                    "title": {"type": "person-name"},
                    "partner": {"type": "person-name"},
                },
            }
        ],
    },
    "people.json",
)


def of(*instructions: object) -> list[Flow]:
    return flows({"instructions": list(instructions)}, PEOPLE)


def field(source: str, name: str = "email", destination: str = "profile", **more: object) -> dict[str, object]:
    return {"source": source, "destination": destination, "name": name, **more}


def test_a_field_flows_into_the_column_of_its_name() -> None:
    assert of(field("E-mail", filters=["x"])) == [
        Flow("E-mail", "profile", "email", "people", "mail", "text", {"filters": ["x"]})
    ]


def test_a_fixed_value_has_no_source() -> None:
    (flow,) = of({"action": "set-value", "destination": "profile", "name": "email", "value": 7})
    assert (flow.source, flow.name, flow.options) == ("", "email", {"value": 7})


def test_a_source_within_others_says_so() -> None:
    inner = {"action": "within", "source": "b", "instructions": [field("c")]}
    (flow,) = of({"action": "for-each", "source": "a", "instructions": [inner]})
    assert flow.source == "a[].b.c"


def test_what_it_takes_for_a_value_to_flow() -> None:
    choice = {"action": "if-value-one-of", "source": "kind", "values": [1], "else": [field("b")]}
    (one, two, three) = of(
        {"action": "if-exists", "source": "a", "then": [field("a"), choice]},
        {"action": "if-has-value", "destination": "profile", "name": "email", "else": [field("c")]},
    )
    assert one.when == ("a is there",)
    assert two.when == ("a is there", "kind has no listed value")
    assert three.when == ("if-has-value: else",)


def test_parts_flow_into_the_name_that_the_whole_is_set_to() -> None:
    def whole(name: str) -> dict[str, object]:
        return {"action": "field-structured", "structured": "value:person-name", "destination": "profile", "name": name}

    part = "value:person-name"
    found = of(
        field("a", "last", part), field("b", "first", part), whole("title"), field("c", "last", part), whole("partner")
    )
    assert [(flow.source, flow.name, flow.column) for flow in found] == [
        ("a", "title.last", "title"),
        ("b", "title.first", "title"),
        ("c", "partner.last", "partner"),
    ]


def test_what_finds_a_row_flows_into_its_key() -> None:
    (flow,) = of(field("a", "email", "load:profile"), {"action": "load", "destination": "profile", "using": "x"})
    assert (flow.destination, flow.table, flow.column) == ("load:profile", "people", "mail")


def test_what_the_model_does_not_know_has_no_column() -> None:
    (flow,) = of(field("a", "nothing"))
    assert (flow.table, flow.column, flow.type) == ("people", "", "")
    (flow,) = of(field("a", "email", "nowhere"))
    assert (flow.table, flow.column) == ("", "")


def test_what_is_no_instruction_flows_nowhere() -> None:
    assert of(7, None, {"action": "unknown", "then": [field("a")]}) == []
    assert flows({}, PEOPLE) == []
