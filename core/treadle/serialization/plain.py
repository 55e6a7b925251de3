"""The quick look that most payloads need: can an encoder take this value as it is?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, cast

#: How deep values may nest. In JSON a dataclass takes three levels, and the whole must be read under the
#: recursion limit of 1,000 frames, on top of whatever frames the application stands on.
MAX_DEPTH: Final = 100
#: Values on one level beyond which the answer is left to the full walk, which also finds cycles.
_MAX_BREADTH: Final = 100_000
#: `type`, but comparing with what it gives narrows nothing: the items of a value of any type are of any type.
kind_of: Final = cast("Callable[[object], type[object]]", type)
_ONLY_STR: Final = frozenset({str})


def is_plain(value: Any, atoms: frozenset[type]) -> bool:
    """Whether an encoder that knows `atoms`, lists, tuples and dicts can take this as it is.

    Looks at each container once, and at its items at the speed of C. False also when in doubt.
    """
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for container in level:
            kind = kind_of(container)
            items: Iterable[Any] = container
            if kind is dict:
                if container and (not _ONLY_STR.issuperset(map(type, container)) or is_marked(container)):
                    return False
                items = container.values()
            elif kind is not list and kind is not tuple:
                if kind in atoms:
                    continue
                return False
            if not atoms.issuperset(map(type, items)):
                deeper += items
                if len(deeper) > _MAX_BREADTH:
                    return False
        if not deeper:
            return True
        level = deeper
    return False


def is_marked(mapping: dict[str, Any]) -> bool:
    """Whether a dict looks like a marked value: its only key begins with a dollar sign."""
    return len(mapping) == 1 and next(iter(mapping)).startswith("$")
