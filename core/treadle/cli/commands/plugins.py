"""`treadle plugins`"""

from __future__ import annotations

import click

from treadle.cli.exits import FAILED, OK
from treadle.cli.group import Command
from treadle.cli.invocation import Invocation
from treadle.cli.layout import table


@click.command("plugins", cls=Command)
@click.pass_obj
def command(invocation: Invocation, /) -> int:
    """List the plugins, which distribution each comes from, and what it adds. The exit code is 1 if one is broken."""
    found = invocation.plugins.loaded()
    rows = [
        (info.name, f"{info.distribution} {info.version}".strip() or "the application",
         ", ".join(hook.removeprefix("treadle_") for hook in info.hooks) or "nothing")
        for info in found
    ]  # fmt: skip
    document = [{**info._asdict(), "hooks": list(info.hooks)} for info in found]
    invocation.show({"plugins": document}, table(("plugin", "from", "adds"), rows))
    for problem in invocation.plugins.problems:
        invocation.complain(problem)
    return FAILED if invocation.plugins.problems else OK
