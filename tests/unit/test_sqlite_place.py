"""Where a SQLite database may be, and what is said about a place where it cannot."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle import Treadle
from treadle.brokers.sql import SqlBroker
from treadle.brokers.sql.sqlite import place
from treadle.brokers.sql.sqlite.file import SqliteFile
from treadle.exceptions import ConfigurationError, NotSupported
from treadle.job import Job

_opened: list[SqlBroker] = []


@pytest.fixture(autouse=True)
def _closes_what_was_opened() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def broker_at(path: Path, **options: object) -> SqlBroker:
    broker = SqlBroker(f"sqlite:///{path}", options)
    _opened.append(broker)
    return broker


def test_three_slashes_begin_a_relative_path_and_four_an_absolute_one() -> None:
    assert place.path_of("sqlite:///jobs.db") == Path.cwd() / "jobs.db"
    assert place.path_of("sqlite:////var/lib/jobs.db") == Path("/var/lib/jobs.db")
    assert place.path_of("sqlite:///with%20space.db") == Path.cwd() / "with space.db"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(NotSupported, match="memory"):
        SqlBroker(url, {})


@pytest.mark.parametrize("url", ["sqlite://host/jobs.db", "sqlite:///jobs.db?mode=ro"])
def test_a_url_that_means_something_else_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected sqlite:///relative"):
        SqlBroker(url, {})


def test_the_deepest_mount_decides_what_file_system_it_is() -> None:
    mounts = "dev / ext4 rw 0 0\nserver:/x /srv nfs4 rw 0 0\ndev2 /srv/local\\040disk xfs rw 0 0\nbroken\n"
    assert place.file_system(Path("/home/me"), mounts) == "ext4"
    assert place.file_system(Path("/srv/app"), mounts) == "nfs4"
    assert place.file_system(Path("/srv/local disk/app"), mounts) == "xfs"


@given(st.text())
def test_no_text_of_proc_mounts_breaks_the_reader(mounts: str) -> None:
    assert isinstance(place.file_system(Path("/home/me"), mounts), str)


def test_a_directory_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere does not exist: create it"):
        broker_at(tmp_path / "nowhere" / "jobs.db").migrate()


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, and they are long enough")
    with pytest.raises(ConfigurationError, match="not a SQLite database"):
        broker_at(path).migrate()
    assert path.read_text().startswith("these are my notes")


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not a file"):
        broker_at(tmp_path).migrate()


def test_a_read_only_file_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jobs.db"
        broker_at(path).migrate()
        path.chmod(0o444)
        path.parent.chmod(0o755)
        refusal = as_nobody(lambda: broker_at(path).publish([Job("a", "t", b"json:[]")]))
    assert refusal.startswith("ConfigurationError")
    assert "permissions" in refusal


def as_nobody(action: Callable[[], None]) -> str:
    """What `action` raises in a process without root's rights: its class and text."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            action()
        except BaseException as error:  # noqa: BLE001 - told to the parent process
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    return text


def test_our_own_file_is_in_wal_mode_and_check_is_content(tmp_path: Path) -> None:
    broker = broker_at(tmp_path / "jobs.db")
    broker.migrate()
    with sqlite3.connect(tmp_path / "jobs.db") as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    assert broker.check() == []
    broker.close()


def test_a_file_of_the_application_keeps_its_journal_mode_and_check_advises(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "app.db") as connection:
        connection.execute("CREATE TABLE auth_user (id INTEGER)")
    broker = broker_at(tmp_path / "app.db")
    broker.migrate()
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()
    advice = broker.check()
    assert any("journal_mode=WAL" in sentence for sentence in advice)
    assert any("BEGIN IMMEDIATE" in sentence for sentence in advice)
    broker.close()


def application_file(path: Path) -> Path:
    """A file that an application has made, in SQLite's own journal mode: a rollback journal."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE auth_user (id INTEGER)")
    return path


def synchronous(file: SqliteFile) -> int:
    """What `PRAGMA synchronous` says on a connection of ours: 1 NORMAL, 2 FULL, 3 EXTRA."""
    with contextlib.closing(file.connect()) as connection:
        return int(connection.execute("PRAGMA synchronous").fetchone()[0])


def test_unless_told_otherwise_our_own_file_is_written_normally_and_a_rollback_journal_fully(tmp_path: Path) -> None:
    assert synchronous(SqliteFile(tmp_path / "jobs.db", "treadle_", None)) == 1
    assert synchronous(SqliteFile(application_file(tmp_path / "app.db"), "treadle_", None)) == 2


@pytest.mark.parametrize(("chosen", "level"), [("NORMAL", 1), ("FULL", 2), ("EXTRA", 3)])
def test_a_durability_that_is_chosen_holds_in_either_journal_mode(tmp_path: Path, chosen: str, level: int) -> None:
    assert synchronous(SqliteFile(tmp_path / "jobs.db", "treadle_", chosen)) == level
    assert synchronous(SqliteFile(application_file(tmp_path / "app.db"), "treadle_", chosen)) == level


@pytest.mark.parametrize(("settings", "level"), [({}, 2), ({"sqlite_synchronous": "EXTRA"}, 3)])
def test_an_app_writes_a_rollback_journal_fully_unless_its_settings_say_otherwise(
    tmp_path: Path, settings: dict[str, Any], level: int
) -> None:
    path = application_file(tmp_path / "app.db")
    with Treadle("shop", broker=f"sqlite:///{path}", **settings) as app:
        assert isinstance(app.broker, SqlBroker)
        with app.broker._store.reading() as executor:
            assert executor.rows("PRAGMA synchronous") == [(level,)]


def test_a_misspelt_durability_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'of': expected one of NORMAL, FULL, EXTRA, or None"):
        broker_at(tmp_path / "jobs.db", sqlite_synchronous="of")


@pytest.mark.parametrize("namespace", ["my app", "x; DROP TABLE y", "ünder"])
def test_a_namespace_that_is_no_name_is_refused(tmp_path: Path, namespace: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot begin a table's name"):
        broker_at(tmp_path / "jobs.db", namespace=namespace)


def test_namespaces_in_one_file_do_not_see_each_other(tmp_path: Path) -> None:
    here, there = broker_at(tmp_path / "jobs.db", namespace="here"), broker_at(tmp_path / "jobs.db", namespace="there")
    here.publish([Job("a", "t", b"json:[]")])
    assert here.get(["a"])
    assert not there.get(["a"])
    here.close()
    there.close()


def test_tables_that_vanish_are_an_error_that_says_so_and_come_back(tmp_path: Path) -> None:
    broker = broker_at(tmp_path / "jobs.db")
    broker.migrate()
    with sqlite3.connect(tmp_path / "jobs.db") as connection:
        for table in ("job", "live", "outcome", "lease", "queue", "meta", "edge", "owed"):
            connection.execute(f"DROP TABLE treadle_{table}")
    connection.close()
    with pytest.raises(ConfigurationError, match="no tables of Treadle"):
        broker.publish([Job("a", "t", b"json:[]")])
    broker.publish([Job("a", "t", b"json:[]")])
    assert broker.get(["a"])
    broker.close()
