"""`treadle` itself: the options that all commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click

from treadle import __version__
from treadle.cli.exits import MEANINGS
from treadle.cli.group import LazyGroup
from treadle.cli.invocation import Invocation

#: In the order of `treadle --help`: running, looking, acting, setting up.
COMMANDS = (
    "worker", "demo", "status", "jobs", "graph", "queues", "call", "result", "purge", "migrate", "check", "report",
    "plugins", "shell",
)  # fmt: skip

P = ParamSpec("P")
R = TypeVar("R")

_APP_HELP = "The application (also TREADLE_APP)."
_EXIT_CODES = "\n".join(["\b", "Exit codes:", *(f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items())])


class Root(LazyGroup):
    """The root group."""

    names = COMMANDS


def _told(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Keep an option's value in the invocation, before the command is looked up: the application may bring it."""

    def keep(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value is not None:
            setattr(ctx.ensure_object(Invocation), attribute, value)

    return keep


def _go_to(_ctx: click.Context, _parameter: click.Parameter, folder: str | None) -> None:
    if folder is not None:
        if not Path(folder).is_dir():
            raise click.BadParameter(f"there is no directory {folder!r}")
        os.chdir(folder)


def _global(
    *spellings: str, callback: Callable[..., None], **attributes: Any
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    return click.option(*spellings, callback=callback, expose_value=False, **attributes)


@click.group(cls=Root, epilog=_EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@_global("-A", "--app", callback=_told("app_path"), metavar="MODULE[:APP]", envvar="TREADLE_APP", help=_APP_HELP)
@_global(
    "-b", "--broker", callback=_told("broker_url"), metavar="URL", help="Where jobs wait; wins over every setting."
)
@_global("--workdir", callback=_go_to, metavar="DIR", help="Change to this directory first.")
@_global("--json", callback=_told("as_json"), is_flag=True, help="One JSON document on stdout instead of text.")
@_global("--traceback", callback=_told("with_traceback"), is_flag=True, help="Show where an error comes from.")
@_global("-q", "--quiet", callback=_told("quiet"), is_flag=True, help="Only what was asked for: no banner, no notes.")
@click.version_option(__version__, prog_name="treadle")
def root() -> None:
    """Background jobs for Python. Commands that need no tasks also work without -A, on the broker that -b names."""
