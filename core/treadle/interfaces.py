"""Every replaceable part of Treadle, on one page. Read this first.

A *broker* is where jobs wait and are claimed. Clients talk to a `Broker` (publish, look up, cancel);
each child of a worker talks to a `Consumer` of it (claim, settle); a client that waits for results
holds a `Watch`. A broker whose `features.store` is true also keeps every job's record and result.

Rules that hold for every method here, on every broker:

* Each state change is one atomic step of the store: after a crash at any instant it has happened
  completely or not at all.
* Times are decided by the store's clock, order by the store's sequence. Callers' clocks are never compared.
* Nothing blocks for ever: a call that cannot reach the server raises `BrokerUnavailable` within
  `CALL_DEADLINE_S` seconds, and may safely be repeated.
* Methods may be called from any thread. After `fork` an object inherited from the parent opens
  connections of its own; it never touches an inherited one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from treadle.answers import CancelRequest, Claimed, Counts, Filter, Node, NodePage, Page, QueueCounts, Settled
from treadle.edges import Input
from treadle.job import Delivery, Job, Record, State
from treadle.settlement import Settlement

__all__ = [
    "CALL_DEADLINE_S", "MAX_RESTARTED", "Broker", "BrokerFactory", "CancelRequest", "Claimed", "Consumer", "Counts",
    "Features", "Filter", "Node", "NodePage", "Page", "Pool", "PoolSlot", "QueueCounts", "Router", "Serializer",
    "Settled", "Watch",
]  # fmt: skip

#: The longest a broker call may take before it raises `BrokerUnavailable`.
CALL_DEADLINE_S = 5.0

#: How many jobs `Broker.restart` runs or blocks again at most: it is one step of the store.
MAX_RESTARTED = 5000


@dataclass(frozen=True, slots=True)
class Features:
    """What a broker can do. What is false here is refused with `NotSupported` when it is asked for."""

    #: Keeps records and results, so everything below `claim` and `settle` works too.
    store: bool = True
    #: `publish(connection=...)` joins the caller's database transaction.
    transactions: bool = False
    #: Several processes (and so worker children) can share it.
    shared: bool = True
    #: A waiting consumer or watch is woken by the store, not by polling.
    push: bool = True


class Consumer(Protocol):
    """The claiming side of a broker, for one child of a worker. Used by one thread, but for `wake`."""

    def claim(self, limit: int, *, idle: bool, wait_s: float = 0.0) -> Claimed:
        """Take up to `limit` due jobs: by priority (larger first), then by sequence, within a queue.

        In one atomic step each job taken becomes `running` under this consumer's lease and its receipt
        number is raised by one. Due scheduled jobs are made `queued` first (in bounded chunks), and jobs
        past their expiry are ended `cancelled` (`expired`) instead of being taken. Paused queues are left
        alone. The order of queues rotates from claim to claim.

        At most `ceil(queued / live leases)` jobs are taken from a queue, so that a few jobs are shared out.
        A suspect job is taken only if `idle`, and then it is the only one taken; it goes before all others.

        If nothing is due, waits up to `wait_s` seconds for something to become due (a publish, a due time,
        a release, `wake()`), tries once more and returns what it has; an empty answer is normal.

        Raises LeaseLost if the lease was reaped or never opened, BrokerUnavailable if the server is away.
        """
        ...

    def settle(self, settlements: Sequence[Settlement], *, claim_next: int = 0, idle: bool = False) -> Settled:
        """Give deliveries back and, in the same round trip, claim up to `claim_next` more. Never waits.

        A settlement counts only if the job is `running` and its receipt is the delivery's; else it is
        refused and counted (`stale_acks`), unless this very receipt has already settled the job, in which
        case it is a repetition and answers ok. A lost lease does not refuse settlements whose receipts
        still hold; it only makes `claim_next` take nothing.

        What it does, by kind: `Complete`, `Fail`, `Cancel` write the final record, and `Complete`/`Fail`
        raise `attempt` by one; `Retry` raises `attempt` by one and schedules the job `delay_ms` from now
        (0: queued at once, at its old place); `Release` puts it back at its old place, uncharged, as a
        suspect if it says so, and keeps its verdict; `Replace` raises `attempt` by one and makes it wait for the
        job that replaces it. A `Retry`, `Release` or `Replace` of a job that somebody asked to cancel ends it
        `cancelled`. Ending, retrying or replacing a job clears its verdict and suspicion.
        """
        ...

    def note(self, delivery: Delivery, progress: bytes) -> bool:
        """Store the progress of a running job. False if the receipt is not the current one (counted)."""
        ...

    def cancel_requests(self) -> list[CancelRequest]:
        """Requests to cancel jobs that run under this lease, that were not returned before."""
        ...

    def wake(self) -> None:
        """Make a waiting `claim` return at once, or the next one if none waits. From any thread or signal handler."""
        ...

    def close(self) -> None:
        """Drop connections. Settles nothing: what is still held stays under the lease."""
        ...


class Watch(Protocol):
    """Waits for jobs to become final. Used by one thread, but for `wake`."""

    def wait(self, ids: Collection[str], timeout_s: float) -> set[str]:
        """Those of `ids` that are final or unknown, as soon as there is one; empty after `timeout_s` or `wake()`."""
        ...

    def wake(self) -> None:
        """Make a running `wait` return at once, or the next one if none runs. From any thread."""
        ...

    def close(self) -> None:
        """Drop the subscription and its connection."""
        ...


@runtime_checkable
class Broker(Protocol):
    """Where jobs wait. One per app and process; made by a factory that a plugin registers by URL scheme."""

    #: The URL it was made from, with the password replaced by `***`.
    safe_url: str
    features: Features

    # Clients ---------------------------------------------------------------------------------------

    def publish(self, jobs: Sequence[Job], *, connection: Any = None) -> None:
        """Store the jobs, all or none; when it returns they are as durable as this store makes anything.

        A job whose id is already known (in any state) is left as it is, so repeating after an unknown
        outcome is safe. Raises ConfigurationError, and stores nothing, if a target or source is not known.

        A job with `need` is blocked: when a job ends, in whatever way, the same step lowers `need` of each
        target of its edges if the edge counts, else `spare` (`treadle.edges`). What an ended source of `after`
        means is counted at once. A target that needs nothing more is queued (or scheduled, its delay and its
        `ttl_ms` counted from then), or, as a join, succeeds. One that can never start ends: `failed` (`skipped`)
        with the error of its source, or `cancelled` (`unneeded`) if the edge was on a failure that did not come.
        Its end tells its own targets. Of long rows of consequences a part may be left to the next claims and
        settlements of anybody. The record of a job is kept while a target of its edges is not final, or is a join
        whose record is kept for that reason.

        With `connection` (`features.transactions`) the rows are written through the
        caller's connection, in the caller's transaction, and nobody is woken before it commits.
        """
        ...

    def get(self, ids: Sequence[str]) -> dict[str, Record]:
        """The records of those of `ids` that are known."""
        ...

    def watch(self) -> Watch:
        """A new watch. Close it when done."""
        ...

    def cancel(self, ids: Sequence[str], *, terminate: bool = False) -> dict[str, State]:
        """Cancel jobs: scheduled, blocked and queued ones end `cancelled` (`revoked`) now; a running one is
        marked, so that its next `Retry` or `Release` cancels it and its consumer hears of it. Final ones are
        left. Answers each known job's state afterwards."""
        ...

    def requeue(self, ids: Sequence[str]) -> list[str]:
        """Queue final jobs again, with attempt and crashes at 0 (the receipt goes on); scheduled jobs are
        queued now. Others are left, and so are joins. Answers the ids that were queued. What waited for such a job
        has been told of its end, and is not told again (`restart` is for that)."""
        ...

    def delete(self, ids: Sequence[str]) -> list[str]:
        """Remove jobs that are not running, with their records; jobs that others still wait for, or whose records
        are kept for them, are left. Answers the ids that are gone."""
        ...

    def query(self, criteria: Filter, *, limit: int = 100, cursor: str = "") -> Page:
        """Records that match, newest first, `limit` at a time. Not a snapshot: jobs move while one pages."""
        ...

    def counts(self) -> Counts:
        """Numbers by queue and state."""
        ...

    def close(self) -> None:
        """Drop all connections of this process. The broker may be used again; it reconnects."""
        ...

    # Queues ----------------------------------------------------------------------------------------

    def pause(self, queue: str) -> None:
        """No claim that begins from now on takes a job of the queue until `resume`. Publishing goes on."""
        ...

    def resume(self, queue: str) -> None:
        """Undo `pause`, and wake consumers."""
        ...

    def purge(self, queue: str) -> int:
        """Remove the queued and scheduled jobs of a queue, in bounded chunks; those that others wait for end
        `cancelled` (`revoked`) instead. Blocked jobs stay. Answers how many."""
        ...

    def move(self, source: str, target: str) -> int:
        """Move the queued and scheduled jobs of one queue to another. Answers how many."""
        ...

    # Workflows -------------------------------------------------------------------------------------

    def inputs(self, id: str, *, after: int = -1, limit: int = 500) -> list[Input]:
        """What became of the jobs that lead to this one, by their place: up to `limit` of those behind place `after`.

        Jobs that have not ended yet are left out.
        """
        ...

    def hold(self, gates: Sequence[str], ttl_s: float) -> set[str]:
        """Keep gates shut for `ttl_s` more, counted from now; answers those that are not blocked (any more).

        A gate is a join that needs one thing more than its edges can give: `open`. It is published with a `ttl_ms`.
        When that runs out, `recover` ends it `failed` (`skipped`) with its payload as the error: whoever
        was to open it is gone.
        """
        ...

    def open(self, gates: Sequence[str]) -> set[str]:
        """Lower by one what these blocked gates need; answers those that were not blocked (any more)."""
        ...

    def nodes(self, workflow: str, *, limit: int = 500, cursor: str = "") -> NodePage:
        """The jobs of a workflow whose records are still kept, and their edges, in the order of storing."""
        ...

    def progress(self, workflow: str) -> dict[State, int]:
        """How many jobs of a workflow are in each state. What was stored as a join is not counted."""
        ...

    def restart(self, workflow: str) -> list[str]:
        """Run an ended workflow again from where it did not succeed; answers the ids that were queued.

        In one step: each job that ended `failed` or `cancelled` because of itself is queued, as `requeue` does; each
        that ended because of others (`skipped`, `unneeded`), and each join that did not succeed, is blocked
        again, and needs what it needed at first, less what those of its sources gave that are left as they are.
        The ends to come count again. Raises ConfigurationError beyond `MAX_RESTARTED` jobs, and for a workflow whose
        gate ran out, since a part of it was never stored.
        """
        ...

    # Workers ---------------------------------------------------------------------------------------

    def consumer(self, lease: str, queues: Sequence[str]) -> Consumer:
        """The claiming side for the child that holds `lease`."""
        ...

    def open_lease(self, lease: str, ttl_s: float) -> None:
        """Open a lease under which a child may claim, good for `ttl_s` seconds. An id is used once."""
        ...

    def renew(self, leases: Sequence[str], ttl_s: float) -> set[str]:
        """Extend leases to `ttl_s` from now, also overdue ones; answers those that are gone (reaped).

        The store notices when nobody renewed anything for half a `ttl_s`: that was an outage, and
        `recover` then takes nothing until one `ttl_s` after the first renewal.
        """
        ...

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
        """Close a lease whose child is gone, and give back what it held; answers the ids given back.

        All jobs claimed under it are queued at their old place, uncharged, with a raised receipt, except:

        * `guilty`, the one job that was running. `reason="crashed"`: `crashes` goes up by one, and `attempt`
          too, but at `max_crashes` crashes it gets the verdict `error` instead. `reason="time_limit"`: it
          gets the verdict at once. A verdict charges no attempt: the settlement that carries it out does.
        * `suspects`, if several were running: queued as suspects, uncharged.
        * A job of those two with `redeliver=False`: it gets the verdict `error` (reason `crashed`).
        * A job that already had a verdict: it ends failed with it, here and now, and the attempt is charged.
        * A job that somebody asked to cancel: it ends cancelled.

        A job with a verdict is queued like any other; whoever claims it does not run it, but takes it
        through the outcome path (retry decision, hooks) in a process that has the application loaded.
        Unknown leases answer an empty list, so the call may be repeated.
        """
        ...

    def recover(self, limit: int = 100, *, error: bytes, max_crashes: int = 3) -> list[str]:
        """Reap leases that ran out, and give back up to `limit` jobs held under them; answers their ids.

        Gates that ran out are ended, too, up to `limit` of them; not while, after an outage, nothing is taken. The
        jobs given back become suspects. One that was claimed alone as a suspect is charged a crash, as `guilty`
        is. A job with `redeliver=False` gets a verdict; `error` is the verdict. A lease is closed once it holds
        nothing.
        """
        ...

    def prune(
        self,
        *,
        max_age_s: float | None,
        max_count: int | None,
        failed_max_age_s: float | None = None,
        limit: int = 500,
    ) -> int:
        """Remove up to `limit` final records: succeeded and cancelled ones that ended more than `max_age_s`
        ago, failed ones that ended more than `failed_max_age_s` ago, and those beyond the newest `max_count`
        of their state. None keeps them for ever. Answers how many; call again until 0."""
        ...

    # Set-up ----------------------------------------------------------------------------------------

    def migrate(self) -> list[str]:
        """Bring the store's schema to this version; answers what was done, in words. Safe to run concurrently."""
        ...

    def make_ready(self) -> list[str]:
        """`migrate`, where that is nobody else's business. Elsewhere a schema that is missing or too old is refused.

        Raises ConfigurationError, naming `treadle migrate`: on a database server an operator decides when tables
        change. A worker calls it before it starts.
        """
        ...

    def check(self) -> list[str]:
        """What is wrong or risky with this store's set-up, one sentence each. Empty: all is well."""
        ...


#: Makes a broker from a URL. `options` are the app's settings that concern brokers (`namespace` ...).
BrokerFactory = Callable[[str, Mapping[str, Any]], Broker]


class Serializer(Protocol):
    """Turns plain Python values into bytes and back."""

    #: Its name in settings and in front of every payload: lower-case letters and digits.
    name: str

    def dumps(self, value: Any) -> bytes:
        """Encode. Raises SerializationError naming the path of what cannot travel, e.g. `args[0].user`."""
        ...

    def loads(self, content: bytes) -> Any:
        """Decode. Raises SerializationError for bytes that it did not write."""
        ...


class PoolSlot(Protocol):
    """One place in a child where one job runs at a time."""

    #: The `treadle.request.Request` that runs here now, or None.
    request: Any
    #: When the run is to be interrupted (monotonic seconds); 0: never.
    soft_deadline_s: float

    def interrupt(self, error: BaseException) -> bool:
        """Make the running code raise `error`, once. False if no user code runs here just now."""
        ...


class Pool(Protocol):
    """How one child runs jobs. Made by a factory that a plugin registers by name; it is given `PoolParts`."""

    name: str
    #: As many jobs run at the same time.
    slots: Sequence[PoolSlot]

    def serve(self) -> None:
        """Run jobs in the child's main thread until told to stop."""
        ...


#: Called as `router(name, args, kwargs, options, task=task)`; answers options, a queue's name, or None to pass.
Router = Callable[..., "Mapping[str, Any] | str | None"]
