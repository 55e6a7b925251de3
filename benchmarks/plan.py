"""Who is measured when."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.contestants import Contestant

#: What one turn measures: `enqueue` one by one; `drain` also publishes in bulk; `idle` also waits for results;
#: `sleeps` are jobs that wait, 100 at a time; `chords` are many jobs and one that adds up what they gave.
SESSION_NAMES = ("enqueue", "drain", "idle", "sleeps", "chords", "import")

#: An import has nothing to do with where jobs wait.
NO_STORE = "none"
#: Where most who can run many jobs at a time can be compared.
_SLEEPS_STORE = "redis"


class Turn(NamedTuple):
    """One session of one contestant."""

    round: int
    session: str
    store: str
    contestant: Contestant

    @property
    def what(self) -> str:
        """The turn, whatever the round."""
        return f"{self.session}, {self.contestant.name} on {self.store}"

    def __str__(self) -> str:
        return f"round {self.round + 1}: {self.what}"


def plan(sessions: Sequence[str], contestants: Sequence[Contestant], stores: Sequence[str], repeat: int) -> list[Turn]:
    """All turns, interleaved (A B A B), so that what slows the machine for a while slows everybody."""
    return [
        Turn(number, session, store, contestant)
        for number in range(repeat)
        for session in sessions
        for store, contestant in _pairs(session, contestants, stores)
    ]


def _pairs(session: str, contestants: Sequence[Contestant], stores: Sequence[str]) -> Iterator[tuple[str, Contestant]]:
    for store in (NO_STORE,) if session == "import" else stores:
        for contestant in contestants:
            if _takes_part(contestant, session, store):
                yield store, contestant


def _takes_part(contestant: Contestant, session: str, store: str) -> bool:
    if session == "sleeps":
        return store == _SLEEPS_STORE and store in contestant.share and bool(contestant.pools)
    if session == "chords":
        return store in contestant.share and contestant.chords
    return store == NO_STORE or store in contestant.share
