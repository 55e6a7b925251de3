"""What to tell somebody who passed a value that cannot travel."""

from __future__ import annotations

from enum import Enum
from reprlib import repr as short_repr
from typing import Any


def advise(value: Any) -> str:
    """What the value is and what to pass instead, to follow upon "args[0] is"."""
    kind = f"{'the class ' if isinstance(value, type) else 'of type '}{_type_name(value)}"
    if isinstance(value, Enum):
        return f"{kind}, an Enum: pass its value, or make the class an IntEnum or StrEnum"
    if is_database_row(value):
        return f"{kind}, which looks like a database row: pass its primary key and load the row in the task"
    if _has(value, "model_dump"):
        return f"{kind}, a model: pass the dict that its model_dump(mode='json') gives"
    if _has(value, "__next__"):
        return f"{kind}, an iterator: pass a list of its items"
    return (
        f"{kind}, which cannot travel: pass None, bool, int, float, str, bytes, list, dict, set, datetime, date, time, "
        "timedelta, UUID, Decimal or a dataclass, or an id by which the task can find it"
    )


def describe_key(key: Any) -> str:
    """A dict's key and its type, briefly."""
    return f"{short_repr(key)} ({_type_name(key)})"


def is_database_row(value: Any) -> bool:
    """Whether this looks like an instance of a Django or SQLAlchemy model. Loads neither."""
    if isinstance(value, type):
        return False
    is_django_row = _has(value, "_meta") and _has(value, "pk")
    return is_django_row or _has(value, "__mapper__") or _has(value, "_sa_instance_state")


def _type_name(value: Any) -> str:
    return value.__qualname__ if isinstance(value, type) else type(value).__qualname__


def _has(value: Any, name: str) -> bool:
    try:
        return hasattr(value, name)
    except Exception:  # noqa: BLE001 - somebody else's property
        return False
