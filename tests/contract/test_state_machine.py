"""Random operations: every broker agrees with the model after each of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test  # pyright: ignore[reportUnknownVariableType] - untyped there

from treadle.brokers.memory import MemoryBroker
from treadle.brokers.sql import SqlBroker
from treadle.interfaces import Broker
from treadle.testing.broken_brokers import FAULTS
from treadle.testing.state_machine import make_state_machine

# Files and servers are slow enough that a walk of them counts as slow.
_PATIENT = settings(
    stateful_step_count=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None
)

# A database server writes each step to a disk.
_SERVER_WALKS = 60


@contextmanager
def _memory() -> Generator[MemoryBroker]:
    yield MemoryBroker()


def test_the_memory_broker_agrees_with_the_model() -> None:
    machine = make_state_machine(_memory, MemoryBroker.advance)
    run_state_machine_as_test(machine, settings=settings(_PATIENT, max_examples=300))


def test_the_sqlite_broker_agrees_with_the_model(tmp_path: Path) -> None:
    def on_a_new_file() -> Broker:
        broker = SqlBroker(f"sqlite:///{tmp_path / str(uuid.uuid4())}.sqlite3", {})
        broker.migrate()
        return broker

    run_state_machine_as_test(
        make_state_machine(_closing(on_a_new_file)), settings=settings(_PATIENT, max_examples=200)
    )


def test_the_redis_broker_agrees_with_the_model(redis_url: str) -> None:
    redis = pytest.importorskip("treadle.brokers.redis", reason="the Redis broker needs the extra `redis`")

    def in_a_new_namespace() -> Broker:
        broker: Broker = redis.RedisBroker(redis_url, {"namespace": f"walk-{uuid.uuid4()}"})
        return broker

    machine = make_state_machine(_closing(in_a_new_namespace))
    run_state_machine_as_test(machine, settings=settings(_PATIENT, max_examples=200))


def test_the_postgres_broker_agrees_with_the_model(postgres_url: str) -> None:
    machine = make_state_machine(_closing(lambda: _with_new_tables(postgres_url)))
    run_state_machine_as_test(machine, settings=settings(_PATIENT, max_examples=_SERVER_WALKS))


def test_the_mariadb_broker_agrees_with_the_model(mariadb_url: str) -> None:
    machine = make_state_machine(_closing(lambda: _with_new_tables(mariadb_url)))
    run_state_machine_as_test(machine, settings=settings(_PATIENT, max_examples=_SERVER_WALKS))


@pytest.mark.parametrize("name", ["Unfenced", "Counting", "Inverted", "Resetting", "Unjust", "Greedy", "Reviving"])
def test_the_machine_finds_what_is_broken(name: str) -> None:
    fault = next(each for each in FAULTS if each.__name__ == name)

    @contextmanager
    def broken() -> Generator[MemoryBroker]:
        yield fault.broker()

    machine = make_state_machine(broken, MemoryBroker.advance)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - a group of errors if it finds several
        run_state_machine_as_test(
            machine,
            settings=settings(_PATIENT, max_examples=300, phases=[Phase.generate], database=None, derandomize=True),
        )


def _with_new_tables(url: str) -> Broker:
    broker = SqlBroker(url, {"namespace": f"walk_{uuid.uuid4().hex[:12]}"})
    broker.migrate()
    return broker


def _closing(make: Callable[[], Broker]) -> Callable[[], AbstractContextManager[Broker]]:
    @contextmanager
    def opened() -> Generator[Broker]:
        broker = make()
        try:
            yield broker
        finally:
            broker.close()

    return opened
