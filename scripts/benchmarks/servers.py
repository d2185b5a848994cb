"""Servers that the upload benchmark measures, each in its own process: `servers NAME PORT FOLDER`."""

import asyncio
import hashlib
import os
import secrets
import sys
from pathlib import Path

import aiofiles
import uvloop
from aiohttp import web

from server.engine.uploads.flow import UploadLimits
from server.engine.uploads.uploads import Uploads
from server.web import body
from storage.blobs.local import LocalBlobs

READ_SIZE = 256 * 1024


def ours(folder: Path) -> web.Application:
    """The whole way of an upload but for the catalog: receive, hash, publish, settle."""
    uploads = Uploads(LocalBlobs(folder, 1), UploadLimits(min_free_bytes=1))

    async def octets(request: web.Request) -> web.Response:
        async with await body.receive_octets(uploads, request, publish=True) as upload:
            await upload.settle()
            return web.Response(text=upload.digest)

    async def form(request: web.Request) -> web.Response:
        async with await body.receive_form(uploads, request, publish=True) as received:
            upload = received.file()
            await upload.settle()
            return web.Response(text=upload.digest)

    async def close(app: web.Application) -> None:
        await uploads.close()

    app = web.Application()
    app.router.add_post("/octets", octets, expect_handler=body.expect_later)
    app.router.add_post("/form", form, expect_handler=body.expect_later)
    app.on_cleanup.append(close)
    return app


def naive(folder: Path) -> web.Application:
    """What a first version would look like: small chunks, aiofiles, hashing on the loop; durable all the same."""

    async def octets(request: web.Request) -> web.Response:
        digest = hashlib.sha256()
        temporary = folder / secrets.token_hex(8)
        async with aiofiles.open(temporary, "wb") as file:
            async for chunk in request.content.iter_chunked(64 * 1024):
                digest.update(chunk)
                await file.write(chunk)
            await file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        await asyncio.to_thread(keep, temporary, folder, digest.hexdigest())
        return web.Response(text=digest.hexdigest())

    app = web.Application(client_max_size=0)
    app.router.add_post("/octets", octets)
    return app


def keep(temporary: Path, folder: Path, digest: str) -> None:
    os.rename(temporary, folder / digest)
    fd = os.open(folder, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def starlette(folder: Path) -> object:
    """Starlette's UploadFile, then a durable copy of it, as its documentation leads one to write."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    def store(file) -> str:  # type: ignore[no-untyped-def]
        digest = hashlib.sha256()
        temporary = folder / secrets.token_hex(8)
        with open(temporary, "wb") as out:
            while chunk := file.read(1024 * 1024):
                digest.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        keep(temporary, folder, digest.hexdigest())
        return digest.hexdigest()

    async def form(request: Request) -> PlainTextResponse:
        async with request.form() as received:
            return PlainTextResponse(await asyncio.to_thread(store, received["file"].file))

    return Starlette(routes=[Route("/form", form, methods=["POST"])])


async def serve(app: web.Application, port: int) -> None:
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, read_bufsize=READ_SIZE)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


def main() -> None:
    name, port, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    if name == "starlette":
        import uvicorn

        uvicorn.run(starlette(folder), port=port, log_level="error", loop="uvloop")
    else:
        uvloop.run(serve({"ours": ours, "naive": naive}[name](folder), port))


if __name__ == "__main__":
    main()
