"""The jobs of `benchmarks.peers.work`, as coroutines."""

from __future__ import annotations

import asyncio

from benchmarks.peers.work import SLEEP_S


async def noop() -> int:
    """Do nothing."""
    return 1


async def sleep() -> int:
    """Wait, and let others run meanwhile."""
    await asyncio.sleep(SLEEP_S)
    return 1
