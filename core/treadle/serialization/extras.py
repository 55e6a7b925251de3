"""Libraries that only some payloads need: they come with an extra and are loaded on first use."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from treadle.exceptions import ConfigurationError


def import_extra(module: str, *, extra: str) -> ModuleType:
    """The module. Raises ConfigurationError naming the extra to install if it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"{extra!r} needs the library {module!r}, which cannot be imported ({error}): "
            f"install it with `pip install 'treadle[{extra}]'`"
        ) from error
