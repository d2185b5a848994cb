"""Composition root of the server: builds the application over an engine and runs it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import structlog
from aiohttp import web

from server.admin.manual.manual import Manual
from server.admin.parts import PARTS
from server.admin.site import Facts, Site
from server.dialects import BY_SESSION, DIALECTS, MakeDialect
from server.engine.engine import Engine
from server.metrics import Metrics
from server.metrics.openapi import DESCRIPTION as METRICS
from server.settings import SettingsWrong
from server.web.access_log import AccessLog, access_logger, protocol_logger
from server.web.auth import Gate, KeyGate, OpenGate, Throttle
from server.web.body import expect_later
from server.web.dialect import Dialect, dialect_for_path
from server.web.docs import Docs
from server.web.errors import catch_errors
from server.web.loopback_guard import only_local
from server.web.sign_in import SessionGate, SignIn
from server.web.transport.connections import Runner
from server.web.transport.open_files import most_connections, raise_open_files
from server.web.transport.path_prefix import prefixed
from server.web.transport.proxies import Network, Proxies, path_of

try:
    import uvloop
except ImportError:
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
else:
    new_event_loop = uvloop.new_event_loop

ENGINE = web.AppKey("engine", Engine)

KEEPALIVE_SECONDS = 75  # also how long a connection may take to send its first complete headers
STOP_SECONDS = 10
BACKLOG = 1024

_log = structlog.get_logger(__name__)


def make_app(engine: Engine, dialects: Sequence[MakeDialect] = DIALECTS, facts: Facts | None = None) -> web.Application:
    """Returns the application over an open engine; jobs run while the application runs."""
    keys, public_url = engine.access.keys, engine.config.public_url
    gate: Gate = OpenGate(keys) if keys.everybody else KeyGate(keys, Throttle())
    facts = facts or Facts()
    sign_in = SignIn(engine, gate, facts.session_seconds)
    readers = SessionGate(gate, sign_in)
    metrics = Metrics(engine, readers)
    api_dialects = [make(engine, readers if make in BY_SESSION else gate) for make in dialects]
    site = Site(engine, sign_in, PARTS, facts, dialects=api_dialects)
    docs = Docs(readers, [*(dialect.description for dialect in api_dialects), METRICS], public_url)
    spoken: list[Dialect] = [*api_dialects, site, metrics, docs, Manual(site, readers)]
    _refuse_path(spoken, public_url)
    guards = [only_local(public_url)] if keys.everybody else []
    app = web.Application(middlewares=[metrics.middleware, prefixed, catch_errors(spoken), *guards])
    site.attach(app)
    metrics.attach(app)
    app[ENGINE] = engine
    app.cleanup_ctx.append(_running_engine)
    app.on_shutdown.append(_end_streams)
    for dialect in spoken:
        app.add_routes(_continue_late(route) for route in dialect.routes())
    return app


def _refuse_path(spoken: Sequence[Dialect], public_url: str | None) -> None:
    """Refuses a public path that is also a path of the server: a proxy may strip it."""
    path = path_of(public_url)
    owner = (dialect_for_path(spoken, path) or _below(spoken, path)) if path else None
    if owner is not None:
        wrong = f"[server] public_url = {public_url!r}: {path} is a path of {owner.name} here"
        raise SettingsWrong([f"{wrong}; use another, such as /penstock"])


def _below(spoken: Sequence[Dialect], path: str) -> Dialect | None:
    start = f"{path.lower()}/"
    return next((each for each in spoken if any(known.lower().startswith(start) for known in each.prefixes)), None)


def _continue_late(route: web.RouteDef) -> web.RouteDef:
    """Sends `100 Continue` only when the handler starts reading."""
    return web.RouteDef(route.method, route.path, route.handler, {"expect_handler": expect_later} | route.kwargs)


async def _running_engine(app: web.Application) -> AsyncIterator[None]:
    """Runs jobs until the last request has been answered: a push waits for its job."""
    engine = app[ENGINE]
    await engine.operations.recovery.run()
    engine.background.start()
    yield
    await engine.background.stop()


async def _end_streams(app: web.Application) -> None:
    """Ends event streams before the server waits for open requests: streams would never end."""
    await app[ENGINE].monitoring.job_events.close()


def make_runner(app: web.Application, trusted_proxies: Sequence[Network] = ()) -> web.AppRunner:
    """Returns the runner. It leaves bodies compressed, because their readers inflate them under a cap."""
    return Runner(
        app,
        most=most_connections(),
        proxies=Proxies(tuple(trusted_proxies), path_of(app[ENGINE].config.public_url)),
        access_log=access_logger(),
        access_log_class=AccessLog,
        logger=protocol_logger(),
        auto_decompress=False,
        keepalive_timeout=KEEPALIVE_SECONDS,
        shutdown_timeout=STOP_SECONDS,
    )


async def serve(
    app: web.Application,
    host: str,
    port: int,
    announce: Callable[[str], None],
    trusted_proxies: Sequence[Network] = (),
) -> None:
    """Answers requests until SIGTERM or SIGINT; calls `announce` with the address once it listens."""
    stop = asyncio.Event()
    raise_open_files()
    runner = make_runner(app, trusted_proxies)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
        _on_signals(app[ENGINE], stop)
        announce(address_of(runner))
        await stop.wait()
        _log.info("server stopping")
    finally:
        await runner.cleanup()


def address_of(runner: web.AppRunner) -> str:
    """Returns the address that the server listens on, with the port that it got."""
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _on_signals(engine: Engine, stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, loop.run_in_executor, None, _reload, engine)


def _reload(engine: Engine) -> None:
    problems = engine.definitions.reload()
    for problem in problems:
        _log.error("definition refused", problem=problem)
    _log.info("definitions reloaded", problems=len(problems))


def run(main: Coroutine[Any, Any, None]) -> None:
    """Runs a program on uvloop where it is installed."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main)
