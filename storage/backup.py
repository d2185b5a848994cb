"""One file with everything a data directory holds, taken while servers work on it, and the way back.

A tar archive: `penstock-backup.json` (what it is), `catalog.db`, `records.db`, `blobs/sha256/ab/cd/<digest>`, and last
`checksums.json`, whose presence says that the archive is whole. Both databases are as they were at one moment.
"""

import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import orjson
from sqlalchemy import create_engine

from storage import integrity
from storage.blobs.base import BlobStore
from storage.blobs.local import sync
from storage.digest import is_digest
from storage.errors import BackupDamaged, BackupRefused, BlobDamaged, BlobMissing
from storage.locking import FileLock
from storage.private import FILE, private_folder
from storage.translating import told

FORMAT = 1
HEAD, TAIL = "penstock-backup.json", "checksums.json"
DATABASES = ("catalog.db", "records.db")
SETTLED = 0o400
STEP = 1024 * 1024
_PAGES = 4096  # copied between two reports of progress
_TRIES = 3

Progress = Callable[[int, int], None]  # bytes done, bytes in all


def silently(done: int, total: int) -> None:
    """Does nothing: for callers that show no progress."""


def write_backup(data_dir: Path, blobs: BlobStore, file: Path, progress: Progress = silently) -> int:
    """Writes the archive under its name once it is whole and durable; returns its size in bytes.

    Raises BackupRefused where `file` exists, BlobMissing or BlobDamaged where a promised file is not whole.
    """
    if file.exists():
        raise BackupRefused(f"{file} is there already; name another file")
    with TemporaryDirectory(prefix=f".{file.name}.", dir=file.absolute().parent) as folder:
        part = Path(folder) / "part"
        with open(part, "xb", opener=_private) as archive, told(file.absolute()):
            _fill(data_dir, blobs, archive, progress)
            archive.flush()
            os.fsync(archive.fileno())
        part.rename(file)
    sync(file.absolute().parent)
    return file.stat().st_size


def read_backup(file: Path, data_dir: Path, progress: Progress = silently) -> None:
    """Makes a data directory from the archive and checks every byte. Raises BackupRefused or BackupDamaged.

    `data_dir` must be empty or absent. It appears whole, or not at all.
    """
    if data_dir.exists() and any(data_dir.iterdir()):
        raise BackupRefused(f"{data_dir} is not empty; restore into another folder with --data-dir, or move it away")
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{data_dir.name}.", dir=data_dir.parent) as folder:
        made = Path(folder) / "data"
        made.mkdir(mode=0o700)
        try:
            with tarfile.open(file, "r:") as archive:
                _unpack(archive, made, progress, file.stat().st_size)
        except (tarfile.TarError, EOFError) as error:
            raise BackupDamaged(str(file), f"it is no whole archive: {error}") from None
        with suppress(FileNotFoundError):
            data_dir.rmdir()
        made.rename(data_dir)
    sync(data_dir.parent)


def _fill(data_dir: Path, blobs: BlobStore, archive: IO[bytes], progress: Progress) -> None:
    for left in reversed(range(_TRIES)):
        archive.seek(0)
        archive.truncate()
        try:
            _fill_once(data_dir, blobs, archive, progress)
        except BlobMissing:
            if not left:  # else an upload that was given up took its file along while we copied
                raise
        else:
            return


def _fill_once(data_dir: Path, blobs: BlobStore, archive: IO[bytes], progress: Progress) -> None:
    with (
        TemporaryDirectory(prefix=".backup.", dir=Path(archive.name).parent) as folder,
        tarfile.open(fileobj=archive, mode="w") as tar,
    ):
        copies = [Path(folder) / name for name in DATABASES]
        with told(data_dir / DATABASES[0]):
            _copy_databases([data_dir / name for name in DATABASES], copies)
        needed = _needed(copies[0])
        total = sum(copy.stat().st_size for copy in copies) + sum(blobs.size(digest) for digest in needed)
        head = {"format": FORMAT, "made": datetime.now(UTC).isoformat(timespec="seconds"), "blobs": len(needed)}
        _add_bytes(tar, HEAD, orjson.dumps(head))
        sums, done = {}, 0
        for name, copy in zip(DATABASES, copies, strict=True):
            with copy.open("rb") as content:
                sums[name] = _add(tar, name, content)
            done += copy.stat().st_size
            progress(done, total)
        for digest in sorted(needed):
            done += _add_blob(tar, blobs, digest)
            progress(done, total)
        _add_bytes(tar, TAIL, orjson.dumps(sums))


def _copy_databases(sources: list[Path], copies: list[Path]) -> None:
    """Copies both databases as of one moment: no writer is at work while the two readings begin."""
    with closing(_reader(sources[0])) as catalog, closing(_reader(sources[1])) as records:
        with _nobody_writes(sources):
            for connection in (catalog, records):
                connection.execute("BEGIN")
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the reading begins here
        for connection, copy in zip((catalog, records), copies, strict=True):
            with closing(sqlite3.connect(copy)) as target:
                connection.backup(target, pages=_PAGES)
    _without_secrets(copies[0])


def _without_secrets(catalog: Path) -> None:
    """Leaves secrets out: a reader of the archive must not forge sessions. A restored server makes new secrets."""
    with closing(sqlite3.connect(catalog, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'secrets'").fetchone():
            connection.execute("DELETE FROM secrets")


@contextmanager
def _nobody_writes(databases: list[Path]) -> Iterator[None]:
    """Holds both write locks. It takes them in a worker's order, records first: another order could deadlock."""
    catalog, records = (FileLock(database.with_name(database.name + ".lock")) for database in databases)
    try:
        with records, catalog:
            yield
    finally:
        records.close()
        catalog.close()


def _reader(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)


def _needed(catalog: Path) -> list[str]:
    engine = create_engine(f"sqlite:///{catalog}")
    try:
        with engine.connect() as connection:
            return list(integrity.sizes(connection))
    finally:
        engine.dispose()


def _add_blob(tar: tarfile.TarFile, blobs: BlobStore, digest: str) -> int:
    with blobs.open(digest) as content:
        found = _add(tar, _place(digest), content)
        if found != digest:
            raise BlobDamaged(digest, found)
        return content.tell()


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes]) -> str:
    """Adds a file and returns the digest of its bytes."""
    summing = _Summing(content)
    member = tarfile.TarInfo(name)
    member.size = os.fstat(content.fileno()).st_size
    member.mode = 0o600
    tar.addfile(member, summing)
    return summing.digest()


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))


class _Summing:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._hash.update(piece)
        return piece

    def digest(self) -> str:
        return self._hash.hexdigest()


def _unpack(archive: tarfile.TarFile, folder: Path, progress: Progress, total: int) -> None:
    head, sums = _read_head(archive), None
    found: dict[str, str] = {}
    blobs = 0
    for member in archive:
        if member.name == HEAD:
            continue
        if member.name == TAIL:
            sums = _json(archive, member)
            break
        digest = _keep(archive, member, folder)
        blobs += member.name not in DATABASES
        found[member.name] = digest
        progress(member.offset_data + member.size, total)
    if sums is None or blobs != head.get("blobs"):
        raise BackupDamaged(str(archive.name), "its end is missing")
    for name in DATABASES:
        if found.get(name) is None or found[name] != sums.get(name):
            raise BackupDamaged(str(archive.name), f"{name} is not as it was written")


def _read_head(archive: tarfile.TarFile) -> dict[str, Any]:
    member = archive.next()
    if member is None or member.name != HEAD:
        raise BackupRefused(f"{archive.name!s} was not written by `penstock backup`")
    head = _json(archive, member)
    if head.get("format") != FORMAT:
        raise BackupRefused(f"{archive.name!s} was written by a later version; upgrade this program to restore it")
    return head


def _keep(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> str:
    """Writes one file of the archive durably and returns its digest."""
    name = member.name
    digest = name.rpartition("/")[2]
    is_blob = is_digest(digest) and name == _place(digest)
    if not member.isreg() or not (is_blob or name in DATABASES):
        raise BackupDamaged(str(archive.name), f"it holds {name[:80]!r}, which is no part of a backup")
    place = folder / name
    private_folder(place.parent)
    content = archive.extractfile(member)
    assert content is not None  # only a link or a folder has none
    summing = _Summing(content)
    with open(place, "xb", opener=_private) as file:
        shutil.copyfileobj(summing, file, STEP)
        file.flush()
        os.fsync(file.fileno())
    if is_blob:
        if summing.digest() != digest:
            raise BackupDamaged(str(archive.name), f"blob {digest} has other bytes than were written")
        place.chmod(SETTLED)
    sync(place.parent)
    return summing.digest()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, FILE)


def _json(archive: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, Any]:
    content = archive.extractfile(member)
    try:
        found = orjson.loads(content.read(STEP) if content else b"")
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise BackupDamaged(str(archive.name), f"{member.name} cannot be read")
    return found


def _place(digest: str) -> str:
    return f"blobs/sha256/{digest[:2]}/{digest[2:4]}/{digest}"
