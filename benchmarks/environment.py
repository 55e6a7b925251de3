"""Where a contestant is installed, and how its module is run there."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contestants import OURS
from benchmarks.peers.command import URL_VARIABLE

if TYPE_CHECKING:
    from benchmarks.contestants import Contestant

ROOT = Path(__file__).parents[1]
_CALL_DEADLINE_S = 240.0


class Environment:
    """A contestant's virtual environment, in a folder of `cache`; for Treadle, this very interpreter."""

    def __init__(self, contestant: Contestant, cache: Path) -> None:
        self.contestant = contestant
        # Another Python or other requirements are another environment.
        wanted = hashlib.sha256(repr((contestant.requirements, sys.version)).encode()).hexdigest()[:8]
        self._folder = cache / f"{contestant.name}-{wanted}"

    @property
    def python(self) -> str:
        """The interpreter that has the contestant installed."""
        return sys.executable if self.contestant.name == OURS else str(self._folder / "bin" / "python")

    def install(self) -> None:
        """Install the contestant unless it is there. Raises RuntimeError with what pip says if that fails."""
        done = self._folder / "installed"
        if self.contestant.name == OURS or done.exists():
            return
        print(f"installing {self.contestant.name} in {self._folder}", file=sys.stderr)
        venv.create(self._folder, with_pip=True, clear=True)
        command = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        finished = subprocess.run(
            [*command, *self.contestant.requirements], capture_output=True, text=True, check=False
        )
        if finished.returncode:
            raise RuntimeError(f"pip could not install it:\n{finished.stderr}")
        done.touch()

    def version(self) -> str:
        """The version that is installed."""
        code = f"import importlib.metadata as m; print(m.version({self.contestant.name!r}))"
        found = subprocess.run([self.python, "-c", code], capture_output=True, text=True, check=False)
        return found.stdout.strip() or "(from the checkout)"

    def command(self, action: str, *arguments: str) -> list[str]:
        """The command for an action of `benchmarks.peers.command`, to be run in the root of the checkout."""
        return [self.python, "-m", self.contestant.module, action, *arguments]

    def variables(self, url: str = "") -> dict[str, str]:
        """The environment variables of all its processes: where jobs wait; and whatever the caller's are, compiled
        bytecode is kept and found, beside the environment."""
        bytecode = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": f"{self._folder}-bytecode"}
        return os.environ | bytecode | {URL_VARIABLE: url}

    def ask(self, url: str, action: str, *arguments: str) -> Any:
        """The answer of an action on that store. Raises RuntimeError with its complaint if it fails."""
        return self._answer(self.command(action, *arguments), url)

    def ask_python(self, code: str) -> Any:
        """The value that `code` prints as JSON in a fresh interpreter."""
        return self._answer([self.python, "-c", code])

    def _answer(self, command: list[str], url: str = "") -> Any:
        finished = subprocess.run(
            command,
            cwd=ROOT,
            env=self.variables(url),
            capture_output=True,
            text=True,
            check=False,
            timeout=_CALL_DEADLINE_S,
        )
        if finished.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{finished.stderr}")
        return json.loads(finished.stdout.splitlines()[-1])
