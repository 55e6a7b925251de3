"""SIGKILL for random parts of a worker at random moments while 5,000 short jobs run, counted."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

import pytest

from tests.harness import Report, Rig, eventually
from tests.harness.kills import VICTIMS, Kill, Killer, Victim, seconds_to_run_again
from tests.harness.ledger import Entry
from treadle import AsyncResult
from treadle.job import Record

JOBS = 5000
CHILDREN = 4
#: How often each is killed, of ten kills.
_WEIGHTS: dict[Victim, int] = {"a child": 4, "the template": 2, "the supervisor": 2, "all": 2}
_SHORT_LEASE_S = 1.5
#: A killed child may have run a few short jobs whose outcomes it had not settled yet, beside the one that ran.
_STARTS_PER_KILLED_CHILD = 4


class Storm(NamedTuple):
    """What was done, and what came of it."""

    jobs: Sequence[AsyncResult[Any]]
    kills: Sequence[Kill]
    records: Sequence[Record]
    #: How often each job was settled for good, as the witness saw it.
    endings: Counter[str]
    starts: Sequence[Entry]
    stale_acks: int
    took_s: float

    @property
    def starts_of_each(self) -> Counter[str]:
        """How often each job was started."""
        return Counter(entry.job_id for entry in self.starts)


@pytest.mark.timeout(900)
def test_kills_at_random_moments_lose_no_job_and_settle_none_twice(
    rig: Rig, dice: random.Random, report: Report, takes_its_time: bool
) -> None:
    victims = [victim for victim, weight in _WEIGHTS.items() for _ in range(weight)] * (5 if takes_its_time else 1)
    dice.shuffle(victims)
    lease_s = None if takes_its_time else _SHORT_LEASE_S
    killer = Killer(rig, children=CHILDREN, lease_s=lease_s, worker_max_crashes=len(victims) + 1)

    storm = _storm(rig, killer, victims, dice)

    report.add("Random kills: counts", {"store": rig.store, **_counts(storm)})
    for victim in VICTIMS:
        report.add("Random kills: recovery", {"store": rig.store, **_recovery(storm, victim)})
    _assert_each_ended_once(storm)
    _assert_only_the_guilty_are_charged(storm)
    _assert_few_started_again(storm)
    _assert_nothing_is_left_behind(rig, killer)


def _storm(rig: Rig, killer: Killer, victims: Sequence[Victim], dice: random.Random) -> Storm:
    """Publish the jobs, kill one victim after the other, and wait until all jobs have ended."""
    witness = rig.call_witness()
    jobs = rig.client.send_many("work", [(dice.uniform(5, 20),) for _ in range(JOBS)])
    began_s = time.monotonic()
    kills: list[Kill] = []
    for number, victim in enumerate(victims):
        _await_random_moment(rig, dice, kills_left=len(victims) - number)
        kills.append(killer.kill(victim))
    records = rig.client.await_all_final(jobs, within_s=120.0)
    took_s = time.monotonic() - began_s
    endings = Counter(ending.job_id for ending in witness.endings())
    return Storm(jobs, kills, records, endings, rig.ledger.entries(), rig.client.app.broker.counts().stale_acks, took_s)


def _await_random_moment(rig: Rig, dice: random.Random, *, kills_left: int) -> None:
    """Wait for a random share of the starts to come, such that the kills are spread over all of them."""
    started = len(rig.ledger.entries())
    moment = started + int(dice.uniform(0, 2 / (kills_left + 1)) * max(0, JOBS - started))
    eventually(lambda: len(rig.ledger.entries()) >= moment, within_s=60.0, what=f"{moment} starts")


# What is reported ------------------------------------------------------------------------------------


def _counts(storm: Storm) -> dict[str, object]:
    starts = storm.starts_of_each
    return {
        "jobs": len(storm.jobs),
        "kills": len(storm.kills),
        "lost": len(storm.jobs) - len(storm.records),
        "settled twice": sum(times > 1 for times in storm.endings.values()),
        "started again": starts.total() - len(starts),
        "most starts of one": max(starts.values()),
        "refused as late": storm.stale_acks,
        "s for all": storm.took_s,
    }


def _recovery(storm: Storm, victim: Victim) -> dict[str, object]:
    kills = [kill for kill in storm.kills if kill.victim == victim]
    again_s = [each_s for kill in kills for each_s in seconds_to_run_again(kill, storm.starts)]
    whole_s = [kill.whole_after_s for kill in kills]
    return {
        "killed": victim,
        "times": len(kills),
        "jobs interrupted": len(again_s),
        "run again after s: median": median(again_s) if again_s else "-",
        "most": max(again_s) if again_s else "-",
        "worker whole after s: median": median(whole_s),
        "most ": max(whole_s),
    }


# What is promised ------------------------------------------------------------------------------------


def _assert_each_ended_once(storm: Storm) -> None:
    assert len(storm.records) == len(storm.jobs), "lost"
    assert Counter(record.state for record in storm.records) == {"succeeded": len(storm.jobs)}
    assert storm.endings == {job.id: 1 for job in storm.jobs}, "each is settled, and none twice"
    charged = [record for record in storm.records if record.attempt != 1 + record.crashes]
    assert not charged, "every charged run is a crash or the success"


def _assert_only_the_guilty_are_charged(storm: Storm) -> None:
    """A crash is charged to a job that ran where somebody was killed; the end of a supervisor is nobody's fault."""
    victims = set[int]().union(*(kill.child_pids for kill in storm.kills if kill.victim in {"a child", "all"}))
    ran_in: dict[str, set[int]] = {}
    for entry in storm.starts:
        ran_in.setdefault(entry.job_id, set()).add(entry.pid)
    for record in storm.records:
        assert record.crashes <= len(ran_in[record.id] & victims), f"{record} was charged for a death of others"


def _assert_few_started_again(storm: Storm) -> None:
    starts = storm.starts_of_each
    killed_children = sum(len(kill.child_pids) for kill in storm.kills)
    assert starts.total() - len(starts) <= _STARTS_PER_KILLED_CHILD * killed_children
    assert max(starts.values()) <= 1 + len(storm.kills)


def _assert_nothing_is_left_behind(rig: Rig, killer: Killer) -> None:
    """No job still counts as live, and the leases of the dead are closed."""
    broker = rig.client.app.broker
    eventually(lambda: len(broker.counts().leases) == CHILDREN, within_s=30.0, what="the leases of the living only")
    assert killer.worker.stop() == 0
    counts = broker.counts()
    assert counts.leases == ()
    assert [(each.queued, each.scheduled, each.running) for each in counts.queues.values()] in ([], [(0, 0, 0)])
