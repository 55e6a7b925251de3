"""The supervisor: the worker's parent process. Runs no user code; starts, watches and replaces the children.

One loop over sockets, signals and a clock. Whatever talks to the broker is the keeper's, in its own thread.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from treadle.worker.board import Board, board_size
from treadle.worker.channel import Channel, channel_pair
from treadle.worker.memory import is_stopped, rss_kib
from treadle.worker.supervisor.crash import Verdict, judge_death
from treadle.worker.supervisor.reactor import Reactor
from treadle.worker.supervisor.reaper import Reaper, become_subreaper
from treadle.worker.supervisor.template_host import Loaded, TemplateHost
from treadle.worker.supervisor.ward import Crash, Ward

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treadle.worker.plan import WorkerPlan
    from treadle.worker.supervisor.keeper import Keeper

logger = logging.getLogger(__name__)

#: How often limits are looked at.
TICK_S = 0.1
#: A child whose broker thread showed no life for so long is killed.
STALL_S = 10.0
#: A child whose broker thread showed no life for so long has its unstarted jobs taken away.
RECALL_S = 0.3
#: After the grace period, children get this long to give everything back before they are killed.
KILL_AFTER_GRACE_S = 5.0
#: A child that lived shorter than this and ran nothing died at start: the next one waits.
_SHORT_LIFE_S = 2.0
_BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
_LOOK_AT_MEMORY_EVERY = 10
#: The shared memory is sparse: what no child touches takes nothing.
_MOST_CHILDREN, _MOST_SLOTS = 512, 1024


class Supervisor:
    """Keeps `plan.children` children running until it is told to stop."""

    plan: WorkerPlan
    keeper: Keeper

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._can_adopt = become_subreaper()
        self._memory_fd = _shared_file(board_size(_MOST_SLOTS) * _MOST_CHILDREN)
        self._memory = mmap.mmap(self._memory_fd, 0)
        self.reactor = Reactor()
        self._template = TemplateHost(self.reactor, order, self._memory_fd)
        self._reaper = Reaper()
        self._wards: dict[int, Ward] = {}
        self._forks = True
        self._stopping = ""
        self._is_ready = self._reloading = False
        self._kill_at_s = float("inf")
        self._ticks = 0
        self._serial = 0

    def load(self) -> Loaded:
        """Start the template; what it found. Raises ConfigurationError if the application cannot be imported."""
        return self._template.load()

    def run(self, plan: WorkerPlan, keeper: Keeper, *, forks: bool) -> int:
        """Serve until stopped; answers the exit code."""
        self.plan, self.keeper, self._forks = plan, keeper, forks and self._can_adopt
        self._template.on_revived = self._on_new_template
        self._template.attach()
        self._catch_signals()
        for number in range(plan.children):
            self._start_child(number)
        while self._wards or not self._stopping:
            self.reactor.step(TICK_S)
            self._reap()
            self._tick(time.monotonic())
        keeper.stop(timeout_s=5.0)
        return 0

    def close(self) -> None:
        """End the template, after its last hooks, and let go of what was shared."""
        self._template.end()
        self.reactor.close()

    def stop(self, why: str, grace_s: float) -> None:
        """Let children finish what runs within `grace_s`; a second call can only shorten that."""
        if not self._stopping:
            logger.info("stopping (%s): what runs may go on for %g s", why, grace_s)
            self._template.fire("treadle_worker_stopping")
        self._stopping = self._stopping or why
        self._kill_at_s = min(self._kill_at_s, time.monotonic() + grace_s + KILL_AFTER_GRACE_S)
        for ward in list(self._wards.values()):
            if ward.pid:
                ward.tell_to_stop(why, grace_s)
            elif not ward.was_given_away:
                self._bury(ward, None)  # its process was never made, and now never will be

    def reload(self) -> None:
        """Replace the template and then, once the application is loaded, all children; running jobs may end."""
        logger.info("loading the application again")
        self._reloading = True
        self._template.replace()

    # Enforcement -----------------------------------------------------------------------------------

    def _tick(self, now_s: float) -> None:
        self._ticks += 1
        looks_at_memory = self.plan.memory_limit_kib is not None and self._ticks % _LOOK_AT_MEMORY_EVERY == 0
        for ward in self._wards.values():
            if ward.pid:
                self._enforce(ward, now_s)
                if looks_at_memory:
                    self._enforce_memory(ward, self.plan.memory_limit_kib or 0)
        if now_s >= self._kill_at_s:
            self._end_all()

    def _end_all(self) -> None:
        for ward in list(self._wards.values()):
            self._kill(ward, Crash("shutdown", "the worker was stopped and the grace period is over"))
            if not ward.pid:
                self._bury(ward, None)  # asked of a template that does not answer

    def _enforce(self, ward: Ward, now_s: float) -> None:
        late = next((run for run in ward.board.running() if 0 < run.deadline_s <= now_s), None)
        if late is not None:
            ward.guilty = ward.guilty or late.id
            self._kill(ward, Crash("time_limit", f"the hard time limit passed after {now_s - late.started_s:.1f} s"))
        elif not ward.shows_life(now_s, STALL_S) and not is_stopped(ward.pid):
            self._kill(ward, Crash("crashed", f"the process showed no life for {STALL_S:.0f} s"))
        elif not ward.shows_life(now_s, RECALL_S) and (unstarted := ward.board.recall()):
            self.keeper.release(ward.lease, unstarted)

    def _enforce_memory(self, ward: Ward, limit_kib: int) -> None:
        taken_kib = rss_kib(ward.pid)
        if taken_kib > limit_kib:
            text = f"the process took {taken_kib} KiB of memory, above the limit of {limit_kib} KiB"
            self._kill(ward, Crash("crashed", text))

    def _kill(self, ward: Ward, crash: Crash) -> None:
        if ward.crash is None:
            ward.crash = crash
            logger.warning("killing child %s: %s", ward.lease, crash.text)
        if ward.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(ward.pid, signal.SIGKILL)

    # Birth -----------------------------------------------------------------------------------------

    def _start_child(self, number: int, failures: int = 0) -> None:
        if self._stopping:
            return
        self._serial += 1
        lease = f"{self.plan.hostname}/{number}.{os.getpid()}.{self._serial}.{os.urandom(3).hex()}"
        ours, theirs = channel_pair()
        board = Board(self._memory, self._board_offset(number), self.plan.concurrency)
        board.clear(time.monotonic())
        ward = self._wards[number] = Ward(number, lease, ours, theirs, board, failures=failures)
        self.reactor.watch(ours, lambda: self._on_message(ward))
        self.keeper.open_lease(lease, lambda until_s: self.reactor.call_soon(lambda: self._make(ward, until_s)))

    def _make(self, ward: Ward, lease_until_s: float) -> None:
        """The lease is open: now the process may be."""
        if self._wards.get(ward.number) is not ward:
            return
        theirs = ward.give_away()
        ward.asked_of = self._template.generation
        ward.board.extend_lease(lease_until_s)
        assignment = self.plan.assignment(ward.number, ward.lease, self._board_offset(ward.number))
        if not self._forks:
            ward.born(self._spawn(theirs))
            ward.channel.send({**self._order, "assignment": assignment})
        elif not self._template.fork(assignment, theirs.fileno()):
            logger.warning("no template to fork from; child %s is made when there is one again", ward.lease)
        theirs.close()

    def _spawn(self, theirs: Channel) -> int:
        fds = (theirs.fileno(), self._memory_fd)
        command = [sys.executable, "-m", "treadle.worker.child.process", *map(str, fds)]
        process = subprocess.Popen(command, pass_fds=fds)
        process.returncode = 0  # the reaper waits for it, not this object
        return process.pid

    def _on_message(self, ward: Ward) -> None:
        messages = ward.channel.receive()
        if messages is None:
            self.reactor.unwatch(ward.channel)
            ward.hung_up_s = time.monotonic()
            return
        for message in messages:
            ward.hear(message)
        if ward.is_serving and not self._is_ready:
            self._is_ready = True
            self._template.fire("treadle_worker_ready")
        if self._stopping and ward.pid:
            ward.tell_to_stop(self._stopping, max(0.0, self._kill_at_s - KILL_AFTER_GRACE_S - time.monotonic()))

    def _on_new_template(self) -> None:
        """Children that were asked of a template that is gone are made again; others too, if it is a reload."""
        reloading, self._reloading = self._reloading, False
        if reloading:
            logger.info("reloading: the children are replaced as their jobs end")
        for ward in list(self._wards.values()) if reloading else ():
            ward.tell_to_stop("reload", self.plan.grace_s)
        for ward in list(self._wards.values()):
            if not ward.pid and ward.was_given_away and ward.asked_of < self._template.generation:
                self._bury(ward, None)

    # Death -----------------------------------------------------------------------------------------

    def _reap(self) -> None:
        self._reaper.collect(spare_pid=self._template.pid)
        now_s = time.monotonic()
        for ward in list(self._wards.values()):
            status = self._reaper.take(ward.pid) if ward.pid else None
            if status is not None or ward.is_surely_gone(now_s):
                self._bury(ward, status)

    def _bury(self, ward: Ward, status: int | None) -> None:
        """A child is gone: give back what it held, and make another."""
        del self._wards[ward.number]
        if not ward.hung_up_s:
            self.reactor.unwatch(ward.channel)
            ward.hear_last_words()
        ward.channel.close()
        verdict = judge_death(status, ward)
        if not verdict.is_clean and ward.was_given_away:
            logger.error("child %s died: %s", ward.lease, verdict.crash.text)
        self.keeper.abandon(
            ward.lease,
            reason=verdict.crash.reason,
            error=verdict.error,
            guilty=verdict.guilty,
            suspects=verdict.suspects,
        )
        self._replace(ward, ward.failures + 1 if _died_at_start(ward, verdict) else 0)

    def _replace(self, ward: Ward, failures: int) -> None:
        pause_s = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
        if pause_s and not self._stopping:
            logger.warning("child %d died at start %d times; the next one in %.1f s", ward.number, failures, pause_s)
        self.reactor.call_later(pause_s, lambda: self._start_child(ward.number, failures))

    # What the keeper asks, from its thread ---------------------------------------------------------

    def renewable_leases(self) -> Sequence[str]:
        """Leases of children that show life and are not stopped."""
        now_s = time.monotonic()
        return [
            ward.lease
            for ward in list(self._wards.values())
            if not ward.pid or (ward.shows_life(now_s, STALL_S) and not is_stopped(ward.pid))
        ]

    def on_renewed(self, leases: Sequence[str], lost: set[str], until_s: float) -> None:
        """`leases` hold until then, but for the `lost` ones: children whose lease is gone are killed."""
        for ward in list(self._wards.values()):
            if ward.lease in lost and ward.pid:
                self.reactor.call_soon(lambda ward=ward: self._kill(ward, _LEASE_LOST))  # type: ignore[misc]
            elif ward.lease in leases and ward.lease not in lost:
                ward.board.extend_lease(until_s)

    # ------------------------------------------------------------------------------------------------

    def _board_offset(self, number: int) -> int:
        return number * board_size(self.plan.concurrency)

    def _catch_signals(self) -> None:
        for name in ("SIGTERM", "SIGINT"):
            self.reactor.on_signal(getattr(signal, name), lambda name=name: self._on_stop_signal(name))  # type: ignore[misc]
        self.reactor.on_signal(signal.SIGQUIT, lambda: self.stop("SIGQUIT", 0.0))
        if not sys.stdin.isatty():  # on a terminal it means that the terminal is gone
            self.reactor.on_signal(signal.SIGHUP, self.reload)
        self.reactor.on_signal(signal.SIGCHLD, lambda: None)

    def _on_stop_signal(self, name: str) -> None:
        self.stop(name, 0.0 if self._stopping else self.plan.grace_s)


def _died_at_start(ward: Ward, verdict: Verdict) -> bool:
    """Whether it ended by itself before it ran anything: the next one would very likely do the same."""
    ended_by_itself = not verdict.is_clean and not verdict.charges and ward.crash is None
    return ended_by_itself and not ward.board.done and (not ward.is_serving or ward.age_s() < _SHORT_LIFE_S)


_LEASE_LOST = Crash("lease_lost", "its lease was taken away")


def _shared_file(size: int) -> int:
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("treadle-board")
    else:
        import tempfile  # only where there is no memfd

        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, size)
    return fd
