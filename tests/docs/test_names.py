"""The names that the documentation uses exist: settings, commands, classes, files, tests."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import cast

import click
import pytest

from tests.docs.pages import ROOT, all_pages, anchors_of, blocks_of, commands_of, links_of, words_of
from treadle import hookspecs, signals
from treadle.cli.root import COMMANDS, root
from treadle.settings.celery_names import explain
from treadle.settings.table import TABLE
from treadle.signals import Signal
from treadle.task import CALL_OPTIONS, TASK_OPTIONS

_SETTING = re.compile(r"(?:broker|task|worker|result|beat|failed|sqlite|plugins|compress|accept|outbox)_[a-z_]+")
#: What looks like a setting and is none: attributes of records, and a fixture.
_NO_SETTINGS = frozenset({"task_id", "task_name", "sqlite_url"})
#: What looks like a module and is a file.
_NO_MODULES = frozenset({"treadle.sqlite3"})
_DOTTED = re.compile(r"treadle(?:\.\w+)+")
_PATH = re.compile(r"(?:core|docs|tests|benchmarks)/[\w./-]+")
_TEST = re.compile(r"test_\w+")

pages = pytest.mark.parametrize("page", all_pages(), ids=lambda page: str(page.relative_to(ROOT)))


@pages
def test_links_within_the_documentation_lead_somewhere(page: Path) -> None:
    for link in links_of(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors_of(target), f"{link}: there is no such heading"


@pages
def test_settings_exist(page: Path) -> None:
    known = {*TABLE, *CALL_OPTIONS, *TASK_OPTIONS, *_NO_SETTINGS}
    known |= {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    for word in words_of(page):
        if _SETTING.fullmatch(word) and word not in known:
            assert explain(word, TABLE), f"there is no setting {word}, and Celery has none of that name"


@pages
def test_dotted_names_can_be_imported(page: Path) -> None:
    for word in words_of(page):
        if _DOTTED.fullmatch(word) and word not in _NO_MODULES:
            assert _exists(word), f"{word} does not exist"


@pages
def test_what_python_blocks_import_from_treadle_exists(page: Path) -> None:
    for block in blocks_of(page):
        if block.language == "python":
            for node in ast.walk(ast.parse(block.text)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "treadle":
                    for name in node.names:
                        assert _exists(f"{node.module}.{name.name}"), f"line {block.line}: {node.module}.{name.name}"


@pages
def test_commands_and_their_options_exist(page: Path) -> None:
    lines = [word for word in words_of(page) if word.startswith("treadle ")]
    lines += [each.line for block in blocks_of(page) if block.language == "console" for each in commands_of(block)]
    for line in lines:
        for command in re.findall(r"(?:^|[;&|] ?)treadle ([^;&|]*)", line):
            _must_be_known(command.split())


@pages
def test_files_exist(page: Path) -> None:
    for word in words_of(page):
        if _PATH.fullmatch(word):
            assert (ROOT / word).exists(), f"{word} does not exist"


@pages
def test_tests_that_are_named_exist(page: Path) -> None:
    for word in words_of(page):
        if _TEST.fullmatch(word):
            assert word in _tests(), f"there is no test {word}"


def test_a_command_or_an_option_that_does_not_exist_is_found() -> None:
    for words in (["wroker"], ["-A", "tasks", "status", "--colour"], ["jobs", "revive"]):
        with pytest.raises(AssertionError):
            _must_be_known(words)


def test_the_page_of_plugins_names_every_hook() -> None:
    words = " ".join(words_of(ROOT / "docs/plugins.md"))
    assert [name for name in vars(hookspecs) if name.startswith("treadle_") and f"{name}(" not in words] == []


def _exists(dotted: str) -> bool:
    parts = dotted.split(".")
    for at in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:at]))
        except ModuleNotFoundError:
            continue
        for name in parts[at:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


def _must_be_known(words: list[str]) -> None:
    """Follow a command line from `treadle` on: options by name, commands by theirs."""
    command = cast("click.Command", root)
    context = click.Context(root, info_name="treadle")
    waiting = list(words)
    # What is to be filled in is written in capitals: `treadle COMMAND --help`.
    while waiting and not (waiting[0].isalpha() and waiting[0].isupper()):
        word = waiting.pop(0)
        if word.startswith("-") and word != "-":
            option = _option(command, word.partition("=")[0])
            assert option is not None, f"{' '.join(words)}: {command.name} has no option {word}"
            if not option.is_flag and "=" not in word and waiting:
                waiting.pop(0)
        elif isinstance(command, click.Group):
            assert command is not root or word in COMMANDS, f"there is no command {word!r}"
            found = command.get_command(context, word)
            assert found is not None, f"there is no command {' '.join(words)!r}"
            command = found


def _option(command: click.Command, name: str) -> click.Option | None:
    if name in {"-h", "--help", "--version"}:
        return click.Option([name], is_flag=True)
    options = [each for each in command.params if isinstance(each, click.Option)]
    return next((each for each in options if name in (*each.opts, *each.secondary_opts)), None)


@cache
def _tests() -> frozenset[str]:
    """The names of all tests, and of the files they are in."""
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "core/treadle/testing").rglob("*.py")]
    functions = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))}
    return frozenset(functions | {file.stem for file in files})
