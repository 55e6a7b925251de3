"""One job that calls a task many times: map, starmap and chunks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from treadle.exceptions import ConfigurationError
from treadle.workflows.group import Group
from treadle.workflows.signature import Signature

if TYPE_CHECKING:
    from treadle.app import Treadle

MAP: Final = "treadle.map"
STARMAP: Final = "treadle.starmap"


class Mapped(Signature):
    """A job whose result is the list of what a task gives for each item, one after the other."""

    kind = "xmap"
    name = MAP

    def __init__(self, task: Any, items: Iterable[Any], *, app: Treadle | None = None, **options: Any) -> None:
        inner = task if isinstance(task, Signature) else task.s()
        super().__init__(self.name, (), {"task": inner, "it": list(items)}, options, immutable=True, app=app)

    def __repr__(self) -> str:
        return f"[{self.kwargs['task']['task']}(x) for x in {self.kwargs['it']!r}]"


class StarMapped(Mapped):
    """The same, where each item is a list of arguments."""

    kind = "xstarmap"
    name = STARMAP

    def __repr__(self) -> str:
        return f"[{self.kwargs['task']['task']}(*x) for x in {self.kwargs['it']!r}]"


class Chunks(Signature):
    """A group of starmaps over `size` items each: fewer jobs than items."""

    kind = "chunks"

    def __init__(
        self, task: Any, items: Iterable[Any], size: Any, *, app: Treadle | None = None, **options: Any
    ) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ConfigurationError(f"chunks of {size!r} items: expected a whole number above 0")
        inner = task if isinstance(task, Signature) else task.s()
        content = {"task": inner, "it": list(items), "n": size}
        super().__init__("treadle.chunks", (), content, options, immutable=True, app=app)

    def group(self) -> Group:
        """The group that it stands for."""
        task, items = self.kwargs["task"], iter(self.kwargs["it"])
        chunks = _chunked(items, self.kwargs["n"])
        inner = Signature.from_dict(task, self.own_app)
        return Group([StarMapped(inner, chunk, app=self.own_app) for chunk in chunks], app=self.own_app, **self.options)

    def __call__(self, **options: Any) -> Any:
        """Publish it."""
        return self.apply_async(**options)

    def __repr__(self) -> str:
        return f"chunks({self.kwargs['task']['task']}, {len(self.kwargs['it'])} items by {self.kwargs['n']})"


xmap, xstarmap, chunks = Mapped, StarMapped, Chunks


def _chunked(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := list(islice(items, size)):
        yield chunk
