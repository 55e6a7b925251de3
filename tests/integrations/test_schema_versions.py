"""Database servers: who may work on which schema, and what an upgrade does to those that are at work."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.harness import Client, Worker
from tests.harness.command_line import CommandLine
from tests.harness.stores import fixture_of
from treadle.brokers.sql.schema import LATEST, MIGRATIONS
from treadle.exceptions import ConfigurationError

#: Makes every process of a version that knows another number of schemas, read from the environment.
_OTHER_VERSION = """
import os
from treadle.brokers.sql import schema

known = int(os.environ.get("SCHEMAS_KNOWN") or schema.LATEST)
future = [schema.Migration(number, f"did step {number}", ()) for number in range(schema.LATEST + 1, known + 1)]
schema.MIGRATIONS = (*schema.MIGRATIONS, *future)[:known]
schema.LATEST, schema.OLDEST = known, known - 1
"""
BEFORE, LATER = str(LATEST - 1), str(LATEST + 2)


@pytest.fixture(params=["postgresql", "mariadb"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database on a server."""
    found: str = request.getfixturevalue(fixture_of(request.param, "url"))
    return found


@pytest.fixture
def cli(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line; with `SCHEMAS_KNOWN` it is that of another version."""
    versions = tmp_path / "versions"
    versions.mkdir()
    (versions / "sitecustomize.py").write_text(_OTHER_VERSION)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(versions), os.environ.get("PYTHONPATH", "")))))
    return CommandLine(tmp_path, url)


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with closing(Client(url)) as client:
        yield client


def test_without_a_schema_a_worker_does_not_start_and_nothing_is_published(cli: CommandLine, client: Client) -> None:
    for words in (["worker", "--burst", "-c", "1"], ["call", "shop.pay", "-a", "[1]"], ["jobs", "list"]):
        refused = cli(*words)
        assert refused.code == 1
        assert "run `treadle migrate`" in refused.err
        assert "Traceback" not in refused.err
    with pytest.raises(ConfigurationError, match="run `treadle migrate`"):
        client.send("add", 1, 2)


def test_a_schema_older_than_the_one_before_is_refused_by_worker_and_publisher(cli: CommandLine) -> None:
    assert cli("migrate").code == 0
    for words in (["worker", "--burst", "-c", "1"], ["call", "shop.pay", "-a", "[1]"]):
        refused = cli(*words, SCHEMAS_KNOWN=LATER)
        assert refused.code == 1
        assert f"has Treadle's schema {LATEST}" in refused.err
        assert "run `treadle migrate`" in refused.err


def test_this_code_runs_jobs_on_the_schema_before(cli: CommandLine) -> None:
    assert cli("migrate", SCHEMAS_KNOWN=BEFORE).out.startswith("schema 1: ")
    job = cli.publish("shop.pay", "-a", "[1]")
    cli.work()
    assert cli("result", job).out == '{"paid": 1}\n'
    assert "run `treadle migrate`" in cli("check").out


def test_code_that_knows_one_schema_less_runs_jobs_on_the_newest(cli: CommandLine) -> None:
    assert cli("migrate").code == 0
    called = cli("call", "shop.pay", "-a", "[1]", "--json", SCHEMAS_KNOWN=BEFORE)
    assert cli("-q", "worker", "--burst", "-c", "1", SCHEMAS_KNOWN=BEFORE).code == 0
    assert cli("result", called.document["id"], SCHEMAS_KNOWN=BEFORE).out == '{"paid": 1}\n'


def test_migrating_while_a_worker_of_the_version_before_is_at_work_loses_nothing(
    cli: CommandLine, client: Client, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("migrate", SCHEMAS_KNOWN=BEFORE).code == 0
    monkeypatch.setenv("SCHEMAS_KNOWN", BEFORE)
    old = Worker(url, tmp_path, number=1)
    monkeypatch.delenv("SCHEMAS_KNOWN")
    new = Worker(url, tmp_path, number=2)
    try:
        old.start()
        jobs = client.send_many("work", [(5,)] * 200)
        client.await_state(jobs[0])
        assert cli("migrate").out == f"schema {LATEST}: {MIGRATIONS[-1].summary}\n"
        jobs += client.send_many("work", [(5,)] * 200)
        client.await_state(jobs[200])
        new.start()
        assert old.stop() == 0
        records = client.await_all_final(jobs)
        assert [record.state for record in records] == ["succeeded"] * 400
        assert sorted(entry.job_id for entry in new.ledger.entries("start")) == sorted(job.id for job in jobs)
        assert new.stop() == 0
    finally:
        for worker in (old, new):
            worker.clean_up()
            print(worker.output())  # noqa: T201 - shown by pytest when the test failed


def test_several_that_migrate_at_once_do_it_once(cli: CommandLine) -> None:
    three = [cli.start("migrate") for _ in range(3)]
    said = [process.communicate(timeout=30) for process in three]
    assert [process.returncode for process in three] == [0, 0, 0], said
    done = re.findall(r"^schema (\d+):", "".join(out for out, _ in said), re.MULTILINE)
    assert sorted(done) == [str(number) for number in range(1, LATEST + 1)]
    assert cli("migrate").out.startswith("nothing to do")
