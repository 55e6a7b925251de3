"""`treadle report`"""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import Any

import click

from treadle import __version__
from treadle.cli.group import Command
from treadle.cli.invocation import Invocation
from treadle.cli.layout import pairs, value_text
from treadle.cli.masking import without_secrets

_LIBRARIES = ("click", "pluggy", "sqlalchemy", "hiredis", "msgpack", "zstandard", "django", "flask", "fastapi")


@click.command("report", cls=Command)
@click.pass_obj
def command(invocation: Invocation, /) -> None:
    """Show what a bug report needs: versions, platform, changed settings (without secrets), plugins, tasks."""
    document = report(invocation)
    settings = {name: f"{value_text(value)}  ({origin})" for name, (value, origin) in document["settings"].items()}
    facts = {**document, "libraries": pairs(document["libraries"]), "settings": pairs(settings) or "all as by default",
             "plugins": "\n".join(document["plugins"]), "tasks": "\n".join(document["tasks"]) or "none"}  # fmt: skip
    invocation.show(document, pairs(facts))


def report(invocation: Invocation) -> dict[str, Any]:
    """The facts as plain values. Settings are given as value and origin."""
    app = invocation.app
    conf = app.conf
    return {
        "treadle": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "executable": sys.executable,
        "libraries": {name: version for name in _LIBRARIES if (version := _version(name))},
        "app": app.name or "",
        "broker": app.broker.safe_url,
        "settings": {
            name: (without_secrets(name, value), conf.origin(name)) for name, value in sorted(conf.changed().items())
        },
        "plugins": [info.label + (f": {info.problem}" if info.problem else "") for info in app.plugins.loaded()],
        "tasks": list(app.tasks),
    }


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
