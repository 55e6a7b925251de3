"""What a witness answers, whatever the store."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from tests.harness.stores import store_of
from treadle import Treadle
from treadle.job import State


class Ending(NamedTuple):
    """One final outcome that was written. A job that is settled twice has two."""

    job_id: str
    state: State


class Witness(Protocol):
    """Has recorded every final outcome that was ever written since it was called, also of those that were undone.

    The broker neither reads nor knows the record, so it cannot make up for a mistake of its own.
    """

    def endings(self) -> list[Ending]:
        """All that were written, in order."""
        ...

    def close(self) -> None:
        """Stop recording."""
        ...


def witness_of(app: Treadle) -> Witness:
    """A witness of the store that `app` uses, from now on. Call it before the first job is published."""
    # Each knows its store's inside, and must not be loaded for the others.
    if store_of(app.broker.safe_url) == "redis":
        from tests.harness.witness.redis import RedisWitness

        return RedisWitness(app.broker)
    from tests.harness.witness.sql import SqlWitness

    return SqlWitness(app.broker)
