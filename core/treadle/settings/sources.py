"""Where settings come from. Each reader gives a `Source`: names as they were spelled there, and raw values.

Readers decide which names are meant for us; `Settings.apply` checks them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from enum import IntEnum
from importlib import import_module
from importlib.util import find_spec
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, NamedTuple, cast

from treadle.exceptions import ConfigurationError
from treadle.naming import nearest
from treadle.settings.celery_names import explain
from treadle.settings.table import TABLE

ENVIRONMENT_PREFIX = "TREADLE_"


class Rank(IntEnum):
    """Who has the last word: a source never changes what one of a higher rank has set."""

    DEFAULT = 0
    CODE = 1
    FRAMEWORK = 2
    ENVIRONMENT = 3
    COMMAND_LINE = 4
    OVERRIDE = 5


class Given(NamedTuple):
    """One setting as a source gives it."""

    #: As it is written there, for messages.
    spelling: str
    name: str
    value: object


class Source(NamedTuple):
    """Settings from one place, which `label` names in messages."""

    rank: Rank
    label: str
    settings: tuple[Given, ...]


def from_mapping(values: Mapping[str, Any], label: str, rank: Rank = Rank.CODE) -> Source:
    """All items of a mapping that was made for us: every name must be a setting, in lower or upper case."""
    return Source(rank, label, tuple(Given(name, str(name).lower(), value) for name, value in values.items()))


def from_command_line(values: Mapping[str, Any]) -> Source:
    """Settings given as options of a command; None means that the option was not given."""
    given = {name: value for name, value in values.items() if value is not None}
    return from_mapping(given, "command line", Rank.COMMAND_LINE)


def from_object(source: object, namespace: str | None = None, *, label: str = "", rank: Rank = Rank.CODE) -> Source:
    """Settings from a module, class, object, mapping, or the dotted path of one (`"project.config:Production"`).

    With a `namespace`, those whose names begin with it and an underscore, in either case: each must be a setting.
    Without one, all items of a mapping; of anything else, whose other attributes are not our business, those that are
    settings, or look like a misspelt one, or are settings of Celery in upper case.
    Raises ConfigurationError if a dotted path leads nowhere.
    """
    if isinstance(source, str):
        label, source = label or source, import_object(source)
    label = label or _label(source)
    if namespace is not None:
        prefix = namespace.rstrip("_").lower() + "_"
        items = ((name, value) for name, value in _attributes(source) if name.lower().startswith(prefix))
        return Source(rank, label, tuple(Given(name, name.lower()[len(prefix) :], value) for name, value in items))
    if isinstance(source, Mapping):
        return from_mapping(cast("Mapping[str, Any]", source), label, rank)
    found = (Given(name, name.lower(), value) for name, value in _attributes(source))
    return Source(rank, label, tuple(given for given in found if _is_meant(given)))


def from_environment(environ: Mapping[str, str]) -> Source:
    """Settings from variables `TREADLE_<NAME>`. An empty one counts as not set.

    Values are JSON; where that does not fit, the text itself is taken, so that words need no quotes.
    """
    prefix = ENVIRONMENT_PREFIX
    given = [
        Given(variable, name, _environment_value(name, content))
        for variable, content in environ.items()
        if variable.startswith(prefix) and content
        if (name := variable.removeprefix(prefix).lower()) in TABLE or not _is_foreign(variable)
    ]
    return Source(Rank.ENVIRONMENT, "environment", tuple(given))


def import_object(path: str) -> Any:
    """What a dotted path names: `module`, `module.attribute` or `module:attribute`.

    Raises ConfigurationError if there is none; errors inside an existing module are passed on as they are.
    """
    module_name, colon, attributes = path.partition(":")
    if not colon and "." in path and not _is_module(path):
        module_name, _, attributes = path.rpartition(".")
    if not _is_module(module_name):
        raise ConfigurationError(f"{path!r} cannot be imported: there is no module {module_name!r} on the Python path")
    found: Any = import_module(module_name)
    for attribute in filter(None, attributes.split(".")):
        if not hasattr(found, attribute):
            hint = nearest(attribute, dir(found))
            raise ConfigurationError(f"{path!r} cannot be imported: {module_name!r} has no {attribute!r}{hint}")
        found = getattr(found, attribute)
    return found


def _is_module(name: str) -> bool:
    """Whether a module could be imported. Only its parents are executed, so its own errors stay its own."""
    if not all(part.isidentifier() for part in name.split(".")):
        return False
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            return False
        raise
    except ValueError:  # it has no spec, as `__main__` and modules made by hand
        return name in sys.modules


def _label(source: object) -> str:
    name = getattr(source, "__name__", None) or type(source).__name__
    return f"module {name}" if isinstance(source, ModuleType) else str(name)


def _attributes(source: object) -> Iterable[tuple[str, object]]:
    if isinstance(source, Mapping):
        return cast("Mapping[str, object]", source).items()
    return ((name, getattr(source, name)) for name in dir(source) if not name.startswith("_"))


def _is_meant(given: Given) -> bool:
    """Whether an attribute of a module or object is meant as a setting; an import that shares its name is not."""
    name, value = given.name, given.value
    is_code = isinstance(value, ModuleType | type | FunctionType | BuiltinFunctionType)
    if name in TABLE:
        return not is_code or _fits(name, value)
    return not is_code and (_is_misspelt(name) or (name.startswith(_CELERY_PREFIXES) and bool(explain(name, TABLE))))


def _is_misspelt(name: str) -> bool:
    # Loaded here, because most programs have no such name.
    from difflib import get_close_matches

    # Closer than for a hint: a module may well have a `task_list` of its own.
    return name.startswith(_SETTING_PREFIXES) and bool(get_close_matches(name, TABLE, n=1, cutoff=0.85))


def _environment_value(name: str, content: str) -> object:
    try:
        value: object = _PYTHON_WORDS[content] if content in _PYTHON_WORDS else json.loads(content)
    except ValueError:
        return content
    # A queue may be called 7, and a password made of digits is still a text.
    return content if not _fits(name, value) and _fits(name, content) else value


def _fits(name: str, value: object) -> bool:
    if name not in TABLE:
        return False
    try:
        TABLE[name].kind.read(value)
    except ValueError:
        return False
    return True


def _is_foreign(variable: str) -> bool:
    return variable in _OTHER_VARIABLES or _SERVICE_LINK.fullmatch(variable) is not None


_SETTING_PREFIXES = ("broker_", "task_", "result_", "worker_", "beat_")
_CELERY_PREFIXES = (*_SETTING_PREFIXES, "celery")

#: Python's spelling of what JSON calls true, false and null.
_PYTHON_WORDS = {"True": True, "False": False, "None": None}

#: Variables of the command line that are no settings.
_OTHER_VARIABLES = frozenset({"TREADLE_APP"})

#: Kubernetes and Docker set these in every container beside a service whose name begins with "treadle".
_SERVICE_LINK = re.compile(
    r"TREADLE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
