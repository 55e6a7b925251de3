"""What the demo found: added up, and told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from treadle.demo.sources import broken_files, short_name
from treadle.demo.tasks import Measures

_LARGEST = 10

#: What reading a file that is no Python may raise; UnicodeError is a ValueError.
_UNREADABLE = (SyntaxError, ValueError)


class Outcome(NamedTuple):
    """What became of one file: its measures, or the error of its job."""

    path: Path
    measures: Measures | None
    error: BaseException | None
    #: Why the job failed (`treadle.job.FailReason`); empty if it succeeded.
    reason: str
    started_ms: int
    finished_ms: int


class Report(NamedTuple):
    """The demo's answer."""

    files: int
    totals: Measures
    #: Names and measures of the largest files, by lines.
    largest: list[tuple[str, Measures]]
    #: Names and errors of the files that could not be read.
    failures: list[tuple[str, str]]
    #: From the first job's start to the last one's end, by the store's clock.
    took_ms: int
    jobs_per_s: int
    #: The workflow, as a tree of text.
    graph: str
    #: What should not have happened; empty if all is well.
    surprises: list[str]


def report_on(outcomes: Sequence[Outcome], totals: Measures, graph: str) -> Report:
    """What became of the files, and what the worker added up."""
    counted = [(short_name(each.path), each.measures) for each in outcomes if each.measures is not None]
    took_ms = max(each.finished_ms for each in outcomes) - min(each.started_ms for each in outcomes)
    return Report(
        files=len(outcomes),
        totals=totals,
        largest=sorted(counted, key=lambda named: named[1].lines, reverse=True)[:_LARGEST],
        failures=[(short_name(each.path), error_text(each.error)) for each in outcomes if each.error is not None],
        took_ms=took_ms,
        jobs_per_s=len(outcomes) * 1000 // max(1, took_ms),
        graph=graph,
        surprises=[*surprises(outcomes), *wrong_sums([measures for _name, measures in counted], totals)],
    )


def wrong_sums(counted: Sequence[Measures], totals: Measures) -> list[str]:
    """A sentence if the last job did not add up what the others gave."""
    lines = sum(each.lines for each in counted)
    return [] if lines == totals.lines else [f"the files have {lines} lines, and the sum says {totals.lines}"]


def surprises(outcomes: Sequence[Outcome]) -> list[str]:
    """A sentence for each outcome that is neither a counted file nor an unreadable one."""
    must_fail = frozenset(broken_files())
    found: list[str] = []
    for each in outcomes:
        name = short_name(each.path)
        if each.error is None:
            if each.path in must_fail:
                found.append(f"{name} is broken, but its job succeeded")
            elif each.measures is None or each.measures.tokens < 1:
                found.append(f"{name} was not counted")
        elif each.reason != "error" or not isinstance(each.error, _UNREADABLE):
            found.append(f"{name} failed otherwise than by being unreadable ({each.reason}): {error_text(each.error)}")
    return found


def error_text(error: BaseException) -> str:
    """The error in one line."""
    return f"{type(error).__name__}: {error}".replace("\n", " ")


def as_document(report: Report) -> dict[str, Any]:
    """The report as plain values, for `--json`."""
    return {
        "files": report.files,
        "lines": report.totals.lines,
        "tokens": report.totals.tokens,
        "definitions": report.totals.definitions,
        "largest": [
            {"name": name, "lines": each.lines, "tokens": each.tokens, "definitions": each.definitions}
            for name, each in report.largest
        ],
        "failures": [{"name": name, "error": error} for name, error in report.failures],
        "took_ms": report.took_ms,
        "jobs_per_s": report.jobs_per_s,
        "graph": report.graph,
        "surprises": report.surprises,
    }
