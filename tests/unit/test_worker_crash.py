"""Who is charged for the death of a child."""

from __future__ import annotations

import mmap
import signal
from typing import TYPE_CHECKING

import pytest

from treadle.exceptions import TimeLimitExceeded, WorkerLost
from treadle.job import Delivery
from treadle.serialization.failure import decode_failure
from treadle.worker.board import Board, board_size
from treadle.worker.channel import channel_pair
from treadle.worker.supervisor.crash import describe_exit, judge_death
from treadle.worker.supervisor.ward import Crash, Ward

if TYPE_CHECKING:
    from collections.abc import Iterator

KILLED = int(signal.SIGKILL)


@pytest.fixture
def ward() -> Iterator[Ward]:
    ours, theirs = channel_pair()
    board = Board(mmap.mmap(-1, board_size(4)), 0, 4)
    board.clear(0.0)
    made = Ward(0, "host/0", ours, theirs, board, failures=0)
    yield made
    ours.close()
    theirs.close()


def test_the_only_job_that_ran_is_guilty(ward: Ward) -> None:
    ward.board.begin(1, "job", 1, 0.0, 0.0)
    verdict = judge_death(KILLED, ward)
    assert (verdict.guilty, verdict.suspects, verdict.crash.reason) == ("job", [], "crashed")
    error = decode_failure(verdict.error)
    assert isinstance(error, WorkerLost)
    assert "SIGKILL" in str(error)


def test_several_jobs_that_ran_are_suspects_and_none_is_charged(ward: Ward) -> None:
    ward.board.begin(0, "a", 1, 0.0, 0.0)
    ward.board.begin(3, "b", 1, 0.0, 0.0)
    verdict = judge_death(KILLED, ward)
    assert (verdict.guilty, verdict.suspects) == (None, ["a", "b"])


def test_a_child_that_died_between_jobs_charges_nobody(ward: Ward) -> None:
    ward.board.begin(0, "a", 1, 0.0, 0.0)
    ward.board.end(0)
    assert not judge_death(KILLED, ward).charges


def test_the_job_whose_limit_passed_is_guilty_and_its_neighbours_are_not_suspects(ward: Ward) -> None:
    ward.board.begin(0, "late", 1, 0.0, 1.0)
    ward.board.begin(1, "neighbour", 1, 0.0, 0.0)
    ward.guilty, ward.crash = "late", Crash("time_limit", "the hard time limit passed after 1.0 s")
    verdict = judge_death(KILLED, ward)
    assert (verdict.guilty, verdict.suspects, verdict.crash.reason) == ("late", [], "time_limit")
    assert isinstance(decode_failure(verdict.error), TimeLimitExceeded)


@pytest.mark.parametrize("reason", ["shutdown", "lease_lost"])
def test_a_child_that_we_killed_for_our_own_reasons_charges_nobody(ward: Ward, reason: str) -> None:
    ward.board.begin(0, "a", 1, 0.0, 0.0)
    ward.crash = Crash(reason, "…")
    verdict = judge_death(KILLED, ward)
    assert (verdict.guilty, verdict.suspects, verdict.is_clean) == (None, [], False)


def test_a_child_that_said_goodbye_is_clean(ward: Ward) -> None:
    ward.farewell = "recycle"
    assert judge_death(0, ward).is_clean


def test_a_child_that_said_goodbye_and_then_crashed_is_not_clean(ward: Ward) -> None:
    ward.farewell = "recycle"
    assert not judge_death(int(signal.SIGSEGV), ward).is_clean


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (KILLED, "SIGKILL"),
        (int(signal.SIGSEGV), "SIGSEGV"),
        (3 << 8, "code 3"),
        (None, "nobody knows"),
        (50, "signal 50"),
    ],
)
def test_an_exit_is_told_in_words(status: int | None, words: str) -> None:
    assert words in describe_exit(status)


# Batches, and jobs that wait ---------------------------------------------------------------------------


def start_batch(ward: Ward, slot: int, *ids: str) -> None:
    span = ward.board.members.write(ids)
    assert span is not None
    ward.board.show_members(slot, span)
    ward.board.begin(slot, ids[0], 1, 0.0, 1.0)


def test_all_jobs_of_a_batch_are_suspects(ward: Ward) -> None:
    start_batch(ward, 0, "a", "b", "c")
    verdict = judge_death(KILLED, ward)
    assert (verdict.guilty, verdict.suspects) == (None, ["a", "b", "c"])


def test_the_only_job_of_a_batch_is_guilty(ward: Ward) -> None:
    start_batch(ward, 0, "a")
    assert judge_death(KILLED, ward).guilty == "a"


def test_a_batch_past_its_limit_is_taken_apart(ward: Ward) -> None:
    start_batch(ward, 1, "a", "b")
    ward.board.begin(0, "neighbour", 1, 0.0, 0.0)
    ward.guilty, ward.crash = "a", Crash("time_limit", "the hard time limit passed after 1.0 s")
    verdict = judge_death(KILLED, ward)
    assert (verdict.guilty, verdict.suspects, verdict.crash.reason) == (None, ["a", "b"], "time_limit")


def waits_and_runs(ward: Ward, *, suspect: bool) -> None:
    ward.board.begin(0, "waits", 1, 0.0, 0.0)
    ward.board.show_waiting(0, waits=True)
    ward.board.add_row(4)
    ward.board.hold([Delivery("runs", "t", b"", "q", 0, b"", 1, 0, 0, suspect, b"", 1)])
    ward.board.begin(4, "runs", 1, 0.0, 0.0)


def test_who_waits_is_as_suspect_as_who_runs(ward: Ward) -> None:
    waits_and_runs(ward, suspect=False)
    verdict = judge_death(KILLED, ward)
    assert (verdict.guilty, verdict.suspects) == (None, ["waits", "runs"])


def test_a_suspect_that_ran_beside_nothing_but_who_waits_is_guilty(ward: Ward) -> None:
    waits_and_runs(ward, suspect=True)
    verdict = judge_death(KILLED, ward)
    assert (verdict.guilty, verdict.suspects) == ("runs", ["waits"])


def test_a_suspect_that_waits_is_guilty_if_what_ran_beside_it_is_none(ward: Ward) -> None:
    waits_and_runs(ward, suspect=False)
    ward.board.show_waiting(0, waits=True, suspect=True)
    verdict = judge_death(KILLED, ward)
    assert (verdict.guilty, verdict.suspects) == ("waits", ["runs"])


def test_who_waits_alone_is_guilty(ward: Ward) -> None:
    ward.board.begin(0, "waits", 1, 0.0, 0.0)
    ward.board.show_waiting(0, waits=True)
    assert judge_death(KILLED, ward).guilty == "waits"
