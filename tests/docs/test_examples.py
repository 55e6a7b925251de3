"""Every example of the documentation runs, and shows what the page says."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, STORES_IN_PAGES, Block, all_pages, blocks_of, commands_of

_PAGES = [page for page in all_pages() if any(block.is_run for block in blocks_of(page))]
_BLOCKS = [block for page in all_pages() for block in blocks_of(page)]
#: Pages that would lie.
_LIES = ("```pycon\n>>> 1 + 1\n3\n```\n", "```console\n$ echo one\ntwo\n```\n", "```python\nassert False\n```\n")


def _where(block: Block) -> str:
    return f"{block.page.name}:{block.line}"


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run_in_order(page: Path, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    code = "".join(block.text for block in blocks_of(page) if block.is_run)
    urls = {shown: request.getfixturevalue(name) for shown, name in STORES_IN_PAGES.items() if shown in code}
    done = _run(page, urls, tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("block", [each for each in _BLOCKS if each.language == "python"], ids=_where)
def test_every_python_block_can_be_compiled(block: Block) -> None:
    compile(block.text, _where(block), "exec")


@pytest.mark.parametrize("block", [each for each in _BLOCKS if each.language == "console"], ids=_where)
def test_every_console_block_holds_commands(block: Block) -> None:
    assert commands_of(block)


@pytest.mark.parametrize("lie", _LIES)
def test_a_page_that_shows_something_else_than_what_happens_is_found(lie: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(lie)
    assert _run(page, {}, tmp_path).returncode != 0


def _run(page: Path, urls: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.docs.run_page", str(page), *itertools.chain(*urls.items())],
        cwd=folder,
        env=_environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=55,
        check=False,
    )


def _environment(folder: Path) -> dict[str, str]:
    """An environment in which `treadle` and `python` are those that run the tests."""
    programs = folder / ".bin"
    programs.mkdir(exist_ok=True)
    for name, arguments in (("treadle", "-m treadle"), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        program.chmod(0o755)
    own = {name: value for name, value in os.environ.items() if not name.startswith("TREADLE_")}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**own, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": path}
