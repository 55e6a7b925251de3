"""One connection to one Redis: commands out, replies in, a deadline on everything (RESP2).

hiredis packs commands and parses replies; the socket is ours. A client library would cost every
process 22 MiB and 0.1 s, and the broker needs none of it.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from treadle.brokers.redis.address import Address, Tls
from treadle.exceptions import BrokerUnavailable, ConfigurationError

if TYPE_CHECKING:
    import ssl

try:
    import hiredis
except ImportError as missing:
    raise ConfigurationError("the Redis broker needs hiredis; run: pip install 'treadle[redis]'") from missing

Command: TypeAlias = tuple[str | bytes | int, ...]
ReplyError = hiredis.ReplyError
_READ_BYTES = 1 << 15
#: A socket's timeout is set anew only when it is wrong by more than this: setting it is a system call.
_TIMEOUT_SLACK_S = 0.05
_TOO_LATE = "no answer in time"
#: How long a reply is looked for without going to sleep. A server that is near answers a small call sooner than the
#: kernel puts us to sleep and wakes us up (docs/performance.md: half of the time of a call); one that is far does not,
#: and then that many calls at most are not tried so.
_NEAR_S = 0.000_1
_SMALL_BYTES = 2048
_MOST_UNTRIED = 63


class Connection:
    """A socket that speaks RESP. Any error closes it; it is used by one thread at a time.

    `deadline` is always a moment of `time.monotonic()`. Raises BrokerUnavailable when it passes or
    the server goes away, ConfigurationError when the server does not let us in.
    """

    def __init__(self, address: Address, host: str, port: int, *, deadline: float) -> None:
        self.peer = address.path or f"{host}:{port}"
        self._reader = hiredis.Reader()
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._socket = self._connect(address, host, port, deadline)
        self._timeout_s = inf
        # What TLS sends are not its replies' bytes.
        self._can_look = not address.tls and hasattr(os, "readv") and hasattr(os, "sched_yield")
        self._untried = self._to_leave_untried = 0
        self._pending: Callable[[], int] | None = getattr(self._socket, "pending", None)
        try:
            self._log_in(address, deadline)
        except BaseException:
            self.close()
            raise

    def round_trip(self, commands: Sequence[Command], *, deadline: float) -> list[Any]:
        """Send all commands at once and read as many replies. A refused command's reply is a `ReplyError`."""
        is_small = self.send(commands, deadline=deadline) < _SMALL_BYTES
        if commands and is_small and self._can_look:
            self._look()
        return [self.read(deadline=deadline) for _ in commands]

    def send(self, commands: Sequence[Command], *, deadline: float) -> int:
        """Send commands without reading their replies; how many bytes these were."""
        content = _pack(commands[0]) if len(commands) == 1 else b"".join([_pack(command) for command in commands])
        try:
            self._allow(deadline)
            self._socket.sendall(content)
        except OSError as error:
            raise self._gone(error) from error
        return len(content)

    def read(self, *, deadline: float) -> Any:
        """The next reply."""
        while (reply := self.ready_reply()) is False:
            self.receive(deadline=deadline)
        return reply

    def ready_reply(self) -> Any:
        """The next reply if it is complete here; False if not (RESP2 itself has no booleans). Reads nothing."""
        try:
            return self._reader.gets()
        except hiredis.ProtocolError as error:
            raise self._gone(error) from error

    def receive(self, *, deadline: float) -> None:
        """Take in what the server has sent so far; waits for the first byte."""
        try:
            self._allow(deadline)
            self._take_in()
            # What TLS has decrypted already, `select` on the socket would not see.
            while self._pending and self._pending():
                self._take_in()
        except OSError as error:
            raise self._gone(error) from error

    def fileno(self) -> int:
        """The socket's descriptor, for `select`; -1 once closed."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket. Safe to repeat, and in a forked child: nothing is sent."""
        self._socket.close()

    def _take_in(self) -> None:
        self._feed(self._socket.recv_into(self._buffer))

    def _look(self) -> None:
        """Take in what comes at once, if replies came at once of late. Others may have the processor meanwhile."""
        if self._untried < self._to_leave_untried:
            self._untried += 1
            return
        descriptor, buffers = self._socket.fileno(), (self._buffer,)
        until = time.monotonic() + _NEAR_S
        while time.monotonic() < until:
            try:
                count = os.readv(descriptor, buffers)
            except BlockingIOError:
                os.sched_yield()
            except OSError:
                return  # whoever reads meets it, too
            else:
                self._untried = self._to_leave_untried = 0
                # The end is met by whoever reads, after the replies that came before it.
                if count:
                    self._feed(count)
                return
        self._untried, self._to_leave_untried = 0, min(2 * self._to_leave_untried + 1, _MOST_UNTRIED)

    def _feed(self, count: int) -> None:
        if not count:
            raise self._gone(ConnectionResetError("the server closed the connection"))
        self._reader.feed(cast("bytes", self._buffer), 0, count)

    def _allow(self, deadline: float) -> None:
        """Let the socket wait until the deadline, and hardly longer."""
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError(_TOO_LATE)
        if not -_TIMEOUT_SLACK_S < left_s - self._timeout_s < _TIMEOUT_SLACK_S:
            self._socket.settimeout(left_s)
            self._timeout_s = left_s

    def _gone(self, error: Exception) -> BrokerUnavailable:
        self.close()
        return BrokerUnavailable(f"Redis at {self.peer} is not available: {error}")

    def _connect(self, address: Address, host: str, port: int, deadline: float) -> socket.socket:
        try:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(_TOO_LATE)
            if address.path:
                return _connect_unix(address.path, left_s)
            connected = socket.create_connection((host, port), timeout=left_s)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return _secure(connected, address.tls, host) if address.tls else connected
        except OSError as error:
            raise BrokerUnavailable(f"cannot connect to Redis at {self.peer}: {error}") from error

    def _log_in(self, address: Address, deadline: float) -> None:
        commands: list[Command] = []
        if address.password:
            user = (address.username,) if address.username else ()
            commands.append(("AUTH", *user, address.password))
        if address.db:
            commands.append(("SELECT", address.db))
        for command, reply in zip(commands, self.round_trip(commands, deadline=deadline), strict=True):
            if isinstance(reply, ReplyError):
                if str(reply).startswith(("LOADING", "MASTERDOWN", "BUSY")):
                    raise BrokerUnavailable(f"Redis at {self.peer} is not ready: {reply}")
                raise ConfigurationError(f"Redis at {self.peer} refused {command[0]!s}: {reply}; check the broker URL")


# The stubs of hiredis 3 allow only tuples of length one, and leave out the answer's type.
_pack_texts = cast("Callable[[Command], bytes]", hiredis.pack_command)  # pyright: ignore[reportUnknownMemberType]


def _pack(command: Command) -> bytes:
    # Of an integer hiredis asks Python for the text, and crashes if a signal handler raises just then.
    return _pack_texts(tuple([b"%d" % each if isinstance(each, int) else each for each in command]))


def _connect_unix(path: str, timeout_s: float) -> socket.socket:
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.settimeout(timeout_s)
        connected.connect(path)
    except BaseException:
        connected.close()
        raise
    return connected


def _secure(connected: socket.socket, tls: Tls, host: str) -> socket.socket:
    # Loaded only where it is used: ssl costs a process 6 MiB.
    import ssl

    try:
        return _context(tls).wrap_socket(connected, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        connected.close()
        raise ConfigurationError(
            f"the certificate of Redis at {host} is not trusted: {error.verify_message}; "
            "name its authority in ssl_ca_certs"
        ) from error
    except BaseException:
        connected.close()
        raise


def _context(tls: Tls) -> ssl.SSLContext:
    import ssl

    try:
        context = ssl.create_default_context(cafile=tls.ca_certs or None)
        if tls.certfile:
            context.load_cert_chain(tls.certfile, tls.keyfile or None)
    except OSError as error:
        raise ConfigurationError(f"cannot read the certificates that the Redis URL names: {error}") from error
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
