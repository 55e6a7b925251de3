"""A file that holds the id of a running process, as init scripts use them."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from treadle.exceptions import ConfigurationError, TreadleError


class Pidfile:
    """Within the block the file holds this process's id. What a dead process left behind is replaced.

    Raises TreadleError if a live process holds the file, ConfigurationError if it cannot be written or is
    something else.
    """

    def __init__(self, path: Path) -> None:
        # Absolute, so that it is found again wherever the process goes.
        self._path = path.absolute()

    def __enter__(self) -> None:
        try:
            self._refuse_a_live_holder()
            self._take()
        except OSError as error:
            raise ConfigurationError(f"cannot write the pidfile {self._path}: {error.strerror}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._path.is_file() and self._content() == str(os.getpid()):
            self._path.unlink()

    def _refuse_a_live_holder(self) -> None:
        if not self._path.exists():
            return
        content = self._content()
        if not content.isdecimal():
            raise ConfigurationError(f"{self._path} is no pidfile: it holds {content[:40]!r}; name another file")
        if is_alive(int(content)):
            raise TreadleError(f"process {content} runs and holds {self._path}; stop it first, or name another pidfile")
        self._path.unlink(missing_ok=True)

    def _content(self) -> str:
        return self._path.read_text(encoding="ascii", errors="replace").strip()

    def _take(self) -> None:
        """Create the file. Exclusively, so that of two that start at the same time one is refused."""
        try:
            with self._path.open("x", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")
        except FileExistsError:
            raise TreadleError(f"another process has just taken the pidfile {self._path}") from None


def is_alive(pid: int) -> bool:
    """Whether a process of that id runs; our own does not count, as ids are used again after a restart."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
