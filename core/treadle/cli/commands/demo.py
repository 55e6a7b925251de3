"""`treadle demo`"""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from treadle.cli.exits import FAILED, OK
from treadle.cli.group import Command
from treadle.cli.invocation import Invocation
from treadle.cli.layout import pairs, table
from treadle.demo.progress import Progress
from treadle.demo.sources import broken_files, standard_library

if TYPE_CHECKING:
    from treadle.demo.report import Report


@click.command("demo", cls=Command)
@click.option("--broker", metavar="URL", help="Where; by default a temporary SQLite file.")
@click.option("--concurrency", "-c", type=click.IntRange(1), default=2, show_default=True, help="Children.")
@click.option("--files", type=click.IntRange(1), metavar="N", help="Take only the first N files.")
@click.pass_obj
def command(invocation: Invocation, /, *, broker: str | None, concurrency: int, files: int | None) -> int:
    """See Treadle at work: a worker measures every file of Python's standard library, one job each, and adds up.

    That is a chord: the last job gets what all others gave. Five more files are broken; they end as failed jobs
    with their errors, as do those of the library's own that this Python cannot read.
    """
    # These make the demo's app, which no other command should meet.
    from treadle.demo.report import as_document
    from treadle.demo.run import run_demo

    paths = [*standard_library()[:files], *broken_files()]
    show = _show_nothing if invocation.quiet else Progress(len(paths), sys.stderr).show
    with _interruptible() as may_go_on, _place(broker or invocation.broker_url) as url:
        invocation.note(f"{len(paths)} files, one job each and one that adds up, {concurrency} children")
        report = run_demo(url, paths, concurrency=concurrency, show=show, may_go_on=may_go_on)
    invocation.show(as_document(report), report_text(report))
    for surprise in report.surprises:
        invocation.complain(surprise)
    return FAILED if report.surprises else OK


def _show_nothing(done: int) -> None:
    """Progress that nobody wishes to see."""


def report_text(report: Report) -> str:
    """The report for a terminal."""
    totals = {
        "files": f"{report.files - len(report.failures):,} of {report.files:,}",
        "lines": f"{report.totals.lines:,}",
        "tokens": f"{report.totals.tokens:,}",
        "definitions": f"{report.totals.definitions:,}",
        "time": f"{report.took_ms / 1000:.1f} s",
        "jobs/s": f"{report.jobs_per_s:,}",
    }
    largest = [(name, each.lines, each.tokens, each.definitions) for name, each in report.largest]
    parts = [
        pairs(totals),
        table(("largest modules", "lines", "tokens", "definitions"), largest),
        table((f"failed jobs ({len(report.failures)})", "error"), report.failures),
        f"the workflow, its end first:\n{report.graph}",
    ]
    return "\n\n".join(["", *parts]).lstrip("\n")


@contextlib.contextmanager
def _place(url: str | None) -> Generator[str]:
    """The URL, or that of a database that exists only within the block."""
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="treadle-demo-") as folder:
        yield f"sqlite:///{Path(folder) / 'demo.sqlite3'}"


@contextlib.contextmanager
def _interruptible() -> Generator[Callable[[], None]]:
    """Within the block INT, TERM and HUP make the given function raise KeyboardInterrupt, and do nothing else.

    Python's own way, an exception anywhere, could hit the broker in the midst of a transaction.
    """
    arrived: list[int] = []

    def may_go_on() -> None:
        if arrived:
            raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, _frame: arrived.append(number)) for number in numbers}
    try:
        yield may_go_on
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
