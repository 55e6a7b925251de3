"""Waking the processes of one machine: a directory of Unix datagram sockets beside the database.

Who waits binds a socket there; who has committed sends each of them one byte. Nothing depends on it but
speed: a socket that cannot be made or reached means that its owner polls.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
import uuid
from pathlib import Path
from typing import Final, Self

from treadle.brokers.sql.dialect import Ear, Heard
from treadle.brokers.sql.waker import Waker, drain

CONSUMER: Final = "c-"
WATCH: Final = "w-"
#: Longer than any file system's tick of time.
_TICK_NS: Final = 2_000_000_000
#: The room for a path in `sockaddr_un` (unix(7)), less the closing zero byte.
_LONGEST_PATH: Final = 107


class DatagramBell:
    """Rings every socket in one directory whose name says that it is of the audience."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: list[str] = []
        #: When the directory was changed last, in nanoseconds, if the names are surely those of then.
        self._changed_ns = 0

    def ring_consumers(self) -> None:
        """Something can be claimed, or will be due."""
        self._ring(CONSUMER)

    def ring_watches(self) -> None:
        """Some job became final."""
        self._ring(WATCH)

    def listen_as_consumer(self) -> Ear:
        """An ear for `ring_consumers`."""
        return DatagramEar(self._folder, CONSUMER)

    def listen_as_watch(self) -> Ear:
        """An ear for `ring_watches`."""
        return DatagramEar(self._folder, WATCH)

    def _ring(self, audience: str) -> None:
        # What is to be told has been committed: not being able to tell it must not look like a failure.
        with contextlib.suppress(OSError):
            names = [name for name in self._sockets() if name.startswith(audience)]
            if not names:
                return
            with _Folder(self._folder) as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                for name in names:
                    self._poke(sender, folder, name)

    def _sockets(self) -> list[str]:
        """The names in the directory. A publisher asks for every call, so they are read when it has changed only."""
        changed_ns = self._folder.stat().st_mtime_ns
        if changed_ns != self._changed_ns:
            now_ns = time.time_ns()
            self._names = os.listdir(self._folder)
            # A second change may bear the same time as the first one: file systems count in ticks.
            self._changed_ns = changed_ns if now_ns - changed_ns > _TICK_NS else 0
        return self._names

    def _poke(self, sender: socket.socket, folder: _Folder, name: str) -> None:
        try:
            sender.sendto(b"1", folder.address(name))
        except ConnectionRefusedError:
            # Its owner died without unbinding it.
            with contextlib.suppress(OSError):
                (self._folder / name).unlink()
        except OSError:
            # A full socket will wake its owner anyway; a vanished one has none.
            pass


class DatagramEar:
    """One socket in the directory, and a pair of sockets for `wake`. After a fork the child makes its own."""

    def __init__(self, folder: Path, audience: str) -> None:
        self._folder = folder
        self._audience = audience
        self._waker = Waker()
        self._is_open = True
        self._open()

    @property
    def hears(self) -> bool:
        """Whether others can ring."""
        return self._ear is not None

    def wait(self, timeout_s: float) -> Heard:
        """What was heard within `timeout_s` seconds, or since the last call. A call of `wake` comes first."""
        if self._is_open and self._pid != os.getpid():
            self._open()
        ready = self._waker.wait(timeout_s, *([] if self._ear is None else [self._ear.fileno()]))
        if ready is None:
            return "wake"
        if self._ear is not None and ready:
            drain(self._ear)
            return "bell"
        return ""

    def wake(self) -> None:
        """End a running `wait`, or the next one."""
        self._waker.wake()

    def rest(self) -> None:
        """What is rung meanwhile waits in the socket, or finds it full."""

    def close(self) -> None:
        """Unbind the socket."""
        if not self._is_open:
            return
        self._is_open = False
        if self._ear is not None and self._pid == os.getpid():
            self._ear.close()
            with contextlib.suppress(OSError):
                (self._folder / self._name).unlink()
        self._waker.close()

    def __del__(self) -> None:
        # Whoever forgets to close it shall not leave a socket behind.
        self.close()

    def _open(self) -> None:
        self._pid = os.getpid()
        self._name = f"{self._audience}{self._pid}-{uuid.uuid4().hex[:8]}"
        self._ear = _bound(self._folder, self._name)


def _bound(path: Path, name: str) -> socket.socket | None:
    """A socket of that name in the directory, or None if there can be none."""
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.setblocking(False)
    try:
        make_folder(path)
        with _Folder(path) as folder:
            ear.bind(folder.address(name))
        (path / name).chmod(_permissions(path) & 0o666)
    except OSError:
        ear.close()
        return None
    return ear


class _Folder:
    """Makes addresses of sockets in a directory, also where its path is too long for an address."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def address(self, name: str) -> str:
        """An address for the socket of that name. Raises OSError if there is none."""
        address = f"{self._path}/{name}"
        if len(os.fsencode(address)) <= _LONGEST_PATH:
            return address
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        if not Path("/proc/self/fd").is_dir():
            raise OSError(errno.ENAMETOOLONG, "the path is too long for a socket", self._path)
        return f"/proc/self/fd/{self._descriptor}/{name}"


def make_folder(folder: Path) -> None:
    """Create the directory, open to whoever may write beside the database. Raises OSError."""
    try:
        folder.mkdir()
    except FileExistsError:
        return
    folder.chmod(_permissions(folder.parent))


def _permissions(folder: Path) -> int:
    return folder.stat().st_mode & 0o777
