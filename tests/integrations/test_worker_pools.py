"""Each pool runs `def` and `async def` tasks, as many at a time as it can."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.harness import ON_SQLITE, Rig

POOLS = ("prefork", "threads", "asyncio", "solo")


@pytest.mark.parametrize("pool", POOLS)
def test_a_pool_runs_functions_and_coroutines(rig: Rig, pool: str) -> None:
    worker = rig.start_worker(worker_pool=pool)

    sums = [rig.client.send(task, number, 1) for number in range(10) for task in ("add", "aadd")]

    assert [each.get(timeout=15) for each in sums] == [number + 1 for number in range(10) for _ in "sa"]
    assert worker.stop() == 0


@ON_SQLITE
@pytest.mark.parametrize(
    ("pool", "task", "at_a_time"),
    [
        ("prefork", "until", 2),
        ("prefork", "auntil", 2),
        ("threads", "until", 100),
        ("threads", "auntil", 100),
        ("asyncio", "auntil", 100),
        ("asyncio", "until", 32),
    ],
)
def test_a_pool_runs_so_many_jobs_at_a_time(rig: Rig, pool: str, task: str, at_a_time: int) -> None:
    rig.start_worker(worker_pool=pool, worker_concurrency=at_a_time)
    gate = rig.directory / "gate"
    jobs = rig.client.send_many(task, [(str(gate),) for _ in range(at_a_time)])

    rig.ledger.await_entry("start", count=at_a_time)
    assert not rig.ledger.entries("end")
    gate.touch()

    assert {record.state for record in rig.client.await_all_final(jobs)} == {"succeeded"}
    assert len(rig.ledger.entries("start")) == at_a_time


@pytest.mark.parametrize("pool", POOLS)
def test_log_lines_name_the_job_and_its_task(rig: Rig, pool: str) -> None:
    worker = rig.start_worker(worker_pool=pool)

    job = rig.client.send("logs", "hello from inside")
    job.get(timeout=15)

    line = next(line for line in worker.output().splitlines() if "hello from inside" in line)
    assert f"tests.harness.app.logs[{job.id}]" in line


@ON_SQLITE
def test_a_thread_at_import_makes_children_spawned_not_forked(rig: Rig) -> None:
    _write_application(
        rig.directory,
        "import threading, time",
        "threading.Thread(target=time.sleep, args=(600,), daemon=True, name='beside').start()",
    )
    worker = rig.start_worker(app="application")

    assert rig.client.app.send_task("application.double", (21,)).get(timeout=20) == 42
    assert "spawned" in worker.output()
    assert "beside" in worker.output(), "the culprit is named"
    assert worker.stop() == 0


@ON_SQLITE
def test_an_application_that_cannot_be_imported_is_a_clear_error_and_exit_code_1(rig: Rig) -> None:
    _write_application(rig.directory, "import no_such_library")
    worker = rig.start_worker(app="application")

    assert worker.wait(timeout_s=10) == 1
    assert worker.output().splitlines() == [
        "treadle: the application cannot be loaded: ModuleNotFoundError: No module named 'no_such_library'"
    ]


@ON_SQLITE
def test_solo_refuses_to_start_with_a_hard_limit(rig: Rig) -> None:
    worker = rig.start_worker(worker_pool="solo", task_time_limit=5.0)

    assert worker.wait(timeout_s=10) == 1
    assert "the solo pool cannot enforce time_limit" in worker.output()


@ON_SQLITE
def test_children_that_die_at_start_are_made_again_ever_more_slowly(rig: Rig) -> None:
    _write_application(
        rig.directory,
        "import os, pathlib",
        "from treadle import hookimpl",
        "from tests.harness.ledger import Ledger",
        "class DiesThrice:",
        "    @hookimpl",
        "    def treadle_child_started(self):",
        "        ledger = Ledger(pathlib.Path(os.environ['LEDGER']))",
        "        ledger.write('-', 'born')",
        "        if len(ledger.entries('born')) <= 3:",
        "            os._exit(9)",
        plugins="[DiesThrice()]",
    )
    rig.start_worker(app="application", worker_concurrency=1)

    assert rig.client.app.send_task("application.double", (21,)).get(timeout=20) == 42
    births = [entry.at_s for entry in rig.ledger.entries("born")]
    pauses = [later - earlier for earlier, later in itertools.pairwise(births)]
    assert len(births) == 4
    assert pauses[0] > 0.4, "not at once"
    assert pauses[0] < pauses[1] < pauses[2]


@ON_SQLITE
def test_a_hook_that_raises_in_a_child_does_not_stop_it(rig: Rig) -> None:
    _write_application(
        rig.directory,
        "from treadle import hookimpl",
        "class Raises:",
        "    @hookimpl",
        "    def treadle_child_started(self):",
        "        raise RuntimeError('no luck today')",
        plugins="[Raises()]",
    )
    worker = rig.start_worker(app="application")

    assert rig.client.app.send_task("application.double", (21,)).get(timeout=15) == 42
    assert "no luck today" in worker.output()


def _write_application(directory: Path, *lines: str, plugins: str = "()") -> None:
    """An application with one task, `double`, after these lines."""
    rest = (
        "from treadle import Treadle",
        f"app = Treadle('application', plugins={plugins})",
        "@app.task",
        "def double(number: int) -> int:",
        "    return 2 * number",
    )
    (directory / "application.py").write_text("\n".join([*lines, *rest, ""]))
