"""A producer that is killed while it publishes a large chord.

    python -m tests.harness.producer URL list|generator MEMBERS HOLD_S

It dies as it makes the last of so many members.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

from tests.harness.worker import ROOT

#: Members of the whole chord, had it been published.
SIZE: Final = 1200
#: What it is found by.
CHORD_ID: Final = "the chord"
_ADD: Final = "tests.harness.app.add"
_OURS: Final = "tests.harness.workflow_tasks."


def run_producer(url: str, kind: str, members: int, *, hold_s: float) -> int:
    """Publish in another process, until it is killed; its exit code."""
    command = [sys.executable, "-m", "tests.harness.producer", url, kind, str(members), str(hold_s)]
    return subprocess.run(command, cwd=ROOT, timeout=60, check=False).returncode


def _publish(url: str, kind: str, members: int) -> None:
    # Only now: how long a gate is held is read when these are imported.
    from treadle import Treadle, chord, signals

    app = Treadle("producer", broker=url)
    made = 0

    def count(**_: Any) -> None:
        nonlocal made
        made += 1
        if made == members:
            os.kill(os.getpid(), signal.SIGKILL)

    def calls() -> Iterator[Any]:
        for number in range(SIZE):
            if kind == "generator":
                count()
            yield app.signature(_ADD, (number, 0))

    if kind == "list":
        signals.before_task_publish.connect(count, sender=_ADD)
    header = calls() if kind == "generator" else list(calls())
    whole = chord(header, app.signature(_OURS + "total"), app=app)
    whole.link_error(app.signature(_OURS + "alarm"))
    whole.apply_async(task_id=CHORD_ID)


if __name__ == "__main__":
    from treadle.publisher import holding

    holding.HOLD_S = float(sys.argv[4])  # type: ignore[misc]
    _publish(sys.argv[1], sys.argv[2], int(sys.argv[3]))
