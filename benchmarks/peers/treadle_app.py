"""The application that a Treadle worker loads."""

from __future__ import annotations

from benchmarks.peers import async_work, work
from benchmarks.peers.command import url_from_environment
from treadle import Treadle

app = Treadle("benchmarks", broker=url_from_environment())
noop = app.task(name="noop")(work.noop)
total = app.task(name="total")(work.total)
sleep = app.task(name="sleep")(work.sleep)
async_sleep = app.task(name="async_sleep")(async_work.sleep)
