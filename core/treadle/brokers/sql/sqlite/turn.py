"""Taking turns at writing: a lock file beside the database, tried often.

SQLite's own waiting sleeps for up to 100 ms at a time while others come and go. Measured on two cores, a
publisher beside two busy children waited up to 120 or 180 ms for it (p99 27 and 82 ms), and up to 16 ms
when all take turns (p99 12 ms). It is a courtesy, not a safeguard: whoever gets no turn within `PATIENCE_S`
writes when SQLite lets them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from treadle.brokers.sql.sqlite.bell import make_folder

PATIENCE_S: Final = 0.5
#: Between two attempts: a step takes 0.1 to 2 ms, so the first attempts come close together.
_PAUSE_S: Final = (0.00003, 0.001)
_GROWTH: Final = 1.2


class Turn:
    """The right to write next, among the processes and threads that ask for it. Released by the kernel if they die."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = str(folder / "turn")

    @contextmanager
    def taken(self) -> Generator[None]:
        """Holds the turn, if it can be had soon."""
        # Opened anew each time: what is kept open would be shared by threads, and with forked children.
        descriptor = self._open()
        if descriptor < 0:
            yield
            return
        try:
            _lock(descriptor)
            yield
        finally:
            # Unlocked by word, because a child that was forked meanwhile holds the file open as well.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return self._create()
        except OSError:
            return -1

    def _create(self) -> int:
        try:
            make_folder(self._folder)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            with contextlib.suppress(OSError):
                os.fchmod(descriptor, self._folder.stat().st_mode & 0o666)
        except OSError:
            return -1
        return descriptor


def _lock(descriptor: int) -> bool:
    """Whether the lock was had before patience ran out."""
    deadline = time.monotonic() + PATIENCE_S
    pause_s, longest_s = _PAUSE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(pause_s)
            pause_s = min(pause_s * _GROWTH, longest_s)
        else:
            return True
