"""Where every job of a memory store stands, and the moves between the places."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from heapq import heappop, heappush

from treadle.brokers.memory.bell import Bell
from treadle.brokers.memory.entry import Entry
from treadle.brokers.memory.lease import Lease, Leases
from treadle.brokers.memory.line import Queue
from treadle.job import FINAL_STATES, Job, State

#: How many due jobs one claim makes `queued` at most.
PROMOTE_AT_MOST = 1000


class Shelf:
    """Jobs by id, queue, due time, lease and end. A job is lifted from its place, changed, and put again.

    Knows no rules, only places; waking those who wait for a job in a place is part of the move.
    """

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._skipped_ms = 0
        self.entries: dict[str, Entry] = {}
        self._by_seq: dict[int, Entry] = {}
        #: The jobs of each workflow, in the order of storing.
        self.workflows: defaultdict[str, dict[int, Entry]] = defaultdict(dict)
        self.queues: dict[str, Queue] = {}
        self._scheduled: list[tuple[int, int]] = []
        self._ended: dict[State, dict[int, Entry]] = {state: {} for state in FINAL_STATES}
        self._next_seq = itertools.count(1)
        self._next_end_seq = itertools.count(1)
        self.leases = Leases()
        self._claimers: defaultdict[str, set[Bell]] = defaultdict(set)
        self._watchers: defaultdict[str, set[Bell]] = defaultdict(set)

    # Time ------------------------------------------------------------------------------------------

    def now_ms(self) -> int:
        """The store's time."""
        return self._clock_ms() + self._skipped_ms

    def skip(self, ms: int) -> None:
        """Move the store's time forward, and make everybody who waits look at it."""
        self._skipped_ms += ms
        for queue in list(self._claimers):
            self.ring_claimers(queue)

    def next_due_ms(self) -> int | None:
        """When the next scheduled job becomes due; None if none is scheduled."""
        while self._scheduled:
            due_ms, seq = self._scheduled[0]
            if self._is_scheduled(seq, due_ms):
                return due_ms
            heappop(self._scheduled)
        return None

    # Moves -----------------------------------------------------------------------------------------

    def add(self, job: Job, now_ms: int) -> Entry:
        """A new entry for the job, in no place yet."""
        entry = Entry(job, next(self._next_seq), now_ms)
        self.entries[entry.id] = self._by_seq[entry.seq] = entry
        if entry.workflow:
            self.workflows[entry.workflow][entry.seq] = entry
        return entry

    def queue(self, name: str) -> Queue:
        """The queue of that name, made on first use."""
        found = self.queues.get(name)
        if found is None:
            found = self.queues[name] = Queue(name, self._by_seq.get)
        return found

    def lift(self, entry: Entry) -> None:
        """Take the job out of its place, to change it and put it into another."""
        queue = self.queue(entry.queue)
        match entry.state:
            case "queued":
                queue.line_of(entry).discard()
            case "scheduled":
                queue.scheduled -= 1
                entry.due_ms = 0
            case "blocked":
                pass
            case "running":
                queue.running -= 1
                entry.alone = False
                lease = self.leases.find(entry.lease)
                if lease is not None:
                    lease.held.pop(entry.id, None)
            case _:
                self._ended[entry.state].pop(entry.end_seq)

    def put_blocked(self, entry: Entry) -> None:
        """Put a new job aside until what it waits for has ended."""
        entry.state = "blocked"

    def put_waiting(self, entry: Entry, delay_ms: int, eta_ms: int) -> None:
        """Queue a lifted job, or schedule it if it is not due yet."""
        now_ms = self.now_ms()
        due_ms = max(now_ms + delay_ms, eta_ms)
        if due_ms > now_ms:
            self.put_scheduled(entry, due_ms)
        else:
            self.put_queued(entry)

    def put_queued(self, entry: Entry) -> None:
        """Put a lifted job into its queue, at the place that its priority and sequence give."""
        entry.state = "queued"
        self.queue(entry.queue).line_of(entry).push(entry)
        self.ring_claimers(entry.queue)

    def put_scheduled(self, entry: Entry, due_ms: int) -> None:
        """Put a lifted job aside until `due_ms`."""
        entry.state, entry.due_ms = "scheduled", due_ms
        self.queue(entry.queue).scheduled += 1
        heappush(self._scheduled, (due_ms, entry.seq))
        self.ring_claimers(entry.queue)

    def put_running(self, entry: Entry, lease: Lease, now_ms: int) -> None:
        """Put a lifted job into the hands of a lease."""
        entry.state, entry.lease, entry.started_ms = "running", lease.id, now_ms
        self.queue(entry.queue).running += 1
        lease.held[entry.id] = entry

    def put_ended(self, entry: Entry, state: State, reason: str = "") -> None:
        """Put a lifted job to rest, and wake who waits for its end."""
        entry.state, entry.reason, entry.finished_ms = state, reason, self.now_ms()
        entry.suspect, entry.verdict, entry.verdict_reason = False, b"", ""
        entry.end_seq = next(self._next_end_seq)
        self._ended[state][entry.end_seq] = entry
        self._ring_watchers(entry.id)

    def forget(self, entry: Entry) -> None:
        """Remove a lifted job altogether."""
        del self.entries[entry.id], self._by_seq[entry.seq]
        if entry.workflow:
            del self.workflows[entry.workflow][entry.seq]
            if not self.workflows[entry.workflow]:
                del self.workflows[entry.workflow]
        self._ring_watchers(entry.id)

    def promote_due(self, now_ms: int) -> None:
        """Queue scheduled jobs that are due, a bounded number of them."""
        for _ in range(PROMOTE_AT_MOST):
            due_ms = self.next_due_ms()
            if due_ms is None or due_ms > now_ms:
                return
            entry = self._by_seq[heappop(self._scheduled)[1]]
            self.lift(entry)
            self.put_queued(entry)

    def ended(self, state: State) -> Collection[Entry]:
        """Jobs in that final state, the first that ended first."""
        return self._ended[state].values()

    # Waiting ---------------------------------------------------------------------------------------

    def await_work(self, bell: Bell, queues: Iterable[str]) -> None:
        """Have the bell rung when something comes to one of the queues."""
        for queue in queues:
            self._claimers[queue].add(bell)

    def await_ends(self, bell: Bell, ids: Iterable[str]) -> None:
        """Have the bell rung when one of the jobs ends or is removed."""
        for job_id in ids:
            self._watchers[job_id].add(bell)

    def stop_watching(self, bell: Bell, ids: Iterable[str]) -> None:
        """Undo `await_ends`."""
        for job_id in ids:
            bells = self._watchers.get(job_id)
            if bells is not None:
                bells.discard(bell)
                if not bells:
                    del self._watchers[job_id]

    def ring_claimers(self, queue: str) -> None:
        """Wake those who wait for the queue, once; who goes on waiting asks again."""
        for bell in self._claimers.pop(queue, ()):
            bell.ring()

    def _ring_watchers(self, job_id: str) -> None:
        for bell in self._watchers.get(job_id, ()):
            bell.ring()

    def _is_scheduled(self, seq: int, due_ms: int) -> bool:
        entry = self._by_seq.get(seq)
        return entry is not None and entry.state == "scheduled" and entry.due_ms == due_ms
