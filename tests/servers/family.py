"""A server's process together with the processes that it has started."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

_POLL_S = 0.005
_DEADLINE_S = 10.0


def freeze(pid: int) -> None:
    """Stop the child process `pid` of ours and all that descend from it."""
    for member in _stopped_root_first(pid):
        _send(member, signal.SIGSTOP)


def thaw(pid: int) -> None:
    """Let `pid` and its descendants go on."""
    for member in reversed([pid, *_descendants(pid)]):
        _send(member, signal.SIGCONT)


def kill(pid: int) -> None:
    """End the child process `pid` of ours and its descendants at once. The child is left to be waited for.

    When it returns, none of them does anything more. Raises TimeoutError if one lives on for 10 s.
    """
    family = _stopped_root_first(pid)
    for member in family:
        _send(member, signal.SIGKILL)
    deadline = time.monotonic() + _DEADLINE_S
    while not all(map(_has_ended, family[1:])):
        if time.monotonic() > deadline:
            raise TimeoutError(f"of the processes {family} one is there {_DEADLINE_S:.0f} s after SIGKILL")
        time.sleep(_POLL_S)


def _stopped_root_first(pid: int) -> list[int]:
    """The family of `pid`, which is stopped first so that it starts no more processes meanwhile."""
    _send(pid, signal.SIGSTOP)
    if sys.platform == "linux":
        # A signal takes its time. WNOWAIT leaves an exit code to the one who will ask for it.
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    return [pid, *_descendants(pid)]


def _descendants(pid: int) -> list[int]:
    # Where there is no /proc nobody is found: PostgreSQL's processes then end by themselves, a little later.
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in children:
            found += [child, *_descendants(child)]
    return found


def _has_ended(pid: int) -> bool:
    """Whether it is gone, or a zombie: whoever inherits it may take time to notice its end."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
