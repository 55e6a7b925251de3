"""`treadle result`"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from treadle.cli.exits import FAILED, NOT_ENDED, OK
from treadle.cli.group import Command
from treadle.cli.invocation import Invocation
from treadle.cli.job_view import decoded
from treadle.cli.layout import value_text
from treadle.result import failure_of
from treadle.serialization.failure import describe_failure

if TYPE_CHECKING:
    from treadle.job import Record


@click.command("result", cls=Command)
@click.argument("job_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Wait for the job's end.")
@click.option("--timeout", type=click.FloatRange(0), metavar="S", help="Wait at most S seconds.")
@click.option("--traceback", is_flag=True, help="Show the traceback of a failure in the worker.")
@click.pass_obj
def command(invocation: Invocation, /, *, job_id: str, wait: bool, timeout: float | None, traceback: bool) -> int:
    """Show what became of a job. The exit code is 0 only if it succeeded."""
    if timeout is not None and not wait:
        raise click.UsageError("--timeout says how long to --wait; give both")
    return outcome(invocation, job_id, timeout_s=timeout, wait=wait, with_traceback=traceback)


def outcome(
    invocation: Invocation, job_id: str, *, timeout_s: float | None, wait: bool, with_traceback: bool = False
) -> int:
    """Show the outcome of a job, after waiting for it or not; answers the exit code.

    Raises JobNotFound, and ResultTimeout after `timeout_s` seconds.
    """
    if wait:
        invocation.app.waiting.wait(job_id, timeout_s)
    record = invocation.app.AsyncResult(job_id).job()
    document = _document(invocation, record)
    match record.state:
        case "succeeded":
            invocation.show(document, value_text(document["result"]))
            return OK
        case "failed" | "cancelled":
            invocation.show(document, "")
            if with_traceback and not invocation.as_json:
                click.echo(document["error"]["traceback"].rstrip(), err=True)
            invocation.complain(_ending(record, document["error"]))
            return FAILED
        case _:
            invocation.show(document, record.state)
            return NOT_ENDED


def _value(invocation: Invocation, record: Record, _content: bytes) -> Any:
    """The value of a job that has succeeded: of a join, what it makes of its members'."""
    return invocation.app.AsyncResult(record.id).result


def _document(invocation: Invocation, record: Record) -> dict[str, Any]:
    codec = invocation.app.codec
    document: dict[str, Any] = {"id": record.id, "task": record.task, "state": record.state, "reason": record.reason}
    if record.state == "succeeded":
        content = record.result or (b"join" if record.is_join else b"")
        return document | {"result": decoded(partial(_value, invocation, record), content)}
    return document | {"progress": decoded(codec.decode, record.progress), "error": _error(record)}


def _error(record: Record) -> dict[str, str] | None:
    if record.error:
        failure = describe_failure(record.error)
        return {"type": failure.type_name, "message": failure.message, "traceback": failure.traceback}
    if record.is_final:
        error = failure_of(record)
        return {"type": type(error).__name__, "message": str(error), "traceback": ""}
    return None


def _ending(record: Record, error: dict[str, str]) -> str:
    return f"job {record.id} {record.state} ({record.reason}): {error['type']}: {error['message']}".rstrip(": ")
