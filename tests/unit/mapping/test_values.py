"""Values: every type, option and message."""

from typing import Any

import pytest

from server.mapping.model.model import TYPE_KINDS, Destination, Model, Name, Types
from server.mapping.values.filters import FILTERS, Filters, available
from server.mapping.values.javascript import INVALID, NOTHING
from server.mapping.values.setup import Setup, complaint
from server.mapping.values.types.refs import Ref
from server.mapping.values.types.structured import display_text
from server.mapping.values.values import PLAIN_TYPES, TYPES, converter
from tests.support.mapping_world import RecordScope, World

PEOPLE = Destination(
    "person",
    "people",
    "object",
    {
        "title": Name("title", "person-name", column="title"),
        "user": Name("user", column="user"),
        "mail": Name("mail", "email-address", column="mail"),
    },
    title="title",
    types=Types("person", ("person", "staff")),
    lookups={"username": "user", "email": "mail"},
)
LIST = Destination(
    "subject",
    "subjects",
    "object",
    {"title": Name("title", column="title"), "code": Name("code", column="code")},
    title="title",
    types=Types(None, ("std:type:subject",)),
    lookups={"behaviour": "code"},
)
MODEL = Model("m", {"person": PEOPLE, "subject": LIST}, types=("std:type:book",))
MODELS = {"m": MODEL}


class Case:
    """One converter on a world of its own."""

    def __init__(
        self,
        type_: str = "text",
        *,
        mapping: Any = None,
        filters: Any = None,
        refers_to: Any = None,
        world: Any = None,
        src: str = "input field x",
        **options: Any,
    ) -> None:
        self.setup_messages = []  # type: ignore[var-annotated]
        self.scope = RecordScope(world or World())
        setup = Setup(MODEL, MODELS, mapping or {}, self.setup_messages.append, filters)
        name = Name("n", type_, column="n", refers_to=refers_to)
        self.convert = converter({"action": "field", **options}, name, src, setup)

    def __call__(self, value: Any) -> Any:
        return self.convert(value, self.scope)  # type: ignore[misc]

    @property
    def messages(self) -> Any:
        return self.scope.messages


def world() -> Any:
    rows = World()
    rows.add("people", 1, title='{"first":"Ada","last":"Lovelace"}', user="ada", mail="ada@example.org", _type="person")
    rows.add("people", 2, title='{"last":"Babbage"}', user="Charles", mail="cb@example.org", _type="robot")
    rows.add("subjects", 7, title="Maths", code="s:maths", _type="std:type:subject")
    return rows


def test_the_table_of_types_is_the_one_models_may_use() -> None:
    assert TYPES.keys() == TYPE_KINDS.keys()


GOOD = [
    ("text", "abc", "abc"),
    ("text", "", ""),
    ("text", 42, "42"),
    ("text", 4.0, "4"),
    ("text", 4.5, "4.5"),
    ("text", True, "true"),
    ("boolean", True, 1),
    ("boolean", False, 0),
    ("boolean", "true", 1),
    ("boolean", "false", 0),
    ("integer", 42, 42),
    ("integer", "42", 42),
    ("integer", "-3", -3),
    ("integer", "0", 0),
    ("integer", 4.0, 4),
    ("integer", "9223372036854775807", 2**63 - 1),
    ("integer", "-9223372036854775808", -(2**63)),
    ("number", 42, 42.0),
    ("number", "4.5", 4.5),
    ("number", "-.5e2", -50.0),
    ("number", "+1.", 1.0),
    ("number", 1.25, 1.25),
    ("email-address", "a@example.org", "a@example.org"),
    ("url", "https://example.org", "https://example.org"),
    ("url", "a+b.c-d:", "a+b.c-d:"),
    ("telephone-number", "020 7946 0000", "+44 20 7946 0000"),
    ("text-paragraph", "ABC\nDEF", "ABC\nDEF"),
    ("text-multiline", "XYZ", "XYZ"),
    ("text-multiline", 5, "5"),
    ("isbn", "0-306-40615-2", "0-306-40615-2"),
    ("configuration-name", "test:name:something", "test:name:something"),
    ("object-type", "std:type:book", "std:type:book"),
    ("object-type", "staff", "staff"),
    ("json", {"b": 1, "a": [True, None]}, '{"b":1,"a":[true,null]}'),
    ("json", [], "[]"),
    ("person-name", {"last": "Lovelace", "first": "Ada"}, '{"last":"Lovelace","first":"Ada"}'),
    ("person-name", {"last": "L", "first": "", "other": "x"}, '{"last":"L"}'),
    ("postal-address", {"city": "Leeds", "country": "GB"}, '{"city":"Leeds","country":"GB"}'),
]


@pytest.mark.parametrize(("type_", "value", "stored"), GOOD)
def test_stored(type_: Any, value: Any, stored: Any) -> None:
    case = Case(type_)
    assert case(value) == stored
    assert type(case(value)) is type(stored)
    assert case.messages == []


DROPPED = [
    ("text", None),
    ("text", NOTHING),
    ("text", []),
    ("text", {"a": 1}),
    ("integer", None),
    ("integer", NOTHING),
    ("number", NOTHING),
    ("email-address", 5),
    ("url", True),
    ("telephone-number", 123456789012345678901),
    ("telephone-number", True),
    ("telephone-number", 4.2e23),
    ("text-paragraph", 0),
    ("text-multiline", ""),
    ("isbn", {"a": 1}),
    ("configuration-name", ""),
    ("object-type", "unheard:of"),
    ("object-type", ["std:type:book"]),
    ("json", "text"),
    ("json", 1),
    ("ref", "1"),
    ("ref", 1),
    ("person-name", {"first": "Ada"}),
    ("person-name", "Ada Lovelace"),
    ("person-name", {"last": {"a": 1}}),
    ("postal-address", "Leeds"),
    ("postal-address", None),
]


@pytest.mark.parametrize(("type_", "value"), DROPPED)
def test_dropped_without_an_error_but_not_without_a_word(type_: Any, value: Any) -> None:
    case = Case(type_)
    assert case(value) is NOTHING
    assert case.messages == []
    assert len(case.scope.losses) == (value is not None and value is not NOTHING and value not in ("", [], {}))


def test_a_number_is_taken_as_its_text_by_types_that_are_texts() -> None:
    assert Case("telephone-number")(2079460018) == "+44 20 7946 0018"
    assert Case("telephone-number")(2079460018.0) == "+44 20 7946 0018"
    assert Case("datetime", dateFormat="yyyyMMdd")(20260131) == "2026-01-31T00:00:00Z"


REFUSED = [
    ("boolean", "yes", "Invalid boolean value for input field x: yes"),
    ("boolean", 1, "Invalid boolean value for input field x: 1"),
    ("boolean", None, "Invalid boolean value for input field x: null"),
    ("boolean", NOTHING, "Invalid boolean value for input field x: undefined"),
    ("integer", "042", "Invalid integer for input field x: 042"),
    ("integer", "+5", "Invalid integer for input field x: +5"),
    ("integer", "4.0", "Invalid integer for input field x: 4.0"),
    ("integer", " 7", "Invalid integer for input field x:  7"),
    ("integer", "1_000", "Invalid integer for input field x: 1_000"),
    ("integer", "-0", "Invalid integer for input field x: -0"),
    ("integer", "", "Invalid integer for input field x: "),
    ("integer", "٤", "Invalid integer for input field x: ٤"),
    ("integer", 42.5, "Invalid integer for input field x: 42.5"),
    ("integer", True, "Invalid integer for input field x: true"),
    ("integer", 2**63, "Invalid integer for input field x: 9223372036854775808"),
    ("integer", "9223372036854775808", "Invalid integer for input field x: 9223372036854775808"),
    ("integer", {}, "Invalid integer for input field x: [object Object]"),
    ("number", "42abc", "Invalid number for input field x: 42abc"),
    ("number", "nan", "Invalid number for input field x: nan"),
    ("number", "1_0", "Invalid number for input field x: 1_0"),
    ("number", "1e999", "Invalid number for input field x: 1e999"),
    ("number", 10**400, "Invalid number for input field x: Infinity"),
    ("number", "", "Invalid number for input field x: "),
    ("number", True, "Invalid number for input field x: true"),
    ("email-address", "@example.org", "Invalid email address for input field x: @example.org"),
    ("email-address", "nobody", "Invalid email address for input field x: nobody"),
    ("url", "example.org", "Invalid URL for input field x: example.org"),
    ("url", "h2://x", "Invalid URL for input field x: h2://x"),
    ("telephone-number", "none", "Invalid telephone number for input field x: none"),
    ("configuration-name", "nocolon", "Invalid configuration name for input field x: nocolon"),
    ("configuration-name", "a:b\n", "Invalid configuration name for input field x: a:b\n"),
    ("json", [2**70], "Invalid JSON value for input field x: 1.1805916207174113e+21"),
    (
        "postal-address",
        {},
        "Missing or invalid country code in postal address, must be two letter ISO code: {}",
    ),
    (
        "postal-address",
        {"street1": "1 High St", "country": "GBR"},
        "Missing or invalid country code in postal address, must be two letter ISO code: "
        '{"street1":"1 High St","country":"GBR"}',
    ),
    (
        "postal-address",
        {"country": "XX", "city": "Y"},
        'Invalid postal address: {"country":"XX","city":"Y"} (Postal addresses must use a recognised country)',
    ),
    ("ref", Ref("people", 99), "Value in input data cannot be mapped for input field x: 99"),
]


@pytest.mark.parametrize(("type_", "value", "message"), REFUSED)
def test_refused_with_a_message(type_: Any, value: Any, message: Any) -> None:
    case = Case(type_)
    assert case(value) is NOTHING
    assert case.messages == [message]


@pytest.mark.parametrize("src", ["structured input field S", "set value d/n", "name n"])
def test_messages_name_the_source(src: str) -> None:
    case = Case("integer", src=src)
    case("x")
    assert case.messages == [f"Invalid integer for {src}: x"]


def test_own_words_for_true_and_false() -> None:
    case = Case("boolean", trueValue="Y", falseValue="N")
    assert [case("Y"), case("N"), case(True)] == [1, 0, 1]
    assert case("true") is NOTHING
    assert case.messages == ["Invalid boolean value for input field x: true"]


def test_numbers_for_true_and_false_are_compared_with_their_type() -> None:
    case = Case("boolean", trueValue=1, falseValue=0)
    assert [case(1), case(0), case(1.0)] == [1, 0, 1]
    assert case("1") is NOTHING


def test_dates() -> None:
    case = Case("datetime", dateFormat="dd/MM/yyyy")
    assert case("10/02/2018") == "2018-02-10T00:00:00Z"
    assert case(20180210) is NOTHING
    assert case.messages == []
    assert case("31/02/2018") is NOTHING
    assert case.messages == ["Invalid date value for input field x: 31/02/2018"]


@pytest.mark.parametrize("options", [{}, {"dateFormat": None}, {"dateFormat": 5}])
def test_a_date_needs_a_format(options: dict[str, Any]) -> None:
    case = Case("datetime", **options)
    assert case.convert is None
    assert case.setup_messages == ["Date format not specified for input field x"]


def test_a_format_that_cannot_be_used() -> None:
    case = Case("datetime", dateFormat="YYYY")
    assert case.convert is None
    assert case.setup_messages == ["Invalid date format for input field x: YYYY (the letter Y is not supported)"]


def test_whether_a_date_is_there_can_be_asked_without_a_format() -> None:
    case = Case("datetime", action="if-has-value")
    assert case.convert is not None
    assert case.setup_messages == []


def test_country_of_telephone_numbers() -> None:
    assert Case("telephone-number", country="FR")("05 87 65 64 32") == "+33 5 87 65 64 32"
    case = Case("telephone-number", country="ZZ")
    assert case.convert is None
    assert case.setup_messages == ["Unknown country for input field x: ZZ, should be a two letter code like GB"]


def test_a_type_that_does_not_exist() -> None:
    case = Case("colour")
    assert case.convert is None
    assert case.setup_messages == ["Unknown data type in model: colour"]


# mapInputValue, filters, type: in this order


def test_input_values_are_looked_up_by_their_text() -> None:
    case = Case("text", mapInputValue={"1": "one", "true": "yes", "null": "none", "a": None})
    assert [case(1), case(True), case(None), case("b")] == ["one", "yes", "none", "b"]
    assert case(1.0) == "one"
    assert case("a") is NOTHING


def test_a_default_for_input_values_not_listed() -> None:
    case = Case("text", mapInputValue={"a": "A"}, mapInputValueDefault="?")
    assert [case("a"), case("toString")] == ["A", "?"]


def test_a_default_of_null_is_a_default() -> None:
    assert Case("text", mapInputValue={}, mapInputValueDefault=None)("x") is NOTHING


def test_input_values_must_be_an_object() -> None:
    case = Case("text", mapInputValue=["a"])
    assert case.convert is None
    assert case.setup_messages == ["'mapInputValue' property is not an object"]


def test_mapping_then_filters_in_order_then_type() -> None:
    filters = Filters(
        MODELS,
        {"add-b": lambda models: lambda v, s: v + "b", "add-c": lambda models: lambda v, s: v + "c"},  # type: ignore[operator]
    )
    case = Case("text", filters=filters, mapInputValue={"x": "a"})
    assert case("x") == "a"
    setup = Setup(MODEL, MODELS, {}, list.append, filters)  # type: ignore[arg-type]
    action = {"mapInputValue": {"x": "a", "abc": "wrong"}, "filters": ["add-b", "add-c"]}
    convert = converter(action, Name("n"), "s", setup)
    assert convert("x", RecordScope(World())) == "abc"  # type: ignore[misc]


def test_a_filter_is_made_once_for_a_batch() -> None:
    made = []
    filters = Filters(MODELS, {"f": lambda models: made.append(1) or (lambda v, s: v)})  # type: ignore[func-returns-value]
    assert filters.get("f") is filters.get("f")
    assert made == [1]


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("f", "'filters' property is not an array"),
        (["no:such"], "Filter no:such is not available."),
        ([5], "Filter 5 is not available."),
    ],
)
def test_filters_that_cannot_be_used(listed: list[Any] | str, message: str) -> None:
    messages: list[Any] = []
    assert converter({"filters": listed}, Name("n"), "s", Setup(MODEL, MODELS, {}, messages.append)) is None
    assert messages == [message]


# refs


def test_a_ref_must_lead_to_a_row() -> None:
    case = Case("ref", refers_to="people", world=world())
    assert case(Ref(None, 1)) == 1
    assert case(Ref("people", 2)) == 2
    assert case.messages == []
    assert case(Ref("subjects", 7)) is NOTHING
    assert case(Ref(None, 99)) is NOTHING
    assert case.messages == [
        "Value in input data cannot be mapped for input field x: 7",
        "Value in input data cannot be mapped for input field x: 99",
    ]


def test_a_ref_of_no_table_is_left_to_whoever_uses_it() -> None:
    assert Case("ref")(Ref(None, 99)) == 99


def mapped(spec: Any, **options: Any) -> "Case":
    return Case("ref", mapping={"M": spec}, refMapping="M", world=options.pop("world", None) or world(), **options)


def test_mapping_by_behaviour() -> None:
    case = mapped({"using": "behaviour", "values": {"1": "s:maths", "gone": "s:gone"}})
    assert case(1) == 7
    assert case(NOTHING) is NOTHING
    assert case.messages == []
    assert case("physics") is NOTHING
    assert case("gone") is NOTHING
    assert case.messages == [
        "Value in input data cannot be mapped for input field x: physics",
        "Value in input data cannot be mapped for input field x: gone",
    ]


def test_mapping_by_behaviour_within_types() -> None:
    spec = {"using": "behaviour", "values": {"m": "s:maths"}, "types": ["person"]}
    assert mapped(spec)("m") is NOTHING
    assert mapped({**spec, "types": ["std:type:subject"]})("m") == 7
    assert mapped({**spec, "types": ["std:type:subject"]}, refers_to="people")("m") is NOTHING


def test_mapping_values_may_be_called_value() -> None:
    assert mapped({"using": "behaviour", "value": {"m": "s:maths"}})("m") == 7


def test_mapping_by_title() -> None:
    case = mapped({"using": "title", "types": ["std:type:subject"], "values": {"m": "Maths", "p": "maths"}})
    assert case("m") == 7
    assert case("not listed") is NOTHING
    assert case(NOTHING) is NOTHING
    assert case.messages == []
    assert case("p") is NOTHING
    assert case.messages == ["Value in input data cannot be mapped for input field x: p"]


def test_mapping_by_the_title_of_a_person() -> None:
    case = mapped({"using": "title", "types": ["person"], "values": {"a": "Ada Lovelace", "b": "Babbage"}})
    assert [case("a"), case("a")] == [1, 1]
    assert case("b") is NOTHING  # of another type
    assert case.messages == ["Value in input data cannot be mapped for input field x: b"]


def test_a_person_found_before_is_looked_at_again() -> None:
    rows = world()
    case = mapped({"using": "title", "types": ["person"], "values": {"a": "Ada Lovelace"}}, world=rows)
    assert case("a") == 1
    del rows.tables["people"][1]
    assert case("a") is NOTHING


def test_titles_that_must_be_gone_through_have_a_limit() -> None:
    rows = World()
    for id in range(1, 4098):
        rows.add("people", id, title='{"last":"X"}', _type="person")
    case = mapped({"using": "title", "types": ["person"], "values": {"a": "X"}}, world=rows)
    assert case("a") is NOTHING
    assert case.messages == [
        "Mapping M uses title mapping, but too many objects in store to use this method.",
        "Value in input data cannot be mapped for input field x: a",
    ]
    del rows.tables["people"][4097]
    assert case("a") == 1


@pytest.mark.parametrize(
    ("spec", "messages"),
    [
        (None, ["Unknown mapping: M"]),
        ({"using": "title", "values": {}}, ["Mapping M does not specify types"]),
        (
            {"using": "title", "values": {}, "types": ["no:such"]},
            ["Mapping M refers to unknown type no:such", "No types for mapping M"],
        ),
        ({"using": "title", "values": {}, "types": []}, ["No types for mapping M"]),
        ({"using": "title", "types": ["person"]}, ["Mapping M does not specify values"]),
        ({"values": {}}, ['Mapping M does not specify using, should be "behaviour" or "title"']),
    ],
)
def test_mappings_that_cannot_be_used_set_nothing(spec: dict[str, Any] | None, messages: list[str]) -> None:
    case = mapped(spec)
    assert case.setup_messages == messages
    assert case("a") is NOTHING
    assert case(Ref("people", 1)) is NOTHING
    assert case.messages == []


def test_an_unknown_type_beside_a_known_one_is_only_reported() -> None:
    case = mapped({"using": "title", "types": ["no:such", "std:type:subject"], "values": {"m": "Maths"}})
    assert case.setup_messages == ["Mapping M refers to unknown type no:such"]
    assert case("m") == 7


# structured values as they read


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ('{"last":"Lovelace","title":"Lady","suffix":"FRS","first":"Ada","middle":"K"}', "Lady Ada K Lovelace FRS"),
        ('{"city":"Leeds","street1":"1 High St","country":"GB"}', "1 High St, Leeds, GB"),
        ("plain", "plain"),
        ("{not json", "{not json"),
        ("{}", "{}"),
        ('["{\\"last\\":\\"A\\"}","{\\"last\\":\\"B\\"}"]', "A\nB"),
    ],
)
def test_display(stored: str, text: str) -> None:
    assert display_text(stored) == text


# plain types, by the value alone


@pytest.mark.parametrize(("type_", "value", "stored"), [row for row in GOOD if row[0] in PLAIN_TYPES])
def test_flat_types_give_what_converters_give(type_: Any, value: Any, stored: Any) -> None:
    assert PLAIN_TYPES[type_]({}).convert(value) == stored


@pytest.mark.parametrize(("type_", "value", "message"), [row for row in REFUSED if row[0] in PLAIN_TYPES])
def test_flat_types_complain_as_converters_do(type_: Any, value: Any, message: Any) -> None:
    plain_type = PLAIN_TYPES[type_]({})
    assert plain_type.convert(value) is INVALID
    assert complaint(plain_type.message, "input field x", value) == message


def test_every_filter_is_available_where_its_lookup_is_configured() -> None:
    assert available(MODELS).keys() == FILTERS.keys()
    assert "haplo:email-to-ref" not in available({})
    assert Filters({}).get("haplo:email-to-ref") is None
