"""Why a value cannot travel, and the path that leads to it."""

from __future__ import annotations

import json
from typing import Final, Self

from treadle.exceptions import SerializationError

_SHOWN_KEY_CHARS: Final = 60
TOO_DEEP_FOR_STACK: Final = "is nested too deeply for what is left of the stack: pass a flatter value"


class UnserializableError(SerializationError):
    """A value cannot be serialized. `path` leads to it from the root: `[0]`, `.items`, `[2]`, `["user"]`."""

    def __init__(self, reason: str, path: tuple[str, ...] = (), root: str = "value") -> None:
        super().__init__(reason, path, root)
        self.reason = reason
        self.path = path
        self.root = root

    def __str__(self) -> str:
        return f"{self.root}{''.join(self.path)} {self.reason}"

    def within_call(self) -> Self:
        """The same, told of `args` and `kwargs` instead of the pair that travels."""
        if not self.path:
            return type(self)(self.reason, (), "call")
        return type(self)(self.reason, self.path[1:], "args" if self.path[0] == "[0]" else "kwargs")


class RefusedError(Exception):
    """Raised at a value that cannot travel. Each container it passes on the way up adds a step of the path."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self._reason = reason
        self._steps: list[tuple[object, str]] = []

    def passes(self, container: object, step: str) -> None:
        """Note that `container` was left upwards, and by which step the value is reached from it."""
        self._steps.append((container, step))

    def as_error(self) -> UnserializableError:
        """What the caller sees. If a container was passed twice, the trouble is that it contains itself."""
        path: list[str] = []
        seen: set[int] = set()
        for container, step in reversed(self._steps):
            if id(container) in seen:
                return UnserializableError("is a circular reference, to a container that it is in", tuple(path))
            seen.add(id(container))
            path.append(step)
        return UnserializableError(self._reason, tuple(path))


def key_step(key: str) -> str:
    """The step to a dict's value: `["user"]`."""
    shown = key if len(key) <= _SHOWN_KEY_CHARS else key[:_SHOWN_KEY_CHARS] + "…"
    return f"[{json.dumps(shown, ensure_ascii=not shown.isprintable())}]"
