"""Where settings come from, and who has the last word."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.exceptions import ConfigurationError
from treadle.settings import Settings, import_object


def module(**attributes: Any) -> ModuleType:
    made = ModuleType("shop.config")
    vars(made).update(attributes)
    return made


def read(source: object, namespace: str | None = None) -> dict[str, Any]:
    settings = Settings()
    settings.read_object(source, namespace)
    return settings.changed()


def wrong(source: object, namespace: str | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(source, namespace)
    return str(caught.value)


# Objects -------------------------------------------------------------------------------------------


def test_a_module_gives_its_settings_in_either_case_and_keeps_its_other_names() -> None:
    source = module(task_acks_late=False, TASK_DEFAULT_QUEUE="mail", DEBUG=True, helper=print, task_list=[1])
    assert read(source) == {"task_acks_late": False, "task_default_queue": "mail"}


def test_a_module_may_import_what_shares_a_settings_name() -> None:
    from datetime import timezone  # the usual neighbour of a schedule

    assert read(module(timezone=timezone, include=lambda: None, imports=sys, worker_concurrency=3)) == {
        "worker_concurrency": 3
    }


def test_a_module_may_define_its_router_as_a_function() -> None:
    def task_routes(name: str, *_: Any, **__: Any) -> str:
        return name

    assert read(module(task_routes=task_routes)) == {"task_routes": task_routes}


def test_a_near_miss_in_a_module_is_an_error_that_names_the_module() -> None:
    assert wrong(module(task_acks_latee=True)) == (
        "module shop.config: 'task_acks_latee' is no setting; did you mean 'task_acks_late'?"
    )


def test_settings_of_celery_in_a_module_are_answered() -> None:
    message = wrong(module(CELERY_ALWAYS_EAGER=True, task_reject_on_worker_lost=True))
    assert "'CELERY_ALWAYS_EAGER' is now spelled 'task_always_eager'" in message
    assert "'task_reject_on_worker_lost' is not needed: a job whose worker dies is run again" in message


def test_a_class_gives_what_it_inherits_too() -> None:
    class Base:
        broker_url = "redis://base"
        worker_concurrency = 2

    class Production(Base):
        broker_url = "redis://production"

    assert read(Production) == {"broker_url": "redis://production", "worker_concurrency": 2}
    assert read(Production()) == read(Production)


def test_every_key_of_a_mapping_must_be_a_setting() -> None:
    assert read({"BROKER_URL": "redis://host"}) == {"broker_url": "redis://host"}
    assert "'DEBUG' is no setting" in wrong({"DEBUG": True})


def test_a_key_that_is_no_text_is_an_error() -> None:
    assert "3 is no setting" in wrong({3: True})


def test_with_a_namespace_only_prefixed_names_are_read_and_all_must_be_settings() -> None:
    source = module(
        TREADLE_BROKER_URL="redis://host", treadle_timezone="Europe/Berlin", task_acks_late=False, TREADLE={}
    )
    assert read(source, "TREADLE") == {"broker_url": "redis://host", "timezone": "Europe/Berlin"}
    assert "'TREADLE_BROKER_ULR' is no setting; did you mean 'broker_url'" in wrong(
        module(TREADLE_BROKER_ULR=""), "TREADLE"
    )


def test_celerys_own_namespace_is_understood_with_its_old_spellings() -> None:
    assert read({"CELERY_TASK_ALWAYS_EAGER": True, "DEBUG": 1}, "CELERY") == {"task_always_eager": True}
    assert "'CELERY_ALWAYS_EAGER' is now spelled 'task_always_eager'" in wrong({"CELERY_ALWAYS_EAGER": True}, "CELERY")


def test_a_setting_given_in_both_cases_is_an_error() -> None:
    assert "'TIMEZONE' is given twice" in wrong({"timezone": "UTC", "TIMEZONE": "UTC"})


# Dotted paths --------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    package = tmp_path / "weaving_shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "config.py").write_text("worker_concurrency = 7\nclass Test:\n    worker_concurrency = 1\n")
    (package / "broken.py").write_text("import a_library_that_is_not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "weaving_shop"


def test_a_dotted_path_leads_to_a_module_or_into_one(project: str) -> None:
    assert read(f"{project}.config") == {"worker_concurrency": 7}
    assert read(f"{project}.config:Test") == read(f"{project}.config.Test") == {"worker_concurrency": 1}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("{}.confog", "has no 'confog'"),
        ("{}.config:Tset", "has no 'Tset'; did you mean 'Test'"),
        ("no_such_shop.config", "there is no module 'no_such_shop'"),
        ("no_such_shop", "there is no module 'no_such_shop'"),
        ("", "there is no module ''"),
        ("..", "there is no module"),
    ],
)
def test_a_path_that_leads_nowhere_is_an_error_that_says_where_it_ends(project: str, path: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        import_object(path.format(project))
    assert expected in str(caught.value)


def test_an_error_inside_a_module_is_its_own(project: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="a_library_that_is_not_there"):
        import_object(f"{project}.broken")


# Environment ---------------------------------------------------------------------------------------


def environment(**variables: str) -> dict[str, Any]:
    settings = Settings()
    settings.read_environment(variables)
    return settings.changed()


@pytest.mark.parametrize(
    ("variable", "content", "name", "value"),
    [
        ("TREADLE_WORKER_CONCURRENCY", "8", "worker_concurrency", 8),
        ("TREADLE_TASK_ALWAYS_EAGER", "true", "task_always_eager", True),
        ("TREADLE_TASK_ALWAYS_EAGER", "True", "task_always_eager", True),
        ("TREADLE_RESULT_EXPIRES", "null", "result_expires", None),
        ("TREADLE_BROKER_URL", "redis://host/1", "broker_url", "redis://host/1"),
        ("TREADLE_TASK_DEFAULT_QUEUE", "mail", "task_default_queue", "mail"),
        ("TREADLE_TASK_DEFAULT_QUEUE", '"mail"', "task_default_queue", "mail"),
        ("TREADLE_TASK_DEFAULT_QUEUE", "7", "task_default_queue", "7"),
        ("TREADLE_TASK_DEFAULT_QUEUE", "true", "task_default_queue", "true"),
        ("TREADLE_IMPORTS", "a.tasks,b.tasks", "imports", ("a.tasks", "b.tasks")),
        ("TREADLE_IMPORTS", '["a.tasks"]', "imports", ("a.tasks",)),
        ("TREADLE_TASK_ROUTES", '{"a.*": "mail"}', "task_routes", {"a.*": "mail"}),
        ("TREADLE_TASK_ROUTES", "shop.routers.route", "task_routes", "shop.routers.route"),
    ],
)
def test_a_variable_is_json_or_a_bare_word(variable: str, content: str, name: str, value: Any) -> None:
    assert environment(**{variable: content}) == {name: value}


def test_an_empty_variable_counts_as_not_set() -> None:
    assert environment(TREADLE_BROKER_URL="", TREADLE_WORKER_CONCURENCY="") == {}


def test_a_misspelt_variable_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigurationError, match="environment: 'TREADLE_BROKER_ULR' is no setting; did you mean 'bro"):
        environment(TREADLE_BROKER_ULR="redis://")


def test_a_variable_of_the_wrong_type_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigurationError, match="environment: 'TREADLE_WORKER_CONCURRENCY' must be a whole number"):
        environment(TREADLE_WORKER_CONCURRENCY="many")


@pytest.mark.parametrize(
    "variable",
    [
        "TREADLE_SERVICE_HOST",
        "TREADLE_SERVICE_PORT_HTTP",
        "TREADLE_PORT",
        "TREADLE_PORT_6379_TCP_ADDR",
        "TREADLE_DASHBOARD_SERVICE_HOST",
        "TREADLE_DASHBOARD_PORT_80_TCP",
        "TREADLE_APP",
        "treadle_broker_url",
        "BROKER_URL",
    ],
)
def test_variables_that_others_set_are_left_alone(variable: str) -> None:
    assert environment(**{variable: "tcp://10.0.0.1:80"}) == {}


@given(st.text(min_size=1).filter(lambda content: not content.lstrip().startswith('"')))
def test_any_unquoted_text_is_kept_as_it_is_where_a_text_is_expected(content: str) -> None:
    settings = Settings()
    settings.read_environment({"TREADLE_WORKER_LOG_FORMAT": content})
    assert settings.worker_log_format == content


# Who has the last word -----------------------------------------------------------------------------

_SOURCES = ("code", "framework", "environment", "command line")


def say(settings: Settings, source: str, concurrency: int) -> None:
    match source:
        case "code":
            settings.worker_concurrency = concurrency
        case "framework":
            settings.read_framework({"WORKER_CONCURRENCY": concurrency}, "settings.TREADLE")
        case "environment":
            settings.read_environment({"TREADLE_WORKER_CONCURRENCY": str(concurrency)})
        case _:
            settings.read_command_line({"worker_concurrency": concurrency, "worker_pool": None})


@given(st.lists(st.tuples(st.sampled_from(_SOURCES), st.integers(1, 99)), min_size=1))
def test_the_highest_source_has_the_last_word_whatever_the_order(said: list[tuple[str, int]]) -> None:
    settings = Settings()
    for source, concurrency in said:
        say(settings, source, concurrency)
    highest = max((source for source, _ in said), key=_SOURCES.index)
    assert settings.worker_concurrency == [concurrency for source, concurrency in said if source == highest][-1]


def test_the_framework_is_named_in_its_errors() -> None:
    with pytest.raises(ConfigurationError, match=r"settings\.TREADLE: 'BROKER_ULR' is no setting"):
        Settings().read_framework({"BROKER_ULR": ""}, "settings.TREADLE")


def test_a_wrong_value_is_reported_even_where_a_higher_source_has_spoken() -> None:
    settings = Settings()
    settings.read_environment({"TREADLE_WORKER_CONCURRENCY": "2"})
    with pytest.raises(ConfigurationError):
        settings.worker_concurrency = -1
