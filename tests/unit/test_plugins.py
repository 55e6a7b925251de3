"""Plugins: how they are found, what they register, and that a broken one takes nothing down."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import treadle
from treadle import hookspecs, signals
from treadle.exceptions import ConfigurationError
from treadle.hookspecs import hookimpl
from treadle.middleware import Middleware
from treadle.plugins import Plugins

APP = SimpleNamespace(name="an app")


class Pigeons:
    """A plugin that does everything right."""

    def __init__(self) -> None:
        self.events: list[object] = []

    @hookimpl
    def treadle_brokers(self) -> dict[str, object]:
        return {"pigeon": lambda url, options: (url, options)}

    @hookimpl
    def treadle_child_started(self, app: object) -> None:
        self.events.append(app)

    @hookimpl
    def treadle_child_stopped(self) -> None:
        self.events.append("stopped")


def plugins(*given: object, disabled: tuple[str, ...] = (), points: tuple[EntryPoint, ...] = ()) -> Plugins:
    return Plugins(given, disabled=disabled, entry_points=points)


def plugin_with(**hooks: Any) -> ModuleType:
    module = ModuleType("fancier")
    for name, function in hooks.items():
        setattr(module, name, hookimpl(function))
    return module


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path that distributions can be installed into."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def install(site: Path, name: str, code: str, *, module: str = "") -> None:
    module = module or name.replace("-", "_")
    (site / f"{module}.py").write_text(code)
    folder = site / f"{name.replace('-', '_')}-1.5.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    (folder / "entry_points.txt").write_text(f"[treadle]\n{name} = {module}\n")


class TestBuiltins:
    def test_brokers_come_by_scheme_through_the_same_door(self) -> None:
        assert set(plugins().brokers()) >= {
            "memory", "sqlite", "redis", "rediss", "redis+unix", "redis+sentinel", "redis+cluster",
        }  # fmt: skip

    def test_pools_come_by_name(self) -> None:
        assert set(plugins().pools()) >= {"prefork", "threads", "asyncio", "solo"}

    def test_an_unknown_scheme_names_the_nearest_and_all_known_ones(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            plugins().broker_factory("reddis")
        assert "no broker for URL scheme 'reddis'; did you mean 'redis'" in str(caught.value)
        assert "known: mariadb, " in str(caught.value)
        assert ", memory, " in str(caught.value)
        assert ", sqlite" in str(caught.value)

    def test_they_are_listed_with_the_distribution_and_its_version(self) -> None:
        (info,) = plugins().loaded()
        assert (info.name, info.distribution, info.version, info.problem) == (
            "builtins", "treadle", treadle.__version__, "",
        )  # fmt: skip
        assert "treadle_brokers" in info.hooks

    @pytest.mark.parametrize(
        ("hook", "signal"),
        [
            ("treadle_worker_starting", signals.worker_init),
            ("treadle_worker_ready", signals.worker_ready),
            ("treadle_child_started", signals.worker_process_init),
            ("treadle_child_stopped", signals.worker_process_shutdown),
            ("treadle_worker_stopping", signals.worker_shutting_down),
            ("treadle_worker_stopped", signals.worker_shutdown),
        ],
        ids=lambda value: value if isinstance(value, str) else value.name,
    )
    def test_the_life_cycle_hooks_send_the_signals(self, hook: str, signal: signals.Signal) -> None:
        heard: list[object] = []

        def receiver(sender: object, **_: object) -> None:
            heard.append(sender)

        signal.connect(receiver)
        try:
            plugins().fire(hook, app=APP)
        finally:
            signal.disconnect(receiver)
        assert heard == [APP]

    def test_nothing_is_loaded_before_it_is_used(self) -> None:
        code = (
            "import sys; from treadle.plugins import Plugins; Plugins().brokers();"
            "heavy = {'sqlalchemy', 'hiredis', 'sqlite3', 'msgpack', 'yaml', 'asyncio', 'click',"
            " 'treadle.brokers.redis', 'treadle.brokers.sql', 'treadle.brokers.memory'};"
            "print(sorted(heavy & set(sys.modules)))"
        )
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert answer.stdout.strip() == "[]"


class TestRegistering:
    def test_a_plugin_may_bring_a_broker(self) -> None:
        factory: Any = plugins(Pigeons()).broker_factory("pigeon")
        assert factory("pigeon://loft", {"a": 1}) == ("pigeon://loft", {"a": 1})

    def test_an_import_path_is_imported_when_it_is_used(self, site: Path) -> None:
        (site / "loft.py").write_text("class Broker: ...\n")
        found = plugins(plugin_with(treadle_brokers=lambda: {"loft": "loft:Broker"}))
        assert found.brokers()["loft"] == "loft:Broker"
        assert "loft" not in sys.modules
        assert found.broker_factory("loft").__name__ == "Broker"

    def test_what_cannot_be_imported_says_which_plugin_promised_it(self) -> None:
        found = plugins(plugin_with(treadle_pools=lambda: {"x": "no_such_module:Pool"}))
        with pytest.raises(ConfigurationError, match=r"worker pool 'x' \(no_such_module:Pool, from plugin 'fancier'\)"):
            found.pool("x")

    def test_serializers_are_made_by_name(self) -> None:
        found = plugins(plugin_with(treadle_serializers=lambda: {"plain": SimpleNamespace}))
        assert found.serializers()["plain"] == found.serializer("plain") == SimpleNamespace()
        assert {"json", "msgpack", "pickle", "yaml"} <= set(found.serializers())

    def test_a_serializer_that_cannot_be_made_is_reported_and_left_out(self) -> None:
        found = plugins(
            plugin_with(treadle_serializers=lambda: {"broken": "no_such_module:Broken", "odd": lambda: 1 / 0})
        )
        assert {"broken", "odd"}.isdisjoint(found.serializers())
        (problem,) = found.problems
        assert "serializer 'broken' cannot be made" in problem
        assert "serializer 'odd' cannot be made: division by zero" in problem

    @pytest.mark.parametrize("name", ["json", "msgpack", "pickle", "yaml"])
    def test_every_built_in_serializer_is_where_it_is_said_to_be(self, name: str) -> None:
        assert plugins().serializer(name).name == name

    @pytest.mark.parametrize("scheme", ["memory", "sqlite", "redis"])
    def test_every_built_in_broker_is_where_it_is_said_to_be(self, scheme: str) -> None:
        assert callable(plugins().broker_factory(scheme))

    @pytest.mark.parametrize("name", ["prefork", "threads", "asyncio", "solo"])
    def test_every_built_in_pool_is_where_it_is_said_to_be(self, name: str) -> None:
        assert callable(plugins().pool(name))

    def test_middleware_routers_and_commands_are_collected(self) -> None:
        class Tenant(Middleware):
            def around(self, request: object) -> Any: ...

        tenant, command = Tenant(), SimpleNamespace(name="panel", main=print)
        found = plugins(
            plugin_with(
                treadle_middleware=lambda app: [tenant] if app is APP else [],
                treadle_routers=lambda app: [print],
                treadle_commands=lambda: [command],
            )
        )
        assert found.middleware(APP) == [tenant]
        assert found.routers(APP) == [print]
        assert found.commands() == [command]

    def test_the_apps_own_plugin_wins_over_a_built_in(self) -> None:
        found = plugins(plugin_with(treadle_brokers=lambda: {"memory": print}))
        factory: Any = found.broker_factory("memory")
        assert factory is print
        assert found.problems == []

    def test_of_two_plugins_with_the_same_scheme_the_last_given_keeps_it_and_the_other_is_reported(self) -> None:
        class Doves(Pigeons): ...

        found = plugins(Pigeons(), Doves())
        found.brokers()
        (problem,) = found.problems
        assert problem.startswith("plugin 'Pigeons' (given to the app): treadle_brokers gives 'pigeon', which plugin")
        assert "'Doves' gives already" in problem

    def test_a_hook_is_asked_once(self) -> None:
        asked: list[int] = []

        def brokers() -> dict[str, Any]:
            asked.append(1)
            return {"x": print}

        found = plugins(plugin_with(treadle_brokers=brokers))
        found.broker_factory("x")
        found.brokers()
        assert asked == [1]


class TestEvents:
    def test_plugins_are_told_with_the_parameters_they_want(self) -> None:
        pigeons = Pigeons()
        found = plugins(pigeons)
        found.fire("treadle_child_started", app=APP)
        found.fire("treadle_child_stopped", app=APP)
        assert pigeons.events == [APP, "stopped"]

    def test_one_that_fails_is_reported_and_the_others_are_told(self, caplog: pytest.LogCaptureFixture) -> None:
        def fails(app: object) -> None:
            raise ZeroDivisionError

        pigeons = Pigeons()
        found = plugins(pigeons, plugin_with(treadle_child_started=fails))
        found.fire("treadle_child_started", app=APP)
        assert pigeons.events == [APP]
        assert found.problems == [
            "plugin 'fancier' (given to the app): treadle_child_started raised ZeroDivisionError()"
        ]
        assert "ZeroDivisionError" in caplog.text

    def test_a_problem_that_comes_back_is_listed_once(self) -> None:
        def fails(app: object) -> None:
            raise ZeroDivisionError

        found = plugins(plugin_with(treadle_child_started=fails, treadle_child_stopped=fails))
        for hook in ("treadle_child_started", "treadle_child_started", "treadle_child_stopped"):
            found.fire(hook, app=APP)
        (problem,) = found.problems
        assert problem.count("ZeroDivisionError") == 2

    def test_a_misspelt_event_names_the_nearest(self) -> None:
        with pytest.raises(ConfigurationError, match="no hook 'treadle_child_start'; did you mean"):
            plugins().fire("treadle_child_start", app=APP)


class TestBrokenPlugins:
    @pytest.mark.parametrize(
        ("code", "problem"),
        [
            ("import no_such_module", "cannot be loaded: ModuleNotFoundError"),
            ("raise SystemExit(3)", "cannot be loaded: SystemExit(3)"),
            (
                "from treadle.hookspecs import hookimpl\n@hookimpl\ndef treadle_broker(): ...",
                "there is no hook 'treadle_broker'; did you mean 'treadle_brokers'?; the plugin is skipped",
            ),
            ("def treadle_brokers(): ...", "treadle_brokers is not marked with @treadle.hookimpl"),
            (
                "from treadle.hookspecs import hookimpl\n@hookimpl\ndef treadle_configure(application): ...",
                "cannot be loaded: PluginValidationError",
            ),
            (
                "from treadle.hookspecs import hookimpl\n@hookimpl(wrapper=True)\ndef treadle_brokers():\n    yield",
                "treadle_brokers is a hook wrapper",
            ),
        ],
        ids=["import", "exit", "misspelt", "unmarked", "parameters", "wrapper"],
    )
    def test_it_is_named_with_its_distribution_and_skipped(
        self, site: Path, code: str, problem: str, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
    ) -> None:
        name = f"broken-{request.node.callspec.id}"
        install(site, name, code)
        found = Plugins([Pigeons()])
        (reported,) = [each for each in found.problems if name in each]
        assert reported.startswith(f"plugin '{name}' ({name} 1.5): ")
        assert problem in reported
        assert name in caplog.text
        assert {"pigeon", "memory"} <= set(found.brokers())

    @pytest.mark.parametrize(
        ("hook", "answer", "problem"),
        [
            ("treadle_brokers", ["redis"], "answered ['redis']; expected a mapping of names"),
            ("treadle_brokers", {"x": 5}, "gives 'x': 5; expected a name, and a callable"),
            ("treadle_pools", {5: print}, "gives 5: "),
            ("treadle_pools", {"x": "module.without.attribute"}, "expected a name, and a callable"),
            ("treadle_commands", "panel", "answered 'panel'; expected a list"),
            ("treadle_commands", [print], "is not a click command"),
            ("treadle_middleware", [Middleware()], "overrides none"),
            ("treadle_routers", ["route"], "'route' cannot be called"),
        ],
        ids=range(8),
    )
    def test_a_wrong_answer_is_reported_and_left_out(self, hook: str, answer: object, problem: str) -> None:
        found = plugins(plugin_with(**{hook: lambda: answer}))
        found.brokers()
        found.pools()
        assert (found.commands(), found.middleware(APP), found.routers(APP)) == ([], [], [])
        (reported,) = found.problems
        assert reported.startswith(f"plugin 'fancier' (given to the app): {hook}")
        assert problem in reported

    def test_two_of_the_same_name_are_reported(self) -> None:
        found = plugins(Pigeons(), Pigeons())
        (problem,) = found.problems
        assert problem == (
            "plugin 'Pigeons' (given to the app): the name is used by 'Pigeons' (given to the app) too, "
            "which is skipped"
        )


class TestFinding:
    def test_installed_plugins_are_found_by_their_entry_point(self, site: Path) -> None:
        install(
            site,
            "pigeon-post",
            "from treadle.hookspecs import hookimpl\n"
            "@hookimpl\ndef treadle_brokers():\n    return {'pigeon-post': 'pigeons:Broker'}",
        )
        found = Plugins()
        (info,) = [each for each in found.loaded() if each.name == "pigeon-post"]
        assert info == ("pigeon-post", "pigeon-post", "1.5", ("treadle_brokers",), "")
        assert found.brokers()["pigeon-post"] == "pigeons:Broker"

    def test_a_disabled_plugin_is_not_even_imported(self, site: Path) -> None:
        install(site, "pigeon-off", "raise AssertionError('imported')")
        found = Plugins(disabled=["pigeon-off"])
        assert "pigeon-off" not in [info.name for info in found.loaded()]
        assert "pigeon_off" not in sys.modules

    def test_disabling_what_is_not_there_is_warned_of_with_the_nearest_name(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        plugins(Pigeons(), disabled=("Pigeon",))
        assert "plugins_disabled names 'Pigeon', but there is no such plugin; did you mean 'Pigeons'?" in caplog.text

    def test_a_distribution_that_is_on_the_path_twice_is_loaded_once(self, site: Path) -> None:
        (site / "twice.py").write_text("")
        point = EntryPoint("twice", "twice", "treadle")
        found = plugins(points=(point, point))
        assert [info.name for info in found.loaded()] == ["builtins", "twice"]

    def test_a_given_plugin_may_be_an_import_path(self, site: Path) -> None:
        (site / "given_pigeons.py").write_text(
            "from treadle.hookspecs import hookimpl\n"
            "class Given:\n    @hookimpl\n    def treadle_pools(self):\n        return {'flock': print}\n"
        )
        pool: Any = plugins("given_pigeons:Given").pool("flock")
        assert pool is print


def hook_names() -> list[str]:
    return [name for name in vars(hookspecs) if name.startswith("treadle_")]


@pytest.mark.parametrize("name", hook_names())
def test_every_hook_is_documented_and_typed(name: str) -> None:
    spec = getattr(hookspecs, name)
    assert len(spec.__doc__) > 30
    assert "return" in spec.__annotations__
