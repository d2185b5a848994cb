"""The instructions of a control file, each compiled once to a closure that runs for every record.

A builder takes an instruction of the control file and returns its step. For a faulty instruction it reports the fault
through `Preparation.report` and returns None; the instruction is left out, and the others run.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from server.mapping.language.control import Instruction, action_of, text_of
from server.mapping.model.scope import Loss, Scope, ScopeWrapper, StoredRow, lose_once, report_once
from server.mapping.program.assigning import LOAD_BY_REF, Assignment, Preparation, assignment, bound_name_of
from server.mapping.program.identifying import identifiers_of, unknown_columns
from server.mapping.record.evaluation import Evaluation
from server.mapping.record.targets import Given, PreparedDestination, Target
from server.mapping.values.javascript import NOTHING, identical, is_skipped, is_truthy, js_text
from server.mapping.values.setup import Converter, brief
from server.mapping.values.types.refs import Ref

Context = Mapping[str, object]
Step = Callable[[Evaluation, Context], None]


def steps(prep: Preparation, instructions: object) -> tuple[Step, ...]:
    """Compiles a list of instructions, without the faulty ones."""
    if not isinstance(instructions, list | tuple):
        return ()
    built = (_step(prep, instruction) for instruction in instructions if isinstance(instruction, Mapping))
    return tuple(step for step in built if step is not None)


def _step(prep: Preparation, instruction: Instruction) -> Step | None:
    action = action_of(instruction)
    build = BUILDERS.get(action)
    if build is None:
        prep.report(f"Unknown action in instruction: {action}")
        return None
    prep.trail.append(instruction)
    step = build(prep, instruction)
    prep.trail.pop()
    return step


def as_context(value: object) -> Context:
    """Returns what instructions can read in a value: an object's properties or a list's elements by number."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {str(index): element for index, element in enumerate(value)}
    return {}


# values


def _field(prep: Preparation, instruction: Instruction) -> Step | None:
    source = text_of(instruction, "source")
    made = assignment(prep, instruction, f"input field {source}")
    if made is None:
        return None
    destination, convert, put = made.destination, made.convert, made.put
    keeps_false = is_truthy(instruction.get("keepFalse"))

    def step(evaluation: Evaluation, context: Context) -> None:
        value = context.get(source)
        if (not value if type(value) is str else is_skipped(value)) and not (keeps_false and value is False):
            if value is False and made.bound.name.type == "boolean":
                made.want.lose(evaluation.scope, value, _FALSE_PASSED_OVER)
            return
        evaluation.tried = True
        stored = convert(value, evaluation.scope)
        if stored is not NOTHING:
            target = evaluation.current.get(destination) or evaluation.target(destination)
            if made.alone:
                _note(evaluation, target, made, value, stored)
            put(target, stored)  # type: ignore[arg-type]

    return step


_FALSE_PASSED_OVER = (
    "is not stored: a field passes over false. Set it with if-value-one-of and set-value, or give the field keepFalse"
)


def _note(evaluation: Evaluation, target: Target, made: Assignment, value: object, stored: object) -> None:
    """Notes a value that was set. An earlier value of the input for the same column is lost, unless both are equal."""
    key = made.bound.main.column, made.want.action.get("qualifier")
    earlier = target.given.get(key)
    target.given[key] = Given(made.want, value, stored)
    if earlier is not None and not identical(earlier.stored, stored):
        earlier.want.lose(evaluation.scope, earlier.value, f"is not stored: {made.want.source} is set in its place")


def _field_structured(prep: Preparation, instruction: Instruction) -> Step | None:
    structured = text_of(instruction, "structured")
    made = assignment(prep, instruction, f"structured input field {structured}")
    if made is None:
        return None
    if structured not in prep.destinations:
        prep.report(f"Unknown structured value destination in field-structured: {structured}")
        return None
    destination, convert, put = made.destination, made.convert, made.put

    def step(evaluation: Evaluation, context: Context) -> None:
        collected = evaluation.target(structured).collected()
        stored = convert(collected, evaluation.scope)
        if stored is not NOTHING:
            put(evaluation.target(destination), stored)  # type: ignore[arg-type]
        evaluation.clear(structured)

    return step


class _CollectingScope(ScopeWrapper):
    """Keeps messages and losses instead of passing them on."""

    __slots__ = ("losses", "messages")

    def __init__(self, inner: Scope) -> None:
        super().__init__(inner)
        self.messages: list[str] = []
        self.losses: list[Loss] = []

    def report(self, message: str) -> None:
        self.messages.append(message)

    def lose(self, loss: Loss, error: str | None = None) -> None:
        if error is None:
            self.losses.append(loss)
        else:
            self.messages.append(error)


def _set_value(prep: Preparation, instruction: Instruction) -> Step | None:
    value = instruction.get("value")
    made = assignment(
        prep, instruction, f"set value {text_of(instruction, 'destination')}/{text_of(instruction, 'name')}"
    )
    if made is None:
        return None
    destination, bound, convert, put = made[:4]
    # a ref is looked up for every record, as the run may make or delete its row
    constant = _each_time(convert, value) if bound.name.type == "ref" else _once(convert, value)

    def step(evaluation: Evaluation, context: Context) -> None:
        stored = constant(evaluation.scope)
        if stored is not NOTHING:
            put(evaluation.target(destination), stored)  # type: ignore[arg-type]

    return step


def _each_time(convert: Converter, value: object) -> Callable[[Scope], object]:
    def constant(scope: Scope) -> object:
        collected = _CollectingScope(scope)
        stored = convert(value, collected)
        for message in collected.messages:
            report_once(scope, message)
        for loss in collected.losses:
            lose_once(scope, loss)
        return stored

    return constant


def _once(convert: Converter, value: object) -> Callable[[Scope], object]:
    compute = _each_time(convert, value)
    kept: list[object] = []

    def constant(scope: Scope) -> object:
        if not kept:
            kept.append(compute(scope))
        return kept[0]

    return constant


def _remove_values(prep: Preparation, instruction: Instruction) -> Step | None:
    destination = text_of(instruction, "destination")
    prepared = prep.destinations.get(destination)
    if prepared is None:
        prep.report(f"Unknown destination in remove-values: {destination}")
        return None
    name = text_of(instruction, "name")
    bound = bound_name_of(prep, prepared, name, "remove-values")
    if bound is None:
        prep.report(f"Unknown name in remove-values for destination {destination}")
        return None
    return lambda evaluation, context: evaluation.target(destination).remove(bound)


# choices and loops


def _if_exists(prep: Preparation, instruction: Instruction) -> Step:
    source = text_of(instruction, "source")
    then, otherwise = steps(prep, instruction.get("then")), steps(prep, instruction.get("else"))

    def step(evaluation: Evaluation, context: Context) -> None:
        for each in otherwise if is_skipped(context.get(source)) else then:
            each(evaluation, context)

    return step


def _if_value_one_of(prep: Preparation, instruction: Instruction) -> Step:
    source, given = text_of(instruction, "source"), instruction.get("values")
    then, otherwise = steps(prep, instruction.get("then")), steps(prep, instruction.get("else"))
    values: Sequence[object] = given if isinstance(given, list | tuple) else ()
    texts = frozenset(value for value in values if isinstance(value, str))

    def is_one(value: object) -> bool:
        return value in texts if isinstance(value, str) else any(identical(value, other) for other in values)

    def step(evaluation: Evaluation, context: Context) -> None:
        for each in then if source in context and is_one(context[source]) else otherwise:
            each(evaluation, context)

    return step


def _if_has_value(prep: Preparation, instruction: Instruction) -> Step | None:
    then, otherwise = steps(prep, instruction.get("then")), steps(prep, instruction.get("else"))
    made = assignment(prep, instruction, f"name {text_of(instruction, 'name')}")
    if made is None:
        return None
    destination, bound = made.destination, made.bound

    def step(evaluation: Evaluation, context: Context) -> None:
        for each in then if evaluation.target(destination).has(bound) else otherwise:
            each(evaluation, context)

    return step


def _within(prep: Preparation, instruction: Instruction) -> Step:
    source, body = text_of(instruction, "source"), steps(prep, instruction.get("instructions"))

    def step(evaluation: Evaluation, context: Context) -> None:
        nested = context.get(source)
        if not is_skipped(nested) and not isinstance(nested, dict | list):
            _lose_unread(evaluation, source, nested, "an object")
        if is_truthy(nested):
            inner = as_context(nested)
            for each in body:
                each(evaluation, inner)

    return step


def _for_each(prep: Preparation, instruction: Instruction) -> Step:
    source, body = text_of(instruction, "source"), steps(prep, instruction.get("instructions"))
    wrap, single = is_truthy(instruction.get("wrapValues")), is_truthy(instruction.get("orSingle"))
    reads = _reads(instruction.get("instructions"))

    def step(evaluation: Evaluation, context: Context) -> None:
        for element in _elements(evaluation, source, context.get(source), single):
            inner = {"value": element} if wrap else as_context(element)
            if reads and not wrap and not inner and not is_skipped(element) and not isinstance(element, dict | list):
                _lose_unread(evaluation, source, element, "a list of objects")
            for each in body:
                each(evaluation, inner)

    return step


def _elements(evaluation: Evaluation, source: str, value: object, single: bool) -> Iterable[object]:
    """Returns the elements to loop over. With `orSingle` a value that is no list is the only element."""
    if single and not isinstance(value, list):
        return () if value is None or value == "" else (value,)
    if not is_skipped(value) and not isinstance(value, dict | list):
        _lose_unread(evaluation, source, value, "a list")
    return as_context(value).values()


def _reads(instructions: object) -> bool:
    listed = instructions if isinstance(instructions, list | tuple) else ()
    return any(isinstance(one, Mapping) and ("source" in one or "columns" in one) for one in listed)


def _lose_unread(evaluation: Evaluation, source: str, value: object, right: str) -> None:
    evaluation.scope.lose(Loss(f"is not read, should be {right}", source, brief(value)))


# targets


def _new(prep: Preparation, instruction: Instruction) -> Step:
    destination = text_of(instruction, "destination")
    return lambda evaluation, context: evaluation.new(evaluation.destination(destination))


def _upsert(prep: Preparation, instruction: Instruction) -> Step | None:
    destination = text_of(instruction, "destination")
    prepared = prep.destinations.get(destination)
    if prepared is not None and not prepared.key:
        prep.report(f"Can only use destinations with a key in upsert: {destination}")
        return None
    return lambda evaluation, context: evaluation.new(evaluation.destination(destination), overlay=True)


Finder = Callable[[Evaluation, PreparedDestination], StoredRow | None]


def _finder(using: str) -> Finder:
    """Returns a function that finds a row by the values in a pseudo destination, and clears them."""

    def find(evaluation: Evaluation, prepared: PreparedDestination) -> StoredRow | None:
        info = evaluation.target(using)
        evaluation.replace(prepared)
        row = _by_ref(evaluation, prepared, info) if using == LOAD_BY_REF else _by_key(evaluation, prepared, info)
        evaluation.clear(using)
        return row

    return find


def _by_ref(evaluation: Evaluation, prepared: PreparedDestination, info: Target) -> StoredRow | None:
    ref: object = info.stored_form(info.prepared.names["ref"])
    table, id = ref if isinstance(ref, Ref) else (None, ref)
    if prepared.pseudo or table not in (None, prepared.table) or not isinstance(id, int):
        return None
    return evaluation.scope.lookup.get(prepared.table, id)


def _by_key(evaluation: Evaluation, prepared: PreparedDestination, info: Target) -> StoredRow | None:
    given = info.prepared.names
    key = [bound.name.name for bound in prepared.key]
    return evaluation.find(prepared, [info.stored_form(given[name]) if name in given else None for name in key])


def _target_of(evaluation: Evaluation, using: str, destination: str) -> PreparedDestination:
    evaluation.target(using)
    return evaluation.destination(destination)


def _load(prep: Preparation, instruction: Instruction) -> Step:
    destination, using = text_of(instruction, "destination"), text_of(instruction, "using")
    find = _finder(using)
    otherwise = steps(prep, instruction["otherwise"]) if "otherwise" in instruction else None

    def step(evaluation: Evaluation, context: Context) -> None:
        prepared = _target_of(evaluation, using, destination)
        if evaluation.load(prepared, find(evaluation, prepared)):
            return
        if otherwise is None:
            evaluation.abort(f"Couldn't load destination: {destination}")
            return
        for each in otherwise:
            each(evaluation, context)

    return step


def _identify(prep: Preparation, instruction: Instruction) -> Step | None:
    identifiers = identifiers_of(prep, instruction)
    if identifiers is None:
        return None
    prepared = identifiers.prepared
    then, otherwise = steps(prep, instruction.get("then")), steps(prep, instruction.get("else"))
    missing = steps(prep, instruction["missing"]) if "missing" in instruction else None

    def step(evaluation: Evaluation, context: Context) -> None:
        given = identifiers.given(context)
        if not given:
            for each in otherwise:
                each(evaluation, context)
            return
        evaluation.replace(prepared)
        known = identifiers.read(evaluation, context, given)
        rows = identifiers.find(evaluation, known) if known is not None else ()
        if known is None:
            evaluation.new(prepared)  # later instructions need a target, although the record was aborted
        elif len(rows) > 1:
            evaluation.abort(f"There is more than one {identifiers.shown(known)}")
            evaluation.new(prepared)
        elif rows and evaluation.load(prepared, rows[0]):
            for each in then:
                each(evaluation, context)
        elif rows or missing is None:
            evaluation.abort(f"There is no {identifiers.shown(known)}")
            evaluation.new(prepared)
        else:
            for each in missing:
                each(evaluation, context)
            for to, value in known:
                to.put(evaluation.target(prepared.name), value)

    return step


def _delete(prep: Preparation, instruction: Instruction) -> Step:
    destination, using = text_of(instruction, "destination"), text_of(instruction, "using")
    find = _finder(using)

    def step(evaluation: Evaluation, context: Context) -> None:
        prepared = _target_of(evaluation, using, destination)
        if not evaluation.delete(prepared, find(evaluation, prepared)):
            evaluation.abort(f"Couldn't load destination: {destination}")

    return step


def _assert_destination(prep: Preparation, instruction: Instruction) -> Step | None:
    destination, expected = text_of(instruction, "destination"), instruction.get("exists")
    prepared = prep.destinations.get(destination)
    if prepared is None:
        prep.report(f"Unknown destination in assert-destination: {destination}")
        return None
    depends = prepared.destination.depends
    if depends is None:
        prep.report(f"Can only use dependent destinations in assert-destination: {destination}")
        return None

    def step(evaluation: Evaluation, context: Context) -> None:
        if evaluation.is_stored(prepared, depends) is not expected:
            evaluation.abort(f"assert-destination failed: {destination}")

    return step


def _only_columns(prep: Preparation, instruction: Instruction) -> Step | None:
    columns = instruction.get("columns")
    if not isinstance(columns, list | tuple):
        prep.report("'columns' property of only-columns is not an array")
        return None
    known = dict.fromkeys(map(js_text, columns))

    def step(evaluation: Evaluation, context: Context) -> None:
        if not context.keys() <= known.keys():
            evaluation.abort(unknown_columns(context, known) or "")

    return step


# messages


def _message(instruction: Instruction, default: str) -> str:
    message = instruction.get("message")
    return js_text(message) if is_truthy(message) else default


def _abort_record(prep: Preparation, instruction: Instruction) -> Step:
    message = _message(instruction, "abort")
    return lambda evaluation, context: evaluation.abort(message)


def _log_error(prep: Preparation, instruction: Instruction) -> Step:
    message = _message(instruction, "error")
    return lambda evaluation, context: evaluation.scope.report(message)


Builder = Callable[[Preparation, Instruction], Step | None]

BUILDERS: Mapping[str, Builder] = {
    "field": _field,
    "field-structured": _field_structured,
    "set-value": _set_value,
    "remove-values": _remove_values,
    "if-exists": _if_exists,
    "if-value-one-of": _if_value_one_of,
    "if-has-value": _if_has_value,
    "within": _within,
    "for-each": _for_each,
    "new": _new,
    "load": _load,
    "upsert": _upsert,
    "delete": _delete,
    "identify": _identify,
    "only-columns": _only_columns,
    "assert-destination": _assert_destination,
    "abort-record": _abort_record,
    "log-error": _log_error,
}
