"""Messages between the processes of one worker: a JSON object per line over a Unix socket.

Jobs never cross it. Its end of file is how a child learns that its supervisor is gone.
"""

from __future__ import annotations

import array
import json
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHUNK = 65536


class Channel:
    """One end of a socket. Messages are dictionaries; file descriptors may travel with one."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._buffer = b""
        self._fds: list[int] = []
        self._early: list[dict[str, Any]] = []

    def fileno(self) -> int:
        """For selectors."""
        return self.socket.fileno()

    def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> bool:
        """Send a message. False if the other end is gone."""
        content = json.dumps(message).encode() + b"\n"
        try:
            if fds:
                ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
                sent = self.socket.sendmsg([content], ancillary)
                content = content[sent:]
            self.socket.sendall(content)
        except OSError:
            return False
        return True

    def receive(self) -> list[dict[str, Any]] | None:
        """The messages that have come, at least a part of one; None at the end of file. Blocks if none has."""
        if self._early:
            early, self._early = self._early, []
            return early
        try:
            content, ancillary, _flags, _address = self.socket.recvmsg(_CHUNK, socket.CMSG_SPACE(4 * 8))
        except InterruptedError:
            return []
        except OSError:
            return None
        for level, kind, packed in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(packed[: len(packed) - len(packed) % fds.itemsize])
                self._fds.extend(fds)
        if not content:
            return None
        *lines, self._buffer = (self._buffer + content).split(b"\n")
        return [json.loads(line) for line in lines]

    def receive_first(self) -> dict[str, Any]:
        """The first message; those that came with it are left for `receive`. Raises EOFError if there is none."""
        while not self._early:
            messages = self.receive()
            if messages is None:
                raise EOFError("the other end was closed before it said anything")
            self._early = messages
        first, *self._early = self._early
        return first

    def take_fd(self) -> int:
        """The oldest file descriptor that came with the messages so far."""
        return self._fds.pop(0)

    def close(self) -> None:
        """Close this end."""
        self.socket.close()


def channel_pair() -> tuple[Channel, Channel]:
    """Two connected ends."""
    left, right = socket.socketpair()
    return Channel(left), Channel(right)
