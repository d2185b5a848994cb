"""The readers that a control file may name in `read`."""

from collections.abc import Mapping

from server.readers.base import Reader
from server.readers.formats import FORMATS

READERS: Mapping[str, Reader] = {name: format.reader for name, format in FORMATS.items()}
