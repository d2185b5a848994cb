"""The messages that a run of a control file would log before the first record, each with its path."""

from collections.abc import Container, Iterator, Mapping

from server.mapping.language.control import Instruction, action_of, each_instruction, text_of
from server.mapping.model.diagnostic import Diagnostic, Path
from server.mapping.model.model import Model
from server.mapping.model.scope import RunFault
from server.mapping.program.assigning import Preparation
from server.mapping.program.compile import prepare_destinations
from server.mapping.program.instructions import steps
from server.mapping.values.filters import Filters
from server.mapping.values.setup import Setup


def rehearse(document: Mapping[str, object], model: Model, models: Mapping[str, Model]) -> list[Diagnostic]:
    """Returns what a run of a valid document would log before its first record, or end at."""
    instructions, mapping = document.get("instructions"), document.get("mapping")
    listed = list(each_instruction(instructions, ("instructions",)))
    paths = {id(instruction): path for instruction, path in listed}
    destinations = prepare_destinations(model)
    trail: list[Instruction] = []
    found: list[Diagnostic] = []

    def report(message: str) -> None:
        found.append(_doubt(message, paths.get(id(trail[-1]), ()) if trail else ()))

    known = mapping if isinstance(mapping, Mapping) else {}
    setup = Setup(model=model, models=models, mapping=known, report=report, filters=Filters(models))
    try:
        steps(Preparation(destinations, setup, trail), instructions)
    except RunFault as error:
        report(str(error))
    return found + [mistake for one, path in listed for mistake in _ends_the_run(one, path, destinations)]


def _ends_the_run(instruction: Instruction, path: Path, destinations: Container[str]) -> Iterator[Diagnostic]:
    """What is found out only when a record comes to the instruction."""
    action = action_of(instruction)
    destination, using = text_of(instruction, "destination"), text_of(instruction, "using")
    if action in ("new", "load", "upsert", "delete") and destination not in destinations:
        yield _doubt(f"Unknown destination: {destination}", (*path, "destination"))
    if action in ("load", "delete") and using not in destinations:
        yield _doubt(f"No destination when requesting target: {using}", (*path, "using"))


def _doubt(message: str, path: Path) -> Diagnostic:
    return Diagnostic(message, path, severity="warning")
