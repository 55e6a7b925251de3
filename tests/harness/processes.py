"""Processes as /proc shows them (proc(5)), so that the tests need no library for it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Live children of a process, the oldest first."""
    found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    stats = {each: _stat(each) for each in found}
    ours = [each for each, stat in stats.items() if stat and stat[1] == str(pid) and stat[0] != "Z"]
    return sorted(ours, key=lambda each: int(stats[each][19]))


def is_alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    stat = _stat(pid)
    return bool(stat) and stat[0] != "Z"


def is_stopped(pid: int) -> bool:
    """Whether the process was stopped by a signal."""
    return _stat(pid)[:1] == ["T"]


def threads_of(pid: int) -> int:
    """How many threads the process has; 0 if it is gone."""
    stat = _stat(pid)
    return int(stat[17]) if stat else 0


def pss_kib(pid: int) -> int:
    """The process's share of memory in KiB: what it shares with others is divided among them; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal; nothing happens if the process is gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def kill_tree(leader: int) -> None:
    """SIGKILL for every process of a session's leader at once."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _stat(pid: int) -> list[str]:
    """The fields after the name: state, parent, group, session ...; empty if the process is gone."""
    try:
        content = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return content.rpartition(")")[2].split()
