"""Signatures and what they are made into: Celery's semantics, without any broker."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from treadle import Treadle, signature
from treadle.exceptions import ConfigurationError
from treadle.workflows.chain import Chain, chain
from treadle.workflows.chord import Chord, at_least, chord
from treadle.workflows.group import Group, group
from treadle.workflows.mapping import chunks, xmap, xstarmap

app = Treadle("canvas", broker="memory://", set_as_current=False)


@app.task
def add(left: int, right: int = 0) -> int:
    return left + right


@app.task
def total(values: list[int]) -> int:
    return sum(values)


SHAPES = [
    add.s(1, 2),
    add.si(1, right=2),
    add.s(1).set(queue="slow", countdown=2),
    add.s(1, 2) | add.s(3),
    group([add.s(1, 1), add.s(2, 2)]),
    chord([add.s(1, 1)], total.s()),
    add.s(1) | group(add.s(1), add.s(2)) | total.s() | add.s(1),
    xmap(total, [[1, 2], [3]]),
    xstarmap(add, [[1, 2], [3, 4]]),
    chunks(add, [[1, 2], [3, 4], [5, 6]], 2),
    chord(group(chord([add.s(1)], total.s()), add.s(2)), add.s() | group([add.s(1)])),
]


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_a_signature_survives_json_and_comes_back_as_what_it_was(shape: Any) -> None:
    shape.link_error(add.s(0))

    back = signature(json.loads(json.dumps(shape)), app=app)

    assert back == shape
    assert type(back) is type(shape)
    assert [type(part) for part in back.parts()] == [type(part) for part in shape.parts()]


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_a_signature_survives_pickle(shape: Any) -> None:
    back = pickle.loads(pickle.dumps(shape))

    assert back == shape
    assert type(back) is type(shape)


class TestPartials:
    def test_arguments_go_in_front_and_keywords_win(self) -> None:
        assert add.s(2, 2).clone(args=(4,)).args == [4, 2, 2]
        assert add.s(right=1).clone((1,), {"right": 5}).kwargs == {"right": 5}

    def test_an_immutable_one_takes_options_only(self) -> None:
        copy = add.si(1, 2).clone((9,), {"right": 9}, queue="slow")

        assert (copy.args, copy.kwargs, copy.options) == ([1, 2], {}, {"queue": "slow"})

    def test_a_clone_shares_nothing_that_can_change(self) -> None:
        original = add.s(1) | group(add.s(2), add.s(3))
        copy = original.clone()

        copy.tasks[0].set(queue="slow")
        copy.tasks[1].tasks[0].link(add.s(5))

        assert original == add.s(1) | group(add.s(2), add.s(3))

    def test_arguments_of_a_chain_go_to_its_first_step(self) -> None:
        assert [step.args for step in (add.s(1) | add.s(2)).clone((7,)).tasks] == [[7, 1], [2]]

    def test_arguments_of_a_group_go_to_every_member(self) -> None:
        assert [member.args for member in group(add.s(1), add.si(2)).clone((7,)).tasks] == [[7, 1], [2]]

    def test_arguments_of_a_chord_go_to_its_header(self) -> None:
        copy = chord([add.s(1)], total.s()).clone((7,))

        assert (copy.tasks[0].args, copy.body) == ([7, 1], total.s())


class TestOperator:
    def test_steps_make_one_chain(self) -> None:
        whole = (add.s(1) | add.s(2)) | (add.s(3) | add.s(4))

        assert isinstance(whole, Chain)
        assert whole.tasks == [add.s(1), add.s(2), add.s(3), add.s(4)]

    def test_a_chain_may_be_extended_by_assignment(self) -> None:
        first: Any = add.s(1)
        whole = first
        whole |= add.s(2)

        assert whole == add.s(1) | add.s(2)
        assert first == add.s(1)

    def test_a_group_before_a_step_becomes_a_chord(self) -> None:
        whole = group(add.s(1), add.s(2)) | total.s()

        assert isinstance(whole, Chord)
        assert (whole.header, whole.body) == (group(add.s(1), add.s(2)), total.s())

    def test_a_group_within_a_chain_becomes_a_chord(self) -> None:
        whole = add.s(1) | group(add.s(1), add.s(2)) | total.s()

        assert [type(step).__name__ for step in whole.tasks] == ["Signature", "Chord"]

    def test_a_group_before_a_group_is_a_chord_whose_body_is_a_group(self) -> None:
        whole = group(add.s(1), add.s(2)) | group(total.s(), total.s())

        assert isinstance(whole, Chord)
        assert isinstance(whole.body, Group)

    def test_what_follows_a_chord_follows_its_body(self) -> None:
        whole = chord([add.s(1)], total.s()) | add.s(5)

        assert isinstance(whole, Chord)
        assert whole.body == total.s() | add.s(5)

    def test_a_group_after_a_chord_is_a_step_of_its_own(self) -> None:
        whole = chord([add.s(1)], total.s()) | group(add.s(1), add.s(2))

        assert [type(step).__name__ for step in whole.tasks] == ["Chord", "Group"]

    def test_a_chain_that_ends_in_a_group_goes_on_as_a_chord(self) -> None:
        whole = chain(add.s(1), group(add.s(2), add.s(3))) | total.s()

        assert [type(step).__name__ for step in whole.tasks] == ["Signature", "Chord"]

    def test_neither_side_is_changed(self) -> None:
        left, right = group(add.s(1), add.s(2)), total.s()

        _ = left | right | add.s(1)

        assert (left, right) == (group(add.s(1), add.s(2)), total.s())

    def test_what_is_no_signature_is_refused(self) -> None:
        with pytest.raises(TypeError):
            _ = add.s(1) | 5


class TestMaking:
    def test_a_chain_of_one_is_the_step_itself(self) -> None:
        assert chain(add.s(1, 2)) == add.s(1, 2)

    def test_an_empty_chain_is_a_chain(self) -> None:
        assert isinstance(chain(), Chain)

    def test_chains_and_groups_within_their_like_are_flat(self) -> None:
        assert chain(add.s(1), chain(add.s(2), add.s(3))).tasks == [add.s(1), add.s(2), add.s(3)]
        assert group(add.s(1), group(add.s(2), add.s(3))).tasks == [add.s(1), add.s(2), add.s(3)]

    def test_a_generator_is_read_when_the_members_are_needed_and_only_once(self) -> None:
        read: list[int] = []

        def members() -> Iterator[Any]:
            for number in range(3):
                read.append(number)
                yield add.s(number)

        made = group(members())
        assert read == []
        assert [member.args for member in made.tasks] == [[0], [1], [2]]
        assert made.tasks == made.tasks
        assert read == [0, 1, 2]

    def test_a_group_that_nobody_has_filled_is_not_silently_empty_in_json(self) -> None:
        with pytest.raises(TypeError, match="not JSON serializable"):
            json.dumps(group(add.s(number) for number in range(3)))

    def test_skew_spreads_the_starts(self) -> None:
        spread = group([add.s(1)] * 4).clone().skew(start=1, stop=3)

        assert [member.options["countdown"] for member in spread.tasks] == [1, 2, 3, 1]

    def test_chunks_are_a_group_of_starmaps(self) -> None:
        made = chunks(add, [(1, 2), (3, 4), (5, 6)], 2).group()

        assert [member.kwargs["it"] for member in made.tasks] == [[(1, 2), (3, 4)], [(5, 6)]]

    @pytest.mark.parametrize("size", [0, -1, 1.5, True, "2"])
    def test_chunks_need_a_size(self, size: Any) -> None:
        with pytest.raises(ConfigurationError, match="expected a whole number above 0"):
            chunks(add, [(1, 2)], size)

    @pytest.mark.parametrize("policy", ["all", "at_least(0)", "at_least(x)", "at_least(-1)", "", None, 2])
    def test_a_join_has_a_known_policy(self, policy: Any) -> None:
        with pytest.raises(ConfigurationError, match="expected all_success, all_done, any, or at_least"):
            chord([add.s(1)], total.s(), join=policy)

    def test_at_least_is_a_policy(self) -> None:
        assert chord([add.s(1), add.s(2)], total.s(), join=at_least(2)).kwargs["join"] == "at_least(2)"

    def test_what_is_no_signature_says_so(self) -> None:
        with pytest.raises(ConfigurationError, match="is no signature: expected a task"):
            signature({"name": "add"})
        with pytest.raises(ConfigurationError, match="is no signature"):
            signature({"task": "add", "subtask_type": "tree"})


class TestLinks:
    def test_a_callback_is_added_once(self) -> None:
        linked = add.s(1)

        assert linked.link(add.s(2)) == add.s(2)
        linked.link(add.s(2))

        assert linked.options["link"] == [add.s(2)]

    def test_on_error_goes_on_with_the_signature(self) -> None:
        assert add.s(1).on_error(add.s(0)).options["link_error"] == [add.s(0)]

    def test_what_is_linked_to_a_chord_stays_with_the_end_that_it_has(self) -> None:
        made = chord([add.s(1)], total.s()).on_error(add.s(0))

        whole = made | add.s(5)

        assert whole.tasks == [made, add.s(5)]
