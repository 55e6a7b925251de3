"""No bell: for databases, and connections, that cannot tell others that something has changed."""

from __future__ import annotations

from treadle.brokers.sql.dialect import Ear, Heard
from treadle.brokers.sql.waker import Waker


class Silence:
    """A bell that makes no sound: whoever waits looks often."""

    def ring_consumers(self) -> None:
        """Nothing."""

    def ring_watches(self) -> None:
        """Nothing."""

    def listen_as_consumer(self) -> Ear:
        """An ear that only hears `wake`."""
        return DeafEar()

    def listen_as_watch(self) -> Ear:
        """An ear that only hears `wake`."""
        return DeafEar()


class DeafEar:
    """Hears `wake` alone."""

    hears = False

    def __init__(self) -> None:
        self._waker = Waker()

    def wait(self, timeout_s: float) -> Heard:
        """Whether `wake` was called within `timeout_s` seconds, or since the last call."""
        return "wake" if self._waker.wait(timeout_s) is None else ""

    def wake(self) -> None:
        """End a running `wait`, or the next one."""
        self._waker.wake()

    def rest(self) -> None:
        """Nothing is missed."""

    def close(self) -> None:
        """From now on every wait ends at once."""
        self._waker.close()
