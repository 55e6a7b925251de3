"""A real worker in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.harness import processes
from tests.harness.ledger import Ledger
from tests.harness.patience import eventually

ROOT = Path(__file__).parents[2]
_EXIT_DEADLINE_S = 40.0


class Worker:
    """`treadle worker`, with all of its processes in one session.

    `settings` are settings of the app, given in the environment; `arguments` are more options of the command.
    `lease_s` shortens the lease; None leaves it as users have it. The module `app` is looked for in `directory`
    first, then beside the tests.
    """

    def __init__(
        self,
        url: str,
        directory: Path,
        *,
        number: int = 0,
        app: str = "tests.harness.app",
        arguments: Sequence[str] = (),
        lease_s: float | None = None,
        **settings: Any,
    ) -> None:
        self.ledger = Ledger(directory / "ledger")
        self.log = directory / f"worker-{number}.log"
        self._directory = directory
        self._command = [sys.executable, "-m", "treadle", "-A", app, "worker", "-n", f"worker{number}", *arguments]
        self._environment = {
            **os.environ,
            **_as_environment({"broker_url": url, "worker_concurrency": 2, **settings}),
            **({"_TREADLE_LEASE_S": str(lease_s)} if lease_s else {}),
            "LEDGER": str(self.ledger.path),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", "")))),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        assert self._process is not None, "start the worker first"
        return self._process.pid

    def start(self) -> Worker:
        """Start it, without waiting for anything."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    # What it is made of ----------------------------------------------------------------------------

    def template_pid(self) -> int:
        """The process that has imported the application: it alone has a single thread."""
        return eventually(lambda: next(iter(self._with_threads(single=True)), 0), what="a template")

    def has_template(self) -> bool:
        """Whether there is such a process now."""
        return bool(self._with_threads(single=True))

    def child_pids(self) -> list[int]:
        """The processes that run jobs."""
        return self._with_threads(single=False)

    def await_children(self, count: int) -> list[int]:
        """The processes that run jobs, as soon as there are `count`."""
        return eventually(lambda: (pids := self.child_pids())[count - 1 :] and pids, what=f"{count} children")

    def family(self) -> list[int]:
        """All processes of the worker that are alive."""
        return [pid for pid in (self.pid, *processes.children_of(self.pid)) if processes.is_alive(pid)]

    def _with_threads(self, *, single: bool) -> list[int]:
        return [
            pid
            for pid in processes.children_of(self.pid)
            if (count := processes.threads_of(pid)) and (count == 1) is single
        ]

    # What it said ----------------------------------------------------------------------------------

    def output(self) -> str:
        """All that its processes printed and logged."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def await_output(self, text: str, *, within_s: float = 10.0) -> None:
        """Return once it has said `text`."""
        eventually(lambda: text in self.output(), within_s=within_s, what=f"{text!r} in the worker's output")

    # How it ends -----------------------------------------------------------------------------------

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor."""
        processes.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.signal(signal.SIGTERM)

    def wait(self, timeout_s: float = _EXIT_DEADLINE_S) -> int:
        """Its exit code, once it has ended."""
        assert self._process is not None, "start the worker first"
        return self._process.wait(timeout_s)

    def stop(self) -> int:
        """Ask it to end, and wait; its exit code."""
        self.terminate()
        return self.wait()

    def kill_tree(self) -> None:
        """SIGKILL for all of its processes, as when the machine dies."""
        processes.kill_tree(self.pid)
        self.wait()

    def clean_up(self) -> None:
        """Leave no process behind, whatever the test did."""
        if self._process is not None:
            processes.kill_tree(self.pid)
            self._process.wait()


def _as_environment(settings: dict[str, Any]) -> dict[str, str]:
    """Settings as environment variables: text as it is, everything else as JSON."""
    return {
        f"TREADLE_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
    }
