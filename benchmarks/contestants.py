"""Who takes part."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Treadle is measured in the interpreter that runs the command; the others are installed.
OURS = "treadle"


class Contestant(NamedTuple):
    """A system to measure. How it is used is told by the module of its name in `benchmarks.peers`."""

    name: str
    #: What pip installs for it; nothing for Treadle.
    requirements: tuple[str, ...]
    #: What is timed as its import: the package, and what an application imports from it.
    imports: tuple[str, str]
    #: The stores that it runs on, and which part of the backlog it gets there, so that each is timed for a few seconds.
    share: Mapping[str, float]
    #: The pools in which it runs many jobs at a time.
    pools: tuple[str, ...] = ()
    #: Whether it has chords.
    chords: bool = False

    @property
    def module(self) -> str:
        """Where its use is told."""
        return f"benchmarks.peers.{self.name.replace('-', '_')}"


CONTESTANTS = (
    Contestant(
        OURS,
        (),
        ("import treadle", "from treadle import Treadle"),
        share={"redis": 1, "redis-aof": 1, "postgres": 1, "sqlite": 1},
        pools=("threads", "asyncio"),
        chords=True,
    ),
    Contestant(
        "celery",
        ("celery[redis]>=5.5",),
        ("import celery", "from celery import Celery"),
        share={"redis": 1 / 8},
        pools=("threads",),
        chords=True,
    ),
    Contestant(
        "dramatiq",
        ("dramatiq[redis]>=2",),
        ("import dramatiq", "from dramatiq.brokers.redis import RedisBroker"),
        share={"redis": 1 / 4},
        pools=("threads",),
    ),
    Contestant(
        "huey",
        ("huey>=3", "redis>=5"),
        ("import huey", "from huey import RedisHuey"),
        share={"redis": 1 / 2, "sqlite": 1 / 4},
        pools=("threads",),
        chords=True,
    ),
    Contestant("rq", ("rq>=2",), ("import rq", "from rq import Queue"), share={"redis": 1 / 80}),
    Contestant(
        "taskiq",
        ("taskiq-redis>=1.2",),
        ("import taskiq", "from taskiq_redis import RedisStreamBroker"),
        share={"redis": 1 / 4},
        pools=("asyncio",),
    ),
    Contestant(
        "procrastinate",
        ("procrastinate>=3", "psycopg[binary]"),
        ("import procrastinate", "from procrastinate import App, PsycopgConnector"),
        share={"postgres": 1 / 20},
    ),
    Contestant(
        "django-tasks-db",
        # Before Django 6, which needs Python 3.12, the tasks' interface is a package of its own.
        ("django-tasks-db[compat]>=0.12", "psycopg[binary]"),
        ("import django_tasks", "from django_tasks import task"),
        share={"postgres": 1 / 40, "sqlite": 1 / 40},
    ),
)


def contestants_named(peers: Sequence[str]) -> tuple[Contestant, ...]:
    """Treadle and those peers. Raises SystemExit for a name that is not known."""
    known = {contestant.name: contestant for contestant in CONTESTANTS}
    for name in peers:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SystemExit(f"no peer is called {name!r}: there are {', '.join(known)}{hint}")
    return tuple(known[name] for name in dict.fromkeys((OURS, *peers)))
