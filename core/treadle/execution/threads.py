"""Between coroutines and threads, where no pool provides a way of its own."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Coroutine
from typing import Any


def run_in_new_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The value of the coroutine, run on an event loop of its own.

    Where a loop runs already (an eager call inside a coroutine), the new one gets a thread, and that loop waits.
    """
    import asyncio  # heavy, and most tasks never need it
    from concurrent.futures import ThreadPoolExecutor

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1, "treadle-eager") as executor:
        return executor.submit(contextvars.copy_context().run, asyncio.run, coroutine).result()


async def call_in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """What the function returns, called in a thread with the context of this coroutine."""
    import asyncio  # loaded by whoever runs this

    return await asyncio.to_thread(function, *args)
