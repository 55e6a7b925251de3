"""What is wrong or risky about a MySQL or MariaDB database."""

from __future__ import annotations

import re
from typing import Final

from treadle.brokers.sql.executor import Executor

#: The oldest versions that know SKIP LOCKED and a bytewise collation that pads no spaces.
_OLDEST_MARIADB: Final = (10, 6, 0)
_OLDEST_MYSQL: Final = (8, 0, 17)
#: A transaction that is open for so long keeps what was deleted from being purged.
_LONG_S: Final = 600


def advice(executor: Executor, safe_url: str, prefix: str) -> list[str]:
    """What is wrong or risky about the database, one sentence each."""
    version, is_sync, detects = executor.rows(
        "SELECT VERSION(), @@innodb_flush_log_at_trx_commit, @@innodb_deadlock_detect"
    )[0]
    found = [outdated] if (outdated := outdated_version(version, safe_url)) else []
    if is_sync != 1:
        found.append(
            f"innodb_flush_log_at_trx_commit is {is_sync} on {safe_url}: a crash of the server or its host takes the "
            f"jobs and results of the last second with it; set it to 1."
        )
    if not detects:
        found.append(
            f"innodb_deadlock_detect is off on {safe_url}: transactions that wait for each other do so until "
            f"innodb_lock_wait_timeout; switch it on."
        )
    return [*found, *_foreign_engines(executor, safe_url, prefix), *_long_transactions(executor, safe_url)]


def outdated_version(version: str, safe_url: str) -> str:
    """A sentence about a server that is too old for us, as `SELECT VERSION()` tells it; else empty."""
    is_mariadb = "mariadb" in version.lower()
    name, oldest = ("MariaDB", _OLDEST_MARIADB) if is_mariadb else ("MySQL", _OLDEST_MYSQL)
    # Replication of old puts 5.5.5- in front of what MariaDB is.
    numbers = re.findall(r"\d+", version.removeprefix("5.5.5-"))[:3]
    if tuple(map(int, numbers)) >= oldest:
        return ""
    return f"{safe_url} is {name} {version}, and Treadle needs {'.'.join(map(str, oldest))} or newer: upgrade it."


def _foreign_engines(executor: Executor, safe_url: str, prefix: str) -> list[str]:
    tables: dict[str, str] = dict(
        executor.rows(
            "SELECT table_name, engine FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND left(table_name, char_length(?)) = ? AND engine <> 'InnoDB'",
            (prefix, prefix),
        )
    )
    return [
        f"{table} on {safe_url} is a table of {engine}, which has no transactions: ALTER TABLE {table} ENGINE = InnoDB."
        for table, engine in sorted(tables.items())
    ]


def _long_transactions(executor: Executor, safe_url: str) -> list[str]:
    """Transactions of others that keep old versions of rows alive; none are told to users without PROCESS."""
    is_allowed = executor.rows(
        "SELECT 1 FROM information_schema.user_privileges WHERE privilege_type = 'PROCESS'"
        " AND grantee = concat('''', replace(CURRENT_USER(), '@', '''@'''), '''')"
    )
    if not is_allowed:
        return []
    longest_s = executor.rows(
        "SELECT coalesce(max(timestampdiff(SECOND, trx_started, NOW())), 0) FROM information_schema.innodb_trx"
        " WHERE trx_mysql_thread_id <> CONNECTION_ID()"
    )[0][0]
    if longest_s <= _LONG_S:
        return []
    lag = "while it lasts nothing that was deleted can be purged, and claims get slower"
    message = f"a transaction on {safe_url} has been open for {longest_s} s: {lag}; end it"
    return [f"{message} (SHOW ENGINE INNODB STATUS names it)."]
