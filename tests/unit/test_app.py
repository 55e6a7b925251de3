"""The app: its parts, its settings, how it finds tasks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from treadle import Task, Treadle, current_app, hookimpl, shared_task
from treadle.current import shared_tasks
from treadle.exceptions import ConfigurationError, NotSupported, SecurityError, TaskNotRegistered


@pytest.fixture
def app() -> Iterator[Treadle]:
    with Treadle("app", broker="memory://") as app:
        yield app


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Makes importable modules, and forgets them afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def make(*paths: str, source: str = "") -> None:
        for name in paths:
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(source)

    yield make
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def no_shared_tasks() -> Iterator[None]:
    before = dict(shared_tasks)
    yield
    shared_tasks.clear()
    shared_tasks.update(before)


def double(x: int) -> int:
    return 2 * x


class TestSettings:
    def test_what_is_set_after_tasks_were_defined_counts(self, app: Treadle) -> None:
        task = app.task(double)
        before = task.limits
        app.config_from_object({"task_max_retries": 7, "task_time_limit": 9, "task_ignore_result": True})
        assert task.retry_policy.max_retries == 7
        assert (before, task.limits) == ((None, None), (9, None))
        assert task.drops_result

    def test_routes_and_codecs_follow_the_settings(self, app: Treadle) -> None:
        task = app.task(double)
        before = task.delay(1).job()
        app.conf.update(task_routes={"*.double": "elsewhere"}, task_serializer="msgpack", accept_content=["msgpack"])
        after = task.delay(1).job()
        assert (before.queue, after.queue) == ("default", "elsewhere")
        assert after.payload.startswith(b"msgpack:")

    def test_a_block_of_other_settings_ends_with_the_block(self, app: Treadle) -> None:
        task = app.task(double)
        with app.conf.overridden(task_always_eager=True, task_time_limit=5):
            assert task.delay(4).get() == 8
            within = task.limits
        assert (within, task.limits) == ((5, None), (None, None))

    def test_another_url_makes_another_broker_and_other_settings_keep_it(self, app: Treadle) -> None:
        first = app.broker
        app.conf.task_default_queue = "other"
        assert app.broker is first
        app.conf.broker_url = "memory://second"
        assert app.broker is not first

    def test_annotations_come_and_go_with_the_settings(self, app: Treadle) -> None:
        task = app.task(max_retries=1)(double)
        app.conf.task_annotations = {task.name: {"max_retries": 8, "queue": "annotated"}}
        assert (task.max_retries, task.queue) == (8, "annotated")
        app.conf.task_annotations = {"*": {"queue": "all"}}
        assert (task.max_retries, task.queue) == (1, "all")

    def test_an_annotating_object_sees_the_task(self, app: Treadle) -> None:
        class Longer:
            def annotate(self, task: Task[..., Any]) -> dict[str, Any]:
                return {"time_limit": 60} if task.name.endswith("double") else {}

        app.conf.task_annotations = [Longer()]
        assert app.task(double).time_limit == 60

    def test_results_have_a_serializer_and_a_list_of_accepted_ones_of_their_own(self, app: Treadle) -> None:
        app.conf.update(result_serializer="msgpack", result_accept_content=["msgpack"])
        task = app.task(double)
        result = task.apply((3,))
        assert result.job().result.startswith(b"msgpack:")
        assert result.get() == 6
        app.conf.update(result_accept_content=["json"])
        with pytest.raises(SecurityError, match="msgpack"):
            task.apply((3,)).get()

    def test_a_separate_result_backend_is_refused(self) -> None:
        app = Treadle(broker="memory://", backend="redis://x")
        with pytest.raises(NotSupported, match="result_backend"):
            app.broker.counts()

    def test_plugins_may_change_settings_before_anything_is_made_of_them(self) -> None:
        class Tuner:
            @hookimpl
            def treadle_configure(self, app: Treadle) -> None:
                app.conf.task_default_queue = "tuned"

        with Treadle(broker="memory://", plugins=[Tuner()]) as app:
            assert app.task(double).delay(1).job().queue == "tuned"


class TestQueues:
    def test_an_undeclared_queue_is_refused_with_the_nearest_name(self, app: Treadle) -> None:
        app.conf.update(task_queues=["mail", "default"])
        with pytest.raises(ConfigurationError, match="did you mean 'mail'"):
            app.task(double).apply_async((1,), queue="mial")

    @pytest.mark.parametrize("queue", ["a,b", "a\n", "x" * 256, "\ud800", 7])
    def test_an_unusable_name_is_refused(self, app: Treadle, queue: Any) -> None:
        with pytest.raises(ConfigurationError, match="not usable"):
            app.task(double).apply_async((1,), queue=queue)

    def test_known_queues_are_those_that_anything_names(self, app: Treadle) -> None:
        app.conf.task_routes = {"x": "routed"}
        app.task(queue="named")(double)
        assert app.known_queues() == ["default", "named", "routed"]


class TestTasks:
    def test_two_modules_cannot_have_tasks_of_one_name(self, app: Treadle) -> None:
        app.task(name="send")(double)

        def other(x: int) -> int:
            return x

        other.__module__ = "elsewhere"
        with pytest.raises(ConfigurationError, match=r"two tasks named 'send'.*test_app.*elsewhere"):
            app.task(name="send")(other)

    def test_a_module_that_is_loaded_again_replaces_its_tasks(self, app: Treadle) -> None:
        app.task(name="send")(double)
        again = app.task(name="send", queue="new")(double)
        assert app.tasks["send"] is again

    def test_a_script_that_is_imported_too_keeps_its_first_tasks(self, app: Treadle) -> None:
        def twin(x: int) -> int:
            return x

        twin.__module__ = "__main__"
        first = app.task(name="send")(twin)
        assert app.task(name="send")(double) is first

    def test_an_unknown_task_is_told_with_the_nearest_name(self, app: Treadle) -> None:
        app.task(name="mail.send")(double)
        with pytest.raises(TaskNotRegistered, match=r"did you mean 'mail\.send'"):
            app.tasks["mail.sendd"]

    def test_a_class_may_be_the_task(self, app: Treadle) -> None:
        class Adder(Task[[int, int], int]):
            name = "adder"

            def run(self, x: int, y: int) -> int:
                return x + y

        assert app.register_task(Adder()).apply((1, 2)).get() == 3
        assert app.tasks["adder"](2, 2) == 4
        assert app.register_task(Adder, name="second").apply((1, 1)).get() == 2

    def test_the_apps_task_class_is_the_base_of_all_without_one(self) -> None:
        class Loud(Task[..., Any]):
            def __call__(self, *args: Any, **kwargs: Any) -> Any:
                return f"{self.run(*args, **kwargs)}!"

        app = Treadle(broker="memory://")
        app.Task = Loud
        assert str(app.task(double).apply((2,)).get()) == "4!"

    def test_an_option_that_no_task_has_is_refused_with_the_nearest(self, app: Treadle) -> None:
        with pytest.raises(ConfigurationError, match="did you mean 'max_retries'"):
            app.task(max_retires=3)  # type: ignore[call-overload]

    def test_an_option_whose_part_is_missing_is_refused_and_not_ignored(self, app: Treadle) -> None:
        with pytest.raises(NotSupported, match="rate_limit"):
            app.task(rate_limit="10/s")

    def test_a_generator_function_is_refused_since_calling_it_runs_nothing(self, app: Treadle) -> None:
        def numbers() -> Iterator[int]:
            yield 1

        with pytest.raises(ConfigurationError, match="generator"):
            app.task(numbers)


class TestSharedTasks:
    def test_it_belongs_to_whichever_app_is_current(self) -> None:
        task = shared_task(double)
        first = Treadle("first", broker="memory://a")
        in_first = task.delay(1)
        second = Treadle("second", broker="memory://b")
        in_second = task.delay(2)
        assert set(first.broker.get([in_first.id, in_second.id])) == {in_first.id}
        assert set(second.broker.get([in_first.id, in_second.id])) == {in_second.id}
        assert current_app() is second

    def test_what_one_app_says_about_it_stays_there(self) -> None:
        task = shared_task(double)
        first = Treadle(broker="memory://", task_annotations={"*": {"queue": "first"}})
        second = Treadle(broker="memory://", task_annotations={"*": {"queue": "second"}})
        assert first.tasks[task.name].queue == "first"
        assert second.tasks[task.name].queue == "second"
        assert task.queue is None

    def test_a_bound_one_is_its_own_apps_twin(self) -> None:
        @shared_task(bind=True)
        def who(self: Task[..., Any]) -> str:
            return str(self.app.name)

        apps = [Treadle(name, broker="memory://") for name in ("first", "second")]
        assert [app.tasks[who.name].apply().get() for app in apps] == ["first", "second"]


class TestDiscovery:
    def test_packages_without_such_a_module_are_passed_over(self, app: Treadle, package: Callable[..., None]) -> None:
        package("without/__init__.py", "single.py")
        app.autodiscover_tasks(["without", "single"])
        app.load_tasks()
        assert {"without", "single"} <= set(sys.modules)

    def test_modules_are_imported_when_tasks_are_loaded_and_not_before(
        self, app: Treadle, package: Callable[..., None]
    ) -> None:
        package("shop/__init__.py", "shop/tasks.py")
        app.autodiscover_tasks(lambda: ["shop"])
        assert "shop.tasks" not in sys.modules
        app.load_tasks()
        assert "shop.tasks" in sys.modules

    def test_a_broken_module_is_an_error_each_time(self, app: Treadle, package: Callable[..., None]) -> None:
        package("shop/__init__.py")
        package("shop/tasks.py", source="import nothing_of_that_name")
        app.autodiscover_tasks(["shop"])
        for _ in range(2):
            with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"):
                app.load_tasks()

    def test_a_text_is_no_list_of_packages(self, app: Treadle) -> None:
        with pytest.raises(ConfigurationError, match=r"expected a list"):
            app.autodiscover_tasks("shop")


class TestControl:
    def test_revoke_cancels_one_or_several(self, app: Treadle) -> None:
        task = app.task(double)
        one, two, three = (task.delay(number).id for number in range(3))
        assert app.control.revoke(one) == {one: "cancelled"}
        assert app.control.revoke([two, three, "unknown"]) == {two: "cancelled", three: "cancelled"}

    def test_purge_empties_every_queue(self, app: Treadle) -> None:
        task = app.task(double)
        task.delay(1)
        task.apply_async((2,), queue="unheard-of")
        assert app.control.purge() == 2
        assert app.control.purge() == 0


class TestLife:
    def test_closing_twice_and_using_it_again_is_allowed(self, app: Treadle) -> None:
        app.close()
        app.close()
        assert app.task(double).delay(1).state == "PENDING"

    def test_it_is_an_asynchronous_context_manager_too(self) -> None:
        async def use() -> str:
            async with Treadle(broker="memory://") as app:
                return (await app.task(double).adelay(1)).state

        assert asyncio.run(use()) == "PENDING"
