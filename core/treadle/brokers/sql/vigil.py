"""Waiting for the store to change, without asking it all the time."""

from __future__ import annotations

import time

from treadle.brokers.sql.dialect import Dialect, Ear, Heard


class Vigil:
    """One wait after another on one ear, above a net: looks at growing intervals, in case nobody rang."""

    def __init__(self, ear: Ear, dialect: Dialect) -> None:
        self._ear = ear
        self._dialect = dialect
        self._seen: int | None = None
        self._interval_s = 0.0

    def look(self) -> None:
        """Remember how the store is now. Call it before reading what decides whether to wait."""
        self._seen = self._dialect.changes()

    def wait(self, timeout_s: float) -> Heard:
        """The "bell" once something may have changed since `look`, "wake" if told to stop, "" after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            first_s, longest_s = self._dialect.net_s if self._ear.hears else self._dialect.deaf_net_s
            self._interval_s = min(max(self._interval_s, first_s), longest_s)
            if heard := self._ear.wait(min(left_s, self._interval_s)):
                self._interval_s = 0.0
                return heard
            self._interval_s *= 2
            if self._has_changed():
                return "bell"
        return self._ear.wait(0)

    def rest(self) -> None:
        """What was waited for is there: the next wait begins with short intervals."""
        self._interval_s = 0.0
        self._ear.rest()

    def wake(self) -> None:
        """End a running `wait`, or the next one."""
        self._ear.wake()

    def close(self) -> None:
        """Stop listening."""
        self._ear.close()

    def _has_changed(self) -> bool:
        changes = self._dialect.changes()
        return changes is None or changes != self._seen
