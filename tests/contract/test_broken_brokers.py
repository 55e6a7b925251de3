"""The contract can fail: each broken broker turns its cases red, and the healthy one none of them."""

from __future__ import annotations

import pytest

from treadle.brokers.memory import MemoryBroker
from treadle.exceptions import TreadleError
from treadle.testing.broken_brokers import FAULTS, Fault
from treadle.testing.broker_contract import BrokerContract, Stage

_PAIRS = [(fault, case) for fault in FAULTS for case in fault.caught_by]
_CASES = sorted({case for _, case in _PAIRS})


def run_case(case: str, broker: MemoryBroker, *, patience_s: float) -> None:
    """Run one case of the contract on a broker."""
    getattr(BrokerContract(), case)(Stage(broker, advance=broker.advance, patience_s=patience_s))


@pytest.mark.parametrize(("fault", "case"), _PAIRS, ids=[f"{fault.__name__}-{case}" for fault, case in _PAIRS])
def test_a_broken_broker_turns_its_case_red(fault: type[Fault], case: str) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception, TreadleError)):
        run_case(case, fault.broker(), patience_s=1.0)


@pytest.mark.parametrize("case", _CASES)
def test_the_healthy_broker_keeps_each_of_these_cases_green(case: str) -> None:
    run_case(case, MemoryBroker(), patience_s=10.0)


def test_each_broken_broker_tells_its_fault_and_who_catches_it() -> None:
    assert len(FAULTS) >= 15
    for fault in FAULTS:
        assert fault.__doc__
        assert fault.caught_by, f"{fault.__name__} is caught by nothing"
