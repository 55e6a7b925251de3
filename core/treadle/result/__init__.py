"""Calls seen from outside: handles of jobs and of groups, and of the workflows that they are parts of."""

from __future__ import annotations

from treadle.observe.blocking import allow_join_result
from treadle.result.failing import failure_of
from treadle.result.group import GroupResult
from treadle.result.handle import AsyncResult, EagerResult, result_by_id
from treadle.result.outcome import Outcome
from treadle.result.workflow import Progress, Workflow

__all__ = [
    "AsyncResult",
    "EagerResult",
    "GroupResult",
    "Outcome",
    "Progress",
    "Workflow",
    "allow_join_result",
    "failure_of",
    "result_by_id",
]
