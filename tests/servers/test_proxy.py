"""The failing network that fault tests rely on, before a server that echoes lines."""

from __future__ import annotations

import itertools
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.servers import CuttingProxy
from tests.servers.ports import LOOPBACK
from tests.servers.trap import Conversation, Trap

DEADLINE_S = 10.0
# How long "no answer" is watched for. Too short could only hide a failure, never cause one.
SILENCE_S = 0.1


class Echo(socketserver.ThreadingTCPServer):
    """Answers each line with itself, and remembers it."""

    daemon_threads = True

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        super().__init__((LOOPBACK, 0), EchoHandler)


class EchoHandler(socketserver.StreamRequestHandler):
    server: Echo  # pyright: ignore[reportIncompatibleVariableOverride] - the type of the one who made it

    def handle(self) -> None:
        for line in self.rfile:
            self.server.heard.append(line)
            self.wfile.write(line)


class Client:
    """A connection through the proxy."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((LOOPBACK, port), timeout=DEADLINE_S)
        self.answers = self.socket.makefile("rb")

    def send(self, line: bytes) -> None:
        self.socket.sendall(line)

    def receive(self) -> bytes:
        """The next line, empty when the connection has ended."""
        try:
            return self.answers.readline()
        except ConnectionResetError:
            return b""

    def ask(self, line: bytes) -> bytes:
        self.send(line)
        return self.receive()

    def hears_nothing(self) -> bool:
        self.socket.settimeout(SILENCE_S)
        try:
            return not self.socket.recv(1)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(DEADLINE_S)

    def close(self) -> None:
        self.answers.close()
        self.socket.close()


Connect = Callable[[], Client]


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[CuttingProxy]:
    with CuttingProxy(echo.server_address[1]) as between:
        yield between


@pytest.fixture
def connect(proxy: CuttingProxy) -> Iterator[Connect]:
    clients: list[Client] = []

    def connected() -> Client:
        clients.append(Client(proxy.port))
        return clients[-1]

    yield connected
    for client in clients:
        client.close()


def test_without_orders_everything_passes(connect: Connect) -> None:
    one, other = connect(), connect()
    assert (one.ask(b"one\n"), other.ask(b"other\n")) == (b"one\n", b"other\n")


def test_more_than_the_buffers_hold_passes_unchanged(connect: Connect) -> None:
    client = connect()
    line = b"0123456789" * 1_000_000 + b"\n"
    sender = threading.Thread(target=client.send, args=(line,))
    sender.start()
    assert client.receive() == line
    sender.join()


def test_a_url_leads_through_the_proxy(proxy: CuttingProxy) -> None:
    through = proxy.url(f"postgresql://treadle:secret@127.0.0.1:{proxy.server_port}/jobs")
    assert through == f"postgresql://treadle:secret@127.0.0.1:{proxy.port}/jobs"


def test_a_refusing_proxy_keeps_the_connections_it_has(proxy: CuttingProxy, connect: Connect) -> None:
    old = connect()
    assert old.ask(b"before\n") == b"before\n"
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect()
    assert old.ask(b"meanwhile\n") == b"meanwhile\n"
    proxy.accept()
    assert connect().ask(b"after\n") == b"after\n"


def test_a_cut_ends_the_connections_of_now_and_not_those_of_later(proxy: CuttingProxy, connect: Connect) -> None:
    old = connect()
    assert old.ask(b"before\n") == b"before\n"
    proxy.cut()
    assert old.receive() == b""
    assert connect().ask(b"after\n") == b"after\n"


def test_the_end_of_a_server_is_passed_on(proxy: CuttingProxy, echo: Echo, connect: Connect) -> None:
    echo.shutdown()
    echo.server_close()
    assert connect().receive() == b""


def test_a_frozen_proxy_accepts_and_answers_nothing_until_it_thaws(
    proxy: CuttingProxy, echo: Echo, connect: Connect
) -> None:
    old = connect()
    assert old.ask(b"before\n") == b"before\n"
    proxy.freeze()
    new = connect()
    old.send(b"old\n")
    new.send(b"new\n")
    assert old.hears_nothing()
    assert new.hears_nothing()
    assert echo.heard == [b"before\n"]
    proxy.thaw()
    assert (old.receive(), new.receive()) == (b"old\n", b"new\n")


def test_a_frozen_connection_can_be_cut(proxy: CuttingProxy, connect: Connect) -> None:
    client = connect()
    proxy.freeze()
    client.send(b"lost\n")
    proxy.cut()
    assert client.receive() == b""


def test_the_answer_to_a_request_with_a_pattern_is_cut_after_the_server_heard_it(
    proxy: CuttingProxy, echo: Echo, connect: Connect
) -> None:
    client, other = connect(), connect()
    cut = proxy.cut_answer(b"COMMIT")
    assert client.ask(b"INSERT\n") == b"INSERT\n"
    assert not cut.is_set()
    assert client.ask(b"COMMIT\n") == b""
    assert cut.wait(DEADLINE_S)
    assert echo.heard == [b"INSERT\n", b"COMMIT\n"]
    assert other.ask(b"COMMIT\n") == b"COMMIT\n"


def test_the_nth_request_is_counted_over_all_connections(proxy: CuttingProxy, echo: Echo, connect: Connect) -> None:
    one, other = connect(), connect()
    assert one.ask(b"0\n") == b"0\n"
    cut = proxy.cut_answer(nth=3)
    assert (one.ask(b"1\n"), other.ask(b"2\n")) == (b"1\n", b"2\n")
    assert other.ask(b"3\n") == b""
    assert cut.wait(DEADLINE_S)
    assert echo.heard[-1] == b"3\n"
    assert one.ask(b"4\n") == b"4\n"


def test_an_answer_is_kept_back_until_it_holds_what_is_waited_for(
    proxy: CuttingProxy, echo: Echo, connect: Connect
) -> None:
    client = connect()
    cut = proxy.cut_answer(b"BEGIN", until=b"COMMIT")
    client.send(b"BEGIN\n")
    assert client.hears_nothing()
    assert not cut.is_set()
    assert client.ask(b"COMMIT\n") == b""
    assert cut.wait(DEADLINE_S)
    assert echo.heard == [b"BEGIN\n", b"COMMIT\n"]


def test_a_new_order_replaces_the_old(proxy: CuttingProxy, connect: Connect) -> None:
    old = proxy.cut_answer(b"a")
    new = proxy.cut_answer(b"b")
    client = connect()
    assert client.ask(b"a\n") == b"a\n"
    assert client.ask(b"b\n") == b""
    assert new.wait(DEADLINE_S)
    assert not old.is_set()


@given(text=st.binary(max_size=30), pattern=st.binary(max_size=4), cuts=st.sets(st.integers(1, 29)))
def test_a_pattern_is_found_wherever_the_chunks_begin(text: bytes, pattern: bytes, cuts: set[int]) -> None:
    borders = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    conversation, trap = Conversation(), Trap(pattern, 1, b"")
    for begin, end in itertools.pairwise(borders):
        conversation.request(text[begin:end], trap)
    assert conversation.is_trapped == (pattern in text)


@given(nth=st.integers(1, 5), repeats=st.lists(st.integers(0, 3), max_size=8))
def test_a_request_counts_once_however_often_it_holds_the_pattern(nth: int, repeats: list[int]) -> None:
    conversation, trap = Conversation(), Trap(b"x", nth, b"never")
    trapped_at: int | None = None
    for number, repeat in enumerate(repeats):
        for _ in range(repeat):
            conversation.request(b".x.", trap)
        conversation.answer(b".")
        if conversation.is_trapped and trapped_at is None:
            trapped_at = number
    with_pattern = [number for number, repeat in enumerate(repeats) if repeat]
    assert trapped_at == (with_pattern[nth - 1] if len(with_pattern) >= nth else None)
