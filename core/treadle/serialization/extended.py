"""The types beyond JSON's own that travel: how each is written as plain values, and read back.

A written value is a *tag* and a *content*; how the two are joined is each serializer's own affair
(`{"$uuid": "…"}` in JSON, an extension type in MessagePack). Tags are part of the wire format.
"""

from __future__ import annotations

import dataclasses
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from treadle.exceptions import SerializationError
from treadle.serialization.classes import find_class


class Leaf(NamedTuple):
    """A type whose content holds no other values."""

    tag: str
    type: type[Any]
    write: Callable[[Any], Any]


def revive(tag: str, content: Any) -> Any:
    """The value that was written as `content` under `tag`. Contained values are already revived.

    Raises SerializationError for an unknown tag, and for content that was not written under this one.
    """
    read = _READERS.get(tag)
    if read is None:
        raise SerializationError(f"a value is marked as {tag!r}, which this version of Treadle does not know")
    try:
        return read(content)
    except SerializationError:
        raise
    except Exception as error:  # a dataclass's own code runs here, and may raise anything
        raise SerializationError(f"a value marked as {tag!r} cannot be read: {error!r}") from error


def _write_datetime(value: datetime) -> str:
    return datetime.isoformat(value) + _zone_suffix(value)


def _write_time(value: time) -> str:
    return time.isoformat(value) + _zone_suffix(value)


def _zone_suffix(value: datetime | time) -> str:
    """`[Europe/Paris]` for a value in a named zone (RFC 9557), else nothing: an offset alone would lose the zone."""
    key = getattr(value.tzinfo, "key", None)
    return f"[{key}]" if isinstance(key, str) else ""


def _write_timedelta(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _write_bytes(value: bytes) -> str:
    return b64encode(value).decode("ascii")


def _read_datetime(content: str) -> datetime:
    text, _, zone = content.removesuffix("]").partition("[")
    moment = datetime.fromisoformat(text)
    return _in_zone(moment, zone) if zone else moment


def _in_zone(moment: datetime, zone: str) -> datetime:
    """The same wall time in the named zone, on the side of a clock change that has the same offset."""
    from zoneinfo import ZoneInfo  # loads importlib.resources; most payloads name no zone

    try:
        local = moment.replace(tzinfo=ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        return moment  # A zone that this machine does not know: the instant is right all the same.
    for side in (local, local.replace(fold=1)):
        if side.utcoffset() == moment.utcoffset():
            return side
    return moment.astimezone(local.tzinfo)  # The zone's rules differ here: the instant is what counts.


def _read_time(content: str) -> time:
    text, _, zone = content.removesuffix("]").partition("[")
    if not zone:
        return time.fromisoformat(text)
    from zoneinfo import ZoneInfo  # see above

    return time.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def _read_dataclass(content: tuple[str, dict[str, Any]]) -> Any:
    """An instance with exactly the written fields; fields that are newer than the payload get their defaults."""
    path, values = content
    cls = find_class(path)
    if cls is None or not dataclasses.is_dataclass(cls):
        raise SerializationError(f"{path!r} is no dataclass that can be imported here: is this the same version?")
    fields = {field.name: field for field in dataclasses.fields(cls)}
    unknown = sorted(values.keys() - fields.keys())
    if unknown:
        raise SerializationError(f"{path!r} has no field {unknown[0]!r}: it was written by another version of the code")
    instance = cls(**{name: value for name, value in values.items() if fields[name].init})
    for name, value in values.items():
        # Init fields too: a `__post_init__` that rewrites them has already done so once.
        object.__setattr__(instance, name, value)
    return instance


#: In the order in which they are tried on subclasses: a datetime is a date.
LEAVES = (
    Leaf("datetime", datetime, _write_datetime),
    Leaf("date", date, date.isoformat),
    Leaf("time", time, _write_time),
    Leaf("timedelta", timedelta, _write_timedelta),
    Leaf("uuid", UUID, str),
    Leaf("decimal", Decimal, str),
    Leaf("bytes", bytes, _write_bytes),
)

_READERS: dict[str, Callable[[Any], Any]] = {
    "datetime": _read_datetime,
    "date": date.fromisoformat,
    "time": _read_time,
    "timedelta": lambda content: timedelta(*content),
    "uuid": UUID,
    "decimal": Decimal,
    "bytes": lambda content: b64decode(content, validate=True),
    "set": set,
    "frozenset": frozenset,
    "tuple": tuple,
    "dataclass": _read_dataclass,
    "dict": dict,
    "int": lambda content: int(content, 16),
}

#: Every tag, in the order in which they joined the wire format. Append only: MessagePack numbers them.
TAGS = tuple(_READERS)
