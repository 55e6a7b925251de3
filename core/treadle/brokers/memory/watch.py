"""Waiting for jobs of the memory broker to end."""

from __future__ import annotations

import time
from collections.abc import Collection

from treadle.brokers.memory.bell import Bell
from treadle.brokers.memory.store import MemoryStore


class MemoryWatch:
    """Waits for jobs to become final; see `treadle.interfaces.Watch`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._bell = Bell()
        self._woken = False

    def wait(self, ids: Collection[str], timeout_s: float) -> set[str]:
        """Those of `ids` that are final or unknown, as soon as there is one."""
        deadline_s = time.monotonic() + timeout_s
        with self._store.lock:
            self._store.await_ends(self._bell, ids)
        try:
            return self._wait(ids, deadline_s)
        finally:
            with self._store.lock:
                self._store.stop_watching(self._bell, ids)

    def wake(self) -> None:
        """Make the running or next `wait` return at once."""
        self._woken = True
        self._bell.ring()

    def close(self) -> None:
        """Nothing to drop."""

    def _wait(self, ids: Collection[str], deadline_s: float) -> set[str]:
        while True:
            with self._store.lock:
                ended = {job_id for job_id in ids if self._has_ended(job_id)}
            left_s = deadline_s - time.monotonic()
            if ended or self._woken or left_s <= 0:
                self._woken = False
                return ended
            self._bell.sleep(left_s)

    def _has_ended(self, job_id: str) -> bool:
        entry = self._store.entries.get(job_id)
        return entry is None or entry.is_final
