"""Ends a worker as soon as its queues are empty: `treadle worker --burst`."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from treadle.exceptions import TreadleError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from treadle.interfaces import Broker

logger = logging.getLogger(__name__)

_LOOK_S = 0.2


class Burst:
    """Looks whether anything is queued or running in some queues; paused ones and jobs for later do not count."""

    def __init__(self, broker: Broker, queues: Sequence[str]) -> None:
        self._broker, self._queues = broker, queues

    def watch(self, on_empty: Callable[[], None]) -> None:
        """Call `on_empty`, once, in a thread of its own, when the queues are empty."""
        threading.Thread(target=self._run, args=(on_empty,), name="treadle-burst", daemon=True).start()

    def _run(self, on_empty: Callable[[], None]) -> None:
        pause = threading.Event()
        while not self._is_empty():
            pause.wait(_LOOK_S)
        on_empty()

    def _is_empty(self) -> bool:
        try:
            queues = self._broker.counts().queues
        except TreadleError as error:
            logger.warning("the broker does not answer: %s", error)
            return False
        found = [queues[queue] for queue in self._queues if queue in queues]
        return not any((counts.queued and not counts.paused) or counts.running for counts in found)
