"""What is sent as a definition and holds nothing but values is refused before it is parsed."""

from pathlib import Path
from unittest.mock import patch

import pytest

from server.engine.engine import EngineConfig, open_engine
from server.engine.errors import ControlInvalid
from server.engine.json_shape import MOST_WRITTEN


def crowded(values: int) -> bytes:
    return b'{"a": [' + b"[]," * values + b'","]}'


async def test_a_control_file_can_have_so_many_values(tmp_path: Path) -> None:
    async with open_engine(tmp_path / "data", EngineConfig(imports=tmp_path / "imports")) as engine:
        with pytest.raises(ControlInvalid, match="Not a control file"):
            await engine.batches.add_control("haplo-batch", crowded(MOST_WRITTEN - 1), "")
        with patch("orjson.loads", side_effect=AssertionError), pytest.raises(ControlInvalid, match="500,000 values"):
            await engine.batches.add_control("haplo-batch", crowded(MOST_WRITTEN), "")


async def test_a_model_that_is_being_written_likewise(tmp_path: Path) -> None:
    async with open_engine(tmp_path / "data", EngineConfig(imports=tmp_path / "imports")) as engine:
        review = await engine.authoring.review("models", crowded(MOST_WRITTEN))
        assert [fault.message for fault in review.faults] == ["It has more than 500,000 values"]
