"""Wrong use of the public API: both type checkers must refuse each marked line, and no other. It is never run."""

from __future__ import annotations

from typing import Any

from treadle import Batch, Task, Treadle, shared_task

app = Treadle("typed", broker="memory://")


@app.task
def spell(number: int) -> str:
    return str(number)


@app.task(bind=True)
def bound(self: Task[..., Any], number: int) -> str:
    return str(number)


@shared_task
async def fetch(url: str) -> bytes:
    return url.encode()


@app.task(max_retires=3)  # refused
def misspelt() -> None: ...


spell.delay("one")  # refused
spell.delay()  # refused
spell.delay(1, 2)  # refused
spell.delay(numbr=1)  # refused
spell.apply_async((1,), cuontdown=3)  # refused
spell.apply_async((1,), queue=7)  # refused
spell.si("one")  # refused
bound.delay("one")  # refused
fetch.delay(7)  # refused
number: int = spell.delay(1).get()  # refused
content: bytes = fetch("https://x")  # refused


async def use() -> None:
    await spell.adelay("one")  # refused
    text: str = await fetch.delay("https://x")  # refused
    await fetch.adelay(text, number, content)  # refused


@app.task(batch=100)  # refused
def no_batch(requests: list[Any]) -> None: ...


@app.task(batch=Batch())  # refused
def takes_no_list(number: int) -> None: ...
