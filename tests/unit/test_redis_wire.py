"""The connection to Redis, against a server that answers as the test says: late, in pieces, or not at all."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

pytest.importorskip("hiredis", reason="the Redis broker needs the extra `redis`")

from treadle.brokers.redis.address import parse_address
from treadle.brokers.redis.wire import Connection, ReplyError
from treadle.exceptions import BrokerUnavailable

#: Longer than a connection looks for a reply before it goes to sleep.
_LATE_S = 0.01


class Answerer:
    """A server for one connection: `answer` is called with the socket for each command that comes."""

    def __init__(self, answer: Callable[[socket.socket, bytes], object]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._answer = answer
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def close(self) -> None:
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        # Whoever is served may hang up at any moment, and the test may end.
        with suppress(OSError):
            served, _ = self._listener.accept()
            with served:
                while command := served.recv(1 << 20):
                    if self._answer(served, command) is not None:
                        return


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connect(opened: ExitStack, answer: Callable[[socket.socket, bytes], object]) -> Connection:
    server = Answerer(answer)
    opened.callback(server.close)
    address = parse_address(f"redis://127.0.0.1:{server.port}/0")
    connection = Connection(address, "127.0.0.1", server.port, deadline=time.monotonic() + 5)
    opened.callback(connection.close)
    return connection


def ask(connection: Connection, *, within_s: float = 5.0) -> object:
    return connection.round_trip([("PING",)], deadline=time.monotonic() + within_s)[0]


def test_replies_that_come_at_once_and_replies_that_come_late_are_both_read(opened: ExitStack) -> None:
    pauses = iter([0, 0, _LATE_S, _LATE_S, 0, 0, 0, _LATE_S, 0])
    numbers = iter(range(9))

    def answer(served: socket.socket, command: bytes) -> None:
        threading.Event().wait(next(pauses))
        served.sendall(b":%d\r\n" % next(numbers))

    connection = connect(opened, answer)

    assert [ask(connection) for _ in range(9)] == list(range(9))


def test_a_reply_in_two_pieces_is_read_whole(opened: ExitStack) -> None:
    goes_on = threading.Event()

    def answer(served: socket.socket, command: bytes) -> None:
        served.sendall(b"$10\r\nfirst")
        goes_on.wait(_LATE_S)
        served.sendall(b"piece\r\n")

    assert ask(connect(opened, answer)) == b"firstpiece"


def test_no_reply_is_an_error_at_the_deadline_of_this_call_whatever_that_of_the_last_was(opened: ExitStack) -> None:
    answers = iter([b"+OK\r\n", b"+OK\r\n"])

    def answer(served: socket.socket, command: bytes) -> None:
        served.sendall(next(answers, b""))

    connection = connect(opened, answer)
    assert ask(connection, within_s=30) == b"OK"
    assert ask(connection, within_s=0.5) == b"OK"

    begun_s = time.monotonic()
    with pytest.raises(BrokerUnavailable, match="not available"):
        ask(connection, within_s=0.3)

    assert 0.2 < time.monotonic() - begun_s < 3


def test_a_server_that_hangs_up_is_an_error_at_once(opened: ExitStack) -> None:
    connection = connect(opened, lambda served, command: "enough")

    with pytest.raises(BrokerUnavailable, match=r"the server closed the connection|reset"):
        ask(connection)

    assert connection.fileno() == -1


def test_what_the_server_says_before_it_hangs_up_is_heard(opened: ExitStack) -> None:
    def answer(served: socket.socket, command: bytes) -> str:
        served.sendall(b"-ERR max number of clients reached\r\n")
        return "enough"

    reply = ask(connect(opened, answer))

    assert isinstance(reply, ReplyError)
    assert str(reply).startswith("ERR max number of clients")


def test_the_deadline_holds_on_a_connection_that_was_slow_to_open(opened: ExitStack) -> None:
    server = Answerer(lambda served, command: None)
    opened.callback(server.close)
    address = parse_address(f"redis://127.0.0.1:{server.port}/0")
    connection = Connection(address, "127.0.0.1", server.port, deadline=time.monotonic() + 30)
    opened.callback(connection.close)

    begun_s = time.monotonic()
    with pytest.raises(BrokerUnavailable):
        ask(connection, within_s=0.04)

    assert time.monotonic() - begun_s < 5


def test_a_signal_handler_that_raises_while_a_command_is_packed_crashes_nothing() -> None:
    program = (
        "import signal, time\n"
        "from treadle.brokers.redis import wire\n"
        "def strike(*_):\n    raise ValueError\n"
        "signal.signal(signal.SIGALRM, strike)\n"
        "command = ('EVALSHA', 'x' * 40, 1, *range(200))\n"
        "for round in range(300):\n"
        "    signal.setitimer(signal.ITIMER_REAL, 0.0002)\n"
        "    try:\n"
        "        while True:\n            wire._pack(command)\n"
        "    except ValueError:\n        pass\n"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_a_deadline_that_has_passed_sends_nothing(opened: ExitStack) -> None:
    heard: list[bytes] = []

    connection = connect(opened, lambda served, command: heard.append(command))
    with pytest.raises(BrokerUnavailable, match="no answer in time"):
        ask(connection, within_s=-1)

    assert heard == []
