"""Task options from `task_annotations`."""

from __future__ import annotations

from typing import Any

import pytest

from treadle.exceptions import ConfigurationError
from treadle.routing import Annotations

ALLOWED = frozenset({"rate_limit", "time_limit", "queue"})


def made_of(value: Any, **importable: Any) -> Annotations:
    return Annotations(value, allowed=ALLOWED, import_object=importable.__getitem__)


class ByPrefix:
    def annotate(self, task: Any) -> dict[str, Any] | None:
        return {"queue": "prefixed"} if task.startswith("shop.") else None


@pytest.mark.parametrize("nothing", [None, {}, [], [None]])
def test_without_annotations_nothing_is_set(nothing: Any) -> None:
    assert made_of(nothing)("add") == {}


def test_the_closest_key_wins_whatever_the_order() -> None:
    found = made_of(
        {
            "shop.mail": {"rate_limit": "exact"},
            "shop.*": {"rate_limit": "glob", "time_limit": 2},
            "*": {"rate_limit": "all", "time_limit": 1, "queue": "q"},
        }
    )
    assert found("shop.mail") == {"rate_limit": "exact", "time_limit": 2, "queue": "q"}
    assert found("shop.sell") == {"rate_limit": "glob", "time_limit": 2, "queue": "q"}
    assert found("add") == {"rate_limit": "all", "time_limit": 1, "queue": "q"}


def test_later_items_of_a_list_win() -> None:
    assert made_of([{"add": {"queue": "one"}}, {"*": {"queue": "two"}}])("add") == {"queue": "two"}


@pytest.mark.parametrize("item", [ByPrefix(), ByPrefix, "path"])
def test_an_object_decides_by_the_task(item: Any) -> None:
    found = made_of([{"*": {"time_limit": 1}}, item], path=ByPrefix)
    assert found("shop.mail", "shop.mail") == {"time_limit": 1, "queue": "prefixed"}
    assert found("add", "add") == {"time_limit": 1}


def test_a_misspelt_attribute_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(ConfigurationError, match=r"task_annotations\['add'\]: 'rate_limt' .* mean 'rate_limit'"):
        made_of({"add": {"rate_limt": "1/s"}})


def test_a_misspelt_attribute_in_an_objects_answer_is_an_error() -> None:
    class Misspelt:
        def annotate(self, task: Any) -> dict[str, Any]:
            return {"quue": task}

    with pytest.raises(ConfigurationError, match="'quue' is no option of a task; did you mean 'queue'"):
        made_of(Misspelt())("add", "add")


def test_wrapping_a_method_is_answered_with_middleware() -> None:
    with pytest.raises(ConfigurationError, match="'@__call__' wraps a method, which is what middleware is for"):
        made_of({"*": {"@__call__": print}})


@pytest.mark.parametrize("value", [3, [3], {"add": 3}])
def test_what_is_no_annotation_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="task_annotations"):
        made_of(value)


def test_a_dotted_path_needs_somebody_to_resolve_it() -> None:
    with pytest.raises(ConfigurationError, match=r"not 'shop\.annotations'"):
        Annotations("shop.annotations", allowed=ALLOWED)
