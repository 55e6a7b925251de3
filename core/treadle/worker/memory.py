"""How much memory a process takes."""

from __future__ import annotations

import os
from pathlib import Path

_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024 if hasattr(os, "sysconf") else 4


def rss_kib(pid: int) -> int:
    """Resident memory of a process in KiB; 0 if it is gone or the platform has no /proc."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE_KIB
    except (OSError, IndexError, ValueError):
        return 0


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped (SIGSTOP, a debugger): state `T` or `t` in /proc (proc(5))."""
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return status.rpartition(b")")[2].split()[:1] in ([b"T"], [b"t"])
