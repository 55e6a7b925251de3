"""The same application, with receivers of signals that write to the ledger."""

from __future__ import annotations

from typing import Any

from tests.harness.app import app, note
from treadle import signals

__all__ = ["app"]


@signals.task_prerun.connect
def _note_prerun(**_: Any) -> None:
    note("prerun")


@signals.task_postrun.connect
def _note_postrun(*, state: str, **_: Any) -> None:
    note(f"postrun:{state}")


@signals.task_success.connect
def _note_success(**_: Any) -> None:
    note("success")


@signals.task_failure.connect
def _note_failure(**_: Any) -> None:
    note("failure")
