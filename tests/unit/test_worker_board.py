"""What a child tells its supervisor through shared memory."""

from __future__ import annotations

import mmap
import time

from hypothesis import given
from hypothesis import strategies as st

from treadle.job import Delivery
from treadle.worker.board import Board, board_size


def board(slots: int = 1) -> Board:
    made = Board(mmap.mmap(-1, board_size(slots)), 0, slots)
    made.clear(time.monotonic())
    return made


def delivery(job_id: str, receipt: int = 1) -> Delivery:
    return Delivery(job_id, "t", b"", "q", 0, b"", receipt, 0, 0, False, b"", 7)


@given(st.text(min_size=1, max_size=63), st.integers(1, 2**62))
def test_a_running_job_is_read_back_as_it_was_written(job_id: str, receipt: int) -> None:
    shared = board(3)
    shared.begin(2, job_id.encode("utf-8", "replace").decode(), receipt, 1.5, 9.25)
    (run,) = shared.running()
    assert (run.receipt, run.started_s, run.deadline_s) == (receipt, 1.5, 9.25)
    assert run.id == job_id.encode("utf-8", "replace").decode()


def test_a_run_that_ended_is_not_running() -> None:
    shared = board(2)
    shared.begin(0, "a", 1, 0.0, 0.0)
    shared.begin(1, "b", 1, 0.0, 0.0)
    shared.end(0)
    assert [run.id for run in shared.running()] == ["b"]
    assert shared.done == 1


def test_boards_beside_one_another_do_not_mix() -> None:
    memory = mmap.mmap(-1, 2 * board_size(4))
    first, second = Board(memory, 0, 4), Board(memory, board_size(4), 4)
    first.begin(3, "mine", 1, 0.0, 0.0)
    assert second.running() == []
    second.clear(0.0)
    assert [run.id for run in first.running()] == ["mine"]


def holds_after(shared: Board, extension_s: float) -> bool:
    shared.extend_lease(time.monotonic() + extension_s)
    return shared.lease_holds


def test_a_lease_holds_until_the_time_it_was_extended_to() -> None:
    shared = board()
    assert not shared.lease_holds
    assert holds_after(shared, 60)
    assert not holds_after(shared, -1)


def test_a_recall_takes_what_was_not_started_and_tells_the_child() -> None:
    shared = board()
    shared.hold([delivery("a", 1), delivery("b", 2), delivery("c", 3)])
    shared.begin(0, "a", 1, 0.0, 0.0)
    recalled = shared.recall()
    assert [(each.id, each.receipt, each.key) for each in recalled] == [("b", 2, 7), ("c", 3, 7)]
    assert shared.is_recalled
    assert shared.recall() == []


def test_a_recall_leaves_what_has_run_and_what_runs() -> None:
    shared = board()
    shared.hold([delivery("a"), delivery("b"), delivery("c")])
    shared.begin(0, "a", 1, 0.0, 0.0)
    shared.end(0)
    shared.begin(0, "b", 1, 0.0, 0.0)
    assert [each.id for each in shared.recall()] == ["c"]


def test_the_next_batch_ends_the_recall() -> None:
    shared = board()
    shared.hold([delivery("a"), delivery("b")])
    shared.recall()
    shared.hold([delivery("c")])
    assert not shared.is_recalled
    assert shared.recall() == []


def test_a_batch_too_large_to_show_is_not_recalled() -> None:
    shared = board()
    shared.hold([delivery("x" * 255)] * 500)
    assert shared.recall() == []
    assert not shared.is_recalled


def test_what_is_collected_is_recalled_whatever_the_number_of_slots() -> None:
    shared = board(4)
    shared.collect([delivery("a", 1), delivery("b", 2)])
    shared.collect([delivery("c", 3)])
    assert [(each.id, each.receipt) for each in shared.recall()] == [("a", 1), ("b", 2), ("c", 3)]
    assert shared.is_recalled


def test_what_is_handed_out_is_collected_no_more_and_ends_the_recall() -> None:
    shared = board()
    shared.collect([delivery("a"), delivery("b")])
    shared.recall()
    shared.recollect([delivery("b")])
    assert not shared.is_recalled
    assert [each.id for each in shared.recall()] == ["b"]


def test_what_there_is_no_room_for_is_collected_all_the_same() -> None:
    shared = board()
    shared.collect([delivery("x" * 255)] * 2000)
    shared.collect([delivery("b")])
    assert [each.id for each in shared.recall()] == ["b"]


def test_the_place_of_a_job_that_waits_counts_as_free_for_what_is_claimed_ahead() -> None:
    shared = board()
    shared.hold([delivery("a"), delivery("b"), delivery("c")])
    shared.begin(0, "a", 1, 0.0, 0.0)
    shared.show_waiting(0, waits=True)
    shared.add_row(1)
    shared.begin(1, "b", 1, 0.0, 0.0)
    assert [(run.id, run.waits) for run in shared.running()] == [("a", True), ("b", False)]
    assert [each.id for each in shared.recall()] == ["c"]


def test_a_board_for_a_new_child_shows_nothing_of_the_old_one() -> None:
    shared = board()
    shared.collect([delivery("a")])
    shared.add_row(3)
    for row in (0, 3):
        shared.begin(row, "b", 1, 0.0, 0.0)
        shared.show_waiting(row, waits=True)
    shared.clear(1.0)
    assert (shared.running(), shared.recall(), shared.done) == ([], [], 0)
    shared.begin(0, "c", 1, 0.0, 0.0)
    assert [(run.id, run.waits) for run in shared.running()] == [("c", False)]
