"""`treadle check`"""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import click

from treadle.cli.exits import FAILED, OK
from treadle.cli.group import Command
from treadle.cli.invocation import Invocation
from treadle.exceptions import TreadleError


@click.command("check", cls=Command)
@click.pass_obj
def command(invocation: Invocation, /) -> int:
    """Look for what is wrong or risky in settings, tasks, plugins and broker; the exit code is 1 if something is."""
    findings = examine(invocation)
    problems = [f"{subject}: {problem}" for subject, found in findings.items() for problem in found]
    lines = [
        "\n".join(f"{click.style('problem', fg='red')}  {subject}: {problem}" for problem in found)
        if found
        else f"{click.style('ok', fg='green')}       {subject}"
        for subject, found in findings.items()
    ]
    invocation.show({"ok": not problems, "checks": findings}, "\n".join(lines))
    return FAILED if problems else OK


def examine(invocation: Invocation) -> dict[str, list[str]]:
    """The problems of each subject. What cannot be looked at because of an earlier problem is left out."""
    findings: dict[str, list[str]] = {}
    with _finding(findings, "application and settings"):
        # A wrong setting, and a module that cannot be imported, are told when the application is loaded.
        _ = invocation.app
    if findings["application and settings"]:
        return findings
    app = invocation.app
    if invocation.app_path and not len(app.tasks):
        findings["tasks"] = ["there are none; does the application import the modules that define them?"]
    with _finding(findings, "plugins"):
        _ = app.codec
        app.plugins.commands()
    findings["plugins"] += app.plugins.problems
    _examine_broker(invocation, findings)
    return findings


def _examine_broker(invocation: Invocation, findings: dict[str, list[str]]) -> None:
    with _finding(findings, "broker"):
        findings["broker"] += invocation.broker.check()
        if not findings["broker"]:
            invocation.broker.counts()


@contextlib.contextmanager
def _finding(findings: dict[str, list[str]], subject: str) -> Generator[None]:
    findings[subject] = []
    try:
        yield
    except TreadleError as error:
        findings[subject].append(str(error))
