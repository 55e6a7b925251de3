"""What the errors of a MySQL or MariaDB server, and of the way to it, mean to us.

https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html,
https://mariadb.com/kb/en/mariadb-error-code-reference/
"""

from __future__ import annotations

import ssl
from typing import Final

import pymysql
from pymysql.constants import CR, ER

from treadle.exceptions import BrokerUnavailable, ConfigurationError, TreadleError

_LOCK_WAIT_TIMEOUT: Final = ER.LOCK_WAIT_TIMEOUT
#: MariaDB: a row has changed since our snapshot, and `innodb_snapshot_isolation` is on.
_CHECKREAD: Final = ER.CHECKREAD

_CONFLICTS: Final = {ER.LOCK_DEADLOCK, _CHECKREAD, ER.DUP_ENTRY}
#: What a statement of a migration says if it has been done already.
_DONE_BEFORE: Final = {ER.TABLE_EXISTS_ERROR, ER.DUP_FIELDNAME, ER.DUP_KEYNAME, ER.DUP_ENTRY}
_REFUSALS: Final = {
    ER.DBACCESS_DENIED_ERROR,
    ER.ACCESS_DENIED_ERROR,
    ER.BAD_DB_ERROR,
    ER.NO_DB_ERROR,
    ER.HOST_NOT_PRIVILEGED,
    ER.TABLEACCESS_DENIED_ERROR,
    ER.COLUMNACCESS_DENIED_ERROR,
    ER.SPECIFIC_ACCESS_DENIED_ERROR,
    ER.NOT_SUPPORTED_AUTH_MODE,
    ER.UNKNOWN_SYSTEM_VARIABLE,
    ER.TOO_LONG_KEY,
    ER.TOO_BIG_ROWSIZE,
    ER.NET_PACKET_TOO_LARGE,
    1698,  # access denied: the user logs in by another way than a password
    1820,  # the password has expired
    1862,  # the same
    CR.CR_SSL_CONNECTION_ERROR,
    CR.CR_AUTH_PLUGIN_CANNOT_LOAD,
    CR.CR_AUTH_PLUGIN_ERR,
}


def number_of(error: BaseException) -> int:
    """The number of an error of the server or of PyMySQL, 0 if it has none."""
    first = error.args[0] if isinstance(error, pymysql.MySQLError) and error.args else 0
    return first if isinstance(first, int) else 0


def is_conflict(error: BaseException) -> bool:
    """Whether the server broke off our transaction for another's sake, or two of us made the same row at once."""
    return number_of(error) in _CONFLICTS


def is_absent(error: BaseException) -> bool:
    """Whether a table does not exist."""
    return number_of(error) == ER.NO_SUCH_TABLE


def was_done_before(error: BaseException) -> bool:
    """Whether what a migration makes is there: an earlier run of it died after that."""
    return number_of(error) in _DONE_BEFORE


def translated(error: pymysql.MySQLError, safe_url: str) -> TreadleError:
    """What it means to the caller."""
    number = number_of(error)
    text = " ".join(str(error.args[-1]).split()) if error.args else type(error).__name__
    if number == _LOCK_WAIT_TIMEOUT:
        message = f"another transaction on {safe_url} holds what we need, and does not end: {text}"
        return BrokerUnavailable(f"{message}; keep transactions that publish short, and try again")
    if is_refusal(error):
        return ConfigurationError(f"{safe_url} does not let us in or do what we ask: {text} (error {number})")
    return BrokerUnavailable(f"{safe_url} did not answer: {text} (error {number}); try again when the server is back")


def is_refusal(error: pymysql.MySQLError) -> bool:
    """Whether the server is there and says no: trying again would not help."""
    if isinstance(getattr(error, "original_exception", None), ssl.SSLCertVerificationError):
        return True
    refused = pymysql.err.ProgrammingError, pymysql.err.DataError, pymysql.err.NotSupportedError
    return number_of(error) in _REFUSALS or isinstance(error, (*refused, pymysql.err.IntegrityError))
