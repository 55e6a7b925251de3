"""The SQL broker keeps the contract on MariaDB, against a real server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.servers import MariaDbServer
from treadle.brokers.sql import SqlBroker
from treadle.interfaces import Broker
from treadle.testing.broker_contract import BrokerContract


@pytest.fixture(scope="module")
def database(mariadb_server: MariaDbServer) -> Iterator[str]:
    """The URL of a database of this file's own."""
    with mariadb_server.database() as url:
        yield url


class TestMariaDbBroker(BrokerContract):
    """Each broker object has connections of its own, as another process would."""

    # Tables of its own isolate a case as well as a database would.
    @pytest.fixture
    def namespace(self) -> str:
        return f"contract_{uuid.uuid4().hex[:12]}"

    @pytest.fixture
    def broker(self, database: str, namespace: str) -> Iterator[Broker]:
        broker = SqlBroker(database, {"namespace": namespace})
        broker.migrate()
        yield broker
        broker.close()

    @pytest.fixture
    def second_broker(self, database: str, namespace: str) -> Iterator[Broker]:
        broker = SqlBroker(database, {"namespace": namespace})
        yield broker
        broker.close()
