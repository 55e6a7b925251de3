"""The client side of the memory broker."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from math import inf
from typing import Any, ClassVar
from weakref import WeakValueDictionary

from treadle.brokers.memory.consumer import MemoryConsumer
from treadle.brokers.memory.death import Death
from treadle.brokers.memory.entry import Entry
from treadle.brokers.memory.store import MemoryStore
from treadle.brokers.memory.watch import MemoryWatch
from treadle.edges import Input
from treadle.exceptions import ConfigurationError, NotSupported
from treadle.interfaces import Counts, Features, Filter, NodePage, Page, QueueCounts
from treadle.job import FINAL_STATES, Job, Record, State


class MemoryBroker:
    """Jobs in this process's memory; see `treadle.interfaces.Broker`.

    `memory://` is a store of its own; brokers of the same `memory://NAME` (and namespace) share one for as
    long as one of them lives. `clock_ms` gives the store's time in milliseconds since the epoch.
    """

    features = Features(store=True, transactions=False, shared=False, push=True)
    # Sharing by name is what the URL asks for; weak, so that a store goes with the last of its brokers.
    _shared: ClassVar[WeakValueDictionary[tuple[str, ...], MemoryStore]] = WeakValueDictionary()

    def __init__(
        self,
        url: str = "memory://",
        options: Mapping[str, Any] | None = None,
        *,
        clock_ms: Callable[[], int] | None = None,
        store_type: type[MemoryStore] = MemoryStore,
    ) -> None:
        self.safe_url = url
        name = url.partition("://")[2].rstrip("/")
        store = store_type(clock_ms or _steady_clock())
        if name:
            place = (store_type.__qualname__, name, str((options or {}).get("namespace", "")))
            store = self._shared.setdefault(place, store)
        self.store = store

    def advance(self, seconds: float) -> None:
        """Move the store's time forward; what becomes due or runs out by that does so now."""
        with self.store.lock:
            self.store.skip(round(seconds * 1000))

    # Clients ---------------------------------------------------------------------------------------

    def publish(self, jobs: Sequence[Job], *, connection: Any = None) -> None:
        """Store the jobs, all or none."""
        if connection is not None:
            raise NotSupported("the memory broker has no transactions to join; publish without `connection`")
        with self.store.step():
            self.store.publish(jobs)

    def get(self, ids: Sequence[str]) -> dict[str, Record]:
        """The records of those of `ids` that are known."""
        with self.store.lock:
            return {entry.id: entry.record() for entry in self._known(ids)}

    def watch(self) -> MemoryWatch:
        """A new watch."""
        return MemoryWatch(self.store)

    def cancel(self, ids: Sequence[str], *, terminate: bool = False) -> dict[str, State]:
        """Cancel waiting jobs, mark running ones; answers the states afterwards."""
        with self.store.step():
            return {entry.id: self.store.cancel(entry, terminate=terminate) for entry in self._known(ids)}

    def requeue(self, ids: Sequence[str]) -> list[str]:
        """Queue final and scheduled jobs; answers which."""
        with self.store.step():
            ended = [entry for entry in self._known(ids) if entry.is_final or entry.state == "scheduled"]
            chosen = [entry for entry in ended if not entry.is_join]
            for entry in chosen:
                self.store.requeue(entry)
            return [entry.id for entry in chosen]

    def delete(self, ids: Sequence[str]) -> list[str]:
        """Remove jobs that are not running; answers which."""
        with self.store.step():
            removable = [entry for entry in self._known(ids) if entry.state != "running"]
            return self._remove([entry for entry in removable if not self.store.tellings.is_awaited(entry)])

    def query(self, criteria: Filter, *, limit: int = 100, cursor: str = "") -> Page:
        """Records that match, newest first."""
        by_end = criteria.state in FINAL_STATES
        before = _place_of(cursor)
        with self.store.lock:
            places = (
                (entry.end_seq if by_end else entry.seq, entry)
                for entry in self.store.entries.values()
                if _matches(entry, criteria)
            )
            found = heapq.nlargest(
                limit + 1, (place for place in places if place[0] < before), key=lambda place: place[0]
            )
            records = [entry.record() for _, entry in found[:limit]]
        return Page(records, str(found[limit - 1][0]) if len(found) > limit else "")

    def counts(self) -> Counts:
        """Numbers by queue and state."""
        with self.store.lock:
            now_ms = self.store.now_ms()
            oldest_ms: dict[str, int] = {}
            for entry in self.store.entries.values():
                self.store.queue(entry.queue)
                if entry.state == "queued":
                    age_ms = now_ms - entry.created_ms
                    oldest_ms[entry.queue] = max(age_ms, oldest_ms.get(entry.queue, 0))
            blocked = Counter(
                entry.queue for entry in self.store.entries.values() if entry.state == "blocked" and not entry.is_join
            )
            queues = {
                name: QueueCounts(
                    queue.queued,
                    queue.scheduled,
                    queue.running,
                    queue.paused,
                    oldest_ms.get(name, 0),
                    blocked[name],
                )
                for name, queue in self.store.queues.items()
            }
            final: dict[State, int] = {state: len(self.store.ended(state)) for state in FINAL_STATES}
            return Counts(queues, final, self.store.stale_acks, self.store.leases.ids())

    def close(self) -> None:
        """Nothing to drop: the store lives as long as its brokers."""

    # Queues ----------------------------------------------------------------------------------------

    def pause(self, queue: str) -> None:
        """Stop claims from the queue."""
        with self.store.lock:
            self.store.queue(queue).paused = True

    def resume(self, queue: str) -> None:
        """Undo `pause`, and wake consumers."""
        with self.store.lock:
            self.store.queue(queue).paused = False
            self.store.ring_claimers(queue)

    def purge(self, queue: str) -> int:
        """Remove the queued and scheduled jobs of a queue; answers how many."""
        with self.store.step():
            waiting = self._waiting_in(queue)
            for entry in waiting:
                if self.store.tellings.is_awaited(entry):
                    self.store.cancel(entry, terminate=False)
            self._remove([entry for entry in waiting if not entry.is_final])
            return len(waiting)

    def move(self, source: str, target: str) -> int:
        """Move the queued and scheduled jobs of one queue to another; answers how many."""
        with self.store.lock:
            waiting = self._waiting_in(source)
            for entry in waiting:
                due_ms = entry.due_ms
                self.store.lift(entry)
                entry.queue = target
                if due_ms:
                    self.store.put_scheduled(entry, due_ms)
                else:
                    self.store.put_queued(entry)
            return len(waiting)

    # Workflows -------------------------------------------------------------------------------------

    def inputs(self, id: str, *, after: int = -1, limit: int = 500) -> list[Input]:
        """What became of the jobs that lead to this one."""
        with self.store.lock:
            found = [self.store.tellings.inputs(entry, after=after, limit=limit) for entry in self._known([id])]
            return found[0] if found else []

    def hold(self, gates: Sequence[str], ttl_s: float) -> set[str]:
        """Keep gates shut for so long; answers those that are not blocked."""
        with self.store.step():
            shut = self._blocked(gates)
            for gate in shut:
                self.store.hold(gate, round(ttl_s * 1000))
            return set(gates) - {gate.id for gate in shut}

    def open(self, gates: Sequence[str]) -> set[str]:
        """Let gates need one less; answers those that were not blocked."""
        with self.store.step():
            shut = self._blocked(gates)
            for gate in shut:
                self.store.open(gate)
            return set(gates) - {gate.id for gate in shut}

    def nodes(self, workflow: str, *, limit: int = 500, cursor: str = "") -> NodePage:
        """The jobs of a workflow and their edges, in the order of storing."""
        before = int(cursor) if cursor else 0
        with self.store.lock:
            entries = [entry for seq, entry in self.store.workflows.get(workflow, {}).items() if seq > before]
            nodes = [entry.node() for entry in entries[:limit]]
        return NodePage(nodes, str(entries[limit - 1].seq) if len(entries) > limit else "")

    def progress(self, workflow: str) -> dict[State, int]:
        """How many jobs of a workflow are in each state."""
        with self.store.lock:
            entries = self.store.workflows.get(workflow, {}).values()
            return Counter(entry.state for entry in entries if entry.is_replaced or not entry.is_join)

    def restart(self, workflow: str) -> list[str]:
        """Run a workflow again from where it did not succeed; answers what was queued."""
        with self.store.step():
            return [entry.id for entry in self.store.restart(workflow)]

    # Workers ---------------------------------------------------------------------------------------

    def consumer(self, lease: str, queues: Sequence[str]) -> MemoryConsumer:
        """The claiming side for the child that holds `lease`."""
        return MemoryConsumer(self.store, lease, queues)

    def open_lease(self, lease: str, ttl_s: float) -> None:
        """Open a lease. Raises LeaseLost if the id was used before."""
        with self.store.lock:
            self.store.leases.open(lease, round(ttl_s * 1000), self.store.now_ms())

    def renew(self, leases: Sequence[str], ttl_s: float) -> set[str]:
        """Extend leases; answers those that are gone."""
        with self.store.lock:
            return self.store.leases.renew(leases, round(ttl_s * 1000), self.store.now_ms())

    def abandon(
        self,
        lease: str,
        *,
        reason: str,
        error: bytes,
        guilty: str | None = None,
        suspects: Collection[str] = (),
        max_crashes: int = 3,
    ) -> list[str]:
        """Close the lease of a dead child, and give back what it held."""
        with self.store.step():
            return self.store.abandon(lease, Death(reason, error, max_crashes), guilty, suspects)

    def recover(self, limit: int = 100, *, error: bytes, max_crashes: int = 3) -> list[str]:
        """Reap leases that ran out, and give back what they held."""
        with self.store.step():
            return self.store.recover(limit, Death("crashed", error, max_crashes, unseen=True))

    def prune(
        self,
        *,
        max_age_s: float | None,
        max_count: int | None,
        failed_max_age_s: float | None = None,
        limit: int = 500,
    ) -> int:
        """Remove final records that are too old or too many; answers how many."""
        keep = inf if max_count is None else max_count
        removed = 0
        with self.store.lock:
            for state in FINAL_STATES:
                age_s = failed_max_age_s if state == "failed" else max_age_s
                before_ms = -inf if age_s is None else self.store.now_ms() - age_s * 1000
                removed += self.store.prune(state, ended_before_ms=before_ms, keep=keep, limit=limit - removed)
        return removed

    # Set-up ----------------------------------------------------------------------------------------

    def make_ready(self) -> list[str]:
        """Nothing: memory begins empty."""
        return []

    def migrate(self) -> list[str]:
        """Nothing to do."""
        return []

    def check(self) -> list[str]:
        """What everybody should know about this broker."""
        return ["the memory broker loses its jobs with the process, and no other process can work on them"]

    # -----------------------------------------------------------------------------------------------

    def _known(self, ids: Iterable[str]) -> list[Entry]:
        entries = self.store.entries
        return [entries[job_id] for job_id in dict.fromkeys(ids) if job_id in entries]

    def _blocked(self, ids: Iterable[str]) -> list[Entry]:
        return [entry for entry in self._known(ids) if entry.state == "blocked"]

    def _waiting_in(self, queue: str) -> list[Entry]:
        return [
            entry
            for entry in self.store.entries.values()
            if entry.queue == queue and entry.state in ("queued", "scheduled")
        ]

    def _remove(self, entries: Sequence[Entry]) -> list[str]:
        for entry in entries:
            self.store.lift(entry)
            self.store.forget(entry)
            self.store.tellings.forget(entry)
        return [entry.id for entry in entries]


def _matches(entry: Entry, criteria: Filter) -> bool:
    return (
        criteria.state in (None, entry.state)
        and criteria.queue in (None, entry.queue)
        and criteria.task in (None, entry.task)
        and criteria.reason in (None, entry.reason)
    )


def _place_of(cursor: str) -> float:
    """The sequence before which the page begins."""
    if not cursor:
        return inf
    if not cursor.isascii() or not cursor.isdigit():
        raise ConfigurationError(f"{cursor!r} is no cursor; pass on the `next_cursor` of the page before, unchanged")
    return int(cursor)


def _steady_clock() -> Callable[[], int]:
    """Milliseconds since the epoch that never step back, whatever is done to the wall clock meanwhile."""
    origin_ns = time.time_ns() - time.monotonic_ns()
    return lambda: (origin_ns + time.monotonic_ns()) // 1_000_000
