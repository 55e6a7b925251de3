"""The demo's application: an app, and two tasks: one measures a file, the other adds up what all of them gave."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from dataclasses import dataclass
from pathlib import Path

from treadle import Treadle
from treadle.result import Outcome

# A namespace of its own: on a broker that others use too, the demo's jobs never meet theirs.
app = Treadle("demo", namespace="treadle_demo", set_as_current=False)


@dataclass(frozen=True, slots=True)
class Measures:
    """What one file of Python holds."""

    lines: int
    tokens: int
    definitions: int


@app.task()
def measure(path: str) -> Measures:
    """Count what a Python file holds. Raises SyntaxError, ValueError or UnicodeError if it is none.

    Whatever a task raises ends its job as failed, with the error and its traceback kept; the worker goes on.
    """
    source = Path(path).read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old code has old habits
        tree = ast.parse(source, path)
    definitions = sum(isinstance(node, _DEFINITIONS) for node in ast.walk(tree))
    tokens = sum(1 for _token in tokenize.tokenize(io.BytesIO(source).readline))
    return Measures(lines=len(source.splitlines()), tokens=tokens, definitions=definitions)


@app.task()
def add_up(outcomes: list[Outcome[Measures]]) -> Measures:
    """The sum of all measures. Runs once, when every file was measured or given up; those that failed count for 0."""
    measured = [outcome.value for outcome in outcomes if outcome.value is not None]
    return Measures(
        lines=sum(each.lines for each in measured),
        tokens=sum(each.tokens for each in measured),
        definitions=sum(each.definitions for each in measured),
    )


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
