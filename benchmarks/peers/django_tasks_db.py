"""django-tasks-db on SQLite and PostgreSQL: two `db_worker` processes that look for jobs once a second, its default."""

from __future__ import annotations

import os
import time
from typing import Any

import django  # type: ignore[import-not-found,import-untyped,unused-ignore]  # not in every environment

from benchmarks.peers.command import WAIT_S, Peer, Pool, become, main

_SETTINGS = "benchmarks.peers.django_tasks_db_settings"
_LOOK_S = 0.001


class DjangoTasksDbPeer(Peer):
    """django-tasks-db as its guide uses it."""

    def __init__(self, url: str, *, waited_for: bool) -> None:
        os.environ["DJANGO_SETTINGS_MODULE"] = _SETTINGS
        django.setup()
        # Both need the settings.
        from django_tasks_db.models import (  # type: ignore[import-not-found,unused-ignore]
            DBTaskResult,
        )

        from benchmarks.peers.django_tasks_db_tasks import noop

        self._noop = noop
        self._rows: Any = DBTaskResult.objects

    def prepare(self) -> None:
        """`manage.py migrate`."""
        from django.core.management import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
            call_command,
        )

        call_command("migrate", verbosity=0)

    def enqueue(self, count: int) -> None:
        """`enqueue`."""
        for _ in range(count):
            self._noop.enqueue()

    def round_trip(self) -> None:
        """`enqueue`; it has no way to wait, so `refresh` often."""
        result, deadline_s = self._noop.enqueue(), time.monotonic() + WAIT_S
        while not result.is_finished and time.monotonic() < deadline_s:
            time.sleep(_LOOK_S)
            result.refresh()

    def stored(self) -> int:
        """Rows that say that they are done."""
        return int(self._rows.filter(status="SUCCESSFUL").count())

    def serve(self, pool: Pool) -> None:
        """`manage.py db_worker`, twice."""
        become("-m", "django", "db_worker", "--verbosity", "0", times=2)


if __name__ == "__main__":
    main(DjangoTasksDbPeer)
