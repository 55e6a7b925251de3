"""`--reload`: tells when the application's source has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from treadle.exceptions import ConfigurationError


def watch_files(folders: Sequence[Path], on_change: Callable[[], None]) -> None:
    """Call `on_change`, from a thread of its own, whenever Python files in or below `folders` have changed.

    Changes that come close together count as one. Raises ConfigurationError if watchfiles is not installed.
    """
    try:
        import watchfiles  # an extra, for development
    except ImportError as error:
        raise ConfigurationError("--reload needs watchfiles: pip install 'treadle[reload]'") from error

    def run() -> None:
        for _changes in watchfiles.watch(*folders, watch_filter=watchfiles.PythonFilter(), raise_interrupt=False):
            on_change()

    threading.Thread(target=run, name="treadle-reload", daemon=True).start()


def watched_folders(workdir: str, app: str) -> list[Path]:
    """The folders whose Python files matter: the working directory, and the package of the app if it is elsewhere."""
    here = Path(workdir or ".").resolve()
    folders = [here, *(place for place in _package_folders(app) if not place.is_relative_to(here))]
    return list(dict.fromkeys(folders))


def _package_folders(app: str) -> list[Path]:
    """Where the top-level package or module of an app's path is. Finding it imports nothing."""
    name = app.partition(":")[0].partition(".")[0]
    spec = find_spec(name) if name.isidentifier() else None
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [Path(place).resolve() for place in spec.submodule_search_locations]
    return [Path(spec.origin).resolve().parent] if spec.has_location and spec.origin else []
