"""How many jobs a child claims at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from treadle.job import Delivery
from treadle.worker.child.pace import BATCH_BUDGET_S, MAX_BATCH, Pace


def delivery(task: str) -> Delivery:
    return Delivery("id", task, b"", "q", 0, b"", 1, 0, 0, False, b"", 1)


def measured(took_s: float, task: str = "t", *, runs: int = 40, max_batch: int = MAX_BATCH) -> Pace:
    pace = Pace(max_batch)
    for _ in range(runs):
        pace.record(task, took_s)
    pace.fitting([delivery(task)])
    return pace


def test_an_unmeasured_task_is_claimed_one_by_one() -> None:
    pace = Pace()
    assert pace.batch_size() == 1
    assert pace.fitting([delivery("new")] * 10) == 1


def test_a_short_task_is_claimed_in_batches_that_fit_the_budget() -> None:
    assert measured(BATCH_BUDGET_S / 50).batch_size() == 50


def test_a_long_task_is_claimed_one_by_one() -> None:
    assert measured(1.0).batch_size() == 1


def test_one_slow_run_in_a_hundred_does_not_stop_batching_but_one_in_ten_does() -> None:
    rarely, often = measured(1e-5), measured(1e-5)
    rarely.record("t", 1.0)
    for _ in range(4):
        often.record("t", 1.0)
    assert rarely.batch_size() > 100
    assert often.batch_size() == 1


def test_the_slowest_of_the_tasks_seen_last_decides() -> None:
    pace = measured(1e-5)
    for _ in range(10):
        pace.record("slow", BATCH_BUDGET_S)
    pace.fitting([delivery("t"), delivery("slow")])
    assert pace.batch_size() == 1


def test_what_does_not_fit_goes_back_and_the_first_always_fits() -> None:
    pace = measured(1e-5)
    assert pace.fitting([delivery("t"), delivery("t"), delivery("unknown"), delivery("t")]) == 2
    assert pace.fitting([delivery("unknown"), delivery("t")]) == 1


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=100), st.integers(1, MAX_BATCH))
def test_the_batch_is_always_within_its_bounds(durations_s: list[float], max_batch: int) -> None:
    pace = Pace(max_batch)
    for took_s in durations_s:
        pace.record("t", took_s)
    assert 1 <= pace.fitting([delivery("t")] * 7) <= 7
    assert 1 <= pace.batch_size() <= max_batch
