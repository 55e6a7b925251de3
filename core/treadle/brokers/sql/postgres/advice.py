"""What is wrong or risky about a PostgreSQL database."""

from __future__ import annotations

from typing import Final

from treadle.brokers.sql.executor import Executor

#: The oldest version that its makers still mend when this was written.
_OLDEST: Final = 130000
#: A transaction that is open for so long keeps dead rows from being removed.
_LONG_S: Final = 600


def advice(executor: Executor, safe_url: str, prefix: str, *, is_pooled: bool) -> list[str]:
    """What is wrong or risky about the database, one sentence each."""
    found: list[str] = []
    version, durable, vacuums, encoding = executor.rows(
        "SELECT current_setting('server_version_num')::int, current_setting('synchronous_commit'),"
        " current_setting('autovacuum'), current_setting('server_encoding')"
    )[0]
    if version < _OLDEST:
        found.append(f"{safe_url} is PostgreSQL {version // 10000}, which is not maintained any more: upgrade it.")
    if durable == "off":
        found.append(
            f"synchronous_commit is off on {safe_url}: a crash of the server takes the last jobs and results with it."
        )
    if vacuums != "on":
        found.append(
            f"autovacuum is off on {safe_url}: dead rows of {prefix}live pile up, and claims get slower: switch it on."
        )
    if encoding != "UTF8":
        found.append(
            f"{safe_url} has the encoding {encoding}: ids and names that it cannot spell are refused; make it in UTF8."
        )
    longest_s = executor.rows(
        "SELECT coalesce(max(extract(epoch FROM now() - xact_start)), 0)::int FROM pg_stat_activity"
        " WHERE datname = current_database() AND state <> 'active' AND pid <> pg_backend_pid()"
    )[0][0]
    if longest_s > _LONG_S:
        found.append(
            f"a transaction on {safe_url} has been open and idle for {longest_s} s: while it lasts no dead row can be "
            f"removed, and claims get slower; end it, or set idle_in_transaction_session_timeout."
        )
    if is_pooled:
        found.append(
            f"{safe_url} is a pooler that shares server connections: NOTIFY does not come through, so idle workers "
            f"look up to ten times a second; connect workers to PostgreSQL itself, if you can."
        )
    return found
