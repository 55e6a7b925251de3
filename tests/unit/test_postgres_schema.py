"""Where the tables are, whatever else the database is told, and what a role must be allowed to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("psycopg", reason="the PostgreSQL broker needs the extra `postgres`")

import psycopg

from tests.servers import PostgresServer
from treadle.brokers.sql import SqlBroker
from treadle.brokers.sql.schema import LATEST
from treadle.exceptions import ConfigurationError
from treadle.job import Job
from treadle.settlement import Complete, Fail, Retry

JOB = Job("a", "t", b"json:[[],{}]")


def live_a_life(broker: SqlBroker) -> None:
    """Call nearly everything that clients and workers call."""
    broker.publish([JOB, JOB._replace(id="b"), JOB._replace(id="c", delay_ms=60_000)])
    broker.open_lease("w/1", 60)
    consumer, watch = broker.consumer("w/1", ["default"]), broker.watch()
    one, two = consumer.claim(2, idle=True).deliveries
    assert consumer.note(one, b"half")
    broker.renew(["w/1"], 60)
    consumer.settle([Complete(one), Retry(two, 0)])
    consumer.settle([Fail(each, "error") for each in consumer.claim(1, idle=True).deliveries])
    assert watch.wait(["a"], 5) == {"a"}
    broker.requeue(["b"])
    broker.pause("default")
    broker.resume("default")
    broker.move("default", "other")
    broker.cancel(["b"])
    broker.abandon("w/1", reason="crashed", error=b"")
    broker.recover(error=b"")
    assert broker.prune(max_age_s=0, max_count=0, failed_max_age_s=0) > 0
    assert broker.purge("other") == 1
    assert broker.check() == []
    consumer.close()
    watch.close()


def tables_of(url: str) -> dict[str, set[str]]:
    """The tables of a database by schema."""
    found: dict[str, set[str]] = {}
    with psycopg.connect(url) as connection:
        for schema, table in connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ):
            found.setdefault(schema, set()).add(table)
    return found


TABLES = {f"treadle_{name}" for name in ("meta", "lease", "queue", "job", "live", "outcome", "edge", "owed")}


@pytest.mark.parametrize("schema", ["public", "jobs", "Jobs", "select"])
def test_everything_is_kept_in_the_schema_whatever_the_search_path_says(postgres_url: str, schema: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE SCHEMA elsewhere")
    broker = SqlBroker(f"{postgres_url}?options=-csearch_path%3Delsewhere", {"postgres_schema": schema})
    assert len(broker.migrate()) == LATEST
    live_a_life(broker)
    assert tables_of(postgres_url) == {schema: TABLES}
    broker.close()


def test_two_apps_share_a_database_under_two_names(postgres_url: str) -> None:
    one, two = SqlBroker(postgres_url, {}), SqlBroker(postgres_url, {"namespace": "shop"})
    for broker in (one, two):
        broker.migrate()
    one.publish([JOB])
    assert not two.get(["a"])
    live_a_life(two)
    assert one.get(["a"])["a"].state == "queued"
    one.close()
    two.close()


def test_a_bad_name_of_a_schema_is_refused_before_anything_connects() -> None:
    with pytest.raises(ConfigurationError, match="use letters, digits and underscores"):
        SqlBroker("postgresql://127.0.0.1:1/none", {"postgres_schema": 'jobs"; DROP TABLE treadle_job; --'})


def test_whoever_waited_for_another_s_migration_sees_its_tables(postgres_url: str) -> None:
    """Inside a transaction a session may answer from what it knew of the catalogue before."""
    waiting, fast = SqlBroker(postgres_url, {}), SqlBroker(postgres_url, {})
    dialect = waiting._dialect
    meta = f"{dialect.prefix}meta"
    with dialect.writing() as executor:
        assert not dialect.has_table(executor, meta)
        fast.migrate()
        assert dialect.has_table(executor, meta)
    for broker in (waiting, fast):
        broker.close()


# Roles -------------------------------------------------------------------------------------------------


@pytest.fixture
def clerk_url(postgres_server: PostgresServer, postgres_url: str) -> Iterator[str]:
    """The URL of the test's database for a role that may only connect."""
    postgres_server.ask("DROP ROLE IF EXISTS clerk")
    postgres_server.ask("CREATE ROLE clerk LOGIN PASSWORD 'stamp'")
    yield postgres_url.replace("treadle:loopback@", "clerk:stamp@")
    name = postgres_url.rpartition("/")[2]
    postgres_server.ask("DROP OWNED BY clerk", database=name)
    postgres_server.ask("DROP ROLE clerk")


def test_a_role_without_rights_is_told_what_it_may_not_do(postgres_url: str, clerk_url: str) -> None:
    owner, clerk = SqlBroker(postgres_url, {}), SqlBroker(clerk_url, {})
    with pytest.raises(ConfigurationError, match="permission denied for schema public"):
        clerk.migrate()
    owner.migrate()
    for refused in (clerk.counts, lambda: clerk.publish([JOB]), clerk.make_ready):
        with pytest.raises(ConfigurationError, match="permission denied for table treadle_meta"):
            refused()
    owner.close()
    clerk.close()


def test_reading_and_writing_the_tables_is_all_that_workers_need(postgres_url: str, clerk_url: str) -> None:
    owner, clerk = (
        SqlBroker(postgres_url, {"postgres_schema": "jobs"}),
        SqlBroker(clerk_url, {"postgres_schema": "jobs"}),
    )
    owner.migrate()
    with psycopg.connect(postgres_url) as connection:
        connection.execute("GRANT USAGE ON SCHEMA jobs TO clerk")
        connection.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA jobs TO clerk")
    assert clerk.make_ready() == []
    live_a_life(clerk)
    owner.close()
    clerk.close()
