"""Reads the parameters of CreateBatch and renders its response (vendor's documentation: CreateBatch). Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from server.dialects.learningbuilder.errors import (
    CreationPathInvalid,
    EmailInvalid,
    ParameterInvalid,
    ParameterMissing,
    ParameterRepeated,
)

SCHEME = "apikey"
PERMISSION = "BeginWorkflowImportProcess"
CREATION_PREFIX = "IMPORT_QUEUE_API:"
LONGEST_NAME = 1024  # characters
MOST_ADDRESSES = 50

NAMES = ("fileName", "importProcessId", "creationPath", "sendSuccessEmailTo", "sendFailureEmailTo")

_CREATION_PATH = re.compile(r"[A-Z0-9_]{1,15}").fullmatch
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*").fullmatch
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]").search

Pairs = Iterable[tuple[str, str]]


class CreateRequest(NamedTuple):
    """The parameters of a request. `creation_path` is as it is stored."""

    file_name: str
    process: str
    creation_path: str
    success: tuple[str, ...]
    failure: tuple[str, ...]


def create_request(query: Pairs) -> CreateRequest:
    given = _by_name(query)
    return CreateRequest(
        file_name=_text(given, "fileName"),
        process=_text(given, "importProcessId"),
        creation_path=_creation_path(given.get("creationPath", "")),
        success=_addresses(given, "sendSuccessEmailTo"),
        failure=_addresses(given, "sendFailureEmailTo"),
    )


def _by_name(query: Pairs) -> dict[str, str]:
    """Returns the known parameters by name; case does not matter, and unknown parameters are ignored."""
    names = {name.lower(): name for name in NAMES}
    given: dict[str, str] = {}
    for sent, value in query:
        name = names.get(sent.lower())
        if name is None:
            continue
        if name in given:
            raise ParameterRepeated(name)
        given[name] = value
    return given


def _text(given: Mapping[str, str], name: str) -> str:
    value = given.get(name, "").strip(" ")
    if not value:
        raise ParameterMissing(name)
    if len(value) > LONGEST_NAME:
        raise ParameterInvalid(name, f"it is longer than {LONGEST_NAME:,} characters")
    if _UNPRINTABLE(value):
        raise ParameterInvalid(name, "it holds a character that cannot be shown")
    return value


def _creation_path(value: str) -> str:
    """Returns the path as it was sent; it may have no blank and no line end."""
    if not value:
        raise ParameterMissing("creationPath")
    if not _CREATION_PATH(value):
        raise CreationPathInvalid(value)
    return CREATION_PREFIX + value


def _addresses(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Returns the addresses in a list with commas or semicolons, each once."""
    parts = [part.strip(" ") for part in re.split("[,;]", given.get(name, ""))]
    found = tuple(dict.fromkeys(part for part in parts if part))
    for address in found:
        if len(address) > 254 or not _ADDRESS(address):
            raise EmailInvalid(name, address)
    if len(found) > MOST_ADDRESSES:
        raise ParameterInvalid(name, f"it has more than {MOST_ADDRESSES} addresses")
    return found


def created(identifier: str, link: str) -> str:
    return json.dumps({"queueBatchId": identifier, "queueBatchDetails": link})
