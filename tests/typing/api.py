"""Correct use of the public API: both type checkers must accept every line. It is never run."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, assert_type

from treadle import AsyncResult, Batch, Signature, Task, Treadle, shared_task
from treadle.request import Request

app = Treadle("typed", broker="memory://")


@app.task
def spell(number: int, *, loud: bool = False) -> str:
    return str(number)


@app.task(queue="mail", max_retries=5, autoretry_for=(OSError,), retry_backoff=True)
def send(address: str) -> bool:
    return bool(address)


@app.task
async def fetch(url: str) -> bytes:
    return url.encode()


@app.task(bind=True, max_retries=None)
def bound(self: Task[..., Any], number: int) -> float:
    self.update_state(state="PROGRESS", meta={"at": number})
    return number / self.request.attempt


@app.task(bind=True)
async def bound_async(self: Task[..., Any], number: int) -> float:
    return number / self.request.attempt


@shared_task
def shared(number: int) -> str:
    return str(number)


@shared_task(bind=True)
async def shared_async(self: Task[..., Any], number: int) -> str:
    return str(number)


class Add(Task[[int, int], int]):
    def run(self, x: int, y: int) -> int:
        return x + y


add = app.register_task(Add())
assert_type(add, Add)
assert_type(add.delay(1, 2), AsyncResult[int])
assert_type(add(1, 2), int)

assert_type(spell(1, loud=True), str)
assert_type(spell.delay(1, loud=True), AsyncResult[str])
assert_type(spell.apply_async((1,), {"loud": True}, countdown=3.5, queue="slow", priority=-3), AsyncResult[str])
assert_type(spell.delay(1).get(timeout=3), str)
assert_type(spell.apply((1,)).get(), str)
assert_type(spell.s(1), Signature)
assert_type(spell.si(1), Signature)
assert_type(send.delay("a@b"), AsyncResult[bool])
assert_type(fetch.delay("https://x"), AsyncResult[bytes])
assert_type(bound.delay(1), AsyncResult[float])
assert_type(bound_async.delay(1), AsyncResult[float])
assert_type(shared.delay(1), AsyncResult[str])
assert_type(shared_async.delay(1), AsyncResult[str])
assert_type(app.publish_many(spell.s(n) for n in range(3)), list[AsyncResult[Any]])


async def use() -> None:
    assert_type(await spell.adelay(1), AsyncResult[str])
    assert_type(await (await spell.adelay(1)).aget(timeout=1), str)
    assert_type(await fetch.aapply_async(("https://x",)), AsyncResult[bytes])
    coroutine = fetch("https://x")
    assert_type(await assert_type(coroutine, Coroutine[Any, Any, bytes]), bytes)
    assert_type(await fetch.delay("https://x"), bytes)


@app.task(batch=Batch(size=50, wait_s=0.5), queue="index")
def index(requests: list[Request]) -> list[int]:
    return [len(request.args) for request in requests]


@app.task(batch=Batch())
async def aindex(requests: list[Request]) -> list[str | ValueError]:
    return [ValueError(request.id) if request.cancelled else request.id for request in requests]


@app.task(bind=True, batch=Batch())
def bound_index(self: Task[..., Any], requests: list[Request]) -> None: ...


@shared_task(batch=Batch())
def shared_index(requests: list[Request]) -> list[float]:
    return [float(request.update_state(meta=1)) for request in requests]


assert_type(index.delay("any", 1, argument=object()), AsyncResult[int])
assert_type(aindex.delay().get(), str | ValueError)
assert_type(bound_index.delay(1), AsyncResult[None])
assert_type(shared_index.apply_async((1, "two")), AsyncResult[float])
