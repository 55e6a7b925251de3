"""A network that fails on request: a TCP proxy before a server."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Coroutine
from typing import Self

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.trap import Conversation, Trap

_PORT_TRIES = 20
_DEADLINE_S = 10.0
_CHUNK_BYTES = 65536


class CuttingProxy:
    """Passes bytes both ways between its clients and the server on 127.0.0.1:`server_port`, until told otherwise.

    A context manager; it has a port of its own and keeps it. It runs in a thread, and what a method asks for
    has happened when the method returns. A connection ends as soon as either side has closed its half.
    """

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cutting proxy", daemon=True)
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._trap: Trap | None = None

    def url(self, server_url: str) -> str:
        """The URL that leads through the proxy to what `server_url` names."""
        return server_url.replace(f":{self.server_port}", f":{self.port}", 1)

    def refuse(self) -> None:
        """Refuse new connections, as a server that is down does. Those that are open live on."""
        self._do(self._refuse())

    def accept(self) -> None:
        """Undo `refuse`."""
        self._do(self._accept())

    def cut(self) -> None:
        """End every connection now. New ones are served."""
        self._do(self._cut())

    def freeze(self) -> None:
        """Pass nothing on, on old and new connections: half-open, as if the server hung or a cable were out.

        Clients can connect, and can send as much as the buffers between them and the server hold.
        """
        self._do(self._let_flow(False))

    def thaw(self) -> None:
        """Undo `freeze`: what was sent meanwhile arrives."""
        self._do(self._let_flow(True))

    def cut_answer(self, to: bytes = b"", *, nth: int = 1, until: bytes = b"") -> threading.Event:
        """Pass on the `nth` request from now that contains `to`, keep its answer back, and end that connection.

        A request is what a client sends between two answers; all connections count together. The end comes
        when the answer has begun, or when it contains `until`: a request of several commands may be answered
        in part before the last of them is carried out. The event is set once the connection has been cut.
        One order at a time: a new one replaces the old.
        """
        trap = Trap(to, nth, until)
        self._do(self._set(trap))
        return trap.sprung

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, order: Coroutine[object, object, None]) -> None:
        """Carry `order` out in the proxy's thread, which alone touches what belongs to connections."""
        asyncio.run_coroutine_threadsafe(order, self._loop).result(_DEADLINE_S)

    async def _open(self) -> None:
        self._flowing.set()
        for tries_left in reversed(range(_PORT_TRIES)):
            self.port = free_port()
            try:
                await self._accept()
            except OSError:
                # Somebody was faster.
                if not tries_left:
                    raise
            else:
                return

    async def _accept(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, LOOPBACK, self.port)

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _cut(self) -> None:
        connections = tuple(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _end(self) -> None:
        await self._refuse()
        # A connection that was accepted just now has a task before it is among those that can be cut.
        while asyncio.all_tasks() - {asyncio.current_task()}:
            await self._cut()
            await asyncio.sleep(0)

    async def _let_flow(self, flowing: bool) -> None:
        (self._flowing.set if flowing else self._flowing.clear)()

    async def _set(self, trap: Trap) -> None:
        self._trap = trap

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        # The task that asyncio makes of a handler may not be cancelled without a complaint in the log.
        connection = asyncio.ensure_future(self._connect(from_client, to_client))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        await asyncio.wait([connection])

    async def _connect(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """One connection, from its beginning to its end."""
        with contextlib.suppress(OSError):
            async with _ending(to_client):
                from_server, to_server = await asyncio.open_connection(LOOPBACK, self.server_port)
                async with _ending(to_server):
                    conversation = Conversation()
                    await _first_of(
                        self._pass_requests(conversation, from_client, to_server),
                        self._pass_answers(conversation, from_server, to_client),
                    )

    async def _pass_requests(
        self, conversation: Conversation, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        while chunk := await source.read(_CHUNK_BYTES):
            await self._flowing.wait()
            conversation.request(chunk, self._trap)
            sink.write(chunk)
            await sink.drain()

    async def _pass_answers(
        self, conversation: Conversation, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        while chunk := await source.read(_CHUNK_BYTES):
            await self._flowing.wait()
            trap = conversation.answer(chunk)
            if trap is not None:
                sink.transport.abort()
                trap.sprung.set()
                return
            if not conversation.is_trapped:
                sink.write(chunk)
                await sink.drain()


async def _first_of(*directions: Coroutine[object, object, None]) -> None:
    """Run both until one has ended; the other goes no further. Raises what the one that ended raised."""
    tasks = [asyncio.ensure_future(direction) for direction in directions]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def _ending(writer: asyncio.StreamWriter) -> AsyncGenerator[None]:
    """Close the connection at the end of the block: after what was written to it, or at once if cancelled."""
    try:
        yield
        writer.close()
    finally:
        if not writer.is_closing():
            writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
