"""What a worker is to be."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.exceptions import ConfigurationError
from treadle.worker.plan import available_cpus, chosen_queues, processes_and_slots, worker_name

KNOWN = ["default", "mail", "mail.bulk", "video"]


def test_without_a_choice_all_known_queues_are_taken() -> None:
    assert chosen_queues(KNOWN, [], [], []) == tuple(KNOWN)


def test_chosen_queues_keep_their_order_and_come_once() -> None:
    assert chosen_queues(KNOWN, [], ["video", "default", "video"], []) == ("video", "default")


def test_a_glob_stands_for_the_known_queues_that_match() -> None:
    assert chosen_queues(KNOWN, [], ["mail*"], []) == ("mail", "mail.bulk")


def test_an_undeclared_queue_may_be_chosen_when_none_are_declared() -> None:
    assert chosen_queues(KNOWN, [], ["brand-new"], []) == ("brand-new",)


def test_a_misspelt_queue_is_an_error_with_the_nearest_name_when_queues_are_declared() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'video'"):
        chosen_queues(KNOWN, KNOWN, ["vidoe"], [])


def test_excluded_queues_are_left_out() -> None:
    assert chosen_queues(KNOWN, [], [], ["mail*"]) == ("default", "video")


def test_a_choice_that_leaves_nothing_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="no queue is left"):
        chosen_queues(KNOWN, [], ["mail"], ["mail"])


@given(st.lists(st.sampled_from(KNOWN)), st.lists(st.sampled_from(KNOWN)))
def test_what_is_excluded_is_never_chosen(include: list[str], exclude: list[str]) -> None:
    try:
        chosen = chosen_queues(KNOWN, KNOWN, include, exclude)
    except ConfigurationError:
        assert set(include or KNOWN) <= set(exclude)
    else:
        assert set(chosen) == set(include or KNOWN) - set(exclude)


def test_names_are_spelt_as_with_celery() -> None:
    host = socket.gethostname()
    assert worker_name(None) == f"treadle@{host}"
    assert worker_name("mail") == f"mail@{host}"
    assert worker_name("w1@%n") == f"w1@{host.partition('.')[0]}"
    assert worker_name("50%%@%h") == f"50%@{host}"


def test_prefork_makes_processes_and_the_other_pools_slots() -> None:
    assert processes_and_slots("prefork", 4) == (4, 1)
    assert processes_and_slots("threads", 100) == (1, 100)
    assert processes_and_slots("solo", 8) == (1, 1)
    assert processes_and_slots("prefork", None) == (available_cpus(), 1)
