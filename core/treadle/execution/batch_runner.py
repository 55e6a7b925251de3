"""Runs the jobs of a batch in one call, and says how it went for each of them.

Each job goes the way that it would go alone (`treadle.execution.runner`): its own hooks, signals and retry decision.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from treadle.execution.outcome import is_the_callers
from treadle.execution.runner import Runner
from treadle.execution.threads import call_in_thread
from treadle.execution.values import landed
from treadle.observe.current import current_job_var
from treadle.request import Request
from treadle.task.batch import outcomes_of

if TYPE_CHECKING:
    from treadle.settlement import Settlement


class BatchRun(Request):
    """One call of a batch task. To whoever sees only this, it is its first job, within the tightest limits of all."""

    def __init__(self, requests: list[Request]) -> None:
        first = requests[0]
        super().__init__(first.delivery, first.task_object, (requests,), {}, hostname=first.hostname)
        self.requests = requests
        self.limits = _tightest(requests, 0), _tightest(requests, 1)
        #: The outcomes of jobs that were not even run.
        self.settled: list[Settlement] = []


class BatchRunner(Runner):
    """A runner that can run batches, too."""

    def run_batch(self, batch: BatchRun) -> list[Settlement]:
        """Run the function in this thread. Whatever it raises ends this batch only."""
        try:
            self._take_each(batch)
            self._begin_each(batch)
            if not batch.requests:
                return batch.settled
            with current(batch):
                if batch.task_object.is_async:
                    answer = landed(self.await_in_thread(self._contained(batch)))
                else:
                    answer = self._execute(batch)
            return self._answered(batch, answer)
        except BaseException as error:
            if is_the_callers(error, batch):
                raise
            return self.judge_batch(batch, error)

    async def arun_batch(self, batch: BatchRun) -> list[Settlement]:
        """`run_batch` on this event loop; a `def` runs in a thread beside it."""
        try:
            if any(request.input for request in batch.requests):
                await call_in_thread(self._take_each, batch)
            self._begin_each(batch)
            if not batch.requests:
                return batch.settled
            with current(batch):
                if batch.task_object.is_async:
                    answer = await self._aexecute(batch)
                else:
                    answer = await self.call_in_thread(self._execute, batch)
            return self._answered(batch, answer)
        except BaseException as error:
            if is_the_callers(error, batch):
                raise
            return self.judge_batch(batch, error)

    def judge_batch(self, batch: BatchRun, error: BaseException) -> list[Settlement]:
        """The settlements for a call that ended with `error`, or with the interruption that it stands for."""
        batch.in_user_code = False
        return [*batch.settled, *(self._judge(batch, request, error) for request in batch.requests)]

    def _take_each(self, batch: BatchRun) -> None:
        """Let each job take what those before it gave. One that cannot have it is not run."""
        self._try_each(batch, lambda request: self._take_inputs(request) if request.input else None)

    def _begin_each(self, batch: BatchRun) -> None:
        """Tell of each job that it starts. One whose hook raises is not run."""
        self._try_each(batch, self._begin)
        batch.in_user_code = True

    def _try_each(self, batch: BatchRun, prepare: Callable[[Request], None]) -> None:
        prepared: list[Request] = []
        for request in batch.requests:
            with current(request):
                try:
                    prepare(request)
                    prepared.append(request)
                except BaseException as error:
                    if is_the_callers(error, request):
                        raise
                    batch.settled.append(self.judge(request, error))
        batch.requests = prepared
        # What is run is what the call gets.
        batch.args = (prepared,)

    def _answered(self, batch: BatchRun, answer: object) -> list[Settlement]:
        batch.in_user_code = False
        outcomes = outcomes_of(batch.task, answer, len(batch.requests))
        pairs = zip(batch.requests, outcomes, strict=True)
        return [*batch.settled, *(self._settle(batch, request, outcome) for request, outcome in pairs)]

    def _settle(self, batch: BatchRun, request: Request, outcome: Any) -> Settlement:
        if isinstance(outcome, BaseException):
            return self._judge(batch, request, outcome)
        with current(request):
            try:
                return self._succeeded(request, outcome)
            except BaseException as error:
                if is_the_callers(error, request):
                    raise
                return self.judge(request, error)

    def _judge(self, batch: BatchRun, request: Request, error: BaseException) -> Settlement:
        request.interruption = batch.interruption
        with current(request):
            return self.judge(request, error)


@contextmanager
def current(request: Request) -> Generator[None]:
    """Within the block, this is what runs here."""
    token = current_job_var.set(request)
    try:
        yield
    finally:
        current_job_var.reset(token)


def _tightest(requests: Sequence[Request], which: int) -> float | None:
    return min((limit for request in requests if (limit := request.limits[which])), default=None)
