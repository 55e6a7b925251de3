"""Exceptions raised in a thread from outside."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from treadle.worker.child.interruption import Interruptible


class Stop(Exception):  # noqa: N818 - what the test sends
    """What is sent."""


def spin(begun: threading.Event) -> None:
    begun.set()
    while True:
        pass


def test_a_function_that_runs_is_interrupted() -> None:
    interruptible, begun = Interruptible(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(interruptible.run, spin, begun)
        assert begun.wait(10)
        interruptible.interrupt(Stop)
        with pytest.raises(Stop):
            run.result(10)


def test_a_function_that_has_not_begun_never_begins() -> None:
    interruptible, begun = Interruptible(), threading.Event()
    interruptible.interrupt(Stop)
    with pytest.raises(Stop):
        interruptible.run(spin, begun)
    assert not begun.is_set()


def test_what_is_over_is_not_interrupted_nor_is_what_comes_next() -> None:
    interruptible = Interruptible()
    assert interruptible.run(lambda: 1) == 1
    interruptible.interrupt(Stop)
    assert interruptible.run(lambda: 2) == 2


def test_an_interruption_strikes_inside_or_not_at_all() -> None:
    """Many races between the end of a function and an interruption: nothing leaks into the thread afterwards."""
    interruptible = Interruptible()
    rounds, leaked = 2000, 0
    ready, over = threading.Barrier(2), threading.Barrier(2)

    def interrupt() -> None:
        for _ in range(rounds):
            ready.wait(30)
            interruptible.interrupt(Stop)
            over.wait(30)

    other = threading.Thread(target=interrupt)
    other.start()
    for _ in range(rounds):
        with contextlib.suppress(Stop):
            interruptible.run(lambda: (ready.wait(30), sum(range(200))))
        try:
            over.wait(30)
            sum(range(200))
        except Stop:
            leaked += 1
    other.join(30)
    assert leaked == 0
