"""Which schemas a version of the code works on, and what it says of the others."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.brokers.sql import SqlBroker, schema
from treadle.brokers.sql.dialect import Dialect
from treadle.brokers.sql.schema import LATEST, MIGRATIONS, OLDEST, Migration
from treadle.brokers.sql.sqlite.dialect import SqliteDialect
from treadle.exceptions import ConfigurationError, TreadleError
from treadle.job import Job

Knowing = Callable[[int], None]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture
def dialect(url: str) -> Iterator[Dialect]:
    dialect = SqliteDialect(url, {})
    yield dialect
    dialect.close()


@pytest.fixture
def knowing(monkeypatch: pytest.MonkeyPatch) -> Knowing:
    """Makes this the code of the version whose newest schema has that number."""

    def know(latest: int) -> None:
        future = [Migration(number, f"did step {number}", ()) for number in range(LATEST + 1, latest + 1)]
        monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, *future)[:latest])
        monkeypatch.setattr(schema, "LATEST", latest)
        monkeypatch.setattr(schema, "OLDEST", latest - 1)

    return know


@pytest.fixture
def on_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the file be treated as a server's database: nobody but `migrate` changes its schema."""
    monkeypatch.setattr(SqliteDialect, "migrates_itself", False)


def facts(dialect: Dialect) -> dict[str, int]:
    with dialect.reading() as executor:
        return dict(executor.rows("SELECT name, value FROM treadle_meta"))


def set_facts(dialect: Dialect, **values: int) -> None:
    with dialect.writing() as executor:
        for name, value in values.items():
            executor.run("UPDATE treadle_meta SET value = ? WHERE name = ?", (value, name))


def require(dialect: Dialect) -> None:
    with dialect.reading() as executor:
        schema.require(dialect, executor)


def test_migrations_are_numbered_without_gaps_and_each_says_what_it_did() -> None:
    assert [each.version for each in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
    assert all(each.summary for each in MIGRATIONS)


def test_the_newest_schema_serves_the_code_before_it(dialect: Dialect) -> None:
    schema.migrate(dialect)
    assert facts(dialect)["schema_version"] == LATEST
    assert facts(dialect)["serves"] <= OLDEST < LATEST


def test_every_schema_can_be_upgraded_to_the_latest(dialect: Dialect, knowing: Knowing) -> None:
    for version in range(1, LATEST + 1):
        knowing(version)
        done = schema.migrate(dialect)
        assert done == [f"schema {version}: {MIGRATIONS[version - 1].summary}"]
    assert schema.migrate(dialect) == []


def test_a_migration_that_somebody_else_has_applied_is_left_alone(dialect: Dialect) -> None:
    schema.migrate(dialect)
    with dialect.writing() as executor:
        assert [schema.upgrade(dialect, executor, each) for each in MIGRATIONS] == [False] * LATEST


def test_a_migration_that_fails_half_way_leaves_the_schema_before_it(
    dialect: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema.migrate(dialect)
    torn = Migration(LATEST + 1, "tore", ("CREATE TABLE {p}half (one INTEGER)", "CREATE GIBBERISH"))
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, torn))
    with pytest.raises(TreadleError, match="GIBBERISH"):
        schema.migrate(dialect)
    assert facts(dialect)["schema_version"] == LATEST
    with dialect.reading() as executor:
        assert not dialect.has_table(executor, "treadle_half")


def test_a_database_without_tables_has_version_0_and_is_refused(dialect: Dialect) -> None:
    with dialect.reading() as executor:
        assert schema.installed_version(dialect, executor) == 0
    with pytest.raises(ConfigurationError, match=r"no tables of Treadle.*run `treadle migrate`"):
        require(dialect)


@pytest.mark.parametrize("lag", [0, 1])
def test_code_works_on_its_own_schema_and_on_the_one_before(dialect: Dialect, knowing: Knowing, lag: int) -> None:
    schema.migrate(dialect)
    knowing(LATEST + lag)
    require(dialect)


def test_a_schema_older_than_the_one_before_is_refused_by_number(dialect: Dialect, knowing: Knowing) -> None:
    schema.migrate(dialect)
    knowing(LATEST + 2)
    message = rf"has Treadle's schema {LATEST}, and this version of Treadle needs {LATEST + 1}: run `treadle migrate`"
    with pytest.raises(ConfigurationError, match=message):
        require(dialect)


@given(version=st.integers(1, 9), serves=st.integers(1, 9), latest=st.integers(2, 9))
def test_a_schema_is_usable_from_the_one_before_ours_up_to_those_that_serve_us(
    tmp_path_factory: pytest.TempPathFactory, version: int, serves: int, latest: int
) -> None:
    dialect = SqliteDialect(f"sqlite:///{tmp_path_factory.mktemp('schema') / 'jobs.db'}", {})
    schema.migrate(dialect)
    set_facts(dialect, schema_version=version, serves=serves)
    usable = version >= latest - 1 and serves <= latest
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "LATEST", latest)
        patch.setattr(schema, "OLDEST", latest - 1)
        with contextlib.nullcontext() if usable else pytest.raises(ConfigurationError):
            require(dialect)
    dialect.close()


def test_a_schema_that_does_not_say_whom_it_serves_serves_its_own_version(dialect: Dialect) -> None:
    schema.migrate(dialect)
    with dialect.writing() as executor:
        executor.run("DELETE FROM treadle_meta WHERE name = 'serves'")
    require(dialect)
    set_facts(dialect, schema_version=LATEST + 1)
    with pytest.raises(ConfigurationError, match=rf"schema {LATEST + 1}.*knows {LATEST} at most: upgrade Treadle"):
        require(dialect)


@pytest.mark.usefixtures("on_a_server")
def test_code_that_knows_one_schema_less_publishes_to_the_newest(dialect: Dialect, url: str, knowing: Knowing) -> None:
    schema.migrate(dialect)
    knowing(LATEST - 1)
    broker = SqlBroker(url, {})
    broker.publish([Job("a", "t", b"json:[[],{}]")])
    assert broker.get(["a"])["a"].state == "queued"
    assert broker.migrate() == [], "there is nothing that it could do"
    assert broker.check() == []
    broker.close()


@pytest.mark.usefixtures("on_a_server")
def test_check_asks_for_the_schema_that_this_version_was_made_for(dialect: Dialect, url: str, knowing: Knowing) -> None:
    schema.migrate(dialect)
    knowing(LATEST + 1)
    broker = SqlBroker(url, {})
    assert broker.make_ready() == [], "it works"
    lag = f"has Treadle's schema {LATEST}, and this version works best with {LATEST + 1}: run `treadle migrate`."
    assert broker.check() == [f"{url} {lag}"]
    broker.migrate()
    assert broker.check() == []
    broker.close()


@pytest.mark.usefixtures("on_a_server")
def test_check_says_of_a_schema_that_cannot_be_used_what_to_do(url: str, knowing: Knowing) -> None:
    broker = SqlBroker(url, {})
    assert broker.check()[0] == f"{url} has no tables of Treadle (any more): run `treadle migrate`."
    broker.migrate()
    knowing(LATEST + 2)
    assert f"needs {LATEST + 1}: run `treadle migrate`" in broker.check()[0]
    broker.close()


@pytest.mark.usefixtures("on_a_server")
def test_a_server_s_database_is_not_changed_by_whoever_finds_no_tables(dialect: Dialect, url: str) -> None:
    broker = SqlBroker(url, {})
    for refused in (broker.make_ready, broker.counts, lambda: broker.publish([Job("a", "t", b"json:")])):
        with pytest.raises(ConfigurationError, match="run `treadle migrate`"):
            refused()
    with dialect.reading() as executor:
        assert executor.rows("SELECT count(*) FROM sqlite_master") == [(0,)]
    broker.close()


@pytest.mark.usefixtures("on_a_server")
def test_whoever_was_refused_goes_on_once_somebody_has_migrated(url: str) -> None:
    broker, operator = SqlBroker(url, {}), SqlBroker(url, {})
    with pytest.raises(ConfigurationError, match="run `treadle migrate`"):
        broker.counts()
    operator.migrate()
    assert broker.counts().queues == {}
    operator.close()
    broker.close()
