"""How a child runs jobs: one file per pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from treadle.execution.runner import Runner
    from treadle.worker.board import Board
    from treadle.worker.child.desk import Desk


class PoolParts(NamedTuple):
    """What a pool is made of."""

    runner: Runner
    desk: Desk
    board: Board
    #: How many jobs run at a time in this child.
    concurrency: int
