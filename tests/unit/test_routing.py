"""Where jobs go, by `task_routes`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.exceptions import ConfigurationError
from treadle.routing import Routes, check_queue


def no_import(path: str) -> Any:
    raise AssertionError(f"nothing here names {path!r}")


def routes(task_routes: Any, **importable: Any) -> Routes:
    return Routes(task_routes, import_object=importable.__getitem__ if importable else no_import)


def by_first_letter(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **_: Any) -> str | None:
    return f"letter-{name[0]}" if name.isalpha() else None


class OldRouter:
    def route_for_task(self, task: str, args: Any = None, kwargs: Any = None) -> dict[str, Any] | None:
        return {"queue": "old", "priority": len(args)} if task == "add" else None


class CallableRouter:
    made = 0

    def __init__(self) -> None:
        type(self).made += 1

    def __call__(self, *_: Any, **__: Any) -> str:
        return "called"


# Mappings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [None, {}, [], ()])
def test_without_routes_there_is_no_answer(nothing: Any) -> None:
    assert routes(nothing)("feed.fetch") == {}


def test_a_route_is_a_queue_name_or_options() -> None:
    found = routes({"add": "math", "mul": {"queue": "math", "priority": 5, "expires": None}})
    assert found("add") == {"queue": "math"}
    assert found("mul") == {"queue": "math", "priority": 5}
    assert found("sub") == {}


def test_an_exact_name_goes_before_patterns_and_patterns_in_their_order() -> None:
    found = routes({"feed.*": "glob", re.compile(r"feed\.(fetch|parse)"): "pattern", "feed.fetch": "exact"})
    assert found("feed.fetch")["queue"] == "exact"
    assert found("feed.parse")["queue"] == "glob"


def test_a_glob_matches_the_whole_name() -> None:
    found = routes({"*.mail": "mail"})
    assert found("shop.mail") == {"queue": "mail"}
    assert found("shop.mailer") == {}


def test_a_compiled_pattern_matches_from_the_beginning_of_the_name_as_in_celery() -> None:
    found = routes({re.compile("shop"): "shop"})
    assert found("shop.mail") == {"queue": "shop"}
    assert found("my.shop") == {}


def test_a_mapping_may_hold_a_router() -> None:
    found = routes({"feed.*": lambda name, *_, **__: name.rpartition(".")[2]})
    assert found("feed.fetch") == {"queue": "fetch"}


def test_in_a_list_the_first_answer_counts() -> None:
    found = routes([{"a": "one"}, by_first_letter, {"a": "two", "b.c": "three"}])
    assert found("a")["queue"] == "one"
    assert found("b")["queue"] == "letter-b"
    assert found("b.c")["queue"] == "three"


# Routers -------------------------------------------------------------------------------------------


def test_a_router_is_given_the_call() -> None:
    seen: list[Any] = []
    task = object()

    def router(name: str, args: Any, kwargs: Any, options: Any, task: Any = None) -> None:
        seen.append((name, args, kwargs, options, task))

    assert routes(router)("add", (1,), {"x": 2}, {"priority": 3}, task) == {}
    assert seen == [("add", (1,), {"x": 2}, {"priority": 3}, task)]


def test_a_router_is_asked_for_every_call() -> None:
    found = routes([OldRouter()])
    assert found("add", (1,)) == {"queue": "old", "priority": 1}
    assert found("add", (1, 2)) == {"queue": "old", "priority": 2}


def test_a_class_is_instantiated_once() -> None:
    before = CallableRouter.made
    found = routes([CallableRouter])
    assert found("a") == found("b") == {"queue": "called"}
    assert CallableRouter.made == before + 1


@pytest.mark.parametrize("router", [OldRouter, OldRouter(), {"add": {"queue": "old", "priority": 2}}])
def test_a_dotted_path_leads_to_any_of_them(router: Any) -> None:
    found = routes(["path"], path=router)
    assert found("add", (1, 2)) == {"queue": "old", "priority": 2}


def test_a_lone_text_is_a_dotted_path() -> None:
    assert routes("path", path=by_first_letter)("x") == {"queue": "letter-x"}


def test_a_bad_answer_is_an_error_that_names_the_router_and_the_task() -> None:
    with pytest.raises(ConfigurationError, match=r"the answer of task_routes\[0\] for 'add' must be .*, not 7"):
        routes([lambda *_, **__: 7])("add")
    with pytest.raises(ConfigurationError, match="'prioritty' is no option; did you mean 'priority'"):
        routes([lambda *_, **__: {"prioritty": 7}])("add")


# Errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task_routes", "message"),
    [
        (3, "task_routes must be a mapping, a router"),
        ([{"a": "b"}, 3], r"task_routes\[1\] must be a mapping, a router"),
        ({"add": 3}, r"task_routes\['add'\] must be a mapping, a router"),
        ({"add": None}, r"task_routes\['add'\] must be a queue name"),
        ({"add": ""}, r"task_routes\['add'\] must be a queue name"),
        ({"add": ["math"]}, r"task_routes\['add'\] must be a queue name"),
        ({"add": {"que": "math"}}, r"task_routes\['add'\]: 'que' is no option; did you mean 'queue'"),
        ({"add": {"queue": 3}}, r"task_routes\['add'\]: 'queue' must be the name of a queue, not 3"),
        ({"add": {"priority": 101}}, r"'priority' must be a whole number from -100 to 100, not 101"),
        ({"add": {"priority": True}}, r"'priority' must be a whole number"),
        ({"add": {"routing_key": "x"}}, r"'routing_key' jobs go to queues by name|'routing_key': jobs go to queues"),
        ({re.compile("add"): {"que": "math"}}, r"task_routes\['add'\]: 'que'"),
        ({3: "math"}, "a key of task_routes must be a task name, a glob or a compiled pattern, not 3"),
        ({re.compile(b"add"): "math"}, "a key of task_routes must be"),
    ],
)
def test_a_bad_route_is_refused_at_once(task_routes: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        routes(task_routes)


# Static answers ------------------------------------------------------------------------------------


def test_a_static_answer_is_found_once() -> None:
    found = routes([{"feed.*": {"queue": "feeds"}}])
    assert found("feed.fetch") is found("feed.fetch", (1,), {}, {"priority": 2})


def test_one_router_makes_no_answer_static() -> None:
    answers = iter(["one", "two"])
    found = routes([{"b": "c"}, lambda *_, **__: next(answers)])
    assert [found("a")["queue"], found("a")["queue"]] == ["one", "two"]


@given(
    st.dictionaries(st.text("ab.*", min_size=1, max_size=4), st.sampled_from(["x", "y", "z"]), max_size=5),
    st.lists(st.text("ab.", min_size=1, max_size=4), max_size=8),
)
def test_remembering_answers_changes_none(table: dict[str, str], names: list[str]) -> None:
    found = routes(table)
    remembered = [found(name) for name in names * 2]
    assert remembered == [routes(table)(name) for name in names * 2]


def test_known_queues_are_those_that_mappings_name() -> None:
    found = routes([{"a": "one", "b.*": {"queue": "two"}, "c": {"priority": 1}, "d": by_first_letter}, by_first_letter])
    assert found.known_queues() == {"one", "two"}


def test_routes_are_true_if_there_is_anybody_to_ask() -> None:
    assert not routes(None)
    assert routes({"a": "b"})


# Queues --------------------------------------------------------------------------------------------


def test_a_declared_queue_is_fine() -> None:
    check_queue("mail", {"mail", "default"})


def test_an_undeclared_queue_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(ConfigurationError, match=r"no queue 'mial'; did you mean 'mail'\? \(declared: default, mail\)"):
        check_queue("mial", {"mail", "default"})


def test_options_are_not_shared_with_the_settings() -> None:
    options: Mapping[str, Any] = {"queue": "one"}
    table = {"a": options}
    found = routes(table)
    table["a"] = {"queue": "two"}
    assert found("a") == {"queue": "one"}
