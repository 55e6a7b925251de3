"""Jobs that wait for jobs, on the memory broker: the rules of `treadle.edges`, in a store."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.brokers.memory import MemoryBroker
from treadle.brokers.memory.telling import MOST_EDGES
from treadle.edges import Edge, On
from treadle.exceptions import ConfigurationError
from treadle.interfaces import Consumer
from treadle.job import Job, Record
from treadle.settlement import Cancel, Complete, Fail, Retry, Settlement


def job(id: str, *edges: Edge, need: int = 0, spare: int = 0, is_join: bool = False, delay_ms: int = 0) -> Job:
    return Job(id, "task", b"json:[[],{}]", need=need, spare=spare, is_join=is_join, edges=edges, delay_ms=delay_ms)


@pytest.fixture
def broker() -> Iterator[MemoryBroker]:
    made = MemoryBroker()
    made.open_lease("lease", 60)
    yield made
    made.close()


@pytest.fixture
def consumer(broker: MemoryBroker) -> Consumer:
    return broker.consumer("lease", ["default"])


def record(broker: MemoryBroker, id: str) -> Record:
    return broker.get([id])[id]


def state(broker: MemoryBroker, id: str) -> str:
    found = record(broker, id)
    return f"{found.state} {found.reason}".strip()


def run(consumer: Consumer, fails: frozenset[str] = frozenset()) -> list[str]:
    """Run all that can be run; the ids in their order."""
    ran: list[str] = []
    while deliveries := consumer.claim(1, idle=True).deliveries:
        settlements: list[Settlement] = [
            Fail(each, "error", b"why") if each.id in fails else Complete(each, each.id.encode()) for each in deliveries
        ]
        ran += [each.id for each in deliveries]
        assert consumer.settle(settlements).refused == []
    return ran


def test_a_step_is_queued_by_the_end_of_the_one_before(broker: MemoryBroker, consumer: Consumer) -> None:
    broker.publish([job("c", need=1), job("b", Edge("c"), need=1), job("a", Edge("b"))])

    assert [state(broker, id) for id in "abc"] == ["queued", "blocked", "blocked"]
    assert run(consumer) == ["a", "b", "c"]


def test_what_follows_a_failure_ends_skipped_with_its_error(broker: MemoryBroker, consumer: Consumer) -> None:
    broker.publish([job("c", need=1), job("b", Edge("c"), need=1), job("a", Edge("b"))])

    assert run(consumer, fails=frozenset("a")) == ["a"]

    assert [state(broker, id) for id in "abc"] == ["failed error", "failed skipped", "failed skipped"]
    assert record(broker, "c").error == b"why"


def test_a_join_waits_for_all_and_what_follows_reads_its_members_by_place(
    broker: MemoryBroker, consumer: Consumer
) -> None:
    members = [job(f"m{number}", Edge("join", number)) for number in range(5)]
    broker.publish([job("body", need=1), job("join", Edge("body"), need=5, is_join=True), *members])

    assert run(consumer)[-1] == "body"

    assert [(each.place, each.id, each.result) for each in broker.inputs("join")] == [
        (number, f"m{number}", f"m{number}".encode()) for number in range(5)
    ]
    assert [each.id for each in broker.inputs("join", after=1, limit=2)] == ["m2", "m3"]


def test_a_join_fails_as_soon_as_it_cannot_succeed(broker: MemoryBroker, consumer: Consumer) -> None:
    members = [job(f"m{number}", Edge("join", number)) for number in range(3)]
    broker.publish([job("body", need=1), job("join", Edge("body"), need=3, is_join=True), *members])

    [first] = consumer.claim(1, idle=True).deliveries
    consumer.settle([Fail(first, "error", b"why")])

    assert (state(broker, "join"), state(broker, "body")) == ("failed skipped", "failed skipped")
    assert len(run(consumer)) == 2, "the other members still run"


def test_a_join_of_ends_waits_for_failures_too(broker: MemoryBroker, consumer: Consumer) -> None:
    members = [job(f"m{number}", Edge("join", number, "end")) for number in range(3)]
    broker.publish([job("body", need=1), job("join", Edge("body"), need=3, is_join=True), *members])

    assert run(consumer, fails=frozenset({"m1"}))[-1] == "body"


def test_who_waits_for_a_failure_is_not_needed_without_one(broker: MemoryBroker, consumer: Consumer) -> None:
    broker.publish([job("errback", need=1), job("a", Edge("errback", 0, "failure"))])

    assert run(consumer) == ["a"]

    assert state(broker, "errback") == "cancelled unneeded"


def test_what_follows_an_errback_that_was_not_needed_is_not_needed_either(
    broker: MemoryBroker, consumer: Consumer
) -> None:
    after = [job("after", need=1), job("second errback", need=1)]
    errback = job("errback", Edge("after"), Edge("second errback", 0, "failure"), need=1)
    broker.publish([*after, errback, job("a", Edge("errback", 0, "failure"))])

    assert run(consumer) == ["a"]

    assert {state(broker, each.id) for each in [*after, errback]} == {"cancelled unneeded"}


def test_a_join_of_none_is_done_at_once(broker: MemoryBroker, consumer: Consumer) -> None:
    broker.publish([job("body", need=1), job("join", Edge("body"), is_join=True)])

    assert state(broker, "join") == "succeeded"
    assert run(consumer) == ["body"]


def test_a_delay_is_counted_from_when_the_job_is_free(broker: MemoryBroker, consumer: Consumer) -> None:
    broker.publish([job("b", need=1, delay_ms=10_000), job("a", Edge("b"))])
    broker.advance(3600)

    assert run(consumer) == ["a"]
    assert state(broker, "b") == "scheduled"
    broker.advance(10)
    assert run(consumer) == ["b"]


def test_a_retry_and_a_repeated_settlement_tell_nobody(broker: MemoryBroker, consumer: Consumer) -> None:
    broker.publish([job("b", need=2), job("a", Edge("b"))])
    [first] = consumer.claim(1, idle=True).deliveries
    consumer.settle([Retry(first, 0, b"")])
    [second] = consumer.claim(1, idle=True).deliveries

    consumer.settle([Complete(second, b"")])
    consumer.settle([Complete(second, b"")])
    consumer.settle([Complete(first, b"")])

    assert state(broker, "b") == "blocked", "it needs two, and was told of one"


def test_a_requeued_source_does_not_count_again(broker: MemoryBroker, consumer: Consumer) -> None:
    broker.publish([job("b", need=2), job("a", Edge("b"))])
    run(consumer)

    broker.requeue(["a"])
    run(consumer)

    assert state(broker, "b") == "blocked"


def test_cancelling_a_step_ends_what_follows(broker: MemoryBroker, consumer: Consumer) -> None:
    broker.publish([job("c", need=1), job("b", Edge("c"), need=1), job("a", Edge("b"))])

    broker.cancel(["b"])

    assert [state(broker, id) for id in "abc"] == ["queued", "cancelled revoked", "failed skipped"]
    assert run(consumer) == ["a"]


def test_a_run_that_is_cancelled_ends_what_follows(broker: MemoryBroker, consumer: Consumer) -> None:
    broker.publish([job("b", need=1), job("a", Edge("b"))])
    [delivery] = consumer.claim(1, idle=True).deliveries

    consumer.settle([Cancel(delivery, "revoked", b"")])

    assert state(broker, "b") == "failed skipped"


def test_the_death_of_a_worker_ends_what_follows_only_with_the_job(broker: MemoryBroker, consumer: Consumer) -> None:
    broker.publish([job("b", need=1), job("a", Edge("b"))])
    consumer.claim(1, idle=True)

    broker.abandon("lease", reason="crashed", error=b"died", guilty="a", max_crashes=3)

    assert (state(broker, "a"), state(broker, "b")) == ("queued", "blocked")


def test_an_open_join_grows_and_ends_when_it_is_closed(broker: MemoryBroker, consumer: Consumer) -> None:
    broker.publish([job("join", need=1, is_join=True)])
    for number in range(3):
        broker.publish([job(f"m{number}", Edge("join", number, grows=True))])
        run(consumer)
    assert state(broker, "join") == "blocked"

    broker.open(["join"])

    assert state(broker, "join") == "succeeded"
    assert len(broker.inputs("join")) == 3


def test_a_target_must_be_known(broker: MemoryBroker) -> None:
    with pytest.raises(ConfigurationError, match="leads to 'nobody', which is not known"):
        broker.publish([job("a", Edge("nobody"))])


def test_what_somebody_waits_for_is_kept(broker: MemoryBroker, consumer: Consumer) -> None:
    broker.publish([job("b", need=2), job("a", Edge("b"))])
    run(consumer)

    assert broker.prune(max_age_s=0, max_count=0, failed_max_age_s=0) == 0
    assert broker.delete(["a"]) == []
    broker.cancel(["b"])
    broker.advance(1)

    assert broker.prune(max_age_s=0, max_count=0, failed_max_age_s=0) == 2


def test_what_is_kept_for_others_does_not_keep_the_rest(broker: MemoryBroker, consumer: Consumer) -> None:
    broker.publish([job("b", need=2), job("a", Edge("b")), job("alone")])
    run(consumer)
    broker.advance(1)

    assert broker.prune(max_age_s=0, max_count=None, limit=1) == 1

    assert set(broker.get(["a", "alone"])) == {"a"}


def test_purging_a_queue_lets_workflows_end(broker: MemoryBroker) -> None:
    broker.publish([job("b", need=1), job("a", Edge("b")), job("alone")])

    assert broker.purge("default") == 2

    assert (state(broker, "a"), state(broker, "b")) == ("cancelled revoked", "failed skipped")
    assert "alone" not in broker.get(["alone"])


def test_long_rows_of_consequences_go_on_in_later_steps(broker: MemoryBroker, consumer: Consumer) -> None:
    count = 3 * MOST_EDGES
    chain = [job(f"s{number}", *([Edge(f"s{number + 1}")] if number < count else []), need=min(number, 1))
             for number in range(count + 1)]  # fmt: skip
    broker.publish(chain[::-1])
    [first] = consumer.claim(1, idle=True).deliveries

    consumer.settle([Fail(first, "error", b"why")])
    assert state(broker, f"s{count}") == "blocked", "one step does not do it all"
    for _ in range(3):
        consumer.claim(1, idle=True)

    assert state(broker, f"s{count}") == "failed skipped"


@given(st.integers(), st.integers(1, 40))
def test_every_job_of_a_random_graph_ends(seed: int, count: int) -> None:
    dice = random.Random(seed)
    jobs: list[Job] = []
    sources: dict[str, int] = {}
    for number in range(count):
        targets = dice.sample(jobs, k=min(len(jobs), dice.choice([0, 1, 1, 2, 3])))
        choices: list[On] = ["success", "success", "failure", "end"]
        kinds = [dice.choice(choices) for _ in targets]
        for target in targets:
            sources[target.id] = sources.get(target.id, 0) + 1
        edges = tuple(Edge(target.id, sources[target.id], kind) for target, kind in zip(targets, kinds, strict=True))
        jobs.append(job(f"n{number}", *edges, is_join=dice.random() < 0.3))
    jobs = [each._replace(need=dice.randint(1, sources[each.id]) if each.id in sources else 0) for each in jobs]
    jobs = [each._replace(spare=sources.get(each.id, 0) - each.need) for each in jobs]
    broker = MemoryBroker()
    broker.open_lease("lease", 60)
    broker.publish(jobs)

    ran = run(broker.consumer("lease", ["default"]), frozenset(each.id for each in jobs if dice.random() < 0.3))

    assert len(ran) == len(set(ran))
    assert [each.id for each in broker.get([each.id for each in jobs]).values() if not each.is_final] == []
