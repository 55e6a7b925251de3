"""Names: what a misspelt one probably meant, and what a function is called as a task."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known name nearest to `name`, else the empty string."""
    from difflib import get_close_matches  # only ever needed for an error message

    found = get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def task_name(function: Callable[..., Any], app_name: str | None) -> str:
    """`module.function`. For a function of the main script, the name under which a worker imports the script.

    Where there is no script (a console), `app_name` stands for the module.
    """
    module = function.__module__
    if module == "__main__":
        module = _main_module_name() or app_name or module
    return f"{module}.{function.__name__}"


def _main_module_name() -> str:
    """The importable name of the running script; empty if it has none."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != "__main__":
        return str(spec.name).removesuffix(".__main__")
    path = getattr(main, "__file__", None)
    return dotted_path(Path(path)) if path else ""


def dotted_path(path: Path) -> str:
    """The dotted name of the module in a file: its packages are the folders above that have an `__init__.py`."""
    path = path.resolve()
    parts = [path.stem] if path.stem != "__main__" else []
    folder = path.parent
    while (folder / "__init__.py").is_file():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts)
