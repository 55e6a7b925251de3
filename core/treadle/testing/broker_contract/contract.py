"""All cases of the contract in one class."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from treadle.interfaces import Broker
from treadle.testing.broker_contract.cancelling import CancelCases
from treadle.testing.broker_contract.claiming import ClaimCases
from treadle.testing.broker_contract.concurrency import ConcurrencyCases
from treadle.testing.broker_contract.dying import DeathCases
from treadle.testing.broker_contract.leases import LeaseCases
from treadle.testing.broker_contract.lookup import LookupCases
from treadle.testing.broker_contract.publishing import PublishCases
from treadle.testing.broker_contract.queues import QueueCases
from treadle.testing.broker_contract.retrying import RetryCases
from treadle.testing.broker_contract.settling import SettleCases
from treadle.testing.broker_contract.stage import Advance, Stage
from treadle.testing.broker_contract.waiting import WaitCases
from treadle.testing.broker_contract.workflows import WorkflowCases


class BrokerFixtures:
    """What the cases are given. Override the fixtures."""

    @pytest.fixture
    def broker(self) -> Broker | Iterator[Broker]:
        """A broker whose store is empty. Must be overridden."""
        message = f"{type(self).__name__} must override the fixture `broker`"
        raise NotImplementedError(message)

    @pytest.fixture
    def second_broker(self) -> Broker | Iterator[Broker] | None:
        """Another broker object on the same store, as another process would have; None if there cannot be one."""
        return None

    @pytest.fixture
    def advance(self) -> Advance | None:
        """Moves the store's time forward; None: the suite lives through short waits instead."""
        return None

    @pytest.fixture
    def stage(self, broker: Broker, second_broker: Broker | None, advance: Advance | None) -> Iterator[Stage]:
        """What each case works with."""
        stage = Stage(broker, second_broker, advance)
        yield stage
        stage.close()


class BrokerContract(
    PublishCases,
    ClaimCases,
    SettleCases,
    RetryCases,
    LeaseCases,
    DeathCases,
    CancelCases,
    QueueCases,
    LookupCases,
    WaitCases,
    WorkflowCases,
    ConcurrencyCases,
    BrokerFixtures,
):
    """Every promise of a store. Subclass it, and override the fixtures."""
