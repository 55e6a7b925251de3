"""Connections that are shared by threads, dropped when they are no good, and left alone by forked children."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

pytest.importorskip("psycopg", reason="the PostgreSQL broker needs the extra `postgres`")

from treadle.brokers.sql import SqlBroker, pool
from treadle.brokers.sql.pool import MAX_CONNECTIONS, Pool
from treadle.exceptions import BrokerUnavailable
from treadle.job import Job


class Line:
    """A connection to nobody: whatever the other end sends is a surprise."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.is_clean_now = True

    def is_clean(self) -> bool:
        return self.is_clean_now

    def fileno(self) -> int:
        return self.ours.fileno()

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()

    @property
    def is_open(self) -> bool:
        return self.ours.fileno() >= 0


@pytest.fixture
def opened() -> Iterator[list[Line]]:
    """Every connection that was ever opened."""
    lines: list[Line] = []
    yield lines
    for line in lines:
        line.close()


@pytest.fixture
def lines(opened: list[Line]) -> Pool[Line]:
    def connect() -> Line:
        opened.append(Line())
        return opened[-1]

    return Pool(connect)


def in_child(work: Callable[[], object]) -> int:
    """Run `work` in a forked child; its exit code, 0 if nothing was raised."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_connection_is_opened_when_it_is_needed_and_lent_again(lines: Pool[Line], opened: list[Line]) -> None:
    assert not opened
    for _ in range(3):
        with lines.lend():
            pass
    assert len(opened) == 1


def test_the_one_that_was_used_last_is_lent_first(lines: Pool[Line], opened: list[Line]) -> None:
    """So that after a busy hour the others can be given up."""
    with lines.lend() as first, lines.lend() as second:
        assert first is not second
    with lines.lend() as lent:
        assert lent is first, "it was given back after the second"
    assert len(opened) == 2


def test_nobody_gets_more_than_the_limit_and_who_waits_gets_one_that_comes_back(
    lines: Pool[Line], opened: list[Line]
) -> None:
    with ThreadPoolExecutor(1) as threads:
        with ExitStack() as all_lent:
            for _ in range(MAX_CONNECTIONS):
                all_lent.enter_context(lines.lend())
            waiting = threads.submit(lambda: lines.lend().__enter__())
            assert not waiting.done()
        assert waiting.result(5) in opened
    assert len(opened) == MAX_CONNECTIONS


def test_who_waits_in_vain_is_told_why_within_the_deadline(lines: Pool[Line], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CALL_DEADLINE_S", 0.05)
    with ExitStack() as all_lent:
        for _ in range(MAX_CONNECTIONS):
            all_lent.enter_context(lines.lend())
        with pytest.raises(BrokerUnavailable, match=f"all {MAX_CONNECTIONS} connections of this process"), lines.lend():
            pass
    with lines.lend():
        pass


def test_a_connection_that_could_not_be_opened_takes_no_place() -> None:
    def refuse() -> Line:
        raise BrokerUnavailable("away")

    refusing = Pool(refuse)
    for _ in range(MAX_CONNECTIONS + 1):
        with pytest.raises(BrokerUnavailable, match="away"), refusing.lend():
            pass


def test_what_strikes_while_a_connection_is_taken_back_uses_up_no_place() -> None:
    class StrickenLine(Line):
        def is_clean(self) -> bool:
            raise KeyboardInterrupt

    struck = Pool(StrickenLine)
    for _ in range(MAX_CONNECTIONS + 1):
        with pytest.raises(KeyboardInterrupt), struck.lend() as line:
            pass
        line.close()


@pytest.mark.parametrize("farewell", [b"goodbye", b""])
def test_a_connection_on_which_something_came_unasked_is_not_lent_again(lines: Pool[Line], farewell: bytes) -> None:
    with lines.lend() as line:
        pass
    line.theirs.sendall(farewell)
    line.theirs.close()
    with lines.lend() as another:
        assert another is not line
    assert not line.is_open


def test_a_connection_that_is_left_in_the_middle_of_something_is_hung_up(lines: Pool[Line]) -> None:
    with lines.lend() as line:
        line.is_clean_now = False
    assert not line.is_open


def test_what_is_idle_for_long_is_hung_up(lines: Pool[Line], monkeypatch: pytest.MonkeyPatch) -> None:
    with lines.lend() as busy:
        with lines.lend() as idle:
            pass
        monkeypatch.setattr(pool, "_KEPT_S", -1.0)
    assert not idle.is_open
    assert not busy.is_open


def test_close_hangs_up_and_the_pool_can_be_used_again(lines: Pool[Line], opened: list[Line]) -> None:
    with lines.lend():
        pass
    lines.close()
    assert not opened[0].is_open
    with lines.lend() as line:
        assert line is opened[1]


def test_a_child_neither_uses_nor_closes_what_it_inherited(lines: Pool[Line], opened: list[Line]) -> None:
    with lines.lend():
        pass

    def use() -> None:
        with lines.lend() as line:
            assert line is not opened[0]
        lines.close()
        assert opened[0].is_open
        assert not opened[1].is_open

    assert in_child(use) == 0
    with lines.lend() as line:
        assert line is opened[0]


def test_a_child_forked_while_all_are_lent_has_all_places(lines: Pool[Line]) -> None:
    with ExitStack() as all_lent:
        for _ in range(MAX_CONNECTIONS):
            all_lent.enter_context(lines.lend())
        assert in_child(lambda: lines.lend().__enter__()) == 0


def test_threads_never_share_a_connection(lines: Pool[Line], opened: list[Line]) -> None:
    in_use: set[Line] = set()

    def use(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(50):
            with lines.lend() as line:
                assert line not in in_use
                in_use.add(line)
                threading.Event().wait(dice.random() / 10_000)
                line.is_clean_now = dice.random() > 0.1
                in_use.remove(line)

    with ThreadPoolExecutor(2 * MAX_CONNECTIONS) as threads:
        for each in [threads.submit(use, seed) for seed in range(2 * MAX_CONNECTIONS)]:
            each.result(30)
    assert sum(line.is_open for line in opened) <= MAX_CONNECTIONS


# On a server -------------------------------------------------------------------------------------------


@pytest.fixture
def broker(postgres_url: str) -> Iterator[SqlBroker]:
    broker = SqlBroker(postgres_url, {})
    broker.migrate()
    yield broker
    broker.close()


def session_of(broker: SqlBroker) -> int:
    with broker._dialect.reading() as executor:
        return int(executor.rows("SELECT pg_backend_pid()")[0][0])


def test_the_parent_s_session_outlives_a_child_that_used_and_closed_the_broker(broker: SqlBroker) -> None:
    session = session_of(broker)

    def use() -> None:
        assert session_of(broker) != session
        broker.publish([Job("child", "t", b"json:")])
        broker.close()

    assert in_child(use) == 0
    assert session_of(broker) == session
    assert broker.get(["child"])


def test_a_fork_inside_a_transaction_leaves_it_to_the_parent(broker: SqlBroker) -> None:
    with broker._dialect.writing() as executor:
        executor.run('INSERT INTO "public".treadle_queue (name, paused) VALUES (?, 1)', ("held",))
        assert in_child(lambda: broker.publish([Job("child", "t", b"json:")])) == 0
    assert broker.counts().queues["held"].paused
    assert broker.get(["child"])


def test_sixty_four_threads_publish_at_once(broker: SqlBroker) -> None:
    def publish(number: int) -> None:
        for each in range(5):
            broker.publish([Job(f"{number}-{each}", "t", b"json:")])

    with ThreadPoolExecutor(64) as threads:
        for each in [threads.submit(publish, number) for number in range(64)]:
            each.result(30)
    assert broker.counts().queues["default"].queued == 320
