"""Waiting for jobs to become final, on the SQL broker."""

from __future__ import annotations

import time
from collections.abc import Collection

from treadle.brokers.sql.looking import Lookout
from treadle.brokers.sql.store import Store
from treadle.brokers.sql.vigil import Vigil


class SqlWatch:
    """Rung by whoever ends a job; looks at the ids it waits for only then."""

    def __init__(self, store: Store, lookout: Lookout) -> None:
        self._store = store
        self._lookout = lookout
        self._vigil = Vigil(store.dialect.bell.listen_as_watch(), store.dialect)

    def wait(self, ids: Collection[str], timeout_s: float) -> set[str]:
        """Those of `ids` that are final or unknown, as soon as there is one; empty after `timeout_s` or `wake()`."""
        deadline = time.monotonic() + timeout_s
        wanted = set(ids)
        try:
            while True:
                self._vigil.look()
                with self._store.reading() as executor:
                    ended = wanted - self._lookout.pending(executor, list(wanted))
                left_s = deadline - time.monotonic()
                if ended or left_s <= 0 or self._vigil.wait(left_s) != "bell":
                    return ended
        finally:
            self._vigil.rest()

    def wake(self) -> None:
        """Make a running `wait` return at once, or the next one."""
        self._vigil.wake()

    def close(self) -> None:
        """Stop listening."""
        self._vigil.close()
