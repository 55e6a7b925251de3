"""Workflows in Redis: large ones in short scripts, and what the contract cannot show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("hiredis", reason="the Redis broker needs the extra `redis`")

from tests.harness.redis_workflows import MANY, NAMESPACE, Worker, chord, commands, fan, job, numbered, states
from treadle.brokers.redis import RedisBroker
from treadle.brokers.redis.address import parse_address
from treadle.brokers.redis.client import Client
from treadle.edges import After, Edge
from treadle.exceptions import ConfigurationError
from treadle.interfaces import MAX_RESTARTED, Node
from treadle.settlement import Complete, Fail, Replace

#: The most commands of one script: some eight for each of 500 jobs that end, are told or are claimed.
SHORT = 12_000


@pytest.fixture
def broker(redis_url: str) -> Iterator[RedisBroker]:
    broker = RedisBroker(redis_url, {"namespace": NAMESPACE})
    yield broker
    broker.close()


@pytest.fixture
def server(redis_url: str) -> Iterator[Client]:
    """The server itself, for what no broker tells."""
    client = Client(parse_address(redis_url), NAMESPACE)
    yield client
    client.close()


@pytest.fixture
def worker(broker: RedisBroker) -> Iterator[Worker]:
    worker = Worker(broker)
    yield worker
    worker.consumer.close()


def nodes(broker: RedisBroker) -> dict[str, Node]:
    return {node.id: node for node in broker.nodes("w").nodes}


# Counting ----------------------------------------------------------------------------------------------


def test_a_join_of_none_counts_once_for_those_that_wait_for_it(broker: RedisBroker) -> None:
    done = job("j", is_join=True, edges=(Edge("body"), Edge("other")))
    waiting = [job(id, need=2, workflow="w") for id in ("body", "other")]
    broker.publish([*waiting, done, job("x", need=2, after=(After("j"),), workflow="w")])
    assert {id: node.need for id, node in nodes(broker).items()} == {"body": 1, "other": 1, "x": 1}


def test_what_replaces_may_have_ended_in_the_same_settlement(broker: RedisBroker, worker: Worker) -> None:
    waiting = [job(id, need=2, workflow="w") for id in ("x", "y")]
    broker.publish([*waiting, job("a"), job("new", edges=(Edge("x"), Edge("y")))])
    broker.publish([job("g", need=1, is_join=True, ttl_ms=60_000)])
    first, second = worker.consumer.claim(2, idle=True).deliveries
    worker.consumer.settle([Complete(second), Replace(first, "new", "g")])
    assert states(broker, ["a", "new", "g"]) == ["succeeded"] * 3
    assert {id: node.need for id, node in nodes(broker).items()} == {"x": 1, "y": 1}


def test_an_edge_to_a_removed_job_is_none_to_the_next_of_that_id(broker: RedisBroker, worker: Worker) -> None:
    broker.publish([job("b", need=1), job("a", edges=(Edge("b"),))])
    assert broker.delete(["b"]) == ["b"]
    broker.publish([job("b", need=1)])
    assert worker.run() == ["a"]
    assert states(broker, ["b"]) == ["blocked"]


def test_a_job_of_a_removed_ones_id_is_no_input(broker: RedisBroker, worker: Worker) -> None:
    broker.publish(chord("j", ["m0", "m1"]))
    worker.run()
    assert broker.delete(["m0"]) == ["m0"]
    broker.publish([job("m0")])
    worker.run()
    assert [each.id for each in broker.inputs("j")] == ["m1"]


def test_a_fan_out_that_is_owed_is_told_once(broker: RedisBroker, worker: Worker) -> None:
    ids = numbered("t", MANY)
    broker.publish([job("late", need=2, workflow="w"), *fan("a", ids)[:-1]])
    broker.publish([job("a", edges=(*(Edge(id) for id in ids), Edge("late")))])
    [first] = worker.consumer.claim(1, idle=True).deliveries
    worker.consumer.settle([Complete(first)])
    broker.publish([job("later", need=2, after=(After("a"),), workflow="w")])
    assert broker.requeue(["a"]) == ["a"]
    assert sorted(worker.run()) == ["a", *ids]
    assert {id: node.need for id, node in nodes(broker).items()} == {"late": 1, "later": 1}


def test_what_is_owed_wakes_consumers_of_every_queue(broker: RedisBroker, server: Client, worker: Worker) -> None:
    ids = numbered("t", MANY)
    broker.publish([job("elsewhere", queue="q2"), *fan("a", ids, on="end")])
    other = Worker(broker, "q2")
    assert other.run() == ["elsewhere"]
    server.run([("DEL", server.key("marker:q2"))])
    broker.cancel(["a"])
    assert server.run([("ZCARD", server.key("marker:q2"))]) == [1]
    other.consumer.close()


def test_ids_may_hold_anything(broker: RedisBroker, worker: Worker) -> None:
    strange = ["+", "1 s 2 x", "-2 e 7 a", "with\nline", "nul\0nul", "%d {x} é", " "]
    broker.publish(chord("j o\nin", strange))
    assert worker.run() == [*strange, "body"]
    assert [each.id for each in broker.inputs("j o\nin")] == strange
    assert nodes(broker)[strange[1]].edges == (Edge("j o\nin", 1),)


def test_what_a_job_needed_is_known_after_its_end(broker: RedisBroker, worker: Worker) -> None:
    broker.publish(chord("j", numbered("m", 3)))
    worker.run()
    assert [nodes(broker)[id].need for id in ("j", "body")] == [0, 0]


# Publishing --------------------------------------------------------------------------------------------


def test_names_are_checked_before_the_first_of_several_steps(broker: RedisBroker) -> None:
    with pytest.raises(ConfigurationError, match=r"'nobody'.*not known"):
        broker.publish([*map(job, numbered("a", MANY)), job("b", edges=(Edge("nobody"),))])
    assert broker.counts().queues == {}


def test_a_name_of_a_later_step_is_not_known(broker: RedisBroker) -> None:
    ids = numbered("a", MANY)
    with pytest.raises(ConfigurationError, match=rf"'{ids[-1]}'.*not known"):
        broker.publish([job("b", edges=(Edge(ids[-1]),)), *map(job, ids)])
    assert broker.counts().queues == {}


def test_steps_may_name_what_earlier_steps_store(broker: RedisBroker, worker: Worker) -> None:
    members = numbered("m", MANY)
    broker.publish(chord("j", members))
    assert worker.run() == [*members, "body"]


# Gates and replacements --------------------------------------------------------------------------------


def test_only_gates_run_out(broker: RedisBroker) -> None:
    broker.publish([job("b", need=1)])
    assert broker.hold(["b"], 0) == set()
    broker.recover(error=b"")
    assert states(broker, ["b"]) == ["blocked"]


def test_a_replacement_that_is_not_known_ends_its_gate_too(broker: RedisBroker, worker: Worker) -> None:
    broker.publish([job("a"), job("g", need=1, is_join=True, ttl_ms=60_000)])
    [delivery] = worker.consumer.claim(1, idle=True).deliveries
    worker.consumer.settle([Replace(delivery, "nobody", "g")])
    assert states(broker, ["a", "g"]) == ["failed skipped", "cancelled revoked"]


# Reading -----------------------------------------------------------------------------------------------


def test_inputs_are_found_behind_many_that_have_not_ended(broker: RedisBroker, worker: Worker) -> None:
    members = numbered("m", MANY)
    broker.publish(chord("j", members, need=1, spare=MANY - 1))
    broker.cancel(members[-2:])
    assert [each.id for each in broker.inputs("j")] == members[-2:]
    assert [each.id for each in broker.inputs("j", limit=1)] == members[-2:-1]


def test_more_inputs_than_one_step_gives_are_all_read(broker: RedisBroker, worker: Worker) -> None:
    members = numbered("m", MANY)
    broker.publish(chord("j", members))
    worker.run()
    assert [each.id for each in broker.inputs("j", limit=MANY)] == members


def test_a_node_with_many_edges_is_read_whole(broker: RedisBroker) -> None:
    ids = numbered("t", 3 * MANY)
    *waiting, source = fan("a", ids)
    broker.publish([*waiting, source._replace(workflow="w")])
    assert nodes(broker)["a"].edges == tuple(Edge(id) for id in ids)


# Again -------------------------------------------------------------------------------------------------


def test_what_is_blocked_again_still_expires(broker: RedisBroker, worker: Worker) -> None:
    far = 4_102_444_800_000
    broker.publish([job("b", need=1, expires_ms=far, workflow="w"), job("a", edges=(Edge("b"),), workflow="w")])
    worker.run(fails="a")
    assert broker.restart("w") == ["a"]
    assert broker.get(["b"])["b"].expires_ms == far


def test_a_large_join_is_restarted(broker: RedisBroker, worker: Worker) -> None:
    members = numbered("m", 3 * MANY)
    broker.publish(chord("j", members))
    worker.run(fails=members[7:9])
    assert sorted(broker.restart("w")) == members[7:9]
    assert nodes(broker)["j"].need == 2
    assert sorted(worker.run()) == ["body", *members[7:9]]


def test_the_end_of_a_source_that_runs_again_counts_after_a_restart(broker: RedisBroker, worker: Worker) -> None:
    broker.publish([job("b", need=1, workflow="w"), job("a", edges=(Edge("b"),), workflow="w")])
    worker.run(fails="a")
    assert broker.requeue(["a"]) == ["a"]
    assert broker.restart("w") == []
    assert worker.run() == ["a", "b"]


def test_what_waited_for_a_job_that_is_removed_ends_after_a_restart(broker: RedisBroker, worker: Worker) -> None:
    following = [job("c", need=1, workflow="w"), job("b", need=1, edges=(Edge("c"),), workflow="w")]
    broker.publish([*following, job("a", edges=(Edge("b"),), workflow="w")])
    worker.run(fails="a")
    assert broker.delete(["a"]) == ["a"]
    assert broker.restart("w") == []
    assert states(broker, ["b", "c"]) == ["failed skipped"] * 2
    assert broker.get(["c"])["c"].error == b"json:why"


def test_what_others_owe_does_not_hinder_a_restart(broker: RedisBroker, worker: Worker) -> None:
    broker.publish([job("b", need=1, workflow="w"), job("a", edges=(Edge("b"),), workflow="w")])
    worker.run(fails="a")
    ids = numbered("t", 3 * MANY)
    broker.publish(fan("other", ids))
    broker.cancel(["other"])
    assert broker.restart("w") == ["a"]
    assert worker.run() == ["a", "b"]
    assert set(states(broker, ids)) == {"failed skipped"}


def test_a_restart_while_the_failure_is_still_owed_waits_for_all(broker: RedisBroker, worker: Worker) -> None:
    ids = numbered("t", 3 * MANY)
    broker.publish([each._replace(workflow="w") for each in fan("a", ids)])
    [first] = worker.consumer.claim(1, idle=True).deliveries
    worker.consumer.settle([Fail(first, "error", b"json:why")])
    assert states(broker, ids[-1:]) == ["blocked"]
    assert broker.restart("w") == ["a"]
    assert set(states(broker, ids)) == {"blocked"}
    assert sorted(worker.run()) == ["a", *ids]


def test_as_many_as_may_be_are_restarted_at_once(broker: RedisBroker, worker: Worker) -> None:
    ids = numbered("t", MAX_RESTARTED - 1)
    broker.publish([each._replace(workflow="w") for each in fan("a", ids)])
    worker.run(fails="a")
    assert broker.restart("w") == ["a"]
    assert len(worker.run(fails=ids)) == MAX_RESTARTED
    assert sorted(broker.restart("w")) == ids
    broker.publish([job(id, workflow="w") for id in ("x", "y")])
    broker.cancel([*ids, "x", "y"])
    with pytest.raises(ConfigurationError, match=f"{MAX_RESTARTED} at most"):
        broker.restart("w")


# Short scripts -----------------------------------------------------------------------------------------


def test_a_wide_fan_out_is_told_in_short_scripts(broker: RedisBroker, server: Client, worker: Worker) -> None:
    ids = numbered("t", 5000)
    broker.publish([*(job(id, need=1) for id in ids), job("a")])
    for at in range(0, 5000, 500):
        broker.publish([job(f"{id}+", need=1, after=(After("a"),)) for id in ids[at : at + 500]])
    [delivery] = worker.consumer.claim(1, idle=True).deliveries
    longest, settled = 0, [Complete(delivery)]
    ran = 0
    while settled or ran < 5001:
        before = commands(server)
        taken = worker.consumer.settle(settled, claim_next=500, idle=True).claimed.deliveries
        longest = max(longest, commands(server) - before)
        ran += len(settled)
        settled = [Complete(each) for each in taken]
    assert longest < SHORT
