"""The memory broker keeps the contract; time is moved, not waited for."""

from __future__ import annotations

import uuid

import pytest

from treadle.brokers.memory import MemoryBroker
from treadle.testing.broker_contract import Advance, BrokerContract


class TestMemoryBroker(BrokerContract):
    """Two brokers of one name share a store."""

    @pytest.fixture
    def broker(self) -> MemoryBroker:
        return MemoryBroker(f"memory://{uuid.uuid4()}", {})

    @pytest.fixture
    def second_broker(self, broker: MemoryBroker) -> MemoryBroker:
        return MemoryBroker(broker.safe_url, {})

    @pytest.fixture
    def advance(self, broker: MemoryBroker) -> Advance:
        return broker.advance


class TestMemoryBrokerInRealTime(TestMemoryBroker):
    """The same without touching the clock."""

    @pytest.fixture
    def advance(self) -> None:
        return None
