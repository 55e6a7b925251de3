"""The supervisor's loop."""

from __future__ import annotations

import os
import threading

from treadle.worker.channel import channel_pair
from treadle.worker.supervisor.reactor import Reactor


def test_a_call_from_another_thread_wakes_the_loop() -> None:
    done: list[threading.Thread] = []
    reactor = Reactor()
    thread = threading.Thread(target=lambda: reactor.call_soon(lambda: done.append(threading.current_thread())))
    thread.start()
    while not done:
        reactor.step(10)
    thread.join()
    reactor.close()
    assert done == [threading.main_thread()]


def test_timers_fire_in_the_order_of_their_times() -> None:
    reactor, order = Reactor(), list[str]()
    reactor.call_later(0.02, lambda: order.append("second"))
    reactor.call_later(0.01, lambda: order.append("first"))
    while len(order) < 2:
        reactor.step(10)
    reactor.close()
    assert order == ["first", "second"]


def test_messages_and_descriptors_cross_a_channel() -> None:
    left, right = channel_pair()
    with left.socket, right.socket:
        assert left.send({"do": "a"})
        assert left.send({"do": "b", "text": "ü\n"}, [left.fileno()])
        messages: list[dict[str, object]] = []
        while len(messages) < 2:
            messages += right.receive() or []
        assert messages == [{"do": "a"}, {"do": "b", "text": "ü\n"}]
        os.close(right.take_fd())


def test_the_end_of_a_channel_is_told_and_sending_to_it_is_no_error() -> None:
    left, right = channel_pair()
    left.close()
    assert right.receive() is None
    assert not all(right.send({"do": "x" * 100_000}) for _ in range(3))
    right.close()
