"""The jobs of a soak: published as fast as they are run, so that the backlog stays the same throughout."""

from __future__ import annotations

from collections.abc import Iterator

from tests.harness.patience import eventually
from treadle import Treadle
from treadle.interfaces import Counts

CHUNK = 1200
_BACKLOG = 20_000
_WITHIN_S = 300.0
_TASKS = "tests.soak.app."
#: Far enough away to be cancelled before.
_COUNTDOWN_S = 3600


def publish(app: Treadle, jobs: int) -> Iterator[int]:
    """Publish at least so many jobs in chunks; gives how many there are after each chunk.

    Of twelve jobs six succeed, two fail, two are retried, and two are cancelled: one while it is scheduled, and
    one that is queued, if it was not run before that.
    """
    published = 0
    while published < jobs:
        eventually(lambda: live_jobs(app.broker.counts()) < _BACKLOG, within_s=_WITHIN_S, what="room for more jobs")
        published = _publish_chunk(app, published)
        yield published


def live_jobs(counts: Counts) -> int:
    """How many jobs have not ended."""
    return sum(queue.queued + queue.scheduled + queue.running for queue in counts.queues.values())


def _publish_chunk(app: Treadle, first: int) -> int:
    twelfth = range(first, first + CHUNK, 12)
    scheduled = [app.signature(_TASKS + "is_cancelled", (each,), countdown=_COUNTDOWN_S) for each in twelfth]
    queued = [app.signature(_TASKS + "is_cancelled", (each,)) for each in twelfth]
    names = ("succeeds",) * 6 + ("fails",) * 2 + ("succeeds_later",) * 2
    others = [app.signature(_TASKS + name, (each,)) for each in twelfth for name in names]
    doomed = app.publish_many(scheduled + queued)
    app.broker.cancel([job.id for job in doomed])
    app.publish_many(others)
    return first + len(scheduled) + len(queued) + len(others)
