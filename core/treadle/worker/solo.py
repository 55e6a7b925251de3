"""The worker without children: one job at a time in this very process."""

from __future__ import annotations

import logging
import mmap
import os
import signal
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from treadle.logs import set_up_logging
from treadle.worker.board import Board, board_size
from treadle.worker.child.process import Assignment, Child
from treadle.worker.loading import Loading, load_app

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from treadle.interfaces import Broker
    from treadle.worker.burst import Burst
    from treadle.worker.plan import WorkerPlan
    from treadle.worker.supervisor.keeper import Keeper

logger = logging.getLogger(__name__)


def run_solo(
    order: dict[str, Any],
    plan: WorkerPlan,
    broker: Broker,
    make_keeper: Callable[..., Keeper],
    burst: Burst | None,
) -> int:
    """Run jobs in this thread until told to stop; answers the exit code."""
    app = load_app(Loading(**order["loading"]))
    set_up_logging(app, order["level"], order["logfile"], app.conf)
    board = Board(mmap.mmap(-1, board_size(1)), 0, 1)
    lease = f"{plan.hostname}/solo.{os.getpid()}.{os.urandom(3).hex()}"
    opened = threading.Event()

    def on_renewed(_leases: Sequence[str], lost: set[str], until_s: float) -> None:
        if lease in lost:
            child.loop.stop("lease_lost", 0.0)
        else:
            board.extend_lease(until_s)

    def on_opened(until_s: float) -> None:
        board.extend_lease(until_s)
        opened.set()

    keeper = make_keeper(renewable=lambda: [lease] if opened.is_set() else [], on_renewed=on_renewed)
    keeper.open_lease(lease, on_opened)
    opened.wait()
    child = Child(app, Assignment.from_message(plan.assignment(0, lease, 0)), board)

    _stop_at_signals(child, plan.grace_s)
    if burst is not None:
        burst.watch(lambda: child.loop.stop("burst", plan.grace_s))
    app.plugins.fire("treadle_child_started", app=app)
    app.plugins.fire("treadle_worker_ready", app=app)
    why = child.serve()
    app.plugins.fire("treadle_child_stopped", app=app)
    keeper.abandon(lease, reason="released", error=b"")
    keeper.stop(timeout_s=5.0)
    app.close()
    broker.close()
    if why == "lease_lost":
        logger.error("the lease of this worker was taken away, as after a long stop; start it again")
    return 1 if why == "lease_lost" else 0


def _stop_at_signals(child: Child, grace_s: float) -> None:
    """Stop at TERM and INT; at once at the second one.

    In a thread: the handler runs in the thread that runs jobs, which may hold the very lock that stopping takes.
    """
    came: SimpleQueue[int] = SimpleQueue()

    def stop() -> None:
        came.get()
        child.loop.stop("signal", grace_s)
        came.get()
        child.loop.stop("signal", 0.0)

    threading.Thread(target=stop, name="treadle-signals", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: came.put(number))
