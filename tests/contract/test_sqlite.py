"""The SQL broker keeps the contract on SQLite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from treadle.brokers.sql import SqlBroker
from treadle.interfaces import Broker
from treadle.testing.broker_contract import BrokerContract


class TestSqliteBroker(BrokerContract):
    """Each broker object has connections of its own, as another process would."""

    @pytest.fixture
    def broker(self, sqlite_url: str) -> Iterator[Broker]:
        broker = SqlBroker(sqlite_url, {"namespace": "contract"})
        broker.migrate()
        yield broker
        broker.close()

    @pytest.fixture
    def second_broker(self, sqlite_url: str) -> Iterator[Broker]:
        broker = SqlBroker(sqlite_url, {"namespace": "contract"})
        yield broker
        broker.close()
