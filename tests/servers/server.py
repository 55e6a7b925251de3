"""The life of one server: start, stop, kill, freeze, restart."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

from tests.servers import family
from tests.servers.account import Account
from tests.servers.ports import free_port
from tests.servers.watchdog import watch_over

if TYPE_CHECKING:
    from pathlib import Path

_START_DEADLINE_S = 30.0
_STOP_DEADLINE_S = 10.0
_POLL_S = 0.01
_PORT_TRIES = 20


class Server(ABC):
    """A server that listens on 127.0.0.1 and keeps its files in `directory`, which must exist.

    It is not running until `start`. Its port is chosen at the first start and kept from then on, so
    clients find it again after a restart. Used as a context manager it starts and stops.
    """

    #: Asks the server to finish what it does and to end.
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    #: Who it runs as.
    account: ClassVar[Account] = Account()

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        #: Where its files are: `directory`, unless its account cannot get there.
        self.home = self.account.home(directory, self)
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The broker URL of the server."""

    @abstractmethod
    def command(self) -> list[str]:
        """The command that runs the server in the foreground on `self.port`."""

    def prepare(self) -> None:  # noqa: B027 - most servers need nothing
        """Make in `home` what `command` relies on, unless it is there. Called before each start."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server that listens on `self.port` is this one, and is ready for clients."""

    @property
    def pid(self) -> int:
        """The server's process id, 0 while it is down."""
        return self._process.pid if self._process is not None else 0

    @property
    def log(self) -> Path:
        """The file that all of its output goes to."""
        return self.directory / "server.log"

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError with the end of its log if it does not."""
        if self._process is not None:
            message = f"{type(self).__name__} is already running as process {self.pid}; stop or kill it first"
            raise RuntimeError(message)
        self.prepare()
        if self.port:
            self._launch()
            return
        # Between finding a free port and listening on it anybody may take it, so try another one then.
        for tries_left in reversed(range(_PORT_TRIES)):
            self.port = free_port()
            try:
                self._launch()
            except RuntimeError:
                self.port = 0
                if not tries_left or "in use" not in self._log_end():
                    raise
            else:
                return

    def stop(self) -> None:
        """Ask it to end, and wait; kill it if it takes more than 10 s. Nothing happens if it is down."""
        if self._process is None:
            return
        self._process.send_signal(self.stop_signal)
        # A frozen process gets the signal only when it goes on.
        self.thaw()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_DEADLINE_S)
        self.kill()

    def kill(self) -> None:
        """End it and its child processes with SIGKILL, as a power cut would. Nothing happens if it is down."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            family.kill(process.pid)
            process.wait()
        self._dismiss_watchdog()

    def restart(self) -> None:
        """Stop it and start it again, on the same port with the same files."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Make it hang: it still accepts connections but answers nothing until `thaw`."""
        family.freeze(self._running().pid)

    def thaw(self) -> None:
        """Undo `freeze`."""
        family.thaw(self._running().pid)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self) -> None:
        with self.log.open("wb") as log:
            self._process = self.account.start(self.command(), cwd=self.home, output=log)
        self._watchdog = watch_over(self.pid, self.home if self.home != self.directory else None)
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.kill()
            raise

    def _wait_until_it_answers(self) -> None:
        process = self._running()
        deadline = time.monotonic() + _START_DEADLINE_S
        while process.poll() is None:
            if self.answers():
                return
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_S)
        ended = "did not answer in time" if process.poll() is None else f"ended with exit code {process.returncode}"
        message = f"{type(self).__name__} {ended}; the end of its log:\n{self._log_end()}"
        raise RuntimeError(message)

    def _dismiss_watchdog(self) -> None:
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            watchdog.kill()
            watchdog.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            message = f"{type(self).__name__} is not running; start it first"
            raise RuntimeError(message)
        return self._process

    def _log_end(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]
