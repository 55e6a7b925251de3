"""What a test of real workers works with: a store, a client, a ledger, gates, and workers on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.harness.client import Client
from tests.harness.ledger import Ledger
from tests.harness.stores import store_of
from tests.harness.witness import Witness, witness_of
from tests.harness.worker import Worker


class Rig:
    """One test's store and all that hangs on it. Close it after the test: no process is left behind."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url, self.directory = url, directory
        self.store = store_of(url)
        self.client = Client(url)
        if self.store not in {"sqlite", "redis"}:  # which make their schema on first use
            self.client.app.broker.migrate()
        self.ledger = Ledger(directory / "ledger")
        self._workers: list[Worker] = []
        self._witness: Witness | None = None

    def call_witness(self) -> Witness:
        """A witness of the settlements from now on. One is enough; call it before the first job is published."""
        self._witness = witness_of(self.client.app)
        return self._witness

    def start_worker(self, **how: Any) -> Worker:
        """Start one more worker on the store; `how` is as for `Worker`. Does not wait for anything."""
        worker = Worker(self.url, self.directory, number=len(self._workers), **how)
        self._workers.append(worker)
        return worker.start()

    def gate(self, name: str) -> str:
        """The path that a job waits for, until `open`."""
        return str(self.directory / name)

    def open(self, name: str) -> None:
        """Let the jobs go on that wait at this gate."""
        (self.directory / name).touch()

    def close(self) -> None:
        """Kill all workers, print what they said, and drop the client's connections."""
        if self._witness is not None:
            self._witness.close()
        self.client.close()
        for worker in self._workers:
            worker.clean_up()
            print(f"--- {worker.log.name}\n{worker.output()}")  # noqa: T201 - shown by pytest when the test failed
