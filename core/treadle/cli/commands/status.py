"""`treadle status`"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

import click

from treadle.cli.group import Command
from treadle.cli.invocation import Invocation
from treadle.cli.layout import pairs, span, state_word, table
from treadle.interfaces import Counts
from treadle.job import FINAL_STATES


@click.command("status", cls=Command)
@click.pass_obj
def command(invocation: Invocation, /) -> None:
    """Show how many jobs there are, by queue and state, and which workers are at it."""
    counts = invocation.broker.counts()
    document = status(invocation.broker.safe_url, counts)
    invocation.show(document, status_text(document))


def status(url: str, counts: Counts) -> dict[str, Any]:
    """The numbers as plain values."""
    return {
        "broker": url,
        "queues": {name: asdict(queue) for name, queue in sorted(counts.queues.items())},
        "final": {state: counts.final.get(state, 0) for state in FINAL_STATES},
        "workers": workers(counts.leases),
        "leases": sorted(counts.leases),
        "stale_acks": counts.stale_acks,
    }


def workers(leases: tuple[str, ...]) -> dict[str, int]:
    """How many children each worker has: a child's lease is `worker/child`."""
    return dict(sorted(Counter(lease.rpartition("/")[0] for lease in leases).items()))


def status_text(document: dict[str, Any]) -> str:
    """What `status` gives, for a terminal."""
    rows = [
        (
            name, each["queued"], each["scheduled"], each["blocked"], each["running"], _oldest(each),
            "paused" if each["paused"] else "",
        )
        for name, each in document["queues"].items()
    ]  # fmt: skip
    heads = ("queue", "queued", "scheduled", "blocked", "running", "oldest", "")
    queues = table(heads, rows) if rows else "no jobs are waiting"
    facts = {
        "broker": document["broker"],
        "ended": ", ".join(f"{count} {state_word(state)}" for state, count in document["final"].items()),
        "workers": "\n".join(f"{name} ({count})" for name, count in document["workers"].items()) or "none",
        "stale acks": document["stale_acks"],
    }
    return f"{queues}\n\n{pairs(facts)}"


def _oldest(queue: dict[str, Any]) -> str:
    return span(queue["oldest_ms"]) if queue["queued"] else ""
