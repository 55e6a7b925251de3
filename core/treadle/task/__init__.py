"""Tasks: registered functions, their options, and the ways to call them as jobs."""

from __future__ import annotations

from treadle.task.batch import Batch
from treadle.task.options import CALL_OPTIONS, TASK_OPTIONS, CallOptions, TaskOptions, check_task_options
from treadle.task.task import AsyncTask, BatchTask, Task, task_by_name

__all__ = [
    "CALL_OPTIONS",
    "TASK_OPTIONS",
    "AsyncTask",
    "Batch",
    "BatchTask",
    "CallOptions",
    "Task",
    "TaskOptions",
    "check_task_options",
    "task_by_name",
]
