"""Fuzzes every reader: fuzz_readers.py [--minutes N] [--seed S] [READER …]

Each good file holds records with a mark of their own. A changed file may fail in any way that is reported: a record
that could not be read, a broken file, a remark. A mark that still stands in the file and is in none of these is a loss.
Also a fault: any other exception, more than a second of CPU for a file of up to 1 MiB, memory beyond the cap.
"""

import argparse
import io
import re
import resource
import sys
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import openpyxl
import orjson
from pymarc import Field, Indicators, Record, Subfield

from server.readers import READERS
from server.readers.base import BadRecord, Block, FileBroken
from tests.fuzzing.mutating import mutated, recoded

RECORDS = 24
SECONDS = 1.0  # of CPU, for up to a MiB
MEMORY = 1 << 30
MARK = re.compile(r"qzm\d{4}w")
COMMENT = re.compile("<!--.*?-->|<\\?.*?\\?>", re.DOTALL)  # of XML, which is not read
TABLES = ("csv-with-name-row", "tsv-with-name-row", "xlsx-with-name-row")


def mark(number: int) -> str:
    return f"qzm{number:04}w"


@dataclass(frozen=True)
class Good:
    """A good file of a reader; `inner` changes a part inside a package instead of the package's bytes."""

    reader: str
    make: Callable[[Random], bytes]
    options: Mapping[str, object] = field(default_factory=dict)
    change: Callable[[bytes, Random], bytes] = mutated


def _objects(random: Random) -> list[dict[str, object]]:
    return [{"id": mark(n), "name": "Zoë", "n": n, "more": [{"a": 1}] * random.randint(0, 2)} for n in range(RECORDS)]


def json_lines(random: Random) -> bytes:
    return b"".join(orjson.dumps(one) + b"\n" for one in _objects(random))


def json_array(random: Random) -> bytes:
    return orjson.dumps(_objects(random), option=random.choice((0, orjson.OPT_INDENT_2)))


def table(separator: str) -> Callable[[Random], bytes]:
    def make(random: Random) -> bytes:
        quote = random.choice(("", '"')) if separator != "\t" else ""
        end = random.choice(("\n", "\r\n"))
        rows = [("id", "name", "note"), *((mark(n), f"Zoë {n}", "") for n in range(RECORDS))]
        return "".join(separator.join(f"{quote}{cell}{quote}" for cell in row) + end for row in rows).encode()

    return make


def xml_children(random: Random) -> bytes:
    rows = "".join(f"<p><id>{mark(n)}</id><name>Zoë &amp; co</name></p>\n" for n in range(RECORDS))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<people>{rows}</people>\n'.encode()


def xml_attributes(random: Random) -> bytes:
    rows = "".join(f'<p id="{mark(n)}" name="Zoë"/>\n' for n in range(RECORDS))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<people>{rows}</people>\n'.encode()


def _marc_records() -> Iterator[Record]:
    for number in range(RECORDS):
        record = Record(force_utf8=True)
        record.add_field(Field("001", data=mark(number)))
        title = [Subfield("a", f"Zoë {number}"), Subfield("b", "x" * (number % 40))]
        record.add_field(Field("245", Indicators("1", "0"), title))
        yield record


def marc(random: Random) -> bytes:
    return b"".join(record.as_marc() for record in _marc_records())


def marc_xml(random: Random) -> bytes:
    rows = "".join(
        "<record><leader>00000nam a2200000 a 4500</leader>"
        f'<controlfield tag="001">{mark(n)}</controlfield>'
        '<datafield tag="245" ind1="1" ind2=" "><subfield code="a">Zoë</subfield></datafield></record>\n'
        for n in range(RECORDS)
    )
    return f'<collection xmlns="http://www.loc.gov/MARC21/slim">{rows}</collection>'.encode()


def marc_json(random: Random) -> bytes:
    records = [orjson.loads(record.as_json()) for record in _marc_records()]
    return orjson.dumps(records)


def edifact(random: Random) -> bytes:
    end = random.choice(("", "\r\n", "\n"))
    messages = (f"UNH+{n}+INVOIC:D'{end}BGM+380+{mark(n)}+9'{end}UNT+3+{n}'{end}" for n in range(RECORDS))
    head = random.choice(("", "UNA:+.? '"))
    return f"{head}UNB+UNOC:3+A+B+200101:1000+7'{end}{''.join(messages)}UNZ+{RECORDS}+7'{end}".encode()


def workbook(random: Random) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["id", "name", "note"])
    for number in range(RECORDS):
        sheet.append([mark(number), random.choice((number, 1.5, True, f"Zoë {number}", None)), None])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def in_package(data: bytes, random: Random) -> bytes:
    """Changes one part of a package, and seals it again; now and then the package's own bytes."""
    if random.random() < 0.2:
        return mutated(data, random)
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        chosen = random.choice([n for n in names if "sheet" in n or "shared" in n or "styles" in n] or names)
        for name in names:
            part = old.read(name)
            new.writestr(name, mutated(part, random) if name == chosen else part)
    return content.getvalue()


def in_encodings(data: bytes, random: Random) -> bytes:
    return recoded(data, random) if random.random() < 0.2 else mutated(data, random)


GOOD = (
    Good("json-lines", json_lines, change=in_encodings),
    Good("json", json_array, change=in_encodings),
    Good("csv-with-name-row", table(","), change=in_encodings),
    Good("csv-with-name-row", table(";"), {"separator": ";"}, in_encodings),
    Good("tsv-with-name-row", table("\t"), change=in_encodings),
    Good("xml-text-of-children", xml_children, change=in_encodings),
    Good("xml-attributes", xml_attributes, change=in_encodings),
    Good("xlsx-with-name-row", workbook, change=in_package),
    Good("marc", marc),
    Good("marc-xml", marc_xml, change=in_encodings),
    Good("marc-json", marc_json),
    Good("edifact", edifact),
    Good("source-records-marc", marc),
    Good("source-records-marc-xml", marc_xml),
    Good("source-records-marc-json", marc_json),
    Good("source-records-edifact", edifact),
)


@dataclass
class Reading:
    """What a reader gave of a file."""

    records: list[object] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)  # broken files, remarks
    bad: list[str] = field(default_factory=list)  # messages and originals of records that could not be read


def read(reader: str, data: bytes, options: Mapping[str, object], size: int) -> Reading:
    found = Reading()
    try:
        for block in READERS[reader].blocks(io.BytesIO(data), options, size=size):
            found.reports += block.remarks
            found.reports += _repeated(block)
            for index, record in enumerate(block.records):
                original = block.originals(index).decode("utf-8", "replace")
                if isinstance(record, BadRecord):
                    found.bad.append(f"{record.message} {original}")
                else:
                    found.records.append(record)
    except FileBroken as error:
        found.reports.append(str(error))
    return found


def _repeated(block: Block) -> list[str]:
    """What the run says of a table that has a name twice."""
    names = getattr(block.records, "names", ())
    return ["a name is there twice"] if len(set(names)) < len(names) else []


def marks_in(data: bytes, *, packed: bool) -> set[str]:
    if not packed:
        return set(MARK.findall(COMMENT.sub("", data.decode("latin-1"))))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            return set(MARK.findall("".join(package.read(n).decode("latin-1") for n in package.namelist())))
    except Exception:  # a broken package holds nothing that could be lost
        return set()


def faults_of(good: Good, data: bytes, size: int) -> list[str]:
    """What is wrong with how a reader takes a file."""
    began = time.process_time()
    try:
        found = read(good.reader, data, good.options, size)
    except Exception:
        return [traceback.format_exc(limit=-4)]
    seconds = time.process_time() - began
    faults = []
    if seconds > SECONDS * max(1, len(data) / (1 << 20)):
        faults.append(f"took {seconds:.1f} s of CPU for {len(data)} bytes")
    if not found.reports and not found.bad:
        lost = marks_in(data, packed=good.change is in_package) - set(MARK.findall(repr(found.records)))
        # a name row that was changed is a name row still, and a mark in it is a name
        if lost and not (good.reader in TABLES and len(lost) == 1):
            faults.append(f"lost without a report: {sorted(lost)[:5]} of {len(lost)}")
    return faults


def fuzz(good: Good, random: Random) -> tuple[bytes, list[str]]:
    data = good.change(good.make(random), random)
    return data, faults_of(good, data, random.choice((1, 3, 1000)))


def memory_faults() -> list[str]:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return [f"{memory >> 20} MiB of memory"] if memory > MEMORY else []


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="*", metavar="READER", help="all of them without one")
    parser.add_argument("--minutes", type=float, default=10, help="in all, shared by the readers (10)")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where files with a fault are kept")
    wanted = parser.parse_args(arguments)
    chosen = [good for good in GOOD if not wanted.readers or good.reader in wanted.readers]
    print(f"seed {wanted.seed}")
    failed = 0
    for number, good in enumerate(chosen):
        random, ended, tried, seen = Random(f"{wanted.seed} {number}"), time.monotonic(), 0, set[str]()
        ended += wanted.minutes * 60 / len(chosen)
        while time.monotonic() < ended:
            data, faults = fuzz(good, random)
            tried += 1
            for fault in faults + memory_faults():
                kind = re.sub(r"\d+|'.*'", "#", fault.splitlines()[-1])
                if kind not in seen:
                    seen.add(kind)
                    wanted.keep.mkdir(parents=True, exist_ok=True)
                    place = wanted.keep / f"{good.reader}-{number}-{tried}"
                    place.write_bytes(data)
                    print(f"{good.reader}: {fault} (kept in {place})")
        failed += len(seen)
        print(f"{good.reader}: {tried} files, {len(seen)} kinds of fault", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
