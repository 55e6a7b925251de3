"""Waits for results: one watch per process, however many callers wait.

Whoever waits first leads: it drives the watch in its own thread, so that a lone `get()` costs no change of
threads. The others follow: they sleep until the leader has their record, or until they are to lead.
Coroutines cannot lead, since that blocks; a thread stands in for them.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from treadle.exceptions import BrokerUnavailable, JobNotFound, ResultTimeout
from treadle.job import Record
from treadle.observe.current import current_job_var
from treadle.request import Request

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from treadle.interfaces import Broker, Watch

#: The leader looks around at least this often.
_SLICE_S = 5.0
#: How long the stand-in thread stays when there is nothing to do.
_IDLE_S = 10.0
#: A look for n results takes about n times this. The leader gathers for as long between two looks, so that
#: waiting for very many does not cost their square.
_LOOK_S = 2e-6
_LONGEST_GATHER_S = 0.02
#: A job that waits for another keeps its place in the worker for so long: the other may have ended already.
_BRIEF_S = 0.02


class Waiter:
    """One caller, in a thread of its own, that waits for one job."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.outcome: Record | Exception | None = None
        self._bell = threading.Event()

    def settle(self, outcome: Record | Exception) -> None:
        """The wait is over."""
        self.outcome = outcome
        self._bell.set()

    def call(self) -> None:
        """Look whether it is your turn to lead."""
        self._bell.set()

    def sleep(self, timeout_s: float | None) -> None:
        """Wait until settled or called."""
        self._bell.wait(timeout_s)
        self._bell.clear()

    def record(self) -> Record:
        """What it waited for. Raises what came instead."""
        if isinstance(self.outcome, Record):
            return self.outcome
        raise self.outcome or JobNotFound(self.job_id)


class CoroutineWaiter(Waiter):
    """One coroutine that waits for one job."""

    def __init__(self, job_id: str, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(job_id)
        self._loop = loop
        self.future: asyncio.Future[None] = loop.create_future()

    def settle(self, outcome: Record | Exception) -> None:
        """The wait is over: wake the coroutine, if its event loop still runs."""
        self.outcome = outcome
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class Waiting:
    """Gives callers the records of jobs as these end."""

    _leader: Waiter | None
    #: The thread that leads for coroutines, while there is one.
    _stand_in: Waiter | None
    #: What the leader drives; the lock guards the name, the leadership the thing.
    _watch: Watch | None

    def __init__(self, broker: Callable[[], Broker]) -> None:
        self._broker = broker
        self._start_over()

    def wait(self, job_id: str, timeout_s: float | None) -> Record:
        """The record of the job, once it has ended. Raises ResultTimeout, JobNotFound, BrokerUnavailable."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        waiter = Waiter(job_id)
        try:
            self._join(waiter)
            while waiter.outcome is None:
                if self._leader is waiter:
                    self._lead(waiter, deadline_s)
                else:
                    waiter.sleep(_left_s(deadline_s))
                if waiter.outcome is None and _left_s(deadline_s) == 0:
                    raise _timeout(job_id, timeout_s)
        finally:
            self._leave(waiter)
        return waiter.record()

    async def await_(self, job_id: str, timeout_s: float | None) -> Record:
        """`wait`, without blocking the event loop."""
        import asyncio  # loaded by whoever can await this; too heavy for everybody else

        waiter = CoroutineWaiter(job_id, asyncio.get_running_loop())
        try:
            self._join(waiter)
            async with asyncio.timeout(timeout_s):
                await _beside_others(waiter.future)
        except TimeoutError:
            raise _timeout(job_id, timeout_s) from None
        finally:
            self._leave(waiter)
        return waiter.record()

    def close(self) -> None:
        """Drop the watch; those who still wait get BrokerUnavailable. Waiting again is allowed."""
        if self._pid != os.getpid():
            self._start_over()
        self._settle_all(BrokerUnavailable("the app was closed while the result was awaited"))
        with self._lock:
            watch, self._watch = self._watch, None
            is_driven = self._leader is not None
            if self._stand_in is not None:
                self._stand_in.call()
        if watch is None:
            return
        if is_driven:
            watch.wake()  # whoever drives it sees that it is dropped, and closes it
        else:
            watch.close()

    # Who leads -------------------------------------------------------------------------------------

    def _start_over(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waiters: dict[str, list[Waiter]] = {}
        self._leader = self._stand_in = self._watch = None

    def _join(self, waiter: Waiter) -> None:
        if self._pid != os.getpid():  # a fork took the waiters along, but not their threads
            self._start_over()
        with self._lock:
            self._waiters.setdefault(waiter.job_id, []).append(waiter)
            if self._leader is None:
                self._appoint(waiter)
            elif self._watch is not None:
                self._watch.wake()  # so that the leader looks for this job too

    def _leave(self, waiter: Waiter) -> None:
        with self._lock:
            others = self._waiters.get(waiter.job_id, [])
            if waiter in others:
                others.remove(waiter)
                if not others:
                    del self._waiters[waiter.job_id]
            if self._leader is waiter:
                self._pass_on()

    def _pass_on(self) -> None:
        """Let somebody else lead, a thread rather than a coroutine. The lock is held."""
        self._leader = None
        waiters = [waiter for each in self._waiters.values() for waiter in each]
        if waiters:
            self._appoint(min(waiters, key=lambda waiter: isinstance(waiter, CoroutineWaiter)))

    def _appoint(self, waiter: Waiter) -> None:
        if isinstance(waiter, CoroutineWaiter):
            waiter = self._stand_in or self._started_stand_in()
        self._leader = waiter
        waiter.call()

    def _started_stand_in(self) -> Waiter:
        stand_in = Waiter("")
        threading.Thread(target=self._serve_coroutines, args=(stand_in,), name="treadle-results", daemon=True).start()
        self._stand_in = stand_in  # only now: there may be no more threads to have
        return stand_in

    def _serve_coroutines(self, stand_in: Waiter) -> None:
        while self._is_needed(stand_in):
            try:
                with suppress(BaseException):  # which all who wait have been told
                    self._lead(stand_in, None)
            finally:
                with self._lock:
                    self._pass_on()
            stand_in.sleep(_IDLE_S)

    def _is_needed(self, stand_in: Waiter) -> bool:
        with self._lock:
            if self._leader is not stand_in:
                self._stand_in = None
            return self._leader is stand_in

    # What a leader does ----------------------------------------------------------------------------

    def _lead(self, leader: Waiter, deadline_s: float | None) -> None:
        """Drive the watch until the leader's own wait, or everybody's, is over."""
        watch = self._watch
        try:
            if watch is None:
                watch = self._watch = self._broker().watch()
            while leader.outcome is None and self._watch is watch and (ids := self._awaited()):
                left_s = _left_s(deadline_s)
                if left_s == 0:
                    break
                ended = watch.wait(ids, _SLICE_S if left_s is None else min(left_s, _SLICE_S))
                if ended:
                    self._deliver(ended)
                    _gather(len(ids) - len(ended))
        except Exception as error:
            self._drop(watch)
            self._settle_all(error)
            raise
        except BaseException as error:  # Ctrl-C: the others wait on, but what it interrupted must not be used again
            self._drop(watch)
            if leader is self._stand_in:  # nobody pressed anything there, and nobody else would hear of it
                self._settle_all(BrokerUnavailable(f"waiting for results failed: {error!r}"))
            raise
        finally:
            if watch is not None and self._watch is not watch:
                with suppress(Exception):
                    watch.close()

    def _awaited(self) -> list[str]:
        with self._lock:
            return list(self._waiters)

    def _deliver(self, ended: set[str]) -> None:
        records = self._broker().get(list(ended))
        for job_id in ended:
            record = records.get(job_id)
            if record is not None and not record.is_final:
                continue  # queued again meanwhile: it is waited for again, too
            with self._lock:
                waiters = self._waiters.pop(job_id, [])
            for waiter in waiters:
                waiter.settle(record or JobNotFound(job_id))

    def _drop(self, watch: Watch | None) -> None:
        with self._lock:
            if self._watch is watch:
                self._watch = None

    def _settle_all(self, error: Exception) -> None:
        with self._lock:
            waiters = [waiter for each in self._waiters.values() for waiter in each]
            self._waiters.clear()
        for waiter in waiters:
            # One for each: it will be raised, and get a traceback, in as many threads.
            waiter.settle(BrokerUnavailable(str(error)) if isinstance(error, BrokerUnavailable) else error)


async def _beside_others(future: asyncio.Future[None]) -> None:
    """Await the future. A job lets others run in its place meanwhile: it may be one of them that it waits for."""
    import asyncio

    request = current_job_var.get()
    place = request.place if isinstance(request, Request) else None
    if place is not None and isinstance(request, Request):
        await asyncio.wait([future], timeout=_BRIEF_S)
        if not future.done() and place.leave(request):
            try:
                await future
            finally:
                place.come_back(request)
    await future


def _gather(awaited: int) -> None:
    pause_s = min(awaited * _LOOK_S, _LONGEST_GATHER_S)
    if pause_s > _LONGEST_GATHER_S / 10:
        time.sleep(pause_s)


def _left_s(deadline_s: float | None) -> float | None:
    """Seconds until the deadline, never less than 0; None if there is none."""
    return None if deadline_s is None else max(0.0, deadline_s - time.monotonic())


def _timeout(job_id: str, timeout_s: float | None) -> ResultTimeout:
    return ResultTimeout(f"job {job_id} has not ended within {timeout_s} s; it goes on, and may be asked for again")
