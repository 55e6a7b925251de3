"""A connection to MySQL or MariaDB that never waits for ever."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CLIENT, SERVER_STATUS
from pymysql.converters import conversions
from pymysql.cursors import Cursor

from treadle.brokers.sql.mysql.address import Address
from treadle.brokers.sql.mysql.errors import translated
from treadle.exceptions import ConfigurationError
from treadle.interfaces import CALL_DEADLINE_S

#: The longest wait for one answer: what is left of a call's deadline once the call has said that it was in vain.
ANSWER_S: Final = CALL_DEADLINE_S - 0.5
#: The server gives up waiting for a lock before we give up waiting for the server, so that it can say so.
LOCK_WAIT_S: Final = int(ANSWER_S) - 1
#: How long a transaction may stand idle before MariaDB ends it.
IDLE_S: Final = 10
#: Statements up to this length are read by any server.
_SHORT: Final = 2**20

# In one statement, since connections are also made when there is trouble. MariaDB and MySQL have different names for
# the level of isolation; each reads its own comment.
_MANNERS: Final = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', default_storage_engine = 'InnoDB', "
    f"innodb_lock_wait_timeout = {LOCK_WAIT_S}, "
    "sql_safe_updates = 0, sql_select_limit = DEFAULT, sql_big_selects = 1, "
    "/*M! tx_isolation */ /*!80000 transaction_isolation */ = 'READ-COMMITTED' "
    # A transaction whose client is gone, unknown to the server, ends before the lease that it has locked. MySQL has no
    # such setting, and waits for TCP.
    f"/*M! , idle_transaction_timeout = {IDLE_S} */"
)

# Without a converter for texts, which PyMySQL never asks for texts: it is what anything unknown would be passed off as.
_CONVERTERS: Final = {kind: converter for kind, converter in conversions.items() if kind is not str}

if TYPE_CHECKING:
    _Connection: TypeAlias = Connection[Cursor]
else:
    # Generic in its type stubs alone.
    _Connection = Connection


class Link(_Connection):
    """A PyMySQL connection in autocommit mode: transactions are begun by word."""

    server_status: int
    _is_busy = False
    _pid: int

    @classmethod
    def to(cls, address: Address) -> Self:
        """Connect. Raises BrokerUnavailable within the deadline, ConfigurationError if we are not let in."""
        try:
            link = cls(**_arguments(address))
            link._pid = os.getpid()
        except pymysql.MySQLError as error:
            raise translated(error, address.safe_url) from error
        except RuntimeError as error:
            # PyMySQL needs a library for passwords that are sent in the clear over no TLS.
            message = f"cannot log in to {address.safe_url}: {error}: pip install cryptography, or use TLS"
            raise ConfigurationError(message) from error
        except OSError as error:
            raise ConfigurationError(f"cannot read ssl_ca for {address.safe_url}: {error}") from error
        return link

    def query(self, sql: Any, unbuffered: bool = False) -> int:
        """As PyMySQL's; notes that an answer is on its way until it is there.

        Raises ConfigurationError for what is too long: the server would hang up in the middle of it.
        """
        content = sql.encode() if isinstance(sql, str) else sql
        if len(content) > _SHORT:
            self._require_room(len(content))
        self._is_busy = True
        try:
            changed = super().query(content, unbuffered)  # pyright: ignore[reportUnknownMemberType] - untyped there
        except pymysql.MySQLError:
            # An error of the server is an answer, too; others have closed the connection.
            self._is_busy = False
            raise
        self._is_busy = False
        return changed

    def close(self) -> None:
        """Hang up, in the process that dialled."""
        if self._pid == os.getpid():
            super().close()

    def fileno(self) -> int:
        """Its socket. Raises ValueError if it is closed."""
        sock: Any = getattr(self, "_sock", None)
        if sock is None:
            raise ValueError("the connection is closed")
        return int(sock.fileno())

    def is_clean(self) -> bool:
        """Whether it is open, outside of a transaction, and no answer is on its way."""
        return self.open and not self._is_busy and not self.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS

    def _require_room(self, length: int) -> None:
        with self.cursor() as cursor:
            cursor.execute("SELECT @@max_allowed_packet")
            limit = cursor.fetchall()[0][0]
        if length >= limit:
            message = f"a job or a result is too large: a statement of {length} bytes, in which bytes count twice"
            advice = "raise that, or pass a reference instead"
            raise ConfigurationError(f"{message}, is more than the server's max_allowed_packet of {limit}; {advice}")


def _arguments(address: Address) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "host": address.host,
        "port": address.port,
        "user": address.user,
        # As bytes, since PyMySQL knows Latin passwords only.
        "password": address.password.encode(),
        "database": address.database,
        "unix_socket": address.unix_socket or None,
        "charset": "utf8mb4",
        "conv": _CONVERTERS,
        "autocommit": True,
        "init_command": _MANNERS,
        # Rows that a statement found, not those it made different: an update to what is there already has been done.
        "client_flag": CLIENT.FOUND_ROWS,
        "program_name": "treadle",
        "connect_timeout": ANSWER_S,
        "read_timeout": ANSWER_S,
        "write_timeout": ANSWER_S,
        "ssl_disabled": address.ssl_disabled or None,
    }
    if address.ssl_ca:
        arguments |= {
            "ssl_ca": address.ssl_ca,
            "ssl_verify_cert": True,
            "ssl_verify_identity": address.ssl_verify_identity,
        }
    return arguments
