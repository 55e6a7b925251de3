"""Finds the modules that define tasks."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path


def import_related(packages: Iterable[str], related_name: str | None) -> None:
    """Import each package, and its module `related_name` if it has one.

    What an existing module raises is passed on: a broken module must not look like a missing one.
    """
    for package in packages:
        module = import_module(package)
        is_package = hasattr(module, "__path__")
        if related_name and is_package and find_spec(f"{package}.{related_name}") is not None:
            import_module(f"{package}.{related_name}")


def project_folder(start: Path) -> Path:
    """The nearest folder from `start` upwards that has a pyproject.toml, else `start`."""
    for folder in (start, *start.parents):
        if (folder / "pyproject.toml").is_file():
            return folder
    return start
