"""What a job may be called, and how urgent it may be. Each gives the value, or raises ConfigurationError."""

from __future__ import annotations

from typing import Any

from treadle.exceptions import ConfigurationError
from treadle.job import MAX_ID_LENGTH, MAX_NAME_LENGTH, MAX_PRIORITY, MIN_PRIORITY


def checked_id(value: Any) -> str:
    """A job's id, as the caller chose it."""
    return _checked_text("task_id", value, MAX_ID_LENGTH)


def checked_task_name(value: Any) -> str:
    """The name of a task."""
    return _checked_text("task name", value, MAX_NAME_LENGTH)


def checked_queue_name(value: Any) -> str:
    """The name of a queue. Lists of queues are written with commas."""
    return _checked_text("queue", value, MAX_NAME_LENGTH, forbidden="\0\n,")


def checked_priority(value: Any) -> int:
    """A job's priority; larger runs first."""
    if isinstance(value, bool) or not isinstance(value, int) or not MIN_PRIORITY <= value <= MAX_PRIORITY:
        expected = f"a whole number from {MIN_PRIORITY} to {MAX_PRIORITY}; larger runs first"
        raise ConfigurationError(f"priority={value!r}: expected {expected}")
    return value


def checked_limit(option: str, value: Any) -> float | None:
    """A time limit in seconds; None: none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ConfigurationError(f"{option}={value!r}: expected seconds, more than 0")
    return value


def check_limits(soft_s: float | None, hard_s: float | None) -> None:
    """Raise ConfigurationError for a soft limit that could never be met."""
    if soft_s is not None and hard_s is not None and soft_s > hard_s:
        raise ConfigurationError(f"soft_time_limit={soft_s:g} is above time_limit={hard_s:g}, which would come first")


def _checked_text(what: str, value: Any, limit: int, forbidden: str = "\0") -> str:
    if isinstance(value, str) and value and not any(each in value for each in forbidden):
        try:
            if len(value.encode()) <= limit:
                return value
        except UnicodeEncodeError:  # half of a surrogate pair: no text that a store could keep
            pass
    without = "a NUL" if forbidden == "\0" else "a NUL, newline or comma"
    expected = f"text of 1 to {limit} bytes without {without}"
    raise ConfigurationError(f"{what} {value!r:.80} is not usable: expected {expected}")
