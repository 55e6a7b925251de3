"""Where the two sides of a child meet."""

from __future__ import annotations

import threading

from treadle.job import Delivery
from treadle.settlement import Complete
from treadle.worker.child.bundle import Bundle
from treadle.worker.child.desk import Desk
from treadle.worker.child.pace import Pace
from treadle.worker.members import Span


def delivery(number: int) -> Delivery:
    return Delivery(str(number), "t", b"", "q", 0, b"", 1, 0, 0, False, b"", number)


def test_deliveries_come_in_the_order_they_were_put_down() -> None:
    desk = Desk(Pace())
    desk.put([delivery(1), delivery(2)])
    assert [desk.take(), desk.take()] == [delivery(1), delivery(2)]


def test_what_is_held_is_counted_until_its_outcome_is_collected() -> None:
    desk = Desk(Pace())
    desk.put([delivery(1), delivery(2), delivery(3)])
    taken = desk.take()
    assert isinstance(taken, Delivery)
    assert (desk.held, desk.unstarted) == (3, 2)
    assert desk.take_back() == [delivery(2), delivery(3)]
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
        assert isinstance(taken, Delivery)
        desk.give(Complete(taken), 0.0)
        assert len(rung) == expected


def test_closing_lets_every_taker_go() -> None:
    desk = Desk(Pace())
    answers: list[Delivery | Bundle | None] = []
    takers = [threading.Thread(target=lambda: answers.append(desk.take())) for _ in range(3)]
    for taker in takers:
        taker.start()
    desk.close(3)
    for taker in takers:
        taker.join(10)
    assert answers == [None, None, None]


def test_a_bundle_counts_as_one_until_its_outcomes_are_collected() -> None:
    desk = Desk(Pace())
    bundle = Bundle([delivery(1), delivery(2), delivery(3)], Span(0, 9))
    desk.put_bundle(bundle)
    desk.put_bundle(bundle)
    assert (desk.held, desk.bundled, desk.unstarted) == (2, 4, 2)
    assert desk.take() == bundle
    assert desk.take_back() == [bundle]
    desk.give_bundle(bundle, [Complete(each) for each in bundle.deliveries])
    assert desk.has_outcomes
    assert desk.collect() == []
    ((ended, settlements),) = desk.collect_bundles()
    assert (ended, [settlement.delivery.id for settlement in settlements]) == (bundle, ["1", "2", "3"])
    assert (desk.held, desk.bundled) == (0, 0)
