"""What a waiting thread sleeps on."""

from __future__ import annotations

import threading


class Bell:
    """Wakes one sleeper; a ring that nobody sleeps through is kept for the next sleep.

    A lock used as a token, rather than a condition: ringing takes no other lock, so it is allowed in a
    signal handler that interrupts the very thread that sleeps or holds the store.
    """

    __slots__ = ("_token",)

    def __init__(self) -> None:
        self._token = threading.Lock()
        self._token.acquire()

    def ring(self) -> None:
        """End the current sleep, or the next one."""
        try:
            self._token.release()
        except RuntimeError:
            return  # It was rung already: one ring is as good as many.

    def sleep(self, timeout_s: float) -> None:
        """Return at the next ring, at latest after `timeout_s` seconds."""
        self._token.acquire(timeout=min(max(timeout_s, 0.0), threading.TIMEOUT_MAX))
