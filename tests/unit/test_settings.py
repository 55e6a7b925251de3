"""The settings of an app: reading, changing, checking."""

from __future__ import annotations

import contextlib
import copy
import pickle
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.exceptions import ConfigurationError
from treadle.settings import Settings, UnknownSetting
from treadle.settings.kinds import Kind
from treadle.settings.table import TABLE, Setting


def test_every_default_is_a_value_that_its_own_kind_keeps_as_it_is() -> None:
    for name, row in TABLE.items():
        assert row.kind.read(row.default) == row.default, name


def test_every_description_is_a_sentence() -> None:
    assert [name for name, row in TABLE.items() if not row.description.endswith(".")] == []


def test_a_setting_reads_as_attribute_and_as_item() -> None:
    settings = Settings(task_default_queue="mail")
    assert settings.task_default_queue == settings["task_default_queue"] == "mail"
    assert settings.get("task_serializer") == "json"


def test_it_is_a_mapping_of_all_settings() -> None:
    settings = Settings()
    assert set(settings) == set(TABLE)
    assert dict(settings)["worker_grace_s"] == 25.0
    assert len(settings) == len(TABLE)


def test_reading_is_a_plain_instance_attribute() -> None:
    assert vars(Settings())["task_default_queue"] == "default"


def test_a_change_shows_in_changed_and_has_an_origin() -> None:
    settings = Settings(task_acks_late=False)
    settings["worker_concurrency"] = 4
    assert settings.changed() == {"task_acks_late": False, "worker_concurrency": 4}
    assert settings.origin("worker_concurrency") == "settings given in code"
    assert settings.origin("timezone") == "default"


def test_no_default_can_be_changed_in_place() -> None:
    for row in TABLE.values():
        hash(row.default)


def test_a_misspelt_setting_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigurationError, match="'task_acks_latee' is no setting; did you mean 'task_acks_late'"):
        Settings().update(task_acks_latee=True)


def test_assigning_a_misspelt_attribute_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'broker_url'"):
        setattr(Settings(), "broker_ulr", "redis://")  # noqa: B010 - a type checker would see it


def test_reading_a_misspelt_setting_is_an_attribute_and_a_key_error_with_the_nearest_name() -> None:
    settings = Settings()
    with pytest.raises(AttributeError, match="did you mean 'task_routes'"):
        getattr(settings, "task_route")  # noqa: B009 - a type checker would see it
    with pytest.raises(KeyError, match="did you mean 'task_routes'"):
        settings["task_route"]
    assert not hasattr(settings, "task_route")
    assert "task_route" not in settings
    with pytest.raises(UnknownSetting) as caught:
        settings["task_route"]
    assert str(caught.value).startswith("'task_route' is no setting")


def test_all_that_is_wrong_is_reported_together_and_nothing_is_changed() -> None:
    settings = Settings()
    with pytest.raises(ConfigurationError) as caught:
        settings.update(task_acks_latee=True, worker_concurrency="four", task_default_queue="mail")
    message = str(caught.value)
    assert message.startswith("settings given in code: 2 settings are wrong\n")
    assert "'task_acks_latee' is no setting" in message
    assert "'worker_concurrency' must be a whole number of at least 1, or none, not 'four'" in message
    assert settings.changed() == {}


def test_the_soft_limit_must_be_less_than_the_hard_one() -> None:
    settings = Settings(task_soft_time_limit=10)
    with pytest.raises(ConfigurationError, match=r"'task_soft_time_limit' \(10 s\) must be less than"):
        settings.task_time_limit = 10
    settings.update(task_soft_time_limit=4, task_time_limit=5)
    assert settings.task_time_limit == 5


def test_a_password_in_a_url_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(broker_url="user:secret@host")
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(Settings(broker_url="redis://:secret@host"))


def test_overridden_holds_within_its_block_even_against_the_environment() -> None:
    settings = Settings(worker_grace_s=3)
    settings.read_environment({"TREADLE_TASK_ALWAYS_EAGER": "false"})
    with settings.overridden(task_always_eager=True, worker_grace_s=0):
        assert (settings.task_always_eager, settings.worker_grace_s) == (True, 0)
    assert (settings.task_always_eager, settings.worker_grace_s) == (False, 3)
    assert settings.origin("task_always_eager") == "environment"


def test_overridden_ends_when_its_block_fails() -> None:
    settings = Settings()
    with pytest.raises(ZeroDivisionError), settings.overridden(task_always_eager=True):
        _ = 1 / 0
    assert settings.changed() == {}


def test_settings_travel_by_pickle_and_copy() -> None:
    settings = Settings(task_routes={"a": "b"}, worker_concurrency=2)
    for twin in (pickle.loads(pickle.dumps(settings)), copy.deepcopy(settings)):
        assert dict(twin) == dict(settings)
        twin.update(worker_concurrency=5)
    assert settings.worker_concurrency == 2


def test_a_broker_is_given_the_settings_that_concern_it() -> None:
    options = Settings(namespace="shop").broker_options()
    assert options["namespace"] == "shop"
    assert options["sqlite_synchronous"] is None
    assert "task_routes" not in options


@pytest.mark.parametrize(
    ("name", "given_value", "kept"),
    [
        ("result_expires", timedelta(hours=1), 3600.0),
        ("result_expires", 0, None),
        ("result_expires", None, None),
        ("task_time_limit", 1.5, 1.5),
        ("imports", "shop.tasks, mail.tasks", ("shop.tasks", "mail.tasks")),
        ("imports", ["shop.tasks"], ("shop.tasks",)),
        ("task_queues", ["a", type("Queue", (), {"name": "b"})(), "a"], ("a", "b")),
        ("task_queues", {"a": {}, "b": None}, ("a", "b")),
        ("task_queues", [{"a": {}}, "b"], ("a", "b")),
        ("task_queues", "a,b", ("a", "b")),
        ("sqlite_synchronous", "EXTRA", "EXTRA"),
        ("beat_schedule", {}, None),
        ("outbox_urls", (), None),
        ("task_default_rate_limit", "", None),
        ("task_default_priority", -100, -100),
        ("timezone", "Europe/Berlin", "Europe/Berlin"),
        ("worker_max_tasks_per_child", 100, 100),
        ("task_max_retries", None, None),
        ("broker_url", "django://default", "django://default"),
    ],
)
def test_a_value_is_kept_in_one_form(name: str, given_value: Any, kept: Any) -> None:
    assert Settings({name: given_value})[name] == kept


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("task_always_eager", 1, "true or false"),
        ("task_track_started", False, "every job records when it started"),
        ("task_default_priority", 101, "from -100 to 100"),
        ("task_default_priority", True, "whole number"),
        ("worker_concurrency", 0, "at least 1"),
        ("worker_concurrency", 2.0, "whole number"),
        ("task_time_limit", 0, "positive number of seconds"),
        ("task_time_limit", float("nan"), "positive number of seconds"),
        ("task_time_limit", float("inf"), "positive number of seconds"),
        ("task_time_limit", timedelta(seconds=-1), "positive number of seconds"),
        ("task_time_limit", True, "positive number of seconds"),
        ("sqlite_synchronous", "OFF", "one of 'NORMAL', 'FULL', 'EXTRA'"),
        ("timezone", "Europe/Berln", "did you mean 'Europe/Berlin'"),
        ("timezone", "../etc/passwd", "IANA time zone"),
        ("worker_start_method", "frok", "did you mean 'fork'"),
        ("worker_start_method", [], "one of 'auto', 'fork', 'spawn'"),
        ("namespace", "My Shop", "lower-case letters"),
        ("broker_url", "localhost", "a URL such as"),
        ("task_default_queue", "", "the name of a queue"),
        ("imports", 3, "a list of names"),
        ("imports", ["a", 3], "a list of names"),
        ("imports", "a,,b", "a list of names"),
        ("task_queues", [3], "not with 3 in it"),
        ("task_queues", {"a": {"max_length": 3}}, "queues have no options"),
        ("task_routes", 3, "a mapping from task names to routes"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_was_expected(name: str, value: Any, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings({name: value})
    assert f"settings given in code: {name!r} must be" in str(caught.value).replace("gives queue", "must be")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "part_of"),
    [
        ("beat_schedule", {"nightly": {"task": "clean", "schedule": 3600}}, "periodic jobs"),
        ("outbox_urls", ["postgresql://user:secret@host/shop"], "the outbox relay"),
        ("task_default_rate_limit", "10/m", "rate limits"),
        ("task_default_rate_limit", 0, "rate limits"),
        ("task_default_rate_limit", False, "rate limits"),
    ],
)
def test_a_setting_of_a_part_that_is_not_there_yet_is_refused_with_the_name_of_the_part(
    name: str, value: Any, part_of: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings({name: value})
    assert str(caught.value) == (
        f"settings given in code: {name!r} belongs to {part_of}, "
        f"which this version of Treadle does not have yet; leave it unset"
    )


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.timedeltas(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(TABLE)), _ANYTHING)
def test_any_value_is_either_kept_in_a_stable_form_or_a_configuration_error(name: str, value: Any) -> None:
    settings = Settings()
    with contextlib.suppress(ConfigurationError):
        settings.update({name: value})
    kind: Kind[Any] = TABLE[name].kind
    assert kind.read(settings[name]) == settings[name]


@given(st.text(max_size=30).filter(lambda name: name.lower() not in TABLE))
def test_any_unknown_name_is_a_configuration_error_that_spells_it(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings({name: 1})
    assert repr(name) in str(caught.value)


def test_the_table_is_what_the_class_declares() -> None:
    for name, row in TABLE.items():
        assert isinstance(row, Setting)
        assert hasattr(Settings, name)
