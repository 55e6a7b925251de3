"""What holds when many claim, settle and publish at once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial

from treadle.settlement import Complete, Release, Retry
from treadle.testing.broker_contract.stage import Child, Errand, Stage, job

_THREADS = 4


class ConcurrencyCases:
    """Each step is atomic, so racing for it has one winner."""

    def test_many_claimers_never_get_one_job_twice(self, stage: Stage) -> None:
        ids = stage.publish(*(f"{number}" for number in range(300)))
        claimed: list[str] = []

        def drain(child: Child) -> None:
            # A broker that gives out jobs twice may do so without end.
            while len(claimed) <= 2 * len(ids) and (batch := child.take(7)):
                claimed.extend(delivery.id for delivery in batch)
                child.settle(*(Complete(delivery) for delivery in batch))

        _race(stage, drain)
        assert Counter(claimed) == Counter(ids)
        assert stage.broker.counts().final.get("succeeded") == len(ids)

    def test_jobs_given_back_in_a_race_are_run_once_each(self, stage: Stage) -> None:
        ids = stage.publish(*(f"{number}" for number in range(60)))
        completed: list[str] = []

        def drain(child: Child) -> None:
            while len(completed) < len(ids):
                for delivery in child.take(3):
                    if delivery.attempt == 2:
                        assert child.settle(Complete(delivery)).refused == []
                        completed.append(delivery.id)
                    else:
                        child.settle(Retry(delivery, 0) if delivery.receipt % 2 else Release(delivery))

        _race(stage, drain)
        assert Counter(completed) == Counter(ids)
        assert {stage.record(job_id).attempt for job_id in ids} == {3}

    def test_a_settlement_racing_with_the_death_of_its_child_has_one_outcome(self, stage: Stage) -> None:
        for number in range(20):
            job_id = stage.publish(f"{number}")[0]
            child = stage.child()
            delivery = child.take_one()
            with stage.meanwhile(partial(child.settle, Complete(delivery))) as errand:
                given_back = stage.kill(child)
            assert (errand.answer.refused, given_back) in (([], []), ([job_id], [job_id]))
            assert stage.state(job_id) == ("queued" if given_back else "succeeded")
            stage.broker.delete([job_id])

    def test_clients_that_publish_the_same_id_at_once_make_one_job(self, stage: Stage) -> None:
        def publish(child: Child) -> None:
            child.broker.publish([job(f"{number}") for number in range(50)])

        _race(stage, publish)
        assert len(stage.child().take(1000)) <= 50
        assert stage.broker.counts().queues["q"].queued + stage.broker.counts().queues["q"].running == 50

    def test_what_is_published_while_others_claim_is_not_lost(self, stage: Stage) -> None:
        total, claimed = 200, list[str]()

        def drain(child: Child) -> None:
            while len(claimed) < total:
                batch = child.take(5, wait_s=0.05)
                child.settle(*(Complete(delivery) for delivery in batch))
                claimed.extend(delivery.id for delivery in batch)

        def publish() -> None:
            for number in range(0, total, 10):
                stage.other.publish([job(f"{each}") for each in range(number, number + 10)])

        with stage.meanwhile(publish):
            _race(stage, drain)
        assert Counter(claimed) == Counter(f"{number}" for number in range(total))


def _race(stage: Stage, action: Callable[[Child], None]) -> None:
    """Run the action with several children, each in a thread of its own, begun at the same time."""
    children = [stage.child(broker=(stage.broker, stage.other)[number % 2]) for number in range(_THREADS)]
    start = threading.Barrier(_THREADS, timeout=stage.patience_s)

    def run(child: Child) -> None:
        start.wait()
        action(child)

    errands = [Errand(partial(run, child)) for child in children]
    for errand in errands:
        errand.start()
    for errand in errands:
        errand.join(stage.patience_s * 2)
    for errand in errands:
        errand.must_have_ended_well()
