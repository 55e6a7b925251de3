"""What a worker's processes cost, from /proc."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

from benchmarks.environment import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_STOP_DEADLINE_S = 15.0
_SAID_CHARACTERS = 2000
#: Places in /proc/PID/stat after the name, from 0 (proc_pid_stat(5) counts from 1, and the name is number 2):
#: the session; user and system time, its own and those of the children that it has waited for.
_SESSION, _CPU_TIMES = 3, slice(11, 15)


class Session:
    """A program in a session of its own: it and all its descendants, also those whose parent has ended."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str]) -> None:
        self._command, self._variables = command, variables

    def __enter__(self) -> Self:
        self._said = tempfile.TemporaryFile("w+")  # closed on exit
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Ask the program to end; kill what is left."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_DEADLINE_S)
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._said.close()

    def cpu_s(self) -> float:
        """CPU seconds, user and system, that the living processes have used so far, and those that they outlived."""
        ticks = sum(int(time) for _pid, facts in self._members() for time in facts[_CPU_TIMES])
        return ticks / os.sysconf("SC_CLK_TCK")

    def pss_mib(self) -> float:
        """Memory in MiB: private pages, and of each shared page the part that falls to a process."""
        return sum(_kib(pid, "Pss") for pid in self._pids()) / 1024

    def rss_mib(self) -> float:
        """Memory in MiB: all pages of each process, shared ones once for each."""
        return sum(_kib(pid, "Rss") for pid in self._pids()) / 1024

    def on_end(self, action: Callable[[], object]) -> None:
        """Call `action`, in a thread, when the program ends."""
        process = self._process
        threading.Thread(target=lambda: (process.wait(), action()), daemon=True).start()

    def check_alive(self) -> None:
        """Raises RuntimeError, with what it said last, if the program has ended."""
        if self._process.poll() is not None:
            self._said.seek(0)
            ended = f"{' '.join(self._command)} ended with exit code {self._process.returncode}"
            raise RuntimeError(f"{ended}\n{self._said.read()[-_SAID_CHARACTERS:]}")

    def _pids(self) -> list[int]:
        return [pid for pid, _facts in self._members()]

    def _members(self) -> Iterator[tuple[int, list[str]]]:
        for entry in Path("/proc").iterdir():
            # A process may end while we look.
            with contextlib.suppress(OSError, ValueError):
                pid = int(entry.name)
                # The name, in brackets, may hold blanks and brackets itself.
                facts = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(facts[_SESSION]) == self._process.pid:
                    yield pid, facts


def _kib(pid: int, what: str) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has just ended
        return 0
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith(f"{what}:"))
