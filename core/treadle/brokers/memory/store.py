"""The rules of the memory broker: what each call decides, under one lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from itertools import islice, takewhile
from math import ceil

from treadle.brokers.memory.death import Death, Role, give_back
from treadle.brokers.memory.entry import Entry
from treadle.brokers.memory.lease import Lease
from treadle.brokers.memory.line import Line
from treadle.brokers.memory.shelf import Shelf
from treadle.brokers.memory.telling import Tellings
from treadle.edges import RESULT_PLACE, Edge
from treadle.exceptions import ConfigurationError
from treadle.interfaces import MAX_RESTARTED, CancelRequest, Claimed
from treadle.job import Delivery, Job, State
from treadle.settlement import Cancel, Complete, Fail, Release, Replace, Retry, Settlement


class MemoryStore(Shelf):
    """Jobs in one process. Every method is called with `lock` held, and so is one atomic step.

    Each rule is a method of its own, so that `treadle.testing.broken_brokers` can break one at a time.
    """

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        super().__init__(clock_ms)
        self.lock = threading.Lock()
        self.stale_acks = 0
        self.tellings = Tellings(self)
        self.gates: dict[str, Entry] = {}

    @contextmanager
    def step(self) -> Generator[None]:
        """One atomic step, with what it means to those that wait."""
        with self.lock:
            yield
            self.tellings.tell()

    def put_ended(self, entry: Entry, state: State, reason: str = "") -> None:
        """Put a lifted job to rest; those that wait for its end are told in the same step."""
        super().put_ended(entry, state, reason)
        self.tellings.owe(entry)

    # Workflows -------------------------------------------------------------------------------------

    def hold(self, gate: Entry, ttl_ms: int) -> None:
        """Keep a gate shut for so long."""
        gate.expires_ms = self.now_ms() + ttl_ms
        self.gates[gate.id] = gate

    def open(self, gate: Entry) -> None:
        """Let a blocked gate need one less."""
        gate.need -= 1
        if gate.need == 0:
            self.tellings.free(gate)

    def expire_gates(self, limit: int) -> None:
        """End gates that nobody has opened or held in time."""
        self.gates = {id: gate for id, gate in self.gates.items() if gate.is_gate}
        now_ms = self.now_ms()
        for gate in list(islice((gate for gate in self.gates.values() if gate.expires_ms <= now_ms), limit)):
            self.lift(gate)
            gate.error = gate.payload
            self.put_ended(gate, "failed", "skipped")

    def replace(self, entry: Entry, replacement: Replace) -> None:
        """Charge the run, and let another job's end be the job's own."""
        entry.attempt += 1
        gate, source = self.entries.get(replacement.gate), self.entries.get(replacement.source)
        if entry.cancelling or source is None:
            state: State = "cancelled" if entry.cancelling else "failed"
            self.put_ended(entry, state, "revoked" if entry.cancelling else "skipped")
            if gate is not None and not gate.is_final:
                self.cancel(gate, terminate=False)
            return
        entry.blank()
        entry.is_join = entry.is_replaced = True
        entry.need, entry.spare = entry.first_need, entry.first_spare = 1, 0
        if not entry.workflow:  # a job of no workflow begins one by it
            entry.workflow = entry.id
            self.workflows[entry.id][entry.seq] = entry
        self.put_blocked(entry)
        self.tellings.lead(source, Edge(entry.id, RESULT_PLACE))
        if gate is not None and gate.is_gate:
            self.open(gate)

    def restart(self, workflow: str) -> list[Entry]:
        """Queue and block again what did not succeed; answers what was queued. Raises ConfigurationError."""
        while not self.tellings.tell():
            pass
        lost = [entry for entry in self.workflows.get(workflow, {}).values() if entry.state in ("failed", "cancelled")]
        if len(lost) > MAX_RESTARTED:
            raise ConfigurationError(
                f"{len(lost)} jobs of workflow {workflow!r} did not succeed: {MAX_RESTARTED} at most can be restarted"
            )
        if any(entry.is_join and entry.expires_ms for entry in lost):
            raise ConfigurationError(
                f"workflow {workflow!r} was never stored as a whole, so it cannot be restarted: publish it again"
            )
        queued = self.tellings.restart(lost)
        for entry in queued:
            self.requeue(entry)
        return [entry for entry in lost if entry.state in ("queued", "scheduled")]

    # Publishing ------------------------------------------------------------------------------------

    def publish(self, jobs: Sequence[Job]) -> None:
        """Store the jobs whose ids are not known yet. Raises ConfigurationError before any is stored."""
        new: set[str] = set()
        for job in jobs:
            if not job.id or type(job.payload) is not bytes or type(job.options) is not bytes:
                raise ConfigurationError(f"job {job.id!r} cannot be stored: it needs an id, and bytes to carry")
            for other in (*(edge.target for edge in job.edges), *(after.source for after in job.after)):
                if other not in self.entries and other not in new:
                    raise ConfigurationError(
                        f"job {job.id!r} leads to {other!r} or waits for it, which is not known: publish it first"
                    )
            new.add(job.id)
        now_ms = self.now_ms()
        for job in jobs:
            if job.id not in self.entries:
                self.admit(job, now_ms)
            elif job.edges:
                self.tellings.connect_again(self.entries[job.id], job)

    def admit(self, job: Job, now_ms: int) -> None:
        """Store one new job: queued, or scheduled if it is not due yet, or blocked."""
        entry = self.add(job, now_ms)
        if job.need > 0:
            self.put_blocked(entry)
            if entry.is_gate:
                self.gates[entry.id] = entry
        elif job.is_join:
            self.put_ended(entry, "succeeded")
        else:
            self.put_waiting(entry, job.delay_ms, job.eta_ms)
        if job.waits_or_leads:
            self.tellings.connect(entry, job)

    # Claiming --------------------------------------------------------------------------------------

    def claim(self, lease_id: str, queues: Sequence[str], limit: int, *, idle: bool) -> Claimed:
        """Take up to `limit` jobs of the queues, in their order. Raises LeaseLost."""
        lease = self.leases.of(lease_id)
        now_ms = self.now_ms()
        self.promote_due(now_ms)
        names = [name for name in queues if self.may_claim(name)]
        if limit > 0 and any(self.queues[name].suspects for name in names):
            deliveries, suspects_wait = self.claim_suspect(lease, names, now_ms, idle=idle)
            if deliveries or suspects_wait:
                return Claimed(deliveries, suspects_wait)
        return Claimed(self.claim_ordinary(lease, names, limit, now_ms))

    def may_claim(self, name: str) -> bool:
        """Whether the queue exists and is not paused."""
        queue = self.queues.get(name)
        return queue is not None and not queue.paused

    def claim_suspect(
        self, lease: Lease, names: Sequence[str], now_ms: int, *, idle: bool
    ) -> tuple[list[Delivery], bool]:
        """One suspect, if the child is idle; else whether suspects wait."""
        for name in names:
            entry = self.first_startable(self.queues[name].suspects, now_ms)
            if entry is not None:
                return ([self.take(entry, lease, now_ms)], False) if idle else ([], True)
        return [], False

    def claim_ordinary(self, lease: Lease, names: Sequence[str], limit: int, now_ms: int) -> list[Delivery]:
        """Jobs under no suspicion, from each queue no more than this child's share."""
        deliveries: list[Delivery] = []
        children = self.leases.live_count(now_ms)
        for name in names:
            line = self.queues[name].ordinary
            share = self.share(len(line), children)
            for _ in range(min(share, limit - len(deliveries))):
                entry = self.first_startable(line, now_ms)
                if entry is None:
                    break
                deliveries.append(self.take(entry, lease, now_ms))
        return deliveries

    def share(self, queued: int, children: int) -> int:
        """How many of the queued jobs one child may take."""
        return ceil(queued / children)

    def first_startable(self, line: Line, now_ms: int) -> Entry | None:
        """The job at the head of the line, after ending those there that are past their expiry."""
        while (entry := line.first()) is not None and self.is_expired(entry, now_ms):
            self.lift(entry)
            self.put_ended(entry, "cancelled", "expired")
        return entry

    def is_expired(self, entry: Entry, now_ms: int) -> bool:
        """Whether the job must not start any more."""
        return entry.is_expired(now_ms)

    def take(self, entry: Entry, lease: Lease, now_ms: int) -> Delivery:
        """Move one job into the hands of a lease, under a new receipt."""
        self.lift(entry)
        entry.receipt += 1
        entry.alone = entry.suspect
        self.put_running(entry, lease, now_ms)
        return entry.delivery()

    # Settling --------------------------------------------------------------------------------------

    def settle(self, settlement: Settlement) -> bool:
        """Give one delivery back; False if its receipt is stale."""
        delivery = settlement.delivery
        entry = self.find(delivery)
        if entry is not None and self.is_held(entry, delivery):
            entry.settled_receipt = delivery.receipt
            self.lift(entry)
            self.apply(entry, settlement)
            return True
        if entry is not None and self.is_repetition(entry, delivery):
            return True
        self.stale_acks += 1
        return False

    def find(self, delivery: Delivery) -> Entry | None:
        """The very job that was delivered, not a later one that was given the same id."""
        entry = self.entries.get(delivery.id)
        return entry if entry is not None and entry.seq == delivery.key else None

    def is_held(self, entry: Entry, delivery: Delivery) -> bool:
        """The fence: whether the delivery is the current one."""
        return entry.state == "running" and entry.receipt == delivery.receipt

    def is_repetition(self, entry: Entry, delivery: Delivery) -> bool:
        """Whether this very receipt has settled the job before."""
        return entry.settled_receipt == delivery.receipt

    def apply(self, entry: Entry, settlement: Settlement) -> None:
        """Put a lifted job where the settlement says."""
        match settlement:
            case Complete(result=result):
                entry.attempt += 1
                entry.result = result
                self.put_ended(entry, "succeeded")
            case Fail(reason=reason, error=error):
                entry.attempt += 1
                entry.error = error
                self.put_ended(entry, "failed", reason)
            case Cancel(reason=reason, error=error):
                entry.error = error or entry.error
                self.put_ended(entry, "cancelled", reason)
            case Retry():
                self.retry(entry, settlement)
            case Replace():
                self.replace(entry, settlement)
            case Release(suspect=suspect):
                self.release(entry, suspect=suspect)

    def retry(self, entry: Entry, retry: Retry) -> None:
        """Charge the run, then schedule the job again, or cancel it if somebody asked for that."""
        entry.attempt += 1
        entry.error = retry.error
        if entry.cancelling:
            self.put_ended(entry, "cancelled", "revoked")
            return
        entry.suspect, entry.verdict, entry.verdict_reason = False, b"", ""
        entry.payload = entry.payload if retry.payload is None else retry.payload
        entry.options = entry.options if retry.options is None else retry.options
        entry.queue = entry.queue if retry.queue is None else retry.queue
        entry.priority = entry.priority if retry.priority is None else retry.priority
        if retry.delay_ms > 0:
            self.put_scheduled(entry, self.now_ms() + retry.delay_ms)
        else:
            self.put_queued(entry)

    def release(self, entry: Entry, *, suspect: bool) -> None:
        """Put the job back uncharged. Its verdict stays: it was not carried out."""
        if entry.cancelling:
            self.put_ended(entry, "cancelled", "revoked")
        else:
            entry.suspect = suspect
            self.put_queued(entry)

    def note(self, delivery: Delivery, progress: bytes) -> bool:
        """Keep the progress of a running job; False if the receipt is stale."""
        entry = self.find(delivery)
        if entry is None or not self.is_held(entry, delivery):
            self.stale_acks += 1
            return False
        entry.progress = progress
        return True

    # Cancelling and requeueing ---------------------------------------------------------------------

    def cancel(self, entry: Entry, *, terminate: bool) -> State:
        """End a waiting job, or mark a running one; answers its state afterwards."""
        if entry.state == "running":
            wish = "terminate" if terminate else "revoke"
            if entry.cancelling not in (wish, "terminate"):
                entry.cancelling, entry.cancel_told = wish, False
        elif not entry.is_final:
            self.lift(entry)
            self.put_ended(entry, "cancelled", "revoked")
        return entry.state

    def cancel_requests(self, lease_id: str) -> list[CancelRequest]:
        """Wishes to cancel what runs under the lease, each told once."""
        lease = self.leases.find(lease_id)
        untold = [entry for entry in lease.held.values() if entry.cancelling and not entry.cancel_told] if lease else []
        for entry in untold:
            entry.cancel_told = True
        return [CancelRequest(entry.id, entry.receipt, entry.cancelling == "terminate") for entry in untold]

    def requeue(self, entry: Entry) -> None:
        """Queue a final job as if it had never run, but for its receipt; or a scheduled one now."""
        was_final = entry.is_final
        self.lift(entry)
        if was_final:
            entry.begin_anew()
        self.put_queued(entry)

    # Dead children ---------------------------------------------------------------------------------

    def abandon(self, lease_id: str, death: Death, guilty: str | None, suspects: Collection[str]) -> list[str]:
        """Close a lease and give back what it held; answers the ids."""
        lease = self.leases.find(lease_id)
        if lease is None:
            return []
        held = list(lease.held.values())
        for entry in held:
            role: Role = "guilty" if entry.id == guilty else "suspect" if entry.id in suspects else "innocent"
            self.give_back(entry, death, role)
        self.leases.close(lease_id)
        return [entry.id for entry in held]

    def recover(self, limit: int, death: Death) -> list[str]:
        """Reap overdue leases and give back up to `limit` of their jobs, as suspects; answers the ids."""
        if not self.leases.is_late_excused(self.now_ms()):
            self.expire_gates(limit)
        given_back: list[str] = []
        for lease in self.leases.overdue(self.now_ms()):
            if len(given_back) >= limit:
                break
            lease.reaped = True
            for entry in list(lease.held.values())[: limit - len(given_back)]:
                self.give_back(entry, death, "guilty" if entry.alone else "suspect")
                given_back.append(entry.id)
            if not lease.held:
                self.leases.close(lease.id)
        return given_back

    def give_back(self, entry: Entry, death: Death, role: Role) -> None:
        """Take one job from a dead child: the old receipt is worthless from here on."""
        entry.receipt += 1
        self.lift(entry)
        give_back(self, entry, death, role)

    # Retention -------------------------------------------------------------------------------------

    def prune(self, state: State, *, ended_before_ms: float, keep: float, limit: int) -> int:
        """Remove jobs in a final state, the first that ended first, while they are too old or too many."""
        ended = self.ended(state)
        too_many = len(ended) - keep
        outdated = takewhile(
            lambda numbered: numbered[0] < too_many or numbered[1].finished_ms < ended_before_ms, enumerate(ended)
        )
        chosen = list(islice((entry for _, entry in outdated if not self.tellings.is_awaited(entry)), limit))
        for entry in chosen:
            self.lift(entry)
            self.forget(entry)
            self.tellings.forget(entry)
        return len(chosen)
