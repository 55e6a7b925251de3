"""Signals: who is told, with what, and what becomes of receivers that fail."""

from __future__ import annotations

import gc
from threading import Thread
from typing import Any

import pytest

from treadle import signals
from treadle.exceptions import ConfigurationError
from treadle.signals import Signal


class NamedTask:
    name = "app.add"


class Listener:
    def __init__(self) -> None:
        self.heard: list[Any] = []

    def hear(self, **facts: Any) -> None:
        self.heard.append(facts)


@pytest.fixture
def signal() -> Signal:
    return Signal("something", "what")


@pytest.fixture
def listener() -> Listener:
    return Listener()


class TestSending:
    def test_receivers_get_the_sender_the_signal_and_the_facts(self, signal: Signal, listener: Listener) -> None:
        signal.connect(listener.hear)
        signal.send("me", what=3)
        assert listener.heard == [{"sender": "me", "signal": signal, "what": 3}]

    def test_the_answers_come_in_the_order_of_connecting(self, signal: Signal) -> None:
        @signal.connect
        def first(**_: Any) -> int:
            return 1

        @signal.connect()
        def second(**_: Any) -> int:
            return 2

        assert signal.send(None) == [(first, 1), (second, 2)]

    def test_a_receiver_that_fails_is_logged_and_the_others_are_still_told(
        self, signal: Signal, listener: Listener, caplog: pytest.LogCaptureFixture
    ) -> None:
        error = ValueError("broken")

        @signal.connect
        def fails(**_: Any) -> None:
            raise error

        signal.connect(listener.hear)
        assert signal.send(None) == [(fails, error), (listener.hear, None)]
        assert "of signal something failed" in caplog.text
        assert len(listener.heard) == 1

    def test_an_interrupt_in_a_receiver_is_not_swallowed(self, signal: Signal) -> None:
        @signal.connect
        def interrupted(**_: Any) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            signal.send(None)

    def test_a_receiver_may_disconnect_itself_while_it_is_told(self, signal: Signal, listener: Listener) -> None:
        @signal.connect
        def once(**_: Any) -> None:
            signal.disconnect(once)

        signal.connect(listener.hear)
        signal.send(None)
        signal.send(None)
        assert len(listener.heard) == 2
        assert [receiver for receiver, _ in signal.send(None)] == [listener.hear]


class TestSender:
    @pytest.mark.parametrize("sender", ["app.add", NamedTask()])
    def test_a_task_and_its_name_stand_for_each_other(self, signal: Signal, listener: Listener, sender: object) -> None:
        signal.connect(listener.hear, sender="app.add")
        signal.send(sender)
        assert len(listener.heard) == 1

    def test_a_receiver_for_a_task_hears_signals_sent_by_its_name(self, signal: Signal, listener: Listener) -> None:
        signal.connect(listener.hear, sender=NamedTask())
        signal.send("app.add")
        assert len(listener.heard) == 1

    def test_a_receiver_for_an_object_hears_that_object(self, signal: Signal, listener: Listener) -> None:
        sender = object()
        signal.connect(listener.hear, sender=sender)
        signal.send(sender)
        assert len(listener.heard) == 1

    def test_other_senders_are_not_heard(self, signal: Signal, listener: Listener) -> None:
        signal.connect(listener.hear, sender=NamedTask())
        for sender in (NamedTask(), "app.sub", None):
            signal.send(sender)
        assert listener.heard == []


class TestConnecting:
    def test_it_knows_whether_anybody_listens(self, signal: Signal, listener: Listener) -> None:
        before = signal.has_receivers
        signal.connect(listener.hear)
        during = signal.has_receivers
        signal.disconnect(listener.hear)
        assert (before, during, signal.has_receivers) == (False, True, False)

    def test_receivers_are_held_strongly(self, signal: Signal) -> None:
        heard = []

        def connect_a_local_function() -> None:
            signal.connect(lambda **facts: heard.append(facts))

        connect_a_local_function()
        gc.collect()
        signal.send(None)
        assert len(heard) == 1

    def test_weakly_connected_receivers_go_with_their_object(self, signal: Signal) -> None:
        listener = Listener()
        signal.connect(listener.hear, weak=True)
        told = len(signal.send(None))
        del listener
        gc.collect()
        assert (told, signal.has_receivers) == (1, False)

    def test_the_same_receiver_is_told_once(self, signal: Signal, listener: Listener) -> None:
        signal.connect(listener.hear)
        signal.connect(listener.hear)
        signal.send(None)
        assert len(listener.heard) == 1

    def test_a_second_receiver_with_the_same_uid_replaces_the_first(self, signal: Signal) -> None:
        first, second = Listener(), Listener()
        signal.connect(first.hear, dispatch_uid="mine")
        signal.connect(second.hear, dispatch_uid="mine")
        signal.send(None)
        assert (len(first.heard), len(second.heard)) == (0, 1)

    def test_methods_of_different_objects_are_different_receivers(self, signal: Signal) -> None:
        first, second = Listener(), Listener()
        signal.connect(first.hear)
        signal.connect(second.hear)
        signal.disconnect(first.hear)
        signal.send(None)
        assert (len(first.heard), len(second.heard)) == (0, 1)

    def test_disconnecting_says_whether_there_was_one(self, signal: Signal, listener: Listener) -> None:
        signal.connect(listener.hear, dispatch_uid="mine")
        assert (signal.disconnect(dispatch_uid="mine"), signal.disconnect(dispatch_uid="mine")) == (True, False)

    def test_connecting_from_many_threads_loses_nobody(self, signal: Signal) -> None:
        listeners = [Listener() for _ in range(400)]

        def connect(some: list[Listener]) -> None:
            for each in some:
                signal.connect(each.hear)

        threads = [Thread(target=connect, args=(listeners[start::8],)) for start in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        signal.send(None)
        assert all(len(each.heard) == 1 for each in listeners)

    def test_a_coroutine_function_is_refused(self, signal: Signal) -> None:
        async def receiver(**_: Any) -> None: ...

        with pytest.raises(ConfigurationError, match="coroutine function"):
            signal.connect(receiver)

    def test_a_receiver_that_does_not_take_any_keyword_is_refused(self, signal: Signal) -> None:
        with pytest.raises(ConfigurationError, match=r"add `\*\*_` to its parameters"):
            signal.connect(lambda sender: None)

    def test_what_cannot_be_called_is_refused(self, signal: Signal) -> None:
        with pytest.raises(ConfigurationError, match="cannot be called"):
            signal.connect("name")  # type: ignore[call-overload]


class TestNames:
    def test_each_signal_is_called_what_it_is_called(self) -> None:
        named = {name: value.name for name, value in vars(signals).items() if isinstance(value, Signal)}
        assert len(named) >= 23
        assert all(name == own for name, own in named.items())

    @pytest.mark.parametrize("name", ["celeryd_init", "celeryd_after_setup", "on_after_configure", "heartbeat_sent"])
    def test_celerys_signals_that_are_not_needed_say_what_to_use(self, name: str) -> None:
        with pytest.raises(ConfigurationError, match=f"Celery's signal {name} is not needed in Treadle: "):
            getattr(signals, name)

    def test_the_message_survives_a_from_import(self) -> None:
        with pytest.raises(ConfigurationError, match="connect to worker_init"):
            exec("from treadle.signals import celeryd_init")

    def test_a_misspelt_signal_names_the_nearest(self) -> None:
        with pytest.raises(AttributeError, match="did you mean 'task_prerun'"):
            _ = signals.task_prerunn
