"""Prepares imports by a control file: compiles its program, and opens the batch's files as sources."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from io import BytesIO

import orjson

from server.engine.definitions.definitions import check_control, tables_of
from server.engine.definitions.record_processors import PROCESSORS, Joined
from server.engine.execution.preparation import JobContext, Prepared
from server.engine.execution.run import blocks_of, check_whole_files
from server.engine.execution.source import Mapper, Source
from server.mapping.language.control import ControlFile, parse_control
from server.mapping.language.name_rows import read_names
from server.mapping.model.model import Model
from server.mapping.model.scope import RunFault
from server.mapping.program.compile import compile_control
from server.mapping.program.fast_path import fast_path
from server.readers.file_fit import misfit
from server.readers.formats import FORMATS
from server.readers.sniff import HEAD
from server.readers.workbooks.xlsx_reader import READ_COLUMNS
from storage.catalog.base import BatchFile

IsRead = Callable[[str], bool]  # whether a column is read, by its name


def prepare_by_control(context: JobContext, _: ExitStack) -> Prepared:
    """Compiles the job's control file; raises RunFault if it is no longer valid."""
    document, model = _control(context)
    control = parse_control(document)
    program = compile_control(control, model, context.models)
    fast = None if program.setup_messages else fast_path(control, model, context.models)
    names = read_names(document)
    # a record processor may look at every column
    is_read = None if control.record_processor else cache(names.is_read)
    return Prepared(
        tables_of(model, program),
        lambda: _sources(context, control, is_read),
        Mapper(program, fast, names),
        program.setup_messages,
        model=model,
        misfits=lambda: {file.name: _misfit(context, file, control.entry(file.name)) for file in context.files()},
    )


def _control(context: JobContext) -> tuple[Mapping[str, object], Model]:
    """Reads and validates the control file: the models may have changed since it was accepted."""
    if context.job.control is None:
        raise RunFault("the job names no control file")
    blobs = context.storage.blobs
    blobs.verify(context.job.control)
    with blobs.open(context.job.control) as file:
        document = orjson.loads(file.read())
    messages = check_control(document, context.models)
    if messages:
        raise RunFault(", ".join(messages))
    return document, context.models[document["model"]]


def _sources(context: JobContext, control: ControlFile, is_read: IsRead | None) -> list[Source]:
    files = context.files()
    for file in files:
        context.check(file)
    sources = [_source(context, control, file, is_read) for file in files]
    if control.record_processor is None:
        return sources
    check_whole_files(sources, context.pause)  # a record processor may yield records before it has read every file
    joined = PROCESSORS.get(control.record_processor)([(s.name, _records(context, s)) for s in sources])
    return [Source(name, Joined(records), {}, BytesIO) for name, records in joined]


def _source(context: JobContext, control: ControlFile, file: BatchFile, is_read: IsRead | None) -> Source:
    options = {**control.entry(file.name), READ_COLUMNS: is_read}
    reader = FORMATS[str(options["read"])].reader
    return Source(
        file.name,
        reader,
        options,
        lambda: context.storage.blobs.open(file.digest),
        weight=file.size,
        title=file.filename,
    )


def _misfit(context: JobContext, file: BatchFile, entry: Mapping[str, object]) -> str | None:
    """Returns why the file's first bytes do not suit its reader. The worker checks it, since a guess may take long."""
    with context.storage.blobs.open(file.digest) as content:
        return misfit(file.filename or file.name, content.read(HEAD), entry)


def _records(context: JobContext, source: Source) -> Iterator[object]:
    for block in blocks_of(source):
        for sentence in block.remarks:
            context.remark(source.remark(sentence))
        yield from block.records
