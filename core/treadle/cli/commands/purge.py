"""`treadle purge`"""

from __future__ import annotations

import click

from treadle.cli.commands.queues import require_known
from treadle.cli.group import Command
from treadle.cli.invocation import Invocation
from treadle.cli.values import flat, names


@click.command("purge", cls=Command)
@click.option("-Q", "--queues", type=names, metavar="NAMES", multiple=True, help="Only these queues.")
@click.option("-X", "--exclude-queues", type=names, metavar="NAMES", multiple=True, help="All queues but these.")
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    *,
    queues: tuple[tuple[str, ...], ...],
    exclude_queues: tuple[tuple[str, ...], ...],
    force: bool,
) -> None:
    """Remove all jobs that wait, in all queues or some. Running jobs and results stay."""
    for name in (*flat(queues), *flat(exclude_queues)):
        require_known(invocation, name)
    counts = invocation.broker.counts().queues
    chosen = [name for name in flat(queues) or sorted(counts) if name not in flat(exclude_queues)]
    waiting = sum(counts[name].queued + counts[name].scheduled for name in chosen if name in counts)
    if waiting and not force:
        click.confirm(f"Remove {waiting} jobs that wait in {', '.join(chosen)}?", abort=True, err=True)
    removed = {name: invocation.broker.purge(name) for name in chosen}
    text = "\n".join(f"removed from {name}: {count} jobs" for name, count in removed.items())
    invocation.show({"removed": removed}, text or "no jobs are waiting")
