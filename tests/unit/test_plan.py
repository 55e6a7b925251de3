"""The graph of a signature, held against an interpreter that knows nothing of graphs."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle import Treadle
from treadle.edges import Standing, ending_of, is_unneeded
from treadle.exceptions import ConfigurationError
from treadle.workflows.chain import Chain, chain
from treadle.workflows.chord import Chord, chord
from treadle.workflows.graph import Node, Plan
from treadle.workflows.group import Group, group
from treadle.workflows.plan import frozen, plan, plan_members
from treadle.workflows.signature import Signature

app = Treadle("plan", broker="memory://", set_as_current=False)


@app.task
def step(*inputs: Any, label: str = "", fails: bool = False) -> Any:
    raise NotImplementedError("the simulation below runs it")


def calls() -> st.SearchStrategy[Any]:
    """Calls of a task that gives its label and its inputs, or fails."""
    return st.builds(
        lambda fails, immutable: step.signature(kwargs={"label": "", "fails": fails}, immutable=immutable),
        st.sampled_from([False, False, False, False, True]),
        st.sampled_from([False, False, False, True]),
    )


def compositions(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(parts, max_size=4)
    return (
        some.filter(bool).map(lambda steps: chain(*steps))
        | some.map(group)
        | st.builds(lambda header, body, join: chord(header, body, join=join), some, parts, policies())
    )


def policies() -> st.SearchStrategy[str]:
    return st.sampled_from(["all_success", "all_success", "all_done"])


workflows = st.recursive(calls(), compositions, max_leaves=20).map(lambda whole: labelled(whole.clone()))


def labelled(whole: Signature) -> Signature:
    """The same, where each call has a label of its own."""
    for number, call in enumerate(all_calls(whole)):
        call.kwargs["label"] = f"c{number}"
    return whole


def all_calls(whole: Signature) -> list[Signature]:
    parts = list(whole.parts())
    return [call for part in parts for call in all_calls(part)] if isinstance(whole, Chain | Group | Chord) else [whole]


class FailedError(Exception):
    """A call failed, or what followed it never ran."""


NOTHING = object()


def interpreted(whole: Signature, given_value: Any = NOTHING) -> Any:
    """What a workflow gives, by reading it from left to right. Raises FailedError."""
    match whole:
        case Chain():
            for part in whole.tasks:
                given_value = interpreted(part, given_value)
            return given_value
        case Chord():
            values = members_of(whole.header, given_value, tolerant=whole.kwargs["join"] == "all_done")
            assert whole.body is not None
            return interpreted(whole.body, values)
        case Group():
            return members_of(whole, given_value, tolerant=False)
        case _:
            if whole.kwargs["fails"]:
                raise FailedError
            takes = given_value is not NOTHING and not whole.immutable
            return [whole.kwargs["label"], *([given_value] if takes else [])]


def members_of(header: Group, given_value: Any, *, tolerant: bool) -> list[Any]:
    found: list[Any] = []
    failed = False
    for member in header.tasks:
        try:
            value = interpreted(member, given_value)
            found.append(("succeeded", value) if tolerant else value)
        except FailedError:
            failed = True
            found.append(("failed", None))
    if failed and not tolerant:
        raise FailedError
    return found


class Simulation:
    """A store and its workers in twenty lines: nodes end in a random order, and tell their targets."""

    def __init__(self, planned: Plan, seed: int) -> None:
        self.nodes = {node.id: node for node in planned.nodes}
        self.standing = {node.id: Standing(node.need, node.spare) for node in planned.nodes}
        self.states: dict[str, str] = {}
        self.values: dict[str, Any] = {}
        self.ran: list[str] = []
        dice = random.Random(seed)
        ready = [node for node in planned.nodes if node.need == 0]
        while ready:
            self.run(ready.pop(dice.randrange(len(ready))), ready)

    def run(self, node: Node, ready: list[Node]) -> None:
        if node.call is None:
            self.end(node, "succeeded", ready)
        else:
            self.ran.append(node.call.kwargs["label"])
            self.end(node, "failed" if node.call.kwargs.get("fails") else "succeeded", ready)

    def end(self, node: Node, state: str, ready: list[Node]) -> None:
        assert node.id not in self.states, "a node ends once"
        self.states[node.id] = state
        for edge in node.edges:
            if edge.target in self.states or self.standing[edge.target].is_free:
                continue
            ending = ending_of(state, state)
            standing = self.standing[edge.target] = self.standing[edge.target].after(edge.on, ending)
            if standing.is_free:
                ready.append(self.nodes[edge.target])
            elif standing.is_lost:
                self.end(self.nodes[edge.target], "unneeded" if is_unneeded(edge.on, ending) else "skipped", ready)

    def value(self, id: str) -> Any:
        """What a node gives: what its call makes of its inputs, or a join of its members."""
        node = self.nodes[id]
        sources = sorted(
            (edge.place, source.id) for source in self.nodes.values() for edge in source.edges if edge.target == id
        )
        inputs = [source for place, source in sources if place >= 0]
        match node.input:
            case "list":
                return [self.value(source) for source in inputs]
            case "outcomes":
                return [
                    ("succeeded", self.value(source)) if self.states[source] == "succeeded" else ("failed", None)
                    for source in inputs
                ]
            case _:
                assert node.call is not None
                return [node.call.kwargs["label"], *[self.value(source) for source in inputs if node.input == "value"]]


@given(workflows, st.integers())
def test_every_node_ends_and_the_value_is_what_the_interpreter_finds(whole: Signature, seed: int) -> None:
    planned = plan(whole)

    simulation = Simulation(planned, seed)

    assert set(simulation.states) == {node.id for node in planned.nodes}
    if planned.handle is None:
        return
    try:
        expected = interpreted(whole)
    except FailedError:
        assert simulation.states[planned.handle.id] != "succeeded"
    else:
        assert simulation.states[planned.handle.id] == "succeeded"
        assert simulation.value(planned.handle.id) == expected


@given(workflows)
def test_targets_are_stored_before_their_sources_and_every_edge_is_counted(whole: Signature) -> None:
    planned = plan(whole)

    stored: set[str] = set()
    edges_to: dict[str, int] = {}
    for node in planned.nodes:
        assert {edge.target for edge in node.edges} <= stored
        stored.add(node.id)
        for edge in node.edges:
            edges_to[edge.target] = edges_to.get(edge.target, 0) + 1
    assert len(stored) == len(planned.nodes)
    assert {node.id: node.need + node.spare for node in planned.nodes} == {
        node.id: edges_to.get(node.id, 0) for node in planned.nodes
    }


@given(workflows)
def test_edges_grow_with_the_nodes_and_not_faster(whole: Signature) -> None:
    planned = plan(whole)

    # A group after a group goes through one join; only what lies side by side after one node has an edge each.
    assert sum(len(node.edges) for node in planned.nodes) <= 2 * len(planned.nodes)


@given(workflows)
def test_ids_are_known_before_and_stay(whole: Signature) -> None:
    copy = whole.clone()

    handle = frozen(copy)

    assert frozen(copy) == handle
    assert plan(copy).handle == handle


@given(workflows, st.integers())
def test_an_errback_runs_once_if_anything_fails_and_never_else(whole: Signature, seed: int) -> None:
    if isinstance(whole, Group):
        whole = chain(whole, step.s(label="after"))
    whole.link_error(step.s(label="errback"))
    planned = plan(whole)

    simulation = Simulation(planned, seed)

    has_failed = planned.handle is not None and simulation.states[planned.handle.id] != "succeeded"
    assert simulation.ran.count("errback") == has_failed
    assert set(simulation.states) == set(simulation.nodes)


def test_each_failing_member_of_a_group_calls_its_errback_once() -> None:
    members = group([step.s(label=f"m{number}", fails=number % 2 == 0) for number in range(6)])
    members.link_error(step.s(label="errback"))

    assert Simulation(plan(members), 1).ran.count("errback") == 3


def test_a_callback_of_a_group_gets_all_results_once() -> None:
    members = group([step.s(label=f"m{number}") for number in range(3)])
    members.link(step.s(label="callback"))
    planned = plan(members)

    simulation = Simulation(planned, 1)

    [callback] = [node.id for node in planned.nodes if node.call and node.call.kwargs["label"] == "callback"]
    assert simulation.value(callback) == ["callback", [["m0"], ["m1"], ["m2"]]]


@pytest.mark.parametrize(("least", "failing", "runs"), [(1, 2, True), (2, 1, True), (2, 2, False), (3, 1, False)])
def test_a_join_of_at_least_so_many_runs_if_so_many_succeed(least: int, failing: int, runs: bool) -> None:
    header = [step.s(label=f"m{number}", fails=number < failing) for number in range(3)]
    planned = plan(chord(header, step.s(label="body"), join=f"at_least({least})"))

    for seed in range(20):
        assert ("body" in Simulation(planned, seed).ran) is runs


def test_a_join_of_more_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="can never be met by 2 members"):
        plan(chord([step.s(), step.s()], step.s(), join="at_least(3)"))


def test_a_chord_without_a_body_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="has no body"):
        plan(chord([step.s()]))


def test_options_are_handed_down_and_the_start_concerns_the_first_step() -> None:
    whole = chain(step.s(label="a"), step.s(label="b").set(queue="own"), queue="shared", countdown=5)

    options = {node.call.kwargs["label"]: node.call.options for node in plan(whole).nodes if node.call}

    assert (options["a"]["queue"], options["a"]["countdown"]) == ("shared", 5)
    assert options["b"]["queue"] == "own"
    assert "countdown" not in options["b"]


def test_a_chain_of_a_thousand_is_a_thousand_nodes_with_an_edge_each() -> None:
    planned = plan(chain(*[step.s(label=f"c{number}") for number in range(1000)]))

    assert len(planned.nodes) == 1000
    assert {len(node.edges) for node in planned.nodes} == {0, 1}


class TestFeeds:
    def test_a_generator_holds_its_join_open(self) -> None:
        planned = plan(chord((step.s(label=f"m{number}") for number in range(3)), step.s(label="body")))

        [feeding] = planned.feedings
        assert [node.call is None for node in planned.nodes] == [False, True]
        assert (feeding.join.is_open, feeding.join.need) == (True, 1)

    def test_members_come_with_edges_that_let_the_join_grow(self) -> None:
        planned = plan(group(step.s(label=f"m{number}") for number in range(5)))
        [feeding] = planned.feedings

        first, handles = plan_members(feeding, feeding.feed.take(3), 0)
        second, more_handles = plan_members(feeding, feeding.feed.take(3), 3)
        nodes = [*first, *second]

        assert sorted(handle.id for handle in [*handles, *more_handles]) == sorted(node.id for node in nodes)
        edges = sorted(edge.place for node in nodes for edge in node.edges)
        assert edges == [0, 1, 2, 3, 4]
        assert all(edge.grows and edge.target == feeding.join.id for node in nodes for edge in node.edges)

    def test_what_is_linked_to_the_group_is_heeded(self) -> None:
        fed = group(step.s(label=f"m{number}", fails=number == 0) for number in range(2))
        fed.link(step.s(label="callback"))
        fed.link_error(step.s(label="errback"))

        planned = plan(fed)
        [feeding] = planned.feedings
        members, _ = plan_members(feeding, feeding.feed.take(2), 0)

        assert [node.call.kwargs["label"] for node in planned.nodes if node.call] == ["callback"]
        assert [len(node.edges) for node in planned.nodes if node.call is None] == [1]
        assert sorted(node.call.kwargs["label"] for node in members if node.call) == ["errback", "errback", "m0", "m1"]
