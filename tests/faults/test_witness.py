"""The witness that the counts of this suite rest on sees what it is there to see."""

from __future__ import annotations

from tests.harness import Rig
from tests.harness.witness import Ending
from treadle.job import Job, new_id
from treadle.settlement import Complete, Fail


def test_it_sees_that_a_job_was_settled_a_second_time_though_its_record_shows_only_the_last(rig: Rig) -> None:
    witness = rig.call_witness()
    job, other = rig.client.send("add", 1, 2), rig.client.send("add", 3, 4)
    broker = rig.client.app.broker
    broker.open_lease("lease", 60.0)
    consumer = broker.consumer("lease", ["default"])

    first, second = consumer.claim(2, idle=True).deliveries
    consumer.settle([Complete(first), Fail(second, "error")])
    assert sorted(witness.endings()) == sorted([Ending(job.id, "succeeded"), Ending(other.id, "failed")])

    broker.requeue([job.id])
    consumer.settle([Complete(consumer.claim(1, idle=True).deliveries[0])])
    consumer.close()

    assert [record.state for record in rig.client.records([job])] == ["succeeded"]
    assert witness.endings().count(Ending(job.id, "succeeded")) == 2


def test_it_does_not_count_a_settlement_that_was_refused(rig: Rig) -> None:
    witness = rig.call_witness()
    rig.client.send("add", 1, 2)
    broker = rig.client.app.broker
    broker.open_lease("lease", 60.0)
    consumer = broker.consumer("lease", ["default"])
    delivery = consumer.claim(1, idle=True).deliveries[0]

    refused = consumer.settle([Complete(delivery._replace(receipt=delivery.receipt + 1))]).refused
    consumer.close()

    assert refused == [delivery.id]
    assert witness.endings() == []


def test_it_sees_one_end_of_a_join_that_waits_for_nothing(rig: Rig) -> None:
    witness = rig.call_witness()
    join = Job(new_id(), "treadle.group", b"json:[[],{}]", is_join=True, workflow="the workflow")

    rig.client.app.broker.publish([join])

    assert witness.endings() == [Ending(join.id, "succeeded")]
