"""The Redis broker keeps the contract, against a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from treadle.interfaces import Broker
from treadle.testing.broker_contract import BrokerContract

pytest.importorskip("hiredis", reason="the Redis broker needs the extra `redis`")

from treadle.brokers.redis import RedisBroker


class TestRedisBroker(BrokerContract):
    """Each broker object has connections of its own, as another process would."""

    @pytest.fixture
    def broker(self, redis_url: str) -> Iterator[Broker]:
        broker = RedisBroker(redis_url, {"namespace": "contract"})
        yield broker
        broker.close()

    @pytest.fixture
    def second_broker(self, redis_url: str) -> Iterator[Broker]:
        broker = RedisBroker(redis_url, {"namespace": "contract"})
        yield broker
        broker.close()
