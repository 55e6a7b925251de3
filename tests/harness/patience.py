"""Waits for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_LOOK_S = 0.01


def eventually(condition: Callable[[], T | None], *, within_s: float = 10.0, what: str = "") -> T:
    """What `condition` answers as soon as that counts as true. Fails with `what` after `within_s` seconds."""
    deadline_s = time.monotonic() + within_s
    while not (answer := condition()):
        if time.monotonic() > deadline_s:
            message = f"not within {within_s} s: {what or condition}; last answer {answer!r}"
            raise AssertionError(message)
        time.sleep(_LOOK_S)
    return answer
