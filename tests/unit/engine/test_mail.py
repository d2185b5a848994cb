"""Mail at the end of a batch, sent to a real mail server: taken, refused, slow, gone, and back again."""

import asyncio
import email
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiosmtpd.smtp import SMTP, AuthResult

from server.engine.clock import utc_now
from server.engine.engine import EngineConfig, open_engine
from server.engine.follow_ups.mail import ATTEMPTS, MailServer, mail_at_end
from server.engine.uploads.flow import UploadLimits
from tests.support.certificates import certified

MODEL = {
    "name": "m",
    "destinations": [{"name": "d", "table": "rows", "kind": "dictionary", "names": {"a": {"type": "integer"}}}],
}
PROCESS = {"id": "p", "model": "m", "destination": "d", "read": "json-lines", "write": "create"}
SITE = "https://import.example.org"
GOOD, BAD = b'{"a": 1}\n', b'{"b": 1}\n'


class Post:
    """A mail server's judgement: what it says to each recipient and to the whole, and what it has taken."""

    def __init__(self) -> None:
        self.taken = asyncio.Queue()  # type: ignore[var-annotated]
        self.refused = {}  # type: ignore[var-annotated]
        self.answer = "250 OK"
        self.waits_for = None
        self.tries = asyncio.Queue()  # type: ignore[var-annotated]

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: Any, options: Any) -> Any:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> Any:
        self.tries.put_nowait(envelope.mail_from)
        if self.waits_for is not None:
            await self.waits_for.wait()
        if self.answer.startswith("250"):
            self.taken.put_nowait(
                (envelope.rcpt_tos, email.message_from_bytes(envelope.content.replace(b"\r\n", b"\n"), policy=default))
            )
        return self.answer


@asynccontextmanager
async def listening(post: "Post", *, ssl: Any = None, **options: Any) -> AsyncIterator[Any]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(post, **options), "127.0.0.1", 0, ssl=ssl)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture
def post() -> "Post":
    return Post()


@pytest.fixture
async def port(post: "Post") -> AsyncIterator[Any]:
    async with listening(post) as port:
        yield port


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> Any:
        return utc_now() + self.ahead


@pytest.fixture
def clock() -> "Clock":
    return Clock()


@pytest.fixture
def open_house(tmp_path: Path, clock: "Clock") -> Callable[..., Any]:
    for folder, document in (("models", MODEL), ("processes", PROCESS)):
        (tmp_path / "imports" / folder).mkdir(parents=True)
        (tmp_path / "imports" / folder / "x.json").write_text(json.dumps(document))

    @asynccontextmanager
    async def opened(mail: Any) -> AsyncIterator[object]:
        limits = UploadLimits(min_free_bytes=0)
        async with open_engine(
            tmp_path / "data", EngineConfig(imports=tmp_path / "imports", uploads=limits, mail=mail, clock=clock)
        ) as engine:
            await asyncio.to_thread(engine.definitions.load)
            engine.background.start()
            yield engine

    return opened


def source(content: Any) -> Any:
    pieces = [content, b""]

    async def read() -> Any:
        return pieces.pop(0)

    return read


async def ended(
    engine: Any,
    content: Any,
    success: tuple[str, ...] = ("s@example.org",),
    failure: tuple[str, ...] = ("f@example.org",),
) -> Any:
    """A batch whose job has ended."""
    upload, rows = await engine.uploads.receive_lines(source(content))
    batch = await engine.batches.submit_rows(
        "test",
        upload,
        process="p",
        comment="A title",
        properties={"rows": rows},
        after=[mail_at_end("A title", SITE, success, failure)],
    )
    await engine.jobs.wait(batch.job)
    return await engine.batches.get(None, batch.identifier)


async def task(engine: Any, batch: Any, until: Callable[..., Any]) -> Any:
    """The mail's job once it is as wanted."""
    async with asyncio.timeout(60):
        while True:
            found = [job for job in await engine.jobs.list(batch=batch.id) if job.mode == "errand"]
            if found and until(found[0]):
                return found[0]
            await asyncio.wait([asyncio.create_task(engine.jobs.list())], timeout=0.05)


def server_at(port: Any, **more: Any) -> MailServer:
    return MailServer("127.0.0.1", port, "penstock@import.example.org", **more)


async def test_success_mail_goes_out_only_if_every_row_succeeded(
    open_house: Callable[..., Any], post: "Post", port: Any
) -> None:
    async with open_house(server_at(port)) as engine:
        batch = await ended(engine, GOOD * 3)
        people, message = await post.taken.get()
        assert people == ["s@example.org"]
        assert message["Subject"] == "Import succeeded: A title"
        assert message["From"] == "penstock@import.example.org"
        assert "3 rows read: 3 created, 0 updated, 0 unchanged, 0 failed." in message.get_content()
        assert f"{SITE}/admin/batches/{batch.identifier}\n" in message.get_content()
        done = await task(engine, batch, lambda job: job.state == "done")
        assert message["Message-ID"] == f"<{done.id}@import.example.org>"
    assert post.taken.empty()


async def test_failure_mail_has_counts_first_reasons_and_link(
    open_house: Callable[..., Any], post: "Post", port: Any
) -> None:
    async with open_house(server_at(port)) as engine:
        batch = await ended(engine, GOOD + BAD * 8)
        people, message = await post.taken.get()
        text = message.get_content()
        assert people == ["f@example.org"]
        assert message["Subject"] == "Import with failed rows: A title"
        assert "9 rows read: 1 created, 0 updated, 0 unchanged, 8 failed." in text
        assert text.count("Unknown column b; this import takes a, :a") == 5
        assert "line 2: Unknown column b" in text
        assert f"{SITE}/admin/batches/{batch.identifier}\n" in text
    assert post.taken.empty()


@pytest.mark.parametrize(("content", "people"), [(GOOD, {"success": ()}), (BAD, {"failure": ()})])
async def test_nobody_gets_a_mail_that_is_for_others(
    open_house: Callable[..., Any], post: "Post", port: Any, content: Any, people: dict[str, Any]
) -> None:
    async with open_house(server_at(port)) as engine:
        batch = await ended(engine, content, **people)
        await task(engine, batch, lambda job: job.state == "done")
    assert post.tries.empty()


async def test_one_mail_goes_to_all_of_a_list(open_house: Callable[..., Any], post: "Post", port: Any) -> None:
    async with open_house(server_at(port)) as engine:
        await ended(engine, GOOD, success=("a@example.org", "b@example.org"))
        people, message = await post.taken.get()
    assert people == ["a@example.org", "b@example.org"]
    assert message["To"] == "a@example.org, b@example.org"
    assert post.taken.empty()


async def test_a_refused_mail_is_tried_again_and_changes_nothing(
    open_house: Callable[..., Any], post: "Post", port: Any, clock: "Clock"
) -> None:
    post.answer = "451 try later"
    async with open_house(server_at(port)) as engine:
        with structlog.testing.capture_logs() as log:
            batch = await ended(engine, GOOD)
            waiting = await task(engine, batch, lambda job: job.error)
        assert (waiting.state, waiting.attempts, waiting.max_attempts) == ("queued", 1, ATTEMPTS)
        assert "try later" in waiting.error
        assert [line["event"] for line in log if line["log_level"] == "warning"] == [
            "background task failed, will retry"
        ]
        assert (await engine.batches.get(None, batch.identifier)).state == "complete"
        post.answer = "250 OK"
        clock.ahead += timedelta(seconds=11)
        await task(engine, batch, lambda job: job.state == "done")
        assert (await post.taken.get())[0] == ["s@example.org"]


async def test_a_slow_server_is_not_waited_for_forever(
    open_house: Callable[..., Any], post: "Post", port: Any, clock: "Clock"
) -> None:
    post.waits_for = asyncio.Event()  # type: ignore[assignment]
    async with open_house(server_at(port, timeout_seconds=0.3)) as engine:
        batch = await ended(engine, GOOD)
        waiting = await task(engine, batch, lambda job: job.error)
        assert waiting.state == "queued"
        assert (await engine.batches.get(None, batch.identifier)).state == "complete"
        post.waits_for.set()  # type: ignore[attr-defined]


async def test_a_server_that_is_gone_comes_back(open_house: Callable[..., Any], post: "Post", clock: "Clock") -> None:
    async with listening(post) as port:
        pass
    async with open_house(server_at(port)) as engine:
        batch = await ended(engine, GOOD)
        waiting = await task(engine, batch, lambda job: job.error)
        assert f"127.0.0.1:{port} did not take it" in waiting.error


async def test_a_mail_waits_for_the_next_start(
    open_house: Callable[..., Any], post: "Post", port: Any, clock: "Clock"
) -> None:
    post.answer = "451 try later"
    async with open_house(server_at(port)) as engine:
        batch = await ended(engine, GOOD)
        await task(engine, batch, lambda job: job.error)
    post.answer = "250 OK"
    clock.ahead += timedelta(seconds=11)
    async with open_house(server_at(port)):
        assert (await post.taken.get())[0] == ["s@example.org"]


async def test_a_recipient_who_is_refused_does_not_keep_the_others_from_theirs(
    open_house: Callable[..., Any], post: "Post", port: Any
) -> None:
    post.refused["a@example.org"] = "550 no such person"
    async with open_house(server_at(port)) as engine:
        with structlog.testing.capture_logs() as log:
            batch = await ended(engine, GOOD, success=("a@example.org", "b@example.org"))
            await task(engine, batch, lambda job: job.state == "done")
    assert (await post.taken.get())[0] == ["b@example.org"]
    (line,) = [line for line in log if line["event"] == "mail refused for one recipient"]
    assert (line["recipient"], line["code"]) == ("a@example.org", 550)
    assert post.taken.empty()


async def test_recipients_who_are_all_refused_are_tried_again(
    open_house: Callable[..., Any], post: "Post", port: Any
) -> None:
    post.refused["s@example.org"] = "550 no such person"
    async with open_house(server_at(port)) as engine:
        batch = await ended(engine, GOOD)
        waiting = await task(engine, batch, lambda job: job.error)
    assert "no such person" in waiting.error


async def test_without_a_server_the_task_says_that_nothing_was_sent(open_house: Callable[..., Any]) -> None:
    async with open_house(None) as engine:
        with structlog.testing.capture_logs() as log:
            batch = await ended(engine, GOOD)
            refused = await task(engine, batch, lambda job: job.finished)
    assert (refused.state, refused.error) == ("failed", "not sent: no mail server is set; set [smtp] host")
    assert reason_in(log) == refused.error


def reason_in(log: Any) -> Any:
    return next(line["reason"] for line in log if line["event"] == "background task refused")


async def test_a_login_is_sent_where_there_is_one(open_house: Callable[..., Any], post: "Post") -> None:
    seen = []

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: Any, data: Any) -> Any:
        seen.append((data.login, data.password))
        return AuthResult(success=True)

    demands = {"authenticator": authenticate, "auth_require_tls": False}
    async with listening(post, **demands) as port, open_house(server_at(port, user="u", password="p")) as engine:
        await ended(engine, GOOD)
        await post.taken.get()
    assert seen == [(b"u", b"p")]


async def test_a_cancelled_batch_is_a_failure(open_house: Callable[..., Any], post: "Post", port: Any) -> None:
    async with open_house(server_at(port)) as engine:
        await engine.background.stop()
        upload, _ = await engine.uploads.receive_lines(source(GOOD))
        batch = await engine.batches.submit_rows(
            "test", upload, process="p", comment="A", after=[mail_at_end("A", SITE, ["s@x.org"], ["f@x.org"])]
        )
        await engine.jobs.cancel(batch.job)
        engine.background.start()
        people, message = await post.taken.get()
    assert (people, message["Subject"]) == (["f@x.org"], "Import cancelled: A")


async def test_a_title_in_any_script_is_the_subject(open_house: Callable[..., Any], post: "Post", port: Any) -> None:
    async with open_house(server_at(port)) as engine:
        upload, _ = await engine.uploads.receive_lines(source(GOOD))
        title = "Zürich 会員 {2026/11/22} " + "x" * 200
        await engine.batches.submit_rows(
            "test", upload, process="p", comment=title, after=[mail_at_end(title, SITE, ["s@x.org"], [])]
        )
        _, message = await post.taken.get()
    assert message["Subject"] == f"Import succeeded: {title}"
    assert title in message.get_content()


def demanding(made: Any, tls: Any) -> tuple[Any, ...]:
    """How a mail server asks for encryption and a login, and what listens in front of it."""
    seen = []

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: Any, data: Any) -> Any:
        seen.append((mechanism, data.login, data.password))
        return AuthResult(success=True)

    if tls == "tls":  # the conversation itself does not know that it is encrypted
        return seen, {"ssl": made.context, "auth_require_tls": False, "authenticator": authenticate}
    starttls = {"tls_context": made.context, "require_starttls": True, "auth_required": True}
    return seen, {**starttls, "authenticator": authenticate}


@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_mail_and_login_are_encrypted(
    open_house: Callable[..., Any], post: "Post", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: str
) -> None:
    made = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
    seen, demands = demanding(made, tls)
    async with (
        listening(post, **demands) as port,
        open_house(server_at(port, user="u", password="p", tls=tls)) as engine,
    ):
        await ended(engine, GOOD)
        people, _ = await post.taken.get()
    assert people == ["s@example.org"]
    assert [(login, password) for _, login, password in seen] == [(b"u", b"p")]


@pytest.mark.parametrize("tls", ["tls", "starttls"])
@pytest.mark.parametrize(("fault", "reason"), [({}, "unable to get local issuer"), ({"ended": True}, "has expired")])
async def test_a_server_that_is_not_trusted_gets_neither_login_nor_mail(
    open_house: Callable[..., Any],
    post: "Post",
    clock: "Clock",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tls: str,
    fault: dict[str, Any],
    reason: str,
) -> None:
    made = certified(tmp_path, **fault)
    if fault:
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
    seen, demands = demanding(made, tls)
    async with (
        listening(post, **demands) as port,
        open_house(server_at(port, user="u", password="p", tls=tls)) as engine,
    ):
        with structlog.testing.capture_logs() as log:
            batch = await ended(engine, GOOD)
            waiting = await task(engine, batch, lambda job: job.error)
        assert (waiting.state, waiting.attempts) == ("queued", 1)
        assert f"127.0.0.1:{port} did not take it: its certificate is not trusted: " in waiting.error
        assert reason in waiting.error
        assert [line["reason"] for line in log if line["log_level"] == "warning"] == [waiting.error]
        assert seen == []
        assert post.tries.empty()
        if not fault:  # the operator follows the advice
            monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
            clock.ahead += timedelta(seconds=11)
            assert (await post.taken.get())[0] == ["s@example.org"]


async def test_a_server_without_starttls_gets_neither_login_nor_mail(
    open_house: Callable[..., Any], post: "Post", port: Any
) -> None:
    async with open_house(server_at(port, user="u", password="p", tls="starttls")) as engine:
        batch = await ended(engine, GOOD)
        waiting = await task(engine, batch, lambda job: job.error)
    assert "STARTTLS extension not supported" in waiting.error
    assert post.tries.empty()
