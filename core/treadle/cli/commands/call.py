"""`treadle call`"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from treadle.cli.commands.result import outcome
from treadle.cli.exits import OK
from treadle.cli.group import Command
from treadle.cli.invocation import Invocation
from treadle.cli.values import instant, instant_or_seconds, json_list, json_object


@click.command("call", cls=Command)
@click.argument("name")
@click.option("-a", "--args", type=json_list, metavar="LIST", help="Positional arguments, as JSON.")
@click.option("-k", "--kwargs", type=json_object, metavar="OBJECT", help="Keyword arguments, as JSON.")
@click.option("--countdown", type=click.FloatRange(0), metavar="S", help="Start no earlier than in S seconds.")
@click.option("--eta", type=instant, metavar="TIME", help="Start no earlier than at this time (ISO 8601).")
@click.option(
    "--expires", type=instant_or_seconds, metavar="TIME|S", help="Start no later than this (ISO 8601, or seconds)."
)
@click.option("--queue", help="Where to wait; else the routes and the task decide.")
@click.option("--priority", type=click.IntRange(-100, 100), help="A larger one runs first.")
@click.option("--wait", is_flag=True, help="Wait for the job's end, as with the command result.")
@click.option("--timeout", type=click.FloatRange(0), metavar="S", help="Wait at most S seconds.")
@click.pass_obj
def command(
    invocation: Invocation,
    /,
    *,
    name: str,
    args: list[Any] | None,
    kwargs: dict[str, Any] | None,
    eta: datetime | None,
    expires: float | datetime | None,
    wait: bool,
    timeout: float | None,
    **options: Any,
) -> int:
    """Publish a job for the task NAME, and show its id."""
    if timeout is not None and not wait:
        raise click.UsageError("--timeout says how long to --wait; give both")
    app = invocation.app
    if invocation.app_path:
        app.tasks[name]  # the application knows all its tasks, so another name is a slip
    given = {
        option: value for option, value in {**options, "eta": eta, "expires": expires}.items() if value is not None
    }
    try:
        result = app.send_task(name, args or [], kwargs or {}, **given)
    except TypeError as error:
        raise click.UsageError(f"these arguments do not fit: {error}") from error
    if wait:
        return outcome(invocation, result.id, timeout_s=timeout, wait=True)
    invocation.show({"id": result.id, "task": name}, result.id)
    return OK
