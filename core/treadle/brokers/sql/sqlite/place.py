"""Where a SQLite database is, and whether it can be used there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from treadle.exceptions import ConfigurationError

#: File systems on which SQLite's locks do not hold between machines (https://sqlite.org/lockingv3.html, section 6).
NETWORK_SYSTEMS: Final = frozenset({"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "fuse.sshfs", "afs"})


def path_of(url: str) -> Path | None:
    """The absolute path in a URL as SQLAlchemy spells it, `sqlite:///relative` or `sqlite:////absolute`.

    None for a database in memory. Raises ConfigurationError for other spellings.
    """
    prefix = "sqlite:///"
    location = url.partition("?")[0]
    if location in {"sqlite://", "sqlite:", prefix, prefix + ":memory:"}:
        return None
    name = unquote(location.removeprefix(prefix))
    if not location.startswith(prefix) or "?" in url:
        message = f"cannot read {url!r}: expected sqlite:///relative.db or sqlite:////absolute/path.db, and no query"
        raise ConfigurationError(message)
    return Path.cwd() / name


def file_system(path: Path, mounts: str) -> str:
    """The type of the file system that `path` is on, by the text of /proc/mounts; empty if it does not say."""
    best, kind = "", ""
    for line in mounts.splitlines():
        match line.split():
            case [_, point, type_, *_] if path.is_relative_to(point := point.replace("\\040", " ")):
                if len(point) >= len(best):
                    best, kind = point, type_
            case _:
                pass
    return kind


def network_system(path: Path) -> str:
    """The type of the network file system that `path` is on; empty if it is a local one, or unknown."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    kind = file_system(path.parent.resolve(), mounts)
    return kind if kind in NETWORK_SYSTEMS else ""


def require_usable(path: Path) -> None:
    """Raises ConfigurationError, with what to do, if no database can be kept at `path`.

    It must not open the file: closing any descriptor of it drops all locks that this process has on it
    (https://sqlite.org/howtocorrupt.html, section 2.2.1), also those of connections that are in use.
    """
    folder = path.parent
    if not folder.is_dir():
        raise ConfigurationError(f"the directory {folder} does not exist: create it, or name another file in the URL")
    if not path.exists():
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ConfigurationError(f"cannot create {path}: its directory is not writable for this user")
        return
    if not path.is_file():
        raise ConfigurationError(f"{path} is not a file: name a database file in the URL")
    if not os.access(path, os.R_OK | os.W_OK):
        raise ConfigurationError(f"{path} is not readable and writable for this user: change its permissions or owner")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{folder} is not writable for this user: SQLite keeps its journal beside {path.name}")


def lock_holder(path: Path) -> int:
    """The process that holds SQLite's write lock on the file, by /proc/locks; 0 if that does not say."""
    files = {path, path.with_name(path.name + "-shm")}
    inodes = {file.stat().st_ino for file in files if file.exists()}
    try:
        locks = Path("/proc/locks").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    # 1: POSIX  ADVISORY  WRITE 4242 fd:00:2531452 1073741826 1073742335
    for line in locks.splitlines():
        match line.split():
            case [_, _, _, "WRITE", holder, place, *_] if int(place.rpartition(":")[2]) in inodes:
                if int(holder) != os.getpid():
                    return int(holder)
            case _:
                pass
    return 0
