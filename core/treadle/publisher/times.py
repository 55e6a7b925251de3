"""When a job may start, and when it must not any more: from what callers write to milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from math import isnan
from typing import Any, NamedTuple

from treadle.exceptions import ConfigurationError

#: Three thousand years: beyond it stores' clocks and scores lose their milliseconds.
_LONGEST_MS = 10**14
Zone = Callable[[], tzinfo]


class Times(NamedTuple):
    """The four times of a job, as `treadle.job.Job` names them."""

    delay_ms: int = 0
    eta_ms: int = 0
    ttl_ms: int = 0
    expires_ms: int = 0


NO_TIMES = Times()


def times_of(countdown: Any, eta: Any, expires: Any, zone: Zone) -> Times:
    """The times that a call's options mean. An `eta` wins over a `countdown`; what has passed means now.

    `zone` gives the zone of datetimes that name none. Raises ConfigurationError for what is no time.
    """
    delay_ms = eta_ms = ttl_ms = expires_ms = 0
    if eta is not None:
        eta_ms = max(0, instant_ms("eta", eta, zone))
    elif countdown is not None:
        delay_ms = max(0, duration_ms("countdown", countdown))
    if isinstance(expires, datetime | str):
        # Of the past is 1, since 0 means never.
        expires_ms = max(1, instant_ms("expires", expires, zone))
    elif expires is not None:
        ttl_ms = max(1, duration_ms("expires", expires))
    return Times(delay_ms, eta_ms, ttl_ms, expires_ms)


def instant_ms(option: str, value: Any, zone: Zone) -> int:
    """Milliseconds from the Unix epoch to a datetime, or to one as ISO 8601 text."""
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(instant, datetime):
            aware = instant if instant.tzinfo is not None else instant.replace(tzinfo=zone())
            return int(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        pass
    raise ConfigurationError(f"{option}={value!r} is no time: expected a datetime, or its ISO 8601 text")


def duration_ms(option: str, value: Any) -> int:
    """Milliseconds in a number of seconds or a timedelta, not more than three thousand years."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or isnan(seconds):
        raise ConfigurationError(f"{option}={value!r} is no duration: expected seconds, or a timedelta")
    return int(max(-_LONGEST_MS, min(seconds * 1000, _LONGEST_MS)))


def spelt(value: Any) -> Any:
    """A time as it travels to the worker: ISO 8601 text, or seconds."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.isoformat() if isinstance(value, datetime) else value
