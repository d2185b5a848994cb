"""One mail at the end of a batch: to one list of people where every row succeeded, to another where any failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Literal

import aiosmtplib
import structlog

from server.engine.batches.batches import Batches
from server.engine.batches.jobs import Jobs
from server.engine.follow_ups.background_tasks import TaskFailed, TaskRefused
from server.engine.follow_ups.certificates import untrusted
from server.engine.follow_ups.links import batch_page
from storage.catalog.base import Outcome, OutcomeStatus
from storage.queues.base import Job

KIND = "mail"
ATTEMPTS = 12  # with pauses that double from ten seconds to an hour: about five hours in all
_REASONS = 5
_FAILED: tuple[OutcomeStatus, ...] = ("failed",)

log = structlog.get_logger("penstock.mail")


@dataclass(frozen=True, slots=True)
class MailServer:
    """`tls` encrypts from the first byte, `starttls` after a clear greeting; both need a trusted certificate.

    Times in seconds.
    """

    host: str
    port: int = 25
    sender: str = "penstock@localhost"
    user: str | None = None
    password: str | None = None
    tls: Literal["none", "starttls", "tls"] = "none"
    timeout_seconds: float = 30.0


def mail_at_end(title: str, site: str, success: Sequence[str], failure: Sequence[str]) -> dict[str, object]:
    """Returns what a job's payload needs so that a mail follows its end."""
    payload = {"title": title, "site": site, "success": list(success), "failure": list(failure)}
    return {"kind": KIND, "attempts": ATTEMPTS, "payload": payload}


class Mail:
    """The task that writes and sends the mail. It never changes the batch."""

    def __init__(self, batches: Batches, jobs: Jobs, server: MailServer | None) -> None:
        self._batches = batches
        self._jobs = jobs
        self._server = server

    def place(self, task: Job) -> str:
        """Returns one place for all mails: they go to one mail server."""
        return KIND

    async def __call__(self, task: Job) -> None:
        """Sends the mail. Raises TaskFailed where another attempt may help, TaskRefused without a mail server."""
        payload: Any = task.payload
        job = await self._jobs.get(payload["job"])
        people = payload["success"] if _went_well(job) else payload["failure"]
        if not people:
            return
        if self._server is None:
            raise TaskRefused("not sent: no mail server is set; set [smtp] host")
        message = await self._written(job, payload["title"], payload["site"])
        message["To"], message["From"] = ", ".join(people), self._server.sender
        # a mail that is sent again after a crash has the same id
        message["Message-ID"] = f"<{task.id}@{self._server.sender.rpartition('@')[2]}>"
        await self._send(self._server, message, task)

    async def _written(self, job: Job, title: str, site: str) -> EmailMessage:
        batch = await self._batches.of_job(job)
        failed = await self._jobs.outcomes(job.id, statuses=_FAILED, limit=_REASONS)
        message = EmailMessage(policy=SMTP)
        message["Subject"] = f"{_verdict(job)}: {title}"
        message.set_content(mail_text(job, title, failed, batch_page(site, batch.identifier)))
        return message

    async def _send(self, server: MailServer, message: EmailMessage, task: Job) -> None:
        try:
            refused, _ = await aiosmtplib.send(
                message,
                hostname=server.host,
                port=server.port,
                username=server.user,
                password=server.password,
                use_tls=server.tls == "tls",
                start_tls=server.tls == "starttls",
                timeout=server.timeout_seconds,
            )
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            reason = untrusted(error) or str(error) or type(error).__name__
            raise TaskFailed(f"the mail server {server.host}:{server.port} did not take it: {reason}") from error
        for address, (code, reason) in refused.items():  # the other recipients have the mail: they would get it twice
            log.warning("mail refused for one recipient", job=task.id, recipient=address, code=code, reason=reason)


def _went_well(job: Job) -> bool:
    return job.state == "done" and job.counts.failed == 0


def _verdict(job: Job) -> str:
    if _went_well(job):
        return "Import succeeded"
    return "Import with failed rows" if job.state == "done" else f"Import {job.state}"


def mail_text(job: Job, title: str, failed: Sequence[Outcome], link: str) -> str:
    counts = job.counts
    done = f"{counts.created} created, {counts.updated} updated, {counts.unchanged} unchanged"
    lines = [f"{_verdict(job)}: {title}", "", f"{counts.read} rows read: {done}, {counts.failed} failed."]
    if counts.with_warnings:
        lines += [f"{counts.with_warnings} rows were stored with warnings: a value of each was lost or changed."]
    if job.error:
        lines += ["", f"The import ended early: {job.error}"]
    if failed:
        lines += ["", f"The first {len(failed)} of the failed rows:" if len(failed) > 1 else "The failed row:"]
        lines += [f"  {_place(outcome)}: {_one_line(outcome.message)}" for outcome in failed]
    return "\n".join([*lines, "", link, ""])


def _place(outcome: Outcome) -> str:
    return f"line {outcome.line}" if outcome.line is not None else f"record {outcome.record}"


def _one_line(message: str | None) -> str:
    return "; ".join((message or "no reason was given").splitlines())
