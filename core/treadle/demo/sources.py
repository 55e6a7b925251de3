"""The demo's input: files that every machine with Python has, and five that no Python can read."""

from __future__ import annotations

import sysconfig
from pathlib import Path

#: Where other people's packages are, below the standard library's folder.
_NOT_OURS = frozenset({"site-packages", "dist-packages", "__pycache__"})


def standard_library() -> list[Path]:
    """Every .py file of the running interpreter's standard library, in order."""
    root = Path(sysconfig.get_path("stdlib"))
    return sorted(path for path in root.rglob("*.py") if path.is_file() and _NOT_OURS.isdisjoint(path.parts))


def broken_files() -> list[Path]:
    """The bundled files, each with a mistake of its own. Called .txt, so that nothing else trips over them."""
    return sorted((Path(__file__).parent / "broken").glob("*.py.txt"))


def short_name(path: Path) -> str:
    """How the path is shown: from the standard library's folder on, or just the file's name."""
    root = Path(sysconfig.get_path("stdlib"))
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
