"""What the value of a setting may be: reading, checking and naming it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sized
from datetime import timedelta
from typing import Any, Generic, TypeVar, cast

from treadle.naming import nearest

T = TypeVar("T")


class Kind(Generic[T]):
    """A kind of value: `expected` says in words what fits, `read` gives the value that is kept.

    `read` raises ValueError for what does not fit; its message, if any, says more than `expected` can.
    """

    __slots__ = ("expected", "read", "secret")

    def __init__(self, expected: str, read: Callable[[object], T], *, secret: bool = False) -> None:
        self.expected = expected
        self.read = read
        #: The value may hold a password, so it is not shown.
        self.secret = secret


def optional(kind: Kind[T]) -> Kind[T | None]:
    """`kind`, or None."""

    def read(value: object) -> T | None:
        return None if value is None else kind.read(value)

    return Kind(f"{kind.expected}, or none", read, secret=kind.secret)


def text(expected: str = "a text", pattern: str = r"(?s).+", *, secret: bool = False) -> Kind[str]:
    """A string that matches all of `pattern`; by default any but the empty one."""
    compiled = re.compile(pattern)

    def read(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise ValueError
        return value

    return Kind(expected, read, secret=secret)


def url() -> Kind[str]:
    """A URL with a scheme. Its value is kept out of messages: it often holds a password."""
    return text("a URL such as 'redis://localhost:6379/0'", r"[A-Za-z][A-Za-z0-9+.-]*://\S*", secret=True)


def boolean() -> Kind[bool]:
    """True or False, and nothing that only looks like it."""
    return Kind("true or false", lambda value: _instance(value, bool))


def always_true(reason: str) -> Kind[bool]:
    """Accepts only True: Celery's switch for what is always on here, for `reason`."""

    def read(value: object) -> bool:
        if value is not True:
            raise ValueError(f"must be true: {reason}")
        return True

    return Kind("true", read)


def not_yet(part_of: str) -> Kind[None]:
    """Accepts only what is empty, kept as None: `part_of` Treadle reads the setting, and this version lacks it."""

    def read(value: object) -> None:
        if value is not None and not (isinstance(value, Sized) and len(value) == 0):
            raise ValueError(f"belongs to {part_of}, which this version of Treadle does not have yet; leave it unset")

    return Kind("not yet", read)


def integer(minimum: int, maximum: int | None = None) -> Kind[int]:
    """A whole number within inclusive bounds."""
    bounds = f"from {minimum} to {maximum}" if maximum is not None else f"of at least {minimum}"

    def read(value: object) -> int:
        number = _instance(value, int)
        if isinstance(value, bool) or number < minimum or (maximum is not None and number > maximum):
            raise ValueError
        return number

    return Kind(f"a whole number {bounds}", read)


def seconds(*, zero: bool = False, maximum: float | None = None) -> Kind[float]:
    """A length of time: seconds as a number, or a timedelta. Kept as seconds."""
    upper = f" up to {maximum:g}" if maximum is not None else ""
    expected = f"a {'non-negative' if zero else 'positive'} number of seconds{upper}, or a timedelta"

    def read(value: object) -> float:
        number = _seconds_of(value)
        # `not (… <= …)` instead of `>`: it refuses NaN too.
        if not (0 <= number <= (maximum if maximum is not None else _LONGEST_S)) or (number == 0 and not zero):
            raise ValueError
        return number

    return Kind(expected, read)


def retention() -> Kind[float | None]:
    """How long something is kept, in seconds. None, and as in Celery 0, mean for ever; both are kept as None."""
    kind = seconds(zero=True)

    def read(value: object) -> float | None:
        return None if value is None else kind.read(value) or None

    return Kind(f"{kind.expected}; none or 0: for ever", read)


def choice(*values: str) -> Kind[str]:
    """One of some words."""
    expected = f"one of {', '.join(map(repr, values))}"

    def read(value: object) -> str:
        if value in values:
            return str(value)
        raise ValueError(f"must be {expected}, not {value!r}{nearest(str(value), values)}")

    return Kind(expected, read)


def names() -> Kind[tuple[str, ...]]:
    """Some names: a collection of texts, or one text with commas between them. Kept as a tuple, in their order."""

    def read(value: object) -> tuple[str, ...]:
        items: Collection[Any] = [part.strip() for part in value.split(",")] if isinstance(value, str) else _list(value)
        if not all(isinstance(item, str) and item for item in items):
            raise ValueError
        return tuple(items)

    return Kind("a list of names", read)


def queues() -> Kind[tuple[str, ...]]:
    """Queue names: texts, objects with a `name` (as Celery's), or a mapping from name to options. Kept as a tuple."""

    def read(value: object) -> tuple[str, ...]:
        if isinstance(value, Mapping):
            return _queues_of(cast("Mapping[object, object]", value))
        items = value.split(",") if isinstance(value, str) else _list(value)
        found = [name for item in items for name in _queue_names(item)]
        return tuple(dict.fromkeys(found))

    return Kind("a list of queue names", read)


def _queue_names(item: object) -> tuple[str, ...]:
    if isinstance(item, Mapping):
        return _queues_of(cast("Mapping[object, object]", item))
    name = item if isinstance(item, str) else getattr(item, "name", None)
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"must be a list of queue names, not with {item!r} in it")
    return (name.strip(),)


def _queues_of(options_by_name: Mapping[object, object]) -> tuple[str, ...]:
    for name, options in options_by_name.items():
        if options:
            raise ValueError(f"gives queue {name!r} the options {options!r}, but queues have no options; give its name")
    return tuple(found for name in options_by_name for found in _queue_names(name))


def timezone() -> Kind[str]:
    """The name of a time zone in the IANA database."""
    expected = "an IANA time zone such as 'Europe/Berlin'"

    def read(value: object) -> str:
        # zoneinfo reads the zone database, and most programs keep the default.
        from zoneinfo import ZoneInfo, available_timezones

        name = _instance(value, str)
        try:
            ZoneInfo(name)
        except (LookupError, OSError, ValueError) as error:
            hint = nearest(name, available_timezones())
            raise ValueError(f"must be {expected}, not {name!r}{hint}") from error
        return name

    # UTC needs no database, which slim systems do not have.
    return Kind(expected, lambda value: "UTC" if value == "UTC" else read(value))


def part(expected: str, *types: type, code: bool = False) -> Kind[Any]:
    """Anything of some `types`, and any callable if `code`; its inside is checked by the part that uses it."""

    def read(value: object) -> object:
        if isinstance(value, types) or (code and callable(value)):
            return value
        raise ValueError

    return Kind(expected, read)


#: Longer spans do not fit into a store's 64-bit milliseconds with room to add.
_LONGEST_S = 1e12


def _instance(value: object, expected: type[T]) -> T:
    if not isinstance(value, expected):
        raise ValueError
    return value


def _list(value: object) -> list[Any]:
    if isinstance(value, Mapping | bytes) or not isinstance(value, Iterable):
        raise ValueError
    return [*value]


def _seconds_of(value: object) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    return value
