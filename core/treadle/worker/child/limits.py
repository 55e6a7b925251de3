"""Soft limits, cancellation and the end of the grace period, for the jobs that one child runs.

The hard limit is not here: the supervisor keeps it, since only a kill from outside always works.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.exceptions import JobCancelled, SoftTimeLimitExceeded
from treadle.execution.outcome import Interrupted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treadle.interfaces import CancelRequest, PoolSlot
    from treadle.request import Request

#: How soon a run that could not be interrupted (its hooks ran, say) is tried again.
_TRY_AGAIN_S = 0.05


class Limits:
    """Watches the slots of a child. Used by its broker thread."""

    def __init__(self, slots: Sequence[PoolSlot]) -> None:
        self._slots = slots
        #: Cancel requests whose runs have not been told yet.
        self._wanted: dict[tuple[str, int], CancelRequest] = {}

    def enforce_soft(self, now_s: float) -> None:
        """Interrupt the runs whose soft limit has passed."""
        for slot in self._slots:
            if slot.soft_deadline_s and now_s >= slot.soft_deadline_s:
                landed = slot.interrupt(SoftTimeLimitExceeded("the soft time limit has passed"))
                slot.soft_deadline_s = 0.0 if landed else now_s + _TRY_AGAIN_S
        self._terminate()

    def next_event_s(self, now_s: float, at_most_s: float) -> float:
        """Seconds until the next soft limit passes."""
        if self._wanted:
            at_most_s = min(at_most_s, _TRY_AGAIN_S)
        deadlines = [slot.soft_deadline_s for slot in self._slots if slot.soft_deadline_s]
        return max(0.0, min(at_most_s, min(deadlines) - now_s)) if deadlines else at_most_s

    def cancel(self, asked: CancelRequest) -> None:
        """Tell a run that it was cancelled, as soon as it runs; interrupt it if that was asked for."""
        self._wanted[asked.id, asked.receipt] = asked
        self._terminate()

    def forget_cancelled(self) -> None:
        """Nothing is held any more, so nobody is left to be told."""
        self._wanted.clear()

    def _terminate(self) -> None:
        for slot in self._slots if self._wanted else ():
            request = slot.request
            if request is not None and request.requests:
                self._tell_batch(request.requests)
                continue
            asked = self._wanted.get((request.id, request.delivery.receipt)) if request is not None else None
            if request is None or asked is None:
                continue
            request.cancelled = True
            error = JobCancelled(f"job {asked.id} was cancelled while it ran")
            if not asked.terminate or slot.interrupt(error):
                del self._wanted[asked.id, asked.receipt]

    def _tell_batch(self, requests: Sequence[Request]) -> None:
        """Tell jobs of a batch that they were cancelled. The call goes on: it is the other jobs' too."""
        for request in requests:
            if self._wanted.pop((request.id, request.delivery.receipt), None) is not None:
                request.cancelled = True

    def interrupt_all(self) -> None:
        """Stop every run, so that its job can be given back uncharged."""
        for slot in self._slots:
            slot.interrupt(Interrupted())
