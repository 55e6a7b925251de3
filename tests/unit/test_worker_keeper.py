"""What the supervisor asks of the broker."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from treadle.brokers.memory import MemoryBroker
from treadle.exceptions import WorkerLost
from treadle.job import Job
from treadle.serialization.failure import decode_failure
from treadle.settlement import Complete
from treadle.worker.supervisor.keeper import Keeper, Retention

LEASE_S = 0.6


class Rig:
    """A keeper over a broker in memory, and what it reports."""

    def __init__(self, leases: Sequence[str] = ()) -> None:
        self.leases = list(leases)
        self.broker = MemoryBroker()
        self.renewed = threading.Semaphore(0)
        self.lost: set[str] = set()
        self.keeper = Keeper(
            self.broker,
            renewable=lambda: list(self.leases),
            on_renewed=self._on_renewed,
            retention=Retention(None, None, None),
            max_crashes=1,
            lease_s=LEASE_S,
        )

    def _on_renewed(self, _leases: Sequence[str], lost: set[str], _until_s: float) -> None:
        self.lost |= lost
        self.renewed.release()

    def open(self, lease: str) -> None:
        opened = threading.Event()
        self.keeper.open_lease(lease, lambda _until_s: opened.set())
        assert opened.wait(10)
        self.leases.append(lease)


def test_a_lease_is_renewed_beyond_its_first_term() -> None:
    rig = Rig()
    rig.open("a")
    rig.broker.publish([Job("job", "t", b"")])
    consumer = rig.broker.consumer("a", ["default"])
    (delivery,) = consumer.claim(1, idle=True).deliveries
    for _ in range(8):  # renewals come every third of a lease
        assert rig.renewed.acquire(timeout=10)
    assert consumer.settle([Complete(delivery)]).refused == []
    assert rig.lost == set()
    rig.keeper.stop(10)


def test_a_lease_that_nobody_opened_is_reported_as_lost() -> None:
    rig = Rig(["ghost"])
    for _ in range(2):
        assert rig.renewed.acquire(timeout=10)
    assert rig.lost == {"ghost"}
    rig.keeper.stop(10)


def test_what_a_vanished_worker_ran_alone_and_again_fails_as_worker_lost() -> None:
    rig = Rig()
    rig.open("alive")
    rig.broker.publish([Job("job", "t", b"", redeliver=False)])
    rig.broker.open_lease("vanished", LEASE_S)
    assert rig.broker.consumer("vanished", ["default"]).claim(1, idle=True).deliveries
    consumer = rig.broker.consumer("alive", ["default"])
    (delivery,) = consumer.claim(1, idle=True, wait_s=10).deliveries
    assert isinstance(decode_failure(delivery.verdict), WorkerLost)
    rig.keeper.stop(10)


def test_unstarted_jobs_of_a_busy_child_are_released_at_their_old_place() -> None:
    rig = Rig()
    rig.open("busy")
    rig.broker.publish([Job(name, "t", b"") for name in ("first", "second", "third")])
    held = rig.broker.consumer("busy", ["default"]).claim(3, idle=True).deliveries
    rig.keeper.release("busy", held[1:])
    rig.keeper.stop(10)
    rig.broker.open_lease("other", 60)
    taken = rig.broker.consumer("other", ["default"]).claim(3, idle=True).deliveries
    assert taken[0].id == "second"
    assert rig.broker.get(["first"])["first"].state == "running"
