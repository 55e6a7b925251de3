"""The ledger: a file to which running jobs append a line each time they get somewhere.

A line is written with one `write(2)` on a descriptor opened with O_APPEND, so lines of many processes
never mix, and what was written stays written when the process is killed right after.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from tests.harness.patience import eventually


class Entry(NamedTuple):
    """One line: that a process reached a point, for a job."""

    job_id: str
    word: str
    pid: int
    #: Seconds of the system's monotonic clock, which all processes share.
    at_s: float


class Ledger:
    """What jobs wrote, in order. Each look reads only what was written since the last one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: list[Entry] = []
        self._read_bytes = 0

    def write(self, job_id: str, word: str) -> None:
        """Append a line for this process."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, f"{job_id} {word} {os.getpid()} {time.monotonic()}\n".encode())
        finally:
            os.close(descriptor)

    def entries(self, word: str = "start", job_id: str | None = None) -> list[Entry]:
        """Lines with that word, of that job or of all."""
        return [entry for entry in self._all() if entry.word == word and job_id in (None, entry.job_id)]

    def await_entry(
        self, word: str = "start", job_id: str | None = None, *, count: int = 1, within_s: float = 15.0
    ) -> Entry:
        """The `count`-th line with that word, of that job or of any, as soon as there is one."""
        found = eventually(
            lambda: (lines := self.entries(word, job_id))[count - 1 :] and lines,
            within_s=within_s,
            what=f"{count} times {word!r} of {job_id or 'any job'}",
        )
        return found[count - 1]

    def _all(self) -> list[Entry]:
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._read_bytes)
                written = file.read()
            # A line that crosses a page of memory may be seen half written.
            lines = written[: written.rfind(b"\n") + 1]
            self._read_bytes += len(lines)
            parts = [line.split() for line in lines.decode().splitlines()]
            self._known += [Entry(part[0], part[1], int(part[2]), float(part[3])) for part in parts]
        return self._known
