"""The system account that a server runs under."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import IO

_RUN_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Account:
    """Ourselves; or the account `name`, if we are root and the server refuses to run as root."""

    name: str = ""

    @property
    def is_another(self) -> bool:
        """Whether what it runs has other rights than we have."""
        return bool(self.name) and os.geteuid() == 0

    def home(self, directory: Path, owner: object) -> Path:
        """A directory that the account can use: `directory`, or one that is removed together with `owner`.

        Pytest's temporary directories are closed to all but root, and closed again by each new run if one
        opens them; so another account gets a place of its own beside them.
        """
        if not self.is_another:
            return directory
        home = Path(tempfile.mkdtemp(prefix=f"treadle-{self.name}-"))
        weakref.finalize(owner, rmtree, home, ignore_errors=True)
        self.give(home)
        return home

    def give(self, path: Path) -> None:
        """Make the account the owner of `path`."""
        if self.is_another:
            entry = pwd.getpwnam(self.name)
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def start(self, command: list[str], *, cwd: Path, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """The process that runs `command`; all that it says goes to `output`."""
        entry = pwd.getpwnam(self.name) if self.is_another else None
        return subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal goes to the whole group; the fixture ends the server, in order.
            start_new_session=True,
            user=entry.pw_uid if entry else None,
            group=entry.pw_gid if entry else None,
            extra_groups=() if entry else None,
        )

    def run(self, command: list[str], *, cwd: Path) -> None:
        """Run `command` to its end. Raises RuntimeError with what it said if it fails."""
        with tempfile.TemporaryFile() as output:
            process = self.start(command, cwd=cwd, output=output)
            try:
                exit_code = process.wait(_RUN_DEADLINE_S)
            except BaseException:
                process.kill()
                process.wait()
                raise
            if exit_code:
                output.seek(0)
                said = output.read().decode(errors="replace")[-2000:]
                raise RuntimeError(f"{command[0]} ended with exit code {exit_code}; it said:\n{said}")
