"""JSON files named on the command line."""

from pathlib import Path

import orjson

from server.cli.session import WorkFailed


def read_document(path: Path) -> object:
    try:
        return orjson.loads(path.read_bytes())
    except OSError as error:
        raise WorkFailed(f"{path}: cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise WorkFailed(f"{path}: cannot be read as JSON: {error}") from None
