"""Holding the gate of a workflow while it is being stored."""

from __future__ import annotations

import threading
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final

from treadle.exceptions import BrokerUnavailable, ChordError

if TYPE_CHECKING:
    from typing import Self

    from treadle.interfaces import Broker
    from treadle.workflows.graph import Node

#: A gate whose holder is gone fails after so long.
HOLD_S: Final = 60.0


class Hold:
    """Keeps a gate shut for a block, however long that takes, and opens it at the end; if the block raises, cancels it.

    Raises ChordError at the end if the gate was lost meanwhile: the store was away for too long, or somebody
    cancelled the workflow. What was stored of it has ended then.
    """

    def __init__(self, broker: Broker, gate: Node, workflow: str) -> None:
        self.gate = gate
        self._broker = broker
        self._workflow = workflow
        self._is_over = threading.Event()
        # A thread, because a feed may take minutes to make its next member.
        self._thread = threading.Thread(target=self._renew, name="treadle-hold", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        if error is not None:
            # If this fails too, the gate runs out by itself.
            with suppress(BrokerUnavailable):
                self._broker.cancel([self.gate.id])
        elif self._broker.open([self.gate.id]) and not self._was_opened():
            raise ChordError(f"workflow {self._workflow} was given up while it was being stored: publish it again")

    def _was_opened(self) -> bool:
        """Whether the gate is open: the answer to an earlier attempt may have been lost."""
        record = self._broker.get([self.gate.id]).get(self.gate.id)
        return record is not None and record.state == "succeeded"

    def _renew(self) -> None:
        while not self._is_over.wait(HOLD_S / 4):
            with suppress(BrokerUnavailable):
                self._broker.hold([self.gate.id], HOLD_S)
