"""`treadle shell`"""

from __future__ import annotations

import code
import importlib
import sys
from typing import Any

import click

from treadle import AsyncResult, __version__
from treadle.cli.group import Command
from treadle.cli.invocation import Invocation


@click.command("shell", cls=Command)
@click.option("--plain", is_flag=True, help="Python's own shell, even where IPython is installed.")
@click.pass_obj
def command(invocation: Invocation, /, *, plain: bool) -> None:
    """Start a Python shell in which the application (`app`) and its tasks are defined."""
    names = shell_names(invocation)
    banner = f"Treadle {__version__}, Python {sys.version.split()[0]}\ndefined: {', '.join(sorted(names))}"
    if not plain and _start_ipython(names, banner):
        return
    code.interact(banner="" if invocation.quiet else banner, local=names, exitmsg="")


def shell_names(invocation: Invocation) -> dict[str, Any]:
    """`app`, `AsyncResult`, and each task by the last part of its name, unless two share it."""
    tasks: dict[str, list[Any]] = {}
    for task in invocation.app.tasks.values():
        tasks.setdefault(task.name.rpartition(".")[2], []).append(task)
    alone = {name: found[0] for name, found in tasks.items() if len(found) == 1 and name.isidentifier()}
    return {**alone, "app": invocation.app, "AsyncResult": AsyncResult}


def _start_ipython(names: dict[str, Any], banner: str) -> bool:
    """Run IPython's shell; False if it is not installed."""
    try:
        ipython: Any = importlib.import_module("IPython")
    except ImportError:
        return False
    click.echo(banner)
    ipython.start_ipython(argv=[], user_ns=names, display_banner=False)
    return True
