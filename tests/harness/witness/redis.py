"""Redis's witness is its append-only file: what each script wrote, in the order and the transaction it was written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hiredis

from tests.harness.patience import eventually
from tests.harness.witness.witness import Ending
from treadle.job import State

_FINAL: dict[bytes, State] = {b"s": "succeeded", b"f": "failed", b"c": "cancelled"}


class RedisWitness:
    """Reads the file's end, from where it was at the beginning. A broker's scripts cannot but write to it."""

    def __init__(self, broker: Any) -> None:
        self._client = broker._client
        self._jobs = self._client.key("job:").encode()
        # A rewritten file tells the state, not how it came about.
        self._configure("auto-aof-rewrite-percentage", "0")
        self._file = self._newest_file()
        self._start_bytes = self._file.stat().st_size

    def endings(self) -> list[Ending]:
        """All final outcomes that were written, in order."""
        eventually(lambda: int(self._fact("aof_buffer_length")) == 0, what="the append-only file to be written")
        assert self._newest_file() == self._file, "the append-only file was rewritten: what was in it is lost"
        return [ending for command in self._commands() for ending in self._seen_in(command)]

    def close(self) -> None:
        """Let the server rewrite its file again."""
        self._configure("auto-aof-rewrite-percentage", "100")

    def _seen_in(self, command: list[bytes]) -> Iterator[Ending]:
        """The ending that a command writes: the fields `s` and `f` of a job's hash (lua/parts/jobs.lua)."""
        if command[0].upper() != b"HSET" or not command[1].startswith(self._jobs):
            return
        fields = dict(zip(command[2::2], command[3::2], strict=True))
        state = fields.get(b"s", b"")
        # A join of nothing is stored as what it becomes in the same step, which then ends it.
        if state in _FINAL and b"f" in fields:
            yield Ending(command[1].removeprefix(self._jobs).decode(), _FINAL[state])

    def _commands(self) -> Iterator[list[bytes]]:
        reader = hiredis.Reader()
        with self._file.open("rb") as file:
            file.seek(self._start_bytes)
            reader.feed(file.read())
        while command := reader.gets():
            yield command

    def _newest_file(self) -> Path:
        folder, subfolder = Path(self._setting("dir")), self._setting("appenddirname")
        if not subfolder:  # before Redis 7
            return folder / self._setting("appendfilename")
        return max((folder / subfolder).glob("*.incr.aof"), key=lambda path: int(path.name.split(".")[-3]))

    def _setting(self, name: str) -> str:
        found: list[bytes] = self._client.run([("CONFIG", "GET", name)])[0]
        return found[1].decode() if found else ""

    def _configure(self, name: str, value: str) -> None:
        self._client.run([("CONFIG", "SET", name, value)])

    def _fact(self, name: str) -> str:
        lines = self._client.run([("INFO", "persistence")])[0].decode().splitlines()
        return next(str(line).partition(":")[2] for line in lines if line.startswith(f"{name}:"))
