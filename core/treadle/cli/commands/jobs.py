"""`treadle jobs`: look at jobs, run them again, cancel them, remove them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from treadle.cli.exits import FAILED, OK
from treadle.cli.group import Group
from treadle.cli.invocation import Invocation
from treadle.cli.job_view import details, details_text, summaries_table, summary
from treadle.cli.selection import Selection, filtering, in_batches, selecting
from treadle.exceptions import JobNotFound
from treadle.interfaces import Filter
from treadle.job import FINAL_STATES, State


@click.group("jobs", cls=Group)
def command() -> None:
    """List, show, retry, cancel and delete jobs."""


@command.command("list")
@filtering
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Jobs to show at most.")
@click.option("--cursor", default="", help="Where the page before ended.")
@click.pass_obj
def list_jobs(
    invocation: Invocation,
    /,
    *,
    state: State | None,
    queue: str | None,
    task: str | None,
    reason: str | None,
    limit: int,
    cursor: str,
) -> None:
    """List jobs, newest first."""
    page = invocation.broker.query(Filter(state, queue, task, reason), limit=limit, cursor=cursor)
    document = {"jobs": [summary(record) for record in page.records], "next_cursor": page.next_cursor}
    invocation.show(document, summaries_table(page.records) if page.records else "no jobs match")
    if page.next_cursor and not invocation.as_json:
        invocation.note(f"there are more: --cursor {page.next_cursor}")


@command.command("show")
@click.argument("job_id", metavar="ID")
@click.option("--reveal", is_flag=True, help="Show arguments that the task redacts, too.")
@click.pass_obj
def show(invocation: Invocation, /, *, job_id: str, reveal: bool) -> None:
    """Show all that is known of a job."""
    record = invocation.broker.get([job_id]).get(job_id)
    if record is None:
        raise JobNotFound(job_id)
    document = details(record, invocation.app, reveal=reveal)
    invocation.show(document, details_text(document))


@command.command("retry")
@selecting
@click.pass_obj
def retry(invocation: Invocation, /, *, ids: tuple[str, ...], is_all: bool, **criteria: Any) -> int:
    """Queue jobs again that have ended (with --all: those that failed, unless --state says otherwise)."""
    chosen = Selection(ids, Filter(**criteria), is_all).checked(state="failed").resolve(invocation.broker)
    done = [id for batch in in_batches(chosen) for id in invocation.broker.requeue(batch)]
    return _tell(invocation, "queued again", done, _why_not(invocation, chosen, done))


@command.command("cancel")
@selecting
@click.option("--terminate", is_flag=True, help="Interrupt running jobs; else they may end, but are not retried.")
@click.pass_obj
def cancel(invocation: Invocation, /, *, ids: tuple[str, ...], is_all: bool, terminate: bool, **criteria: Any) -> int:
    """Cancel jobs that have not ended."""
    chosen = Selection(ids, Filter(**criteria), is_all).checked().resolve(invocation.broker)
    states: dict[str, State] = {}
    for batch in in_batches(chosen):
        states |= invocation.broker.cancel(batch, terminate=terminate)
    done = [id for id, state in states.items() if state in ("cancelled", "running")]
    return _tell(invocation, "cancelled", done, _refusals(chosen, done, states))


@command.command("delete")
@selecting
@click.option("-f", "--force", is_flag=True, help="With --all, do not ask.")
@click.pass_obj
def delete(invocation: Invocation, /, *, ids: tuple[str, ...], is_all: bool, force: bool, **criteria: Any) -> int:
    """Remove jobs that are not running, with their results."""
    chosen = Selection(ids, Filter(**criteria), is_all).checked().resolve(invocation.broker)
    if is_all and not force:
        click.confirm(f"Remove {len(chosen)} jobs?", abort=True, err=True)
    done = [id for batch in in_batches(chosen) for id in invocation.broker.delete(batch)]
    return _tell(invocation, "deleted", done, _why_not(invocation, chosen, done))


def _why_not(invocation: Invocation, chosen: list[str], done: list[str]) -> dict[str, str]:
    states: dict[str, State] = {}
    for batch in in_batches(sorted(set(chosen) - set(done))):
        states.update((id, record.state) for id, record in invocation.broker.get(batch).items())
    return _refusals(chosen, done, states)


def _refusals(chosen: list[str], done: list[str], states: Mapping[str, State]) -> dict[str, str]:
    """Why each job that is not done is not, by id."""
    taken = set(done)
    return {id: _standing(states.get(id)) for id in chosen if id not in taken}


def _standing(state: State | None) -> str:
    if state is None:
        return "is not known"
    return f"has {state} already" if state in FINAL_STATES and state != "cancelled" else f"is {state}"


def _tell(invocation: Invocation, deed: str, done: list[str], refusals: dict[str, str]) -> int:
    """Say what was done and what was not; answers the exit code."""
    many = f"{len(done)} jobs" if len(done) != 1 else f"job {done[0]}"
    document = {deed.replace(" ", "_"): done, "refused": refusals}
    invocation.show(document, f"{deed}: {many}" if done or not refusals else "")
    for id, why in refusals.items():
        invocation.complain(f"job {id} {why}: not {deed}")
    return FAILED if refusals else OK
