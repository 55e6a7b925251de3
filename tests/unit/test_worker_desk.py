"""Where the two sides of a child meet."""

from __future__ import annotations

import threading

from treadle.job import Delivery
from treadle.settlement import Complete
from treadle.worker.child.desk import Desk
from treadle.worker.child.pace import Pace


def delivery(number: int) -> Delivery:
    return Delivery(str(number), "t", b"", "q", 0, b"", 1, 0, 0, False, b"", number)


def test_deliveries_come_in_the_order_they_were_put_down() -> None:
    desk = Desk(Pace())
    desk.put([delivery(1), delivery(2)])
    assert [each.id for each in (desk.take(), desk.take()) if each is not None] == ["1", "2"]


def test_what_is_held_is_counted_until_its_outcome_is_collected() -> None:
    desk = Desk(Pace())
    desk.put([delivery(1), delivery(2), delivery(3)])
    taken = desk.take()
    assert taken is not None
    assert (desk.held, desk.unstarted) == (3, 2)
    assert [each.id for each in desk.take_back()] == ["2", "3"]
    assert (desk.held, desk.unstarted) == (1, 0)
    desk.give(Complete(taken), 0.001)
    assert desk.held == 1
    assert desk.collect() == [Complete(taken)]
    assert desk.held == 0


def test_the_bell_rings_when_the_inbox_has_run_empty_and_not_before() -> None:
    desk = Desk(Pace())
    rung: list[int] = []
    desk.ring = lambda: rung.append(1)
    desk.put([delivery(1), delivery(2)])
    for expected in (0, 1):
        taken = desk.take()
        assert taken is not None
        desk.give(Complete(taken), 0.0)
        assert len(rung) == expected


def test_closing_lets_every_taker_go() -> None:
    desk = Desk(Pace())
    answers: list[Delivery | None] = []
    takers = [threading.Thread(target=lambda: answers.append(desk.take())) for _ in range(3)]
    for taker in takers:
        taker.start()
    desk.close(3)
    for taker in takers:
        taker.join(10)
    assert answers == [None, None, None]
