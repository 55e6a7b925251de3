"""Orders to all workers of an app: `app.control`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.app.app import Treadle
    from treadle.job import State


class Control:
    """Acts on jobs through the store, so it needs no worker to be there."""

    def __init__(self, app: Treadle) -> None:
        self._app = app

    def revoke(self, task_id: str | Iterable[str], terminate: bool = False) -> dict[str, State]:
        """Cancel one job or several. One that runs already is only not retried, unless `terminate` interrupts it.

        Answers the state of each known job afterwards.
        """
        ids = [task_id] if isinstance(task_id, str) else [str(each) for each in task_id]
        return self._app.broker.cancel(ids, terminate=terminate)

    def terminate(self, task_id: str | Iterable[str]) -> dict[str, State]:
        """`revoke`, interrupting what runs."""
        return self.revoke(task_id, terminate=True)

    def purge(self) -> int:
        """Remove the waiting jobs of all known queues for good. Answers how many."""
        broker = self._app.broker
        queues = {*self._app.known_queues(), *broker.counts().queues}
        return sum(broker.purge(queue) for queue in sorted(queues))
