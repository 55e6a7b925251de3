"""The jobs: the same functions for everybody. Nothing heavy is imported, for RQ loads this anew for each job."""

from __future__ import annotations

import time

#: How long a sleep lasts.
SLEEP_S = 0.05


def noop() -> int:
    """Do nothing. The answer is there to be stored."""
    return 1


def total(values: list[int]) -> int:
    """Add up, as the last step of many."""
    return sum(values)


def sleep() -> int:
    """Wait, as a job does that calls a slow service."""
    time.sleep(SLEEP_S)
    return 1
