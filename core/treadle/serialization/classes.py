"""Classes by name: `module:qualname` and back."""

from __future__ import annotations

from importlib import import_module
from operator import attrgetter
from typing import Any


def class_path(cls: type[Any]) -> str:
    """`module:qualname` of a class, by which `find_class` finds it in another process."""
    return f"{cls.__module__}:{cls.__qualname__}"


def find_class(path: str) -> type[Any] | None:
    """The class at `module:qualname`, importing its module if need be; None if there is no such class.

    Importing runs the module, so this is for names from payloads whose source the application trusts
    as far as its broker. What kind of class is acceptable is for the caller to check.
    """
    module_name, _, qualname = path.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), *qualname.split("."))):
        return None
    try:
        found: object = attrgetter(qualname)(import_module(module_name))
    except (Exception, SystemExit):  # noqa: BLE001 - the module is somebody else's code and may raise anything
        return None
    return found if isinstance(found, type) else None
