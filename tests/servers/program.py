"""A server program that tests need: where it is, or how to get it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: Debian's hooks look at these: the packages are installed without starting their services.
_INSTALL_WITHOUT_STARTING = {"DEBIAN_FRONTEND": "noninteractive", "SYSTEMD_OFFLINE": "1", "RUNLEVEL": "1"}
_INSTALL_DEADLINE_S = 300.0


@dataclass(frozen=True, slots=True)
class Program:
    """One server program, under any of its `names`."""

    names: tuple[str, ...]
    #: The Debian package that brings it.
    package: str
    #: What cannot run without it, in words.
    suites: str
    #: A pattern below / of directories outside of everybody's PATH, one for each version.
    versions: str = ""

    def find(self) -> str | None:
        """The path of the first of its names that is installed, or None. On the PATH first, then the newest."""
        return next((found for name in self.names if (found := self.find_tool(name))), None)

    def find_tool(self, name: str) -> str | None:
        """The path of a command of the package, or None."""
        versions = sorted(map(str, self._version_directories()), key=_numbers, reverse=True)
        # Debian keeps some servers out of an ordinary user's PATH.
        places = (os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", *versions)
        return shutil.which(name, path=os.pathsep.join(places))

    def path(self, tool: str = "") -> str:
        """As `find`, or `find_tool` if a tool is named. Raises FileNotFoundError that says how to install it."""
        found = self.find_tool(tool) if tool else self.find()
        if found is None:
            raise FileNotFoundError(self.missing)
        return found

    def _version_directories(self) -> Iterable[Path]:
        return Path("/").glob(self.versions.lstrip("/")) if self.versions else ()

    @property
    def missing(self) -> str:
        """What to say when it is not there."""
        return f"{' or '.join(self.names)} is not installed; run: python -m tests.servers ensure"

    def ensure(self) -> str:
        """Install it if it is missing. Answers why it still is, or an empty string when it is there."""
        if self.find():
            return ""
        missing = f"no {' or '.join(self.names)}"
        if shutil.which("apt-get") is None:
            return f"{missing}, and no apt-get to install it"
        if os.geteuid() != 0:
            return f"{missing}, and only root can run: apt-get install {self.package}"
        complaint = _apt_get("update") or _apt_get("install", "--yes", "--no-install-recommends", self.package)
        if complaint:
            return f"{missing}: {complaint}"
        return "" if self.find() else f"{missing}, though {self.package} is installed"


def must_be_complete() -> bool:
    """Whether a missing server is a failure (CI=true) and not just a reason to leave tests out."""
    return os.environ.get("CI", "").lower() == "true"


def _numbers(path: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", path)]


def _apt_get(*arguments: str) -> str:
    """Run apt-get; answers the last line of its complaint, or an empty string when it succeeded."""
    command = ["apt-get", "--quiet", *arguments]
    try:
        finished = subprocess.run(
            command,
            env=os.environ | _INSTALL_WITHOUT_STARTING,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_INSTALL_DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"`{' '.join(command)}` took more than {_INSTALL_DEADLINE_S:.0f} s"
    if finished.returncode == 0:
        return ""
    last_line = (finished.stderr.strip() or finished.stdout.strip() or "no output").splitlines()[-1]
    return f"`{' '.join(command)}` failed: {last_line}"
