"""The solo pool: one job at a time in the worker's own process. For debuggers, and for the smallest machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.exceptions import NotSupported
from treadle.request import Request
from treadle.serialization.failure import encode_failure
from treadle.settlement import Fail
from treadle.worker.pools.prefork import MainThreadSlot, PreforkPool

if TYPE_CHECKING:
    from treadle.job import Delivery
    from treadle.settlement import Settlement


class SoloPool(PreforkPool):
    """As prefork, without a child: nobody outside could kill a run, so hard limits are refused."""

    name = "solo"

    def _slot(self, index: int) -> MainThreadSlot:
        return SoloSlot(index, self._parts, self._loop, self._knock)


class SoloSlot(MainThreadSlot):
    """Refuses what it cannot enforce: a limit given at the call reaches the worker only with the job."""

    def _run(self, request: Request) -> Settlement | None:
        return super()._run(request) if request.time_limit is None else _refused(request)

    def _prepare(self, delivery: Delivery) -> Request | Settlement:
        request = super()._prepare(delivery)
        return _refused(request) if isinstance(request, Request) and request.time_limit is not None else request


def _refused(request: Request) -> Fail:
    error = NotSupported(
        f"the solo pool cannot enforce time_limit={request.time_limit}: nobody outside could kill the run"
    )
    return Fail(request.delivery, "rejected", encode_failure(error, with_traceback=False))
