"""What can go wrong in storage. No error here knows HTTP or a dialect.

StorageError
├── BlobMissing         no blob of that digest
├── BlobDamaged         the bytes on disk do not have the digest they are filed under
├── StorageFull         free space would fall below the floor
├── StorageBusy         it may work in a moment: `retry_after` says in how many seconds
│   ├── DatabaseBusy    another program, or too many readers of ours, hold the database
│   └── NoDescriptors   this process has as many files open as it may have
├── DatabaseFailed      the disk or the database file itself fails
├── DatabaseNewer       the database was written by a later version of this program
├── StatementRefused    the database cannot do what was asked, and never will
├── BackupRefused       a backup cannot be written or restored there
├── BackupDamaged       a backup is not whole
├── RowRefused          a row breaks a constraint of its table
└── Superseded          another worker has taken the job over
"""


class StorageError(Exception):
    """Base of all storage errors; `str(error)` is a sentence for an operator."""


class BlobMissing(StorageError):
    def __init__(self, digest: str) -> None:
        super().__init__(f"no blob with digest {digest}")
        self.digest = digest


class BlobDamaged(StorageError):
    def __init__(self, digest: str, found: str) -> None:
        super().__init__(f"blob {digest} is damaged: its bytes now have digest {found}")
        self.digest = digest
        self.found = found


class StorageFull(StorageError):
    def __init__(self, free: int, floor: int) -> None:
        super().__init__(
            f"not enough disk space: {free} bytes free, {floor} must stay free; "
            "delete files or lower [limits] min_free_bytes"
        )
        self.free = free
        self.floor = floor


class StorageBusy(StorageError):
    """What was asked is right and nothing is lost: the same may work `retry_after` seconds later."""

    retry_after = 5

    def __init__(self, message: str) -> None:
        super().__init__(message)


class DatabaseBusy(StorageBusy):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} is in use by something else for too long ({reason}); try again later")


class NoDescriptors(StorageBusy):
    def __init__(self) -> None:
        super().__init__(
            "too many files and connections are open; try again later, or raise the limit of open files "
            "(`ulimit -n`, LimitNOFILE)"
        )


class DatabaseFailed(StorageError):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be used: {reason}; check the disk and its permissions, then run `penstock fsck`"
        )


class DatabaseNewer(StorageError):
    def __init__(self, path: str, found: str) -> None:
        super().__init__(f"{path} was written by a later version (revision {found}); upgrade this program to open it")


class StatementRefused(StorageError):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} cannot take this: {reason}")


class BackupRefused(StorageError):
    """A backup that cannot be written or restored like this; the message says what would do."""


class BackupDamaged(StorageError):
    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file} cannot be restored: {reason}; nothing was restored")


class RowRefused(StorageError):
    """`message` says which constraint of which table, in the database's words."""

    def __init__(self, table: str, message: str) -> None:
        super().__init__(f"{table}: {message}")
        self.table = table
        self.message = message


class Superseded(StorageError):
    def __init__(self, job: str) -> None:
        super().__init__(f"job {job} was taken over by another worker")
        self.job = job
