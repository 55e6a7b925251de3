"""The application that a Procrastinate worker loads."""

from __future__ import annotations

from typing import Any

from procrastinate import (  # type: ignore[import-not-found,unused-ignore]  # only in its own environment
    App,
    PsycopgConnector,
)

from benchmarks.peers import async_work
from benchmarks.peers.command import url_from_environment

app: Any = App(connector=PsycopgConnector(conninfo=url_from_environment()))
noop: Any = app.task(name="noop")(async_work.noop)
