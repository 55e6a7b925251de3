"""Cutting a batch into pieces that one statement can carry."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.brokers.sql.publishing import chunks
from treadle.job import Job


def job(size: int) -> Job:
    return Job("id", "task", b"x" * size)


@given(st.lists(st.integers(0, 50)), st.integers(1, 10), st.integers(1, 100))
def test_pieces_keep_the_order_and_lose_nothing_and_none_is_too_large(
    sizes: list[int], most_jobs: int, most_bytes: int
) -> None:
    jobs = [job(size) for size in sizes]
    pieces = chunks(jobs, most_jobs, most_bytes)
    assert [one for piece in pieces for one in piece] == jobs
    for piece in pieces:
        assert 1 <= len(piece) <= most_jobs
        assert len(piece) == 1 or sum(len(one.payload) for one in piece) <= most_bytes


@given(st.lists(st.integers(0, 50)), st.integers(1, 10), st.integers(1, 100))
def test_no_piece_could_have_held_the_next_job_too(sizes: list[int], most_jobs: int, most_bytes: int) -> None:
    pieces = chunks([job(size) for size in sizes], most_jobs, most_bytes)
    for piece, following in pairwise(pieces):
        held = sum(len(one.payload) for one in piece)
        assert len(piece) == most_jobs or held + len(following[0].payload) > most_bytes


@pytest.mark.parametrize(("jobs", "pieces"), [(0, 0), (1, 1), (10, 1), (11, 2)])
def test_few_small_jobs_are_one_piece(jobs: int, pieces: int) -> None:
    assert len(chunks([job(1)] * jobs, 10, 100)) == pieces
