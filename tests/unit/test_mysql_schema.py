"""Changes of the schema on MySQL and MariaDB, where each statement is committed by itself."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.servers import MariaDbServer
from treadle.brokers.sql import SqlBroker, schema
from treadle.brokers.sql.mysql.link import Link
from treadle.exceptions import BrokerUnavailable, ConfigurationError
from treadle.job import Job

ALL_MIGRATIONS = [f"schema {each.version}: {each.summary}" for each in schema.MIGRATIONS]


@pytest.fixture(scope="module")
def database(mariadb_server: MariaDbServer) -> Iterator[str]:
    with mariadb_server.database() as url:
        yield url


@pytest.fixture
def namespace() -> str:
    return f"n{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def whole(database: str) -> set[tuple[Any, ...]]:
    """The shape of a schema that was made in one go."""
    with closing(SqlBroker(database, {"namespace": "whole"})) as broker:
        broker.migrate()
        return shape(broker)


def ask(broker: SqlBroker, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with broker._store.dialect.reading() as executor:
        return executor.rows(sql, parameters)


def test_a_database_without_tables_is_refused_with_the_command_that_makes_them(database: str, namespace: str) -> None:
    broker = SqlBroker(database, {"namespace": namespace})
    with pytest.raises(ConfigurationError, match="treadle migrate"):
        broker.publish([Job("a", "t", b"")])
    broker.migrate()
    broker.publish([Job("a", "t", b"")])
    broker.close()


def test_several_that_migrate_at_once_do_it_once(database: str, namespace: str) -> None:
    brokers = [SqlBroker(database, {"namespace": namespace}) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(SqlBroker.migrate, brokers))
    assert sorted(itertools.chain(*done)) == ALL_MIGRATIONS
    brokers[0].publish([Job("a", "t", b"")])
    assert brokers[3].get(["a"])
    for broker in brokers:
        broker.close()


# Of fifteen statements that write: 2 and 14 are rows, 13 and 15 write a version, the others make tables and indexes.
@pytest.mark.parametrize("statements", [1, 2, 3, 6, 8, 9, 12, 13, 14])
def test_a_migration_that_dies_after_any_statement_is_finished_by_the_next(
    database: str, namespace: str, whole: set[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch, statements: int
) -> None:
    query = Link.query
    left = statements

    def die_in_time(link: Link, sql: Any, unbuffered: bool = False) -> int:
        nonlocal left
        answer = query(link, sql, unbuffered)
        text = sql if isinstance(sql, str) else sql.decode()
        left -= text.startswith(("CREATE", "ALTER", "INSERT", "UPDATE"))
        if not left:
            # As the death of the process would.
            link._force_close()  # type: ignore[attr-defined]
        return answer

    with closing(SqlBroker(database, {"namespace": namespace})) as broker:
        with monkeypatch.context() as patch:
            patch.setattr(Link, "query", die_in_time)
            with pytest.raises(BrokerUnavailable):
                broker.migrate()
        broker.migrate()
        assert shape(broker) == whole
        broker.publish([Job("a", "t", b"")])
        assert broker.counts().queues["default"].queued == 1


def test_numbers_are_not_used_again_after_the_jobs_are_gone_and_the_server_was_restarted(tmp_path: Path) -> None:
    with MariaDbServer(tmp_path) as server:
        broker = SqlBroker(server.url, {})
        broker.migrate()
        broker.publish([Job("a", "t", b""), Job("b", "t", b"")])
        before = ask(broker, "SELECT max(seq) FROM treadle_job")[0][0]
        broker.delete(["a", "b"])
        server.restart()
        broker.publish([Job("a", "t", b"")])
        assert ask(broker, "SELECT min(seq) FROM treadle_job")[0][0] > before
        broker.close()


def shape(broker: SqlBroker) -> set[tuple[Any, ...]]:
    """Columns and indexes of the tables, and what is written in the table of facts."""
    prefix = broker._store.dialect.prefix
    columns = ask(
        broker,
        "SELECT substr(table_name, ?), column_name, column_type, collation_name, is_nullable"
        " FROM information_schema.columns WHERE table_schema = DATABASE() AND left(table_name, ?) = ?",
        len(prefix) + 1, len(prefix), prefix,
    )  # fmt: skip
    indexes = ask(
        broker,
        "SELECT substr(table_name, ?), index_name, seq_in_index, column_name, non_unique"
        " FROM information_schema.statistics WHERE table_schema = DATABASE() AND left(table_name, ?) = ?",
        len(prefix) + 1, len(prefix), prefix,
    )  # fmt: skip
    return {*columns, *indexes, *ask(broker, f"SELECT name, value FROM {prefix}meta")}
