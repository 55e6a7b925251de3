"""Batches: one call of a function for many jobs, each of which is settled on its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard, cast

from treadle.exceptions import BatchAnswerError, ConfigurationError
from treadle.observe.current import current_job_var
from treadle.request import Request

MAX_BATCH_JOBS = 10_000


@dataclass(frozen=True, slots=True)
class Batch:
    """How many jobs one call of a batch task gets: up to `size`, and no later than `wait_s` after the first came."""

    size: int = 100
    wait_s: float = 1.0

    def __post_init__(self) -> None:
        if type(self.size) is not int or not 1 <= self.size <= MAX_BATCH_JOBS:
            raise ConfigurationError(f"Batch(size={self.size!r}): expected a whole number from 1 to {MAX_BATCH_JOBS}")
        if type(self.wait_s) not in (int, float) or not math.isfinite(self.wait_s) or self.wait_s < 0:
            raise ConfigurationError(f"Batch(wait_s={self.wait_s!r}): expected seconds, 0 or more")


def checked_batch(batch: object) -> None:
    """Raise ConfigurationError for what is not how batches are described."""
    if not isinstance(batch, Batch | None):
        raise ConfigurationError(f"batch={batch!r:.80}: expected Batch(size=..., wait_s=...) from treadle")


def batch_entry(body: Callable[..., Any], *, is_async: bool) -> Callable[..., Any]:
    """What a worker calls for a batch task: `body` with the requests of what runs here.

    Of a batch it gives the whole answer; a job that runs alone is a batch of one, and gets its own outcome.
    """

    def call(*_args: Any, **_kwargs: Any) -> Any:
        run = _current_run()
        answer = body(list(run.requests or (run,)))
        return answer if run.requests else _only(run, answer)

    async def acall(*_args: Any, **_kwargs: Any) -> Any:
        run = _current_run()
        answer = await cast("Coroutine[Any, Any, Any]", body(list(run.requests or (run,))))
        return answer if run.requests else _only(run, answer)

    return acall if is_async else call


def outcomes_of(task: str, answer: object, count: int) -> Sequence[Any]:
    """The outcomes that a batch function answered, one per job. Raises BatchAnswerError if it answered otherwise."""
    if answer is None:
        return (None,) * count
    if _is_list(answer):
        if len(answer) == count:
            return answer
        raise BatchAnswerError(f"batch task {task!r} answered {len(answer)} outcomes for {count} jobs")
    raise BatchAnswerError(
        f"batch task {task!r} answered {answer!r:.80}; expected None, or a list with one outcome for each job"
    )


def _is_list(answer: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(answer, Sequence) and not isinstance(answer, str | bytes | bytearray)


def _current_run() -> Request:
    run = current_job_var.get()
    if not isinstance(run, Request):
        raise ConfigurationError("a batch task was run outside a job; call it as a function instead")
    return run


def _only(run: Request, answer: object) -> Any:
    outcome = outcomes_of(run.task, answer, 1)[0]
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
