"""`treadle queues`: look at queues, stop and start them, empty and move them."""

from __future__ import annotations

import click

from treadle.cli.commands.status import status
from treadle.cli.group import Group
from treadle.cli.invocation import Invocation
from treadle.cli.layout import span, table
from treadle.exceptions import ConfigurationError
from treadle.naming import nearest

_force = click.option("-f", "--force", is_flag=True, help="Also a queue that nothing is known of (yet).")


@click.group("queues", cls=Group)
def command() -> None:
    """List, pause, resume, purge and move queues."""


@command.command("list")
@click.pass_obj
def list_queues(invocation: Invocation, /) -> None:
    """List the queues that hold jobs, and those that the application uses."""
    held = status(invocation.broker.safe_url, invocation.broker.counts())["queues"]
    empty = {"queued": 0, "scheduled": 0, "running": 0, "paused": False, "oldest_ms": 0, "blocked": 0}
    document = {name: held.get(name, empty) for name in sorted({*held, *invocation.app.known_queues()})}
    rows = [
        (name, each["queued"], each["scheduled"], each["blocked"], each["running"],
         span(each["oldest_ms"]) if each["queued"] else "", "paused" if each["paused"] else "")
        for name, each in document.items()
    ]  # fmt: skip
    heads = ("queue", "queued", "scheduled", "blocked", "running", "oldest", "")
    invocation.show({"queues": document}, table(heads, rows))


@command.command("pause")
@click.argument("queue")
@_force
@click.pass_obj
def pause(invocation: Invocation, /, *, queue: str, force: bool) -> None:
    """Let no job of a queue be started, by any worker, until it is resumed."""
    require_known(invocation, queue, force=force)
    invocation.broker.pause(queue)
    invocation.show({"queue": queue, "paused": True}, f"paused: {queue}")


@command.command("resume")
@click.argument("queue")
@_force
@click.pass_obj
def resume(invocation: Invocation, /, *, queue: str, force: bool) -> None:
    """Undo pause."""
    require_known(invocation, queue, force=force)
    invocation.broker.resume(queue)
    invocation.show({"queue": queue, "paused": False}, f"resumed: {queue}")


@command.command("purge")
@click.argument("queue")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.pass_obj
def purge(invocation: Invocation, /, *, queue: str, force: bool) -> None:
    """Remove all jobs that wait in a queue."""
    require_known(invocation, queue)
    if not force:
        click.confirm(f"Remove all jobs that wait in {queue!r}?", abort=True, err=True)
    count = invocation.broker.purge(queue)
    invocation.show({"queue": queue, "removed": count}, f"removed from {queue}: {count} jobs")


@command.command("move")
@click.argument("source")
@click.argument("target")
@_force
@click.pass_obj
def move(invocation: Invocation, /, *, source: str, target: str, force: bool) -> None:
    """Move all jobs that wait in one queue to another."""
    if source == target:
        raise click.UsageError("a queue cannot be moved to itself")
    require_known(invocation, source)
    require_known(invocation, target, force=force)
    count = invocation.broker.move(source, invocation.app.checked_queue(target))
    document = {"source": source, "target": target, "moved": count}
    invocation.show(document, f"moved from {source} to {target}: {count} jobs")


def require_known(invocation: Invocation, queue: str, *, force: bool = False) -> None:
    """Raise ConfigurationError with the nearest right name for a queue that neither broker nor application knows."""
    known = {*invocation.broker.counts().queues, *invocation.app.known_queues()}
    if queue not in known and not force:
        raise ConfigurationError(
            f"no queue {queue!r} is known{nearest(queue, known)} (known: those that hold jobs, and those that the "
            f"application named by -A uses: {', '.join(sorted(known))})"
        )
