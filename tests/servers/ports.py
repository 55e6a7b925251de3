"""Free TCP ports on the loopback interface."""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"

# Below the range from which Linux and macOS take the ports of outgoing connections. In that range a
# client that keeps dialling a stopped server can be given the very port it dials, and then talks to itself.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A port that nobody listens on now. Somebody may take it before you do: be ready to ask again."""
    # The tests' own random numbers are seeded, so two runs at once would pick the same ports.
    dice = random.SystemRandom()
    while True:
        port = dice.choice(_PORTS)
        with socket.socket() as probe:
            # As servers do: connections of an earlier owner that linger in TIME_WAIT do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
