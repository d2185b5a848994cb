"""A push is tried as often as the settings say (`[jobs] attempts`)."""

import asyncio
import json
from pathlib import Path

from server.engine.engine import EngineConfig, open_engine
from server.engine.execution.dispatcher import JobLimits
from server.engine.uploads.flow import UploadLimits

MODEL = {
    "name": "m",
    "destinations": [{"name": "d", "table": "rows", "kind": "dictionary", "names": {"a": {"type": "integer"}}}],
}
PROCESS = {"id": "p", "model": "m", "destination": "d", "read": "json", "write": "create"}


async def test_a_push_is_tried_as_often_as_the_settings_say(tmp_path: Path) -> None:
    for folder, name, document in ("models", "m", MODEL), ("processes", "p", PROCESS):
        path = tmp_path / "imports" / folder / f"{name}.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(document))
    limits, uploads = JobLimits(attempts=7), UploadLimits(min_free_bytes=0)
    async with open_engine(
        tmp_path / "data", EngineConfig(imports=tmp_path / "imports", jobs=limits, uploads=uploads)
    ) as engine:
        await asyncio.to_thread(engine.definitions.load)
        engine.background.start()
        pieces = iter([b'[{"a": 1}]', b""])

        async def read() -> bytes:
            return next(pieces)

        upload = await engine.uploads.receive_octets(read, filename="rows.json")
        result = await engine.haplo.push(engine.definitions.process("p"), upload)
        (job,) = await engine.jobs.list()
    assert (result.applied, job.state, job.max_attempts) == (1, "done", 7)
