"""Who may claim: the leases of one store, and when they may be taken away."""

from __future__ import annotations

from collections.abc import Iterable

from treadle.brokers.memory.entry import Entry
from treadle.exceptions import LeaseLost


class Lease:
    """One child's right to claim, and what it has claimed."""

    def __init__(self, lease_id: str, expires_ms: int) -> None:
        self.id = lease_id
        self.expires_ms = expires_ms
        #: Taken away, but it still holds jobs that were not given back yet.
        self.reaped = False
        self.held: dict[str, Entry] = {}


class Leases:
    """The leases of one store. Pure bookkeeping: every method is told what time it is."""

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}
        self._closed: set[str] = set()
        self._last_pulse_ms: int | None = None
        self._ttl_ms = 0
        self._quiet_until_ms = 0

    def open(self, lease_id: str, ttl_ms: int, now_ms: int) -> None:
        """Open a lease. Raises LeaseLost for an id whose lease was closed: ids are used once."""
        if lease_id in self._closed:
            raise LeaseLost(f"lease {lease_id!r} was used before and is closed; a new child needs a new lease id")
        self._feel_pulse(ttl_ms, now_ms)
        lease = self._leases.setdefault(lease_id, Lease(lease_id, 0))
        lease.expires_ms = now_ms + ttl_ms

    def renew(self, lease_ids: Iterable[str], ttl_ms: int, now_ms: int) -> set[str]:
        """Extend leases that were not reaped; answers those that are gone."""
        gone: set[str] = set()
        for lease_id in lease_ids:
            lease = self._leases.get(lease_id)
            if lease is None or lease.reaped:
                gone.add(lease_id)
            else:
                self._feel_pulse(ttl_ms, now_ms)
                lease.expires_ms = now_ms + ttl_ms
        return gone

    def of(self, lease_id: str) -> Lease:
        """The lease, to claim under it. Raises LeaseLost if it was reaped, closed or never opened."""
        lease = self._leases.get(lease_id)
        if lease is None or lease.reaped:
            raise LeaseLost(f"lease {lease_id!r} is not open; its child must start nothing more and be replaced")
        return lease

    def ids(self) -> tuple[str, ...]:
        """The leases that are open."""
        return tuple(lease.id for lease in self._leases.values() if not lease.reaped)

    def live_count(self, now_ms: int) -> int:
        """How many children share the work; at least the one that asks."""
        return max(1, sum(1 for lease in self._leases.values() if lease.expires_ms > now_ms and not lease.reaped))

    def find(self, lease_id: str) -> Lease | None:
        """The lease, open or reaped, if it was not closed."""
        return self._leases.get(lease_id)

    def overdue(self, now_ms: int) -> list[Lease]:
        """Leases that ran out and may be reaped: none in or after an outage."""
        if self.is_late_excused(now_ms):
            return []
        return [lease for lease in self._leases.values() if lease.reaped or lease.expires_ms <= now_ms]

    def is_late_excused(self, now_ms: int) -> bool:
        """Whether being late means nothing: during an outage, and in the lease period after it."""
        is_outage = self._last_pulse_ms is not None and now_ms - self._last_pulse_ms > self._ttl_ms / 2
        return is_outage or now_ms < self._quiet_until_ms

    def close(self, lease_id: str) -> None:
        """Forget the lease; its id stays used."""
        if self._leases.pop(lease_id, None) is not None:
            self._closed.add(lease_id)

    def _feel_pulse(self, ttl_ms: int, now_ms: int) -> None:
        # Nobody could renew while the store was away, so nobody's lateness in that time means anything.
        if self._last_pulse_ms is not None and now_ms - self._last_pulse_ms > ttl_ms / 2:
            self._quiet_until_ms = now_ms + ttl_ms
        self._last_pulse_ms, self._ttl_ms = now_ms, ttl_ms
