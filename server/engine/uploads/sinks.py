"""Sinks for bodies: one blob, the fields and files of a form, or memory. They run in worker threads."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from server.engine.errors import PartTooLarge
from server.engine.uploads.flow import UploadLimits
from server.engine.uploads.form_charsets import text_of
from server.engine.uploads.multipart import FormParser, Part, PartReceiver, boundary_of, charset_of
from storage.blobs.base import BlobStore, BlobWriter, Stored

LARGE = 64 * 1024
CHARSET_FIELD = "_charset_"
_NO_PART = Part("", None, "")


class Kept(NamedTuple):
    """A whole body: sealed, and published if the caller wanted that."""

    writer: BlobWriter
    stored: Stored
    published: bool
    name: str
    filename: str


@dataclass(frozen=True, slots=True)
class SmallFile:
    """A file part that was read into memory."""

    filename: str
    content: bytes


class OctetSink:
    """Stores a body as one blob."""

    def __init__(self, blobs: BlobStore, filename: str, publish: bool) -> None:
        self._blobs = blobs
        self._filename = filename
        self._publish = publish
        self._writer: BlobWriter | None = None

    def feed(self, pieces: list[bytes]) -> None:
        self._open().write(*blocks(pieces))

    def finish(self, pieces: list[bytes]) -> Kept:
        writer = self._open()
        if pieces:
            writer.write(*blocks(pieces))
        return keep(writer, self._publish, "file", self._filename)

    def discard(self) -> None:
        if self._writer is not None:
            self._writer.discard()

    def _open(self) -> BlobWriter:
        if self._writer is None:
            self._writer = self._blobs.writer()
        return self._writer


class FormFields:
    """Keeps a form's plain fields, each under a cap, and passes its files on.

    A field's charset is the first that is declared: its own, that of a field `_charset_` before it (RFC 7578 4.6), or
    the form's. The default is UTF-8.
    """

    def __init__(self, files: PartReceiver, limits: UploadLimits, charset: str = "") -> None:
        self._files = files
        self._charset = charset
        self._limit = limits.max_field_bytes
        self._part = _NO_PART
        self._text = bytearray()
        self.fields: dict[str, str] = {}

    def begin(self, part: Part) -> None:
        self._part = part
        if part.filename is None:
            self._text = bytearray()
        else:
            self._files.begin(part)

    def data(self, data: memoryview) -> None:
        if self._part.filename is not None:
            self._files.data(data)
            return
        if len(self._text) + len(data) > self._limit:
            raise PartTooLarge(self._part.name, self._limit)
        self._text += data

    def end(self) -> None:
        if self._part.filename is not None:
            self._files.end()
        elif self._part.name == CHARSET_FIELD:
            self._charset = self._text.decode("ascii", "replace").strip()
        else:
            self.fields[self._part.name] = self._decoded()

    def _decoded(self) -> str:
        charset = charset_of(self._part.content_type) or self._charset
        return text_of(bytes(self._text), charset, f"the form field {self._part.name!r}")


class FilesInMemory:
    """Keeps a form's files in memory; the whole body is under a cap. Of two files with one name, the last counts."""

    def __init__(self) -> None:
        self._part = _NO_PART
        self._content = bytearray()
        self.files: dict[str, SmallFile] = {}

    def begin(self, part: Part) -> None:
        self._part = part
        self._content = bytearray()

    def data(self, data: memoryview) -> None:
        self._content += data

    def end(self) -> None:
        if self._part.filename or self._content:  # a browser sends an empty part when no file was chosen
            self.files[self._part.name] = SmallFile(self._part.filename or "", bytes(self._content))


class FilesAsBlobs:
    """Stores files of the form fields `fields` as blobs and drops others; `repeated` keeps all files of a field."""

    def __init__(self, blobs: BlobStore, fields: Collection[str], repeated: bool) -> None:
        self._blobs = blobs
        self._fields = fields
        self._repeated = repeated
        self._part = _NO_PART
        self._writer: BlobWriter | None = None
        self._arrived: list[memoryview] = []  # bytes of the current part, not yet written
        self._whole: list[tuple[Part, BlobWriter]] = []

    def begin(self, part: Part) -> None:
        self._part = part
        if part.name in self._fields:
            self._writer = self._blobs.writer()

    def data(self, data: memoryview) -> None:
        if self._writer is not None:
            self._arrived.append(data)

    def write_arrived(self) -> None:
        """Writes all bytes of one step together, as for a body that is no form."""
        if self._writer is not None and self._arrived:
            self._writer.write(*self._arrived)
        self._arrived.clear()

    def end(self) -> None:
        self.write_arrived()
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        if not self._part.filename and not writer.seal().size:
            writer.discard()  # a browser sends an empty part when no file was chosen
            return
        if not self._repeated:
            self._drop(self._part.name)
        self._whole.append((self._part, writer))

    def keep(self, publish: bool) -> list[Kept]:
        return [keep(writer, publish, part.name, part.filename or "") for part, writer in self._whole]

    def discard(self) -> None:
        if self._writer is not None:
            self._writer.discard()
        for _, writer in self._whole:
            writer.discard()

    def _drop(self, name: str) -> None:
        for part, writer in self._whole:
            if part.name == name:
                writer.discard()
        self._whole = [(part, writer) for part, writer in self._whole if part.name != name]


class FormSink:
    """Stores the files of a form as blobs."""

    def __init__(self, content_type: str, files: FilesAsBlobs, limits: UploadLimits, publish: bool) -> None:
        self._files = files
        self._fields = FormFields(files, limits, charset_of(content_type))
        self._parser = form_parser(content_type, self._fields, limits)
        self._publish = publish

    def feed(self, pieces: list[bytes]) -> None:
        for block in blocks(pieces):
            self._parser.feed(block)
        self._files.write_arrived()

    def finish(self, pieces: list[bytes]) -> tuple[dict[str, str], list[Kept]]:
        self.feed(pieces)
        self._parser.finish()
        return self._fields.fields, self._files.keep(self._publish)

    def discard(self) -> None:
        self._files.discard()


def form_parser(content_type: str, receiver: PartReceiver, limits: UploadLimits) -> FormParser:
    return FormParser(
        boundary_of(content_type),
        receiver,
        max_parts=limits.max_form_parts,
        max_header_bytes=limits.max_part_header_bytes,
        charset=charset_of(content_type),
    )


def keep(writer: BlobWriter, publish: bool, name: str, filename: str) -> Kept:
    stored = writer.seal()
    if publish:
        writer.publish()
    return Kept(writer, stored, publish, name, filename)


def blocks(pieces: list[bytes]) -> list[bytes]:
    """Joins the pieces if they are small, so that each call is worth its cost. Large pieces are not copied."""
    if len(pieces) <= 1 or sum(map(len, pieces)) >= LARGE * len(pieces):
        return pieces
    return [b"".join(pieces)]
