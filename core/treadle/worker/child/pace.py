"""How many jobs to claim at once: as many as the last runs say fit into a few milliseconds."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treadle.job import Delivery

#: A claimed batch should take no longer than this, so that nobody waits behind it for long.
BATCH_BUDGET_S = 0.005
#: More at once gains nothing (docs/performance.md), and holds up whoever else calls the store.
MAX_BATCH = 200
_MEMORY = 40
_P95 = 37


class Pace:
    """Remembers how long tasks take. Durations are in seconds."""

    def __init__(self, max_batch: int = MAX_BATCH) -> None:
        self._max_batch = max_batch
        self._runs: dict[str, deque[float]] = {}
        self._estimates: dict[str, float] = {}
        self._last_tasks: tuple[str, ...] = ()

    def record(self, task: str, took_s: float) -> None:
        """One run of `task` took that long."""
        runs = self._runs.get(task)
        if runs is None:
            runs = self._runs[task] = deque(maxlen=_MEMORY)
        runs.append(took_s)

    def batch_size(self) -> int:
        """How many to claim next: what the slowest of the tasks seen last allows; 1 if one is unmeasured."""
        self._estimates = {task: self._p95(task) for task in self._last_tasks}
        worst = max(self._estimates.values(), default=BATCH_BUDGET_S)
        return max(1, min(self._max_batch, int(BATCH_BUDGET_S / max(worst, 1e-6))))

    def fitting(self, deliveries: Sequence[Delivery]) -> int:
        """How many of these, from the first, fit into the budget: at least one. The others go back."""
        estimates, tasks, left_s = self._estimates, dict[str, None](), 2 * BATCH_BUDGET_S
        fitting = 0
        for delivery in deliveries:
            task = delivery.task
            if task not in tasks:
                tasks[task] = None
                if task not in estimates:
                    estimates[task] = self._p95(task)
            left_s -= estimates[task]
            if left_s < 0 and fitting:
                break
            fitting += 1
        self._last_tasks = tuple(tasks)
        return fitting

    def _p95(self, task: str) -> float:
        runs = self._runs.get(task)
        if not runs:
            return 2 * BATCH_BUDGET_S
        return sorted(runs)[min(_P95, (len(runs) * 95) // 100)]
