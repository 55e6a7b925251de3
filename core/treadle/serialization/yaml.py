"""YAML in its safe form, with the types of `treadle.serialization.extended` marked as in JSON. Extra: `yaml`."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from treadle.exceptions import SerializationError, TreadleError
from treadle.serialization.extras import import_extra
from treadle.serialization.json import mark, unmark
from treadle.serialization.lowering import Lowering
from treadle.serialization.plain import kind_of

_ATOMS: Final[frozenset[type]] = frozenset({str, bool, type(None)})


class YamlSerializer:
    """Values as YAML 1.1, for people to read. What travels, and what is refused, is as in JSON. Slow."""

    name = "yaml"

    def __init__(self) -> None:
        self._lowering = Lowering(_ATOMS, mark, marks_in_dicts=True, finite=True)

    def dumps(self, value: Any) -> bytes:
        """Encode. Raises SerializationError naming the path of what cannot travel."""
        lowered = self._lowering.lower(value)
        text: str = self._library.dump(lowered, Dumper=self._dumper, allow_unicode=True, sort_keys=False)
        return text.encode()

    def loads(self, content: bytes) -> Any:
        """Decode. Raises SerializationError for bytes that it did not write, and for aliases, which it never writes."""
        try:
            text = content.decode()
            if "*" in text:
                self._refuse_aliases(text)
            value = self._library.safe_load(text)
            return _unmark_all(value) if "$" in text else value
        except TreadleError:
            raise
        except Exception as error:  # PyYAML's own readers of dates and numbers raise whatever they meet
            raise SerializationError(f"this is not YAML that can be read: {error}") from error

    @cached_property
    def _library(self) -> Any:
        return import_extra("yaml", extra="yaml")

    @cached_property
    def _dumper(self) -> Any:
        """A safe dumper that writes what occurs twice twice, and quotes what would not be read back."""
        dumper: Any = type("_Dumper", (self._library.SafeDumper,), {"ignore_aliases": _never_alias})
        dumper.add_representer(str, _represent_text)
        return dumper

    def _refuse_aliases(self, text: str) -> None:
        # A few nested aliases stand for more values than fit into memory.
        events = self._library.parse(text, Loader=self._library.SafeLoader)
        if any(isinstance(event, self._library.AliasEvent) for event in events):
            raise SerializationError("YAML aliases are not accepted: write each value out")


def _never_alias(_dumper: object, _value: object) -> bool:
    return True


def _represent_text(dumper: Any, text: str) -> Any:
    # Outside of double quotes YAML's own line breaks, such as U+0085, are read as spaces.
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _unmark_all(value: Any) -> Any:
    kind = kind_of(value)
    if kind is list:
        return [_unmark_all(item) for item in value]
    if kind is dict:
        return unmark({_text_key(key): _unmark_all(item) for key, item in value.items()})
    return value


def _text_key(key: object) -> str:
    """Refuses what YAML can have as a key, but a JSON object cannot."""
    if not isinstance(key, str):
        raise SerializationError(f"the YAML key {key!r} is not a str")
    return key
