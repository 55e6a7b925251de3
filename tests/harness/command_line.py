"""The command line as a user has it: a process of its own, in a project of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

PROJECT = """
from treadle import Treadle

app = Treadle("shop")

@app.task(redact=["card"])
def pay(amount, card="none", *notes):
    if amount < 0:
        raise ValueError("negative amount")
    return {"paid": amount}

@app.task(queue="mail")
def mail(to):
    return to
"""


_DEADLINE_S = 30


class Finished(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What `--json` printed: all of standard output is one document."""
        return json.loads(self.out)


class CommandLine:
    """Runs `treadle` in a folder with a module `shop`, whose tasks are `shop.pay` and `shop.mail`."""

    def __init__(self, folder: Path, broker_url: str, *, app: str = "shop") -> None:
        self.folder = folder
        self.broker_url = broker_url
        (folder / "shop.py").write_text(PROJECT)
        self.environment = {**os.environ, "TREADLE_APP": app, "TREADLE_BROKER_URL": broker_url, "NO_COLOR": "1"}

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command; the caller ends it."""
        return subprocess.Popen(
            [sys.executable, "-m", "treadle", *words],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: str, answer: str = "", **environment: str) -> Finished:
        """Run a command to its end; `answer` is typed into it."""
        with self.start(*words, **environment) as process:
            try:
                out, err = process.communicate(answer, timeout=_DEADLINE_S)
            except BaseException:
                process.kill()
                raise
        return Finished(process.returncode, out, err)

    def publish(self, *words: str) -> str:
        """`treadle call`; the job's id."""
        called = self("call", *words, "--json")
        assert called.code == 0, called.err
        id_: str = called.document["id"]
        return id_

    def work(self) -> None:
        """Run a worker until nothing is left to do."""
        worked = self("-q", "worker", "--burst", "-c", "1", "-l", "critical")
        assert worked.code == 0, worked.err
