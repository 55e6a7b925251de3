"""Learns how processes ended, also those that were made by somebody else and left to us."""

from __future__ import annotations

import os
import sys
import time

_PR_SET_CHILD_SUBREAPER = 36
_KEPT_S = 5.0


class Reaper:
    """Collects exit statuses."""

    def __init__(self) -> None:
        self._statuses: dict[int, tuple[int, float]] = {}

    def collect(self, spare_pid: int) -> None:
        """Wait for every process that has ended, but leave `spare_pid` to whoever made it."""
        while (found := _next_exited(spare_pid)) is not None:
            pid, status = found
            self._statuses[pid] = status, time.monotonic()
        # Nobody asks for the application's own orphans; their pids may come again, for a child of ours.
        oldest_s = time.monotonic() - _KEPT_S
        self._statuses = {pid: told for pid, told in self._statuses.items() if told[1] > oldest_s}

    def take(self, pid: int) -> int | None:
        """How the process ended, as os.waitpid says it; None if it has not, as far as we know. Tells it once."""
        told = self._statuses.pop(pid, None)
        return None if told is None else told[0]


def become_subreaper() -> bool:
    """Make orphaned descendants our children (prctl(2), PR_SET_CHILD_SUBREAPER). False where there is no such thing."""
    if sys.platform != "linux":
        return False
    import ctypes  # one system call that Python has no name for

    return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def _next_exited(spare_pid: int) -> tuple[int, int] | None:
    try:
        if not hasattr(os, "waitid"):  # macOS before Python 3.13: whoever made `spare_pid` does without its status
            pid, status = os.waitpid(-1, os.WNOHANG)
            return (pid, status) if pid else None
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None or found.si_pid in (0, spare_pid):
            return None
        return os.waitpid(found.si_pid, 0)
    except ChildProcessError:
        return None
