"""A real worker beside the demo: the process that `treadle worker` starts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

from treadle.exceptions import TreadleError

_STOP_S = 10.0


class DemoWorker:
    """A worker that was started."""

    def __init__(self, process: subprocess.Popen[bytes], logfile: Path) -> None:
        self._process = process
        self._logfile = logfile

    def require_alive(self) -> None:
        """Raise TreadleError, with the end of its log, if the worker is gone."""
        code = self._process.poll()
        if code is not None:
            last = "\n".join(self._logfile.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
            raise TreadleError(f"the worker ended with exit code {code}; the end of its log:\n{last}")

    def stop(self) -> None:
        """Ask it to end, and leave nothing behind if it does not."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def running_worker(app: str, url: str, queue: str, concurrency: int) -> Generator[DemoWorker]:
    """A worker for one queue within the block. It writes to a temporary file, not into the user's terminal."""
    command = [
        sys.executable, "-m", "treadle", "--app", app, "--quiet",
        "worker", "--pool", "prefork", "--concurrency", str(concurrency), "--queues", queue, "--grace", "0",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="treadle-demo-") as folder:
        logfile = Path(folder) / "worker.log"
        with logfile.open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Not on the command line, where every user of the machine could read a password.
                env={**os.environ, "TREADLE_BROKER_URL": url},
                # Ctrl-C is for the demo, which then stops the worker.
                start_new_session=True,
            )
        worker = DemoWorker(process, logfile)
        try:
            yield worker
        finally:
            worker.stop()
