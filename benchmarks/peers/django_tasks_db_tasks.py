"""The tasks of the Django project."""

from __future__ import annotations

from typing import Any

from django_tasks import task  # type: ignore[import-not-found,unused-ignore]  # only in its own environment

from benchmarks.peers import work


@task()  # type: ignore[untyped-decorator,unused-ignore]
def _noop() -> int:
    return work.noop()


noop: Any = _noop
