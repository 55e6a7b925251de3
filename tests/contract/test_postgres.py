"""The SQL broker keeps the contract on PostgreSQL, against a real server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers import PgBouncerServer, PostgresServer
from treadle.brokers.sql import SqlBroker
from treadle.interfaces import Broker
from treadle.testing.broker_contract import BrokerContract
from treadle.testing.broker_contract.claiming import ClaimCases
from treadle.testing.broker_contract.concurrency import ConcurrencyCases
from treadle.testing.broker_contract.contract import BrokerFixtures
from treadle.testing.broker_contract.settling import SettleCases
from treadle.testing.broker_contract.waiting import WaitCases


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a database of this file's own."""
    with postgres_server.database() as url:
        yield url


class PostgresFixtures(BrokerFixtures):
    """Each broker object has connections of its own, as another process would."""

    @pytest.fixture
    def url(self, database: str) -> str:
        return database

    # Tables of its own isolate a case as well as a database would, and are made in a fraction of the time.
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"namespace": f"contract_{uuid.uuid4().hex[:12]}"}

    @pytest.fixture
    def broker(self, url: str, options: dict[str, Any]) -> Iterator[Broker]:
        broker = SqlBroker(url, options)
        broker.migrate()
        yield broker
        broker.close()

    @pytest.fixture
    def second_broker(self, url: str, options: dict[str, Any]) -> Iterator[Broker]:
        broker = SqlBroker(url, options)
        yield broker
        broker.close()


class TestPostgresBroker(PostgresFixtures, BrokerContract):
    """The whole contract."""


class TestPostgresBrokerBehindPgBouncer(PostgresFixtures, ClaimCases, SettleCases, WaitCases, ConcurrencyCases):
    """In transaction mode the next transaction may be on another connection: nothing can listen there.

    The statements are the same as without it: here are the cases in which connections and waiting matter.
    """

    @pytest.fixture
    def url(self, database: str, pgbouncer_server: PgBouncerServer) -> str:
        return pgbouncer_server.url_of(database.rpartition("/")[2])

    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"namespace": f"contract_{uuid.uuid4().hex[:12]}", "postgres_notify": False}
