"""The table of promises names cases that exist."""

from __future__ import annotations

import pytest

from treadle.testing.broker_contract import PROMISES, BrokerContract

_NAMED = [(promise, case) for promise, cases in PROMISES.items() for case in cases]


@pytest.mark.parametrize(("promise", "case"), _NAMED)
def test_each_case_that_a_promise_names_exists(promise: int, case: str) -> None:
    assert callable(getattr(BrokerContract, case, None)), f"promise {promise} names {case}, which does not exist"


def test_no_two_groups_of_cases_use_one_name() -> None:
    names = [name for group in BrokerContract.__bases__ for name in vars(group) if name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


def test_the_contract_has_all_its_cases() -> None:
    assert sum(1 for name in dir(BrokerContract) if name.startswith("test_")) >= 140
