"""`treadle migrate`"""

from __future__ import annotations

import click

from treadle.cli.group import Command
from treadle.cli.invocation import Invocation


@click.command("migrate", cls=Command)
@click.pass_obj
def command(invocation: Invocation, /) -> None:
    """Bring the broker's schema to this version. Safe to run at any time, by several at once."""
    done = invocation.broker.migrate()
    document = {"broker": invocation.broker.safe_url, "done": done}
    invocation.show(document, "\n".join(done) or f"nothing to do: {invocation.broker.safe_url} is up to date")
