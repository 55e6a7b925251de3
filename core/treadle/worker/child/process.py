"""A child: the process that runs jobs."""

from __future__ import annotations

import logging
import mmap
import os
import random
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from treadle.execution.batch_runner import BatchRunner
from treadle.execution.runner import Runner
from treadle.logs import set_up_logging
from treadle.worker.board import Board
from treadle.worker.channel import Channel
from treadle.worker.child.broker_loop import BrokerLoop
from treadle.worker.child.collector import Collector
from treadle.worker.child.desk import Desk
from treadle.worker.child.limits import Limits
from treadle.worker.child.pace import MAX_BATCH, Pace
from treadle.worker.loading import Loading, load_app
from treadle.worker.memory import rss_kib
from treadle.worker.pools import PoolParts

if TYPE_CHECKING:
    from collections.abc import Callable

    from treadle.app import Treadle

logger = logging.getLogger(__name__)

#: How often a child with a memory limit looks at its own size, in settled batches.
_LOOK_EVERY = 16
#: The exit code of a child whose broker thread died: our fault, so no job is charged.
BROKER_THREAD_DIED = 70
#: How long a child without a supervisor may take to give back what it holds.
_ORPHAN_S = 5.0


class Assignment(NamedTuple):
    """What a child is told when it is made."""

    #: Its number within the worker; also which board is its own.
    number: int
    lease: str
    hostname: str
    queues: list[str]
    pool: str
    #: How many jobs it runs at a time.
    concurrency: int
    prefetch_limit: int | None
    max_jobs: int | None
    max_memory_kib: int | None
    board_offset: int

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Assignment:
        """The assignment that a message carries."""
        return cls(**{name: message[name] for name in cls._fields})


class Child:
    """The parts of one child, joined."""

    def __init__(self, app: Treadle, assignment: Assignment, board: Board) -> None:
        self.app, self.assignment, self._board = app, assignment, board
        consumer = app.broker.consumer(assignment.lease, assignment.queues)
        self._consumer = consumer
        pace = Pace(min(MAX_BATCH, assignment.prefetch_limit or MAX_BATCH))
        desk = Desk(pace)
        batches = {task.name: task.batch for task in app.tasks.values() if task.batch is not None}
        make_runner = BatchRunner if batches else Runner
        runner = make_runner(app, hostname=assignment.hostname, note=consumer.note)
        pool_factory = app.plugins.pool(assignment.pool)
        self._pool = pool_factory(PoolParts(runner, desk, board, assignment.concurrency))
        takes_bundles = getattr(self._pool, "takes_bundles", False)
        self.limits = Limits(self._pool.slots)
        self.loop = BrokerLoop(
            consumer,
            desk,
            pace,
            self.limits,
            board,
            slots=len(self._pool.slots),
            # A pool that knows of no bundles runs the jobs of batch tasks one by one.
            collector=Collector(batches, desk, board) if batches and takes_bundles else None,
            max_jobs=assignment.max_jobs,
            is_overgrown=_overgrown_check(assignment.max_memory_kib),
            may_start=lambda: board.lease_holds,
        )

    def serve(self) -> str:
        """Run jobs until told to stop; answers why it stopped."""
        broker_thread = threading.Thread(target=self._run_loop, name="treadle-broker", daemon=True)
        broker_thread.start()
        self._pool.serve()
        broker_thread.join()
        self._consumer.close()
        return self.loop.stopping

    def _run_loop(self) -> None:
        try:
            self.loop.run()
        except BaseException:
            # Without its broker thread a child can do nothing: better to die loudly and be replaced.
            logger.critical("the broker thread of %s died", self.assignment.lease, exc_info=True)
            logging.shutdown()
            os._exit(BROKER_THREAD_DIED)


def run_child(app: Treadle, assignment: Assignment, memory: mmap.mmap, channel: Channel) -> int:
    """Serve as a child of the supervisor at the other end of `channel`; answers the exit code."""
    _forget_parent()
    channel.send({"say": "hello", "pid": os.getpid()})
    app.plugins.fire("treadle_child_started", app=app)  # first: it may still add middleware
    board = Board(memory, assignment.board_offset, assignment.concurrency)
    child = Child(app, assignment, board)
    threading.Thread(target=_obey, args=(child, channel), name="treadle-control", daemon=True).start()
    channel.send({"say": "serving"})
    why = child.serve()
    app.plugins.fire("treadle_child_stopped", app=app)
    app.close()
    channel.send({"say": "bye", "why": why})
    return 0


def leave_stopping_to_the_supervisor() -> None:
    """Do nothing at signals that reach a whole process group; the supervisor gets them too, and says what to do.

    By handlers, not SIG_IGN: programs that a task starts would inherit that.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
        signal.signal(getattr(signal, name), lambda _number, _frame: None)


def _forget_parent() -> None:
    """Undo what a fork inherits and a child must not share."""
    random.seed()
    signal.set_wakeup_fd(-1)
    leave_stopping_to_the_supervisor()


def _obey(child: Child, channel: Channel) -> None:
    """Do what the supervisor says; end at once, giving everything back, when it is gone."""
    while (messages := channel.receive()) is not None:
        for message in messages:
            if message["do"] == "stop":
                child.loop.stop(message["why"], message["grace_s"])
    child.loop.stop("orphaned", grace_s=0.0)
    time.sleep(_ORPHAN_S)
    os._exit(71)  # something in the interpreter cannot be interrupted; the lease runs out by itself


def _overgrown_check(limit_kib: int | None) -> Callable[[], bool]:
    if limit_kib is None:
        return lambda: False
    calls = 0

    def is_overgrown() -> bool:
        nonlocal calls
        calls += 1
        return calls % _LOOK_EVERY == 1 and rss_kib(os.getpid()) > limit_kib

    return is_overgrown


def main() -> int:
    """A child that was spawned, not forked: imports the application itself."""
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    memory = mmap.mmap(int(sys.argv[2]), 0)
    order = channel.receive_first()
    app = load_app(Loading(**order["loading"]))
    set_up_logging(app, order["level"], order["logfile"], app.conf)
    return run_child(app, Assignment.from_message(order["assignment"]), memory, channel)


if __name__ == "__main__":
    raise SystemExit(main())
