"""The benchmark command works: its decisions one by one, and all of it on a handful of jobs. No time is judged."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.contestants import CONTESTANTS, contestants_named
from benchmarks.environment import ROOT
from benchmarks.failures import Failures
from benchmarks.plan import plan
from benchmarks.requirements import REQUIREMENTS, Requirement, measured, requirements_table
from benchmarks.sample import MEASURES, Sample, by_round, percentile, ratios
from benchmarks.sessions import SESSIONS
from benchmarks.stores import STORE_NAMES
from benchmarks.table import table

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(120)
def test_a_tiny_run_without_peers_measures_everything_it_names(tmp_path: Path) -> None:
    answers = tmp_path / "answers.json"
    sizes = [
        "--jobs",
        "2000",
        "--calls",
        "20",
        "--round-trips",
        "5",
        "--idle-s",
        "0.1",
        "--repeat",
        "1",
        "--chord",
        "20",
    ]
    places = ["--stores", "sqlite", "--json", str(answers), "--cache", str(tmp_path)]
    command = [sys.executable, "-m", "benchmarks", "--peers", "", *sizes, *places]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    samples = [Sample(**sample) for sample in json.loads(answers.read_text())["samples"]]
    # On a fast machine all of so few jobs are done at the first look, and then there is no rate.
    optional = {"drain", "drain_cpu"}
    # Sleeps are measured on Redis alone.
    optional |= {"sleeps_threads", "sleeps_asyncio"}
    assert {sample.measure for sample in samples} | optional == {measure.name for measure in MEASURES}
    assert all(sample.value > 0 for sample in samples if sample.measure not in {"idle_cpu", "drain_cpu"})
    assert "| enqueue one by one, jobs/s |" in finished.stdout
    assert "| sqlite | enqueue one by one, jobs/s | ≥ 2 x django-tasks-db | - | not measured |" in finished.stdout


@pytest.mark.timeout(120)
def test_a_tiny_curve_has_a_row_for_each_backlog_and_for_the_delayed_jobs() -> None:
    sizes = ["--sizes", "10,200", "--claims", "100", "--delayed", "300", "--jobs", "500"]
    times = ["--round-trips", "2", "--idle-s", "0.1", "--repeat", "1", "--stores", "sqlite"]
    command = [sys.executable, "-m", "benchmarks.curve", *sizes, *times]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    rows = [line.split(" | ") for line in finished.stdout.splitlines() if line[2:3].isdigit()]
    assert [row[0] for row in rows] == ["| 10", "| 200", "| 0", "| 300"]
    assert "left out" not in finished.stdout


def test_everybody_has_a_turn_in_each_round_before_the_next_round_begins() -> None:
    turns = plan(["enqueue", "drain"], CONTESTANTS, ["redis", "sqlite"], repeat=3)
    per_round = [[turn[1:] for turn in turns if turn.round == number] for number in range(3)]
    assert [turn.round for turn in turns] == sorted(turn.round for turn in turns)
    assert per_round[0] == per_round[1] == per_round[2]
    assert {turn.contestant.name for turn in turns if turn.store == "sqlite"} == {"treadle", "huey", "django-tasks-db"}


def test_sleeps_are_for_those_who_run_many_jobs_at_a_time_and_on_redis_only() -> None:
    turns = plan(["sleeps"], CONTESTANTS, STORE_NAMES, repeat=1)
    assert {turn.store for turn in turns} == {"redis"}
    assert {turn.contestant.name for turn in turns} == {"treadle", "celery", "dramatiq", "huey", "taskiq"}


def test_an_import_is_timed_once_a_round_whatever_the_stores() -> None:
    turns = plan(["import"], CONTESTANTS, ["redis", "sqlite"], repeat=1)
    assert [turn.contestant.name for turn in turns] == [contestant.name for contestant in CONTESTANTS]


def test_every_contestant_has_a_module_that_says_how_it_is_used() -> None:
    for contestant in CONTESTANTS:
        assert (ROOT / f"{contestant.module.replace('.', '/')}.py").is_file()


def test_a_misspelt_peer_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(SystemExit, match="did you mean 'celery'"):
        contestants_named(["celry"])


def fail(error: Exception) -> None:
    raise error


def test_what_fails_is_named_with_the_last_line_of_its_complaint_and_the_rest_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failures = Failures()
    with failures.caught("drain, celery on redis"):
        fail(RuntimeError("Traceback\n  a line\nImportError: no module"))
    assert str(failures) == "- left out: drain, celery on redis (ImportError: no module)"
    assert "a line" in capsys.readouterr().err
    assert "drain, celery on redis" in failures
    assert "drain, huey on redis" not in failures


def test_a_mistake_of_our_own_is_not_taken_for_a_failure_of_a_peer() -> None:
    failures = Failures()
    with pytest.raises(KeyError), failures.caught("drain, celery on redis"):
        fail(KeyError("celery"))
    assert not str(failures)


def test_every_requirement_is_about_figures_that_are_measured() -> None:
    stores = {contestant.name: contestant.share for contestant in CONTESTANTS}
    measures = {measure.name for measure in MEASURES}
    for requirement in REQUIREMENTS:
        peer, store, measure = requirement.theirs
        assert {requirement.measure, measure} <= measures
        assert requirement.store in stores["treadle"]
        assert not peer or store in stores[peer]


def test_every_session_of_the_plan_can_be_carried_out() -> None:
    assert {turn.session for turn in plan(list(SESSIONS), CONTESTANTS, STORE_NAMES, repeat=1)} == set(SESSIONS)


@pytest.mark.parametrize(("ours", "verdict"), [(1999.0, "19.99 | **no**"), (2000.0, "20 | yes")])
def test_a_requirement_holds_from_its_bound_on(ours: float, verdict: str) -> None:
    samples = [Sample("drain", "redis", "treadle", 0, ours), Sample("drain", "redis", "celery", 0, 100.0)]
    assert f"| ≥ 20 x celery | {verdict} |" in requirements_table(samples)


def test_a_requirement_may_compare_with_another_store_and_another_measure() -> None:
    there = Requirement("sqlite", "bulk", ">=", 10, "celery", peer_store="redis")
    other = Requirement("redis", "sleeps_asyncio", "<=", 1.1, "dramatiq", peer_measure="sleeps_threads")
    samples = [
        Sample("bulk", "sqlite", "treadle", 0, 60.0),
        Sample("bulk", "redis", "celery", 0, 5.0),
        Sample("sleeps_asyncio", "redis", "treadle", 0, 1.2),
        Sample("sleeps_threads", "redis", "dramatiq", 0, 1.0),
    ]
    assert (measured(there, samples), str(there)) == (12.0, "≥ 10 x celery on redis")
    assert (measured(other, samples), other.holds(1.2)) == (1.2, False)


def test_a_requirement_without_a_peer_is_about_the_figure_itself() -> None:
    samples = [Sample("idle_cpu", "redis", "treadle", number, value) for number, value in enumerate((0.5, 0.2, 3.0))]
    assert "| ≤ 1 | 0.5 | yes |" in requirements_table(samples)


def test_a_table_shows_what_only_a_peer_was_measured_at() -> None:
    theirs = Sample("drain", "postgres", "procrastinate", 0, 400.0)
    assert "| no-op drain, results stored, jobs/s |  | 400 |" in table([theirs])


def test_ratios_are_taken_within_a_round_and_only_where_both_have_a_value() -> None:
    assert ratios({0: 10.0, 1: 60.0, 2: 5.0}, {0: 5.0, 1: 20.0, 3: 1.0}) == [2.0, 3.0]
    assert ratios({0: 10.0}, {0: 0.0}) == []


def test_the_table_puts_medians_and_ratios_side_by_side() -> None:
    ours = [Sample("drain", "redis", "treadle", number, value) for number, value in enumerate((900.0, 1000.0, 1100.0))]
    theirs = [Sample("drain", "redis", "celery", number, value) for number, value in enumerate((100.0, 100.0, 100.0))]
    row = next(line for line in table([*ours, *theirs]).splitlines() if "drain" in line)
    assert row == "| no-op drain, results stored, jobs/s | 1,000 (900-1,100) | 100 **x 10.0 (9.0-11.0)** |"


def test_treadle_on_a_redis_with_a_log_stands_beside_its_peers_without_one() -> None:
    ours = Sample("drain", "redis-aof", "treadle", 0, 500.0)
    theirs = Sample("drain", "redis", "celery", 0, 100.0)
    assert "| 500 | 100 **x 5.0** |" in table([ours, theirs])


def test_samples_are_found_by_measure_store_and_contestant() -> None:
    wanted = Sample("bulk", "redis", "huey", 1, 5.0)
    others = [wanted._replace(measure="drain"), wanted._replace(store="sqlite"), wanted._replace(contestant="celery")]
    assert by_round([wanted, *others], "bulk", "redis", "huey") == {1: 5.0}


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[float], percent: int) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)
