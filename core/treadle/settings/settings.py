"""The settings of an app."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from treadle.exceptions import ConfigurationError
from treadle.naming import nearest
from treadle.settings import table
from treadle.settings.celery_names import explain
from treadle.settings.sources import Given, Rank, Source, from_command_line, from_environment, from_mapping, from_object
from treadle.settings.table import TABLE, Setting, settings_of


class UnknownSetting(ConfigurationError, AttributeError, KeyError):
    """No setting has that name; the message has the nearest one. Ends an attribute or item look-up as usual."""

    __str__ = Exception.__str__


class Settings(
    table.Broker,
    table.Tasks,
    table.Queues,
    table.Results,
    table.Worker,
    table.Scheduling,
    table.Serialization,
    table.Plugins,
    Mapping[str, Any],
):
    """The settings of an app, as attributes and as a mapping from name to value.

    Reading is a plain attribute access. Every change is checked, and a wrong one raises ConfigurationError and changes
    nothing. Sources have ranks: what the environment or the command line has set is kept, whatever code assigns and
    whenever it does so; `overridden` is stronger than all.
    """

    _ranks: dict[str, Rank]
    _labels: dict[str, str]
    _observers: list[Callable[[], None]]

    def __init__(self, values: Mapping[str, Any] | None = None, /, **settings: Any) -> None:
        own = vars(self)
        own["_ranks"], own["_labels"], own["_observers"] = {}, {}, []
        own.update({name: row.default for name, row in TABLE.items()})
        self.update(values, **settings)

    def update(self, values: Mapping[str, Any] | None = None, /, **settings: Any) -> None:
        """Set several at once, by code; all names must be settings."""
        self.apply(from_mapping({**(values or {}), **settings}, "settings given in code"))

    def apply(self, source: Source) -> None:
        """Take over what a source gives, except where a source of higher rank has spoken.

        Raises ConfigurationError with all that is wrong with the source; nothing is changed then.
        """
        values, problems = _read(source.settings)
        accepted = {name: value for name, value in values.items() if source.rank >= self.rank(name)}
        problems += _contradictions({**vars(self), **accepted})
        if problems:
            raise ConfigurationError(_message(source.label, problems))
        vars(self).update(accepted)
        self._ranks.update(dict.fromkeys(accepted, source.rank))
        self._labels.update(dict.fromkeys(accepted, source.label))
        self._tell()

    def read_object(self, source: object, namespace: str | None = None) -> None:
        """Take over settings from a module, class, object, mapping or the dotted path of one; see `from_object`."""
        self.apply(from_object(source, namespace))

    def read_framework(self, source: object, label: str, namespace: str | None = None) -> None:
        """Take over what a web framework's settings say; `label` names them in messages."""
        self.apply(from_object(source, namespace, label=label, rank=Rank.FRAMEWORK))

    def read_environment(self, environ: Mapping[str, str]) -> None:
        """Take over variables `TREADLE_<NAME>`; see `from_environment`."""
        self.apply(from_environment(environ))

    def read_command_line(self, values: Mapping[str, Any]) -> None:
        """Take over a command's options; None means that one was not given."""
        self.apply(from_command_line(values))

    @contextmanager
    def overridden(self, values: Mapping[str, Any] | None = None, /, **settings: Any) -> Generator[None]:
        """Within the block these values hold, whatever other sources say; then everything is as before."""
        before = dict(vars(self)), dict(self._ranks), dict(self._labels)
        self.apply(from_mapping({**(values or {}), **settings}, "settings overridden", Rank.OVERRIDE))
        try:
            yield
        finally:
            vars(self).update(before[0], _ranks=before[1], _labels=before[2])
            self._tell()

    def on_change(self, observer: Callable[[], None]) -> None:
        """Call `observer` after each change, for what is worked out from settings."""
        self._observers.append(observer)

    def changed(self) -> dict[str, Any]:
        """The settings whose values are not the default, by name."""
        return {name: self[name] for name, row in TABLE.items() if self[name] != row.default}

    def broker_options(self) -> dict[str, Any]:
        """The settings that concern brokers, by name."""
        return {name: self[name] for name in settings_of(table.Broker)}

    def queue_names(self) -> tuple[str, ...]:
        """The queues that `task_queues` declares; empty if it is not set."""
        return self.task_queues or ()

    def rank(self, name: str) -> Rank:
        """The rank of the source that a setting has its value from."""
        return self._ranks.get(name, Rank.DEFAULT)

    def origin(self, name: str) -> str:
        """The place that a setting has its value from, in words."""
        return self._labels.get(name, "default")

    def _tell(self) -> None:
        for observer in self._observers:
            observer()

    def __getitem__(self, name: str) -> Any:
        if name not in TABLE:
            raise UnknownSetting(_unknown(name))
        return vars(self)[name]

    def __setitem__(self, name: str, value: object) -> None:
        self.update({name: value})

    def __iter__(self) -> Iterator[str]:
        return iter(TABLE)

    def __len__(self) -> int:
        return len(TABLE)

    def __setattr__(self, name: str, value: object) -> None:
        self.update({name: value})

    def __repr__(self) -> str:
        return f"<Settings: {', '.join(self.changed()) or 'defaults'}>"

    if not TYPE_CHECKING:  # a type checker would take it to mean that every attribute exists

        def __getattr__(self, name: str) -> Any:
            raise UnknownSetting(_unknown(name))


def _read(settings: tuple[Given, ...]) -> tuple[dict[str, Any], list[str]]:
    """The checked values by name, and a sentence for each that is wrong."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for spelling, name, raw in settings:
        if name not in TABLE:
            problems.append(_unknown(spelling, name))
        elif name in values:
            problems.append(f"{spelling!r} is given twice, in lower and in upper case")
        else:
            try:
                values[name] = TABLE[name].kind.read(raw)
            except ValueError as error:
                problems.append(_misfit(spelling, TABLE[name], raw, error))
    return values, problems


def _unknown(spelling: str, name: str = "") -> str:
    name = name or spelling.lower()
    return f"{spelling!r} " + (explain(name, TABLE) or f"is no setting{nearest(name, TABLE)}")


def _misfit(spelling: str, row: Setting[Any], raw: object, error: ValueError) -> str:
    if str(error):
        return f"{spelling!r} {error}"
    shown = f"a {type(raw).__name__}" if row.kind.secret else repr(raw)
    return f"{spelling!r} must be {row.kind.expected}, not {shown}"


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    soft, hard = values["task_soft_time_limit"], values["task_time_limit"]
    if soft is not None and hard is not None and soft >= hard:
        return [f"'task_soft_time_limit' ({soft:g} s) must be less than 'task_time_limit' ({hard:g} s)"]
    return []


def _message(label: str, problems: list[str]) -> str:
    if len(problems) == 1:
        return f"{label}: {problems[0]}"
    return "\n  - ".join([f"{label}: {len(problems)} settings are wrong", *problems])
