"""Runs one page of the documentation in the current directory, as a reader would: `python -m ... PAGE [URL URL]...`

Of two URLs the first is one that the page shows, and the second is what to take instead. A program of its own, so that
a page begins with a clean interpreter and takes its processes with it.
"""

from __future__ import annotations

import contextlib
import doctest
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from tests.docs.pages import Block, Command, blocks_of, commands_of

_PATIENCE_S = 40
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class PageRunner:
    """Carries out the blocks of a page one after the other. Python blocks share one namespace."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._namespace: dict[str, Any] = {"__name__": "example"}
        self._background: list[subprocess.Popen[bytes]] = []

    def run(self, block: Block) -> None:
        """Carry out one block. Raises whatever it raises, AssertionError if it shows something else than the page."""
        text = block.text
        for shown, real in self._urls.items():
            text = text.replace(shown, real)
        if block.file_name:
            target = Path(block.file_name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        elif block.language == "python":
            exec(compile(text, f"{block.page.name}:{block.line}", "exec"), self._namespace)
        elif block.language == "pycon":
            self._converse(block, text)
        else:
            for command in commands_of(block._replace(text=text)):
                self._command(command, block.order)

    def close(self) -> None:
        """End what was started in the background, in the order of starting."""
        for process in self._background:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _converse(self, block: Block, text: str) -> None:
        test = doctest.DocTestParser().get_doctest(text, self._namespace, block.page.name, str(block.page), block.line)
        report: list[str] = []
        runner = doctest.DocTestRunner(optionflags=_FLAGS)
        runner.run(test, out=report.append, clear_globs=False)
        self._namespace.update(test.globs)
        assert not runner.failures, "".join(report)

    def _command(self, command: Command, order: str) -> None:
        if order == "in the background":
            self._background.append(subprocess.Popen(["bash", "-c", command.line], start_new_session=True))
            return
        done = subprocess.run(
            ["bash", "-c", command.line],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_PATIENCE_S, check=False,
        )  # fmt: skip
        shown = f"$ {command.line}\n{done.stdout}"
        assert (done.returncode != 0) == (order == "fails"), f"{shown}exit code {done.returncode}"
        expected = command.output
        assert not expected or _is_shown(expected, done.stdout), f"{shown}--- expected\n{expected}"


def _is_shown(expected: str, output: str) -> bool:
    """Whether the output is as the page shows it; `...` stands for anything."""
    pattern = re.escape("\n".join(line.rstrip() for line in expected.splitlines())).replace(r"\.\.\.", ".*?")
    shown = "\n".join(line.rstrip() for line in output.strip("\n").splitlines())
    return re.fullmatch(pattern, shown, re.DOTALL) is not None


@contextlib.contextmanager
def _named(block: Block) -> Generator[None]:
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the block at {block.page}:{block.line}")
        raise


def main() -> None:
    """Run the page that the first argument names."""
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - the path wants text
    runner = PageRunner(dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True)))
    try:
        for block in blocks_of(Path(sys.argv[1])):
            if block.is_run or block.file_name:
                with _named(block):
                    runner.run(block)
    finally:
        runner.close()


if __name__ == "__main__":
    main()
