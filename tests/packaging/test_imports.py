"""What importing costs and does: `import treadle` is light, and no module does anything when it is imported."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "asyncio",
    "click",
    "concurrent.futures",
    "django",
    "fastapi",
    "flask",
    "hiredis",
    "importlib.metadata",
    "msgpack",
    "multiprocessing",
    "pluggy",
    "psycopg",
    "pymysql",
    "sqlalchemy",
    "sqlite3",
    "starlette",
    "yaml",
    "zstandard",
}

# Runs in a fresh interpreter: imports every module of treadle in turn and prints, as a JSON object, which
# modules did on import what an import must not do.
OBSERVE_EVERY_IMPORT = """
import importlib, json, pathlib, sys
import treadle

DEEDS = {"socket.__new__", "socket.connect", "socket.bind", "sqlite3.connect", "_thread.start_new_thread",
         "os.fork", "os.mkdir", "os.remove", "subprocess.Popen", "signal.signal"}
root = pathlib.Path(treadle.__file__).parents[1]
paths = [path.relative_to(root).with_suffix("") for path in sorted((root / "treadle").rglob("*.py"))]
names = [".".join(path.parts).removesuffix(".__init__") for path in paths if path.name != "__main__"]
deeds, importing = {}, ""

def note(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if importing and (event in DEEDS or writes):
        deeds.setdefault(importing, []).append(event)

sys.addaudithook(note)
for importing in names:
    importlib.import_module(importing)
importing = ""
print(json.dumps({"imported": len(names), "deeds": deeds}))
"""


def run(code: str) -> str:
    """What a fresh interpreter prints for `code`; it writes no bytecode, so that every write it does is code's own."""
    command = [sys.executable, "-B", "-c", code]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def modules_after(code: str) -> set[str]:
    return set(json.loads(run(f"{code}\nimport json, sys\nprint(json.dumps(list(sys.modules)))")))


def test_importing_treadle_loads_nothing_heavy() -> None:
    # What this interpreter loads by itself at start (an editable install's hooks, say) is not ours.
    assert (modules_after("import treadle") - modules_after("")) & HEAVY == set()


@pytest.mark.parametrize("name", ["Treadle", "shared_task", "AsyncResult", "signature"])
def test_the_names_that_a_web_process_uses_load_no_broker_and_no_worker(name: str) -> None:
    loaded = modules_after(f"from treadle import {name}") - modules_after("")
    rooms = ("treadle.brokers.", "treadle.worker", "treadle.cli", "treadle.testing")
    assert {module for module in loaded if module.startswith(rooms)} == set()
    assert loaded & {"click", "django", "fastapi", "flask", "hiredis", "psycopg", "pymysql", "sqlalchemy"} == set()


def test_importing_any_module_opens_nothing_starts_nothing_and_writes_nothing() -> None:
    answer = json.loads(run(OBSERVE_EVERY_IMPORT))
    assert answer["imported"] > 20
    assert answer["deeds"] == {}
