"""What a task is: its function, its options, and what the settings make of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import cached_property, partial, update_wrapper
from typing import TYPE_CHECKING, Any, cast

from treadle.current import current_app_object
from treadle.exceptions import ConfigurationError
from treadle.retry import RetryPolicy
from treadle.signature_check import argument_check
from treadle.task.batch import Batch, checked_batch
from treadle.task.hooks import HOOKS, Hooks

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from typing import Self

    from treadle.app import Treadle

#: Attributes that are worked out from settings, and so are forgotten when these change.
_FROM_SETTINGS = ("check", "drops_result", "limits", "retry_policy")
_ABSENT = object()


class Definition(Hooks):
    """The part of a task that does not depend on a call. Options that are None take the app's setting."""

    name: str = ""
    bind: bool = False
    queue: str | None = None
    priority: int | None = None
    max_retries: int | str | None = "default"
    default_retry_delay: float | None = None
    autoretry_for: type[BaseException] | Sequence[type[BaseException]] = ()
    dont_autoretry_for: type[BaseException] | Sequence[type[BaseException]] = ()
    retry_backoff: bool | float = False
    retry_backoff_max: float = 600
    retry_jitter: bool = True
    retry_strategy: Any = None
    retry_kwargs: Mapping[str, Any] | None = None
    throws: type[BaseException] | Sequence[type[BaseException]] = ()
    time_limit: float | None = None
    soft_time_limit: float | None = None
    acks_late: bool | None = None
    ignore_result: bool | None = None
    track_started: bool | None = None
    serializer: str | None = None
    compression: str | None = None
    expires: float | timedelta | None = None
    redact: Sequence[str] = ()
    typing: bool = True
    batch: Batch | None = None

    _app: Treadle | None = None
    _function: Callable[..., Any] | None = None
    #: Instance attributes that annotations hide, to be put back when the settings change.
    _hidden: Mapping[str, Any] = {}

    def define(self, app: Treadle | None, function: Callable[..., Any] | None, options: Mapping[str, Any]) -> None:
        """Take on an app, a function and options, which were checked. No app: whichever is current."""
        self._app = app
        for option in options.keys() - {"base"}:
            setattr(self, option, options[option])
        checked_batch(self.batch)
        if function is not None:
            update_wrapper(cast("Callable[..., Any]", self), function)
            self._function = function
            self.take_function()

    def bound_to(self, app: Treadle) -> Self:
        """The same task for one app: what that app's settings say about it stays there."""
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self), _app=app)
        twin.forget_settings()
        twin.take_function()
        return twin

    def annotate(self, options: Mapping[str, Any]) -> None:
        """Take on what the settings say about this task, in place of what they said before."""
        own = vars(self)
        for name, value in self._hidden.items():
            if value is _ABSENT:
                own.pop(name, None)
            else:
                own[name] = value
        self._hidden = {name: own.get(name, _ABSENT) for name in options}
        own.update(options)
        self.forget_settings()

    def forget_settings(self) -> None:
        """Work out anew, when it is needed, what depends on settings."""
        for name in _FROM_SETTINGS:
            vars(self).pop(name, None)

    def take_function(self) -> None:
        """Make the decorated function, if there is one, the body."""
        function = self._function
        if function is not None:
            # On the instance, so that a class-based task's own run() is an ordinary method.
            vars(self)["run"] = partial(function, self) if self.bind else function
            vars(self).pop("entry", None)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """The body: the decorated function, or what a class-based task defines."""
        raise ConfigurationError(f"task {self.name!r} has no body: decorate a function, or define run()")

    @property
    def app(self) -> Treadle:
        """The app it belongs to; a shared task belongs to the current one."""
        return self._app if self._app is not None else current_app_object()

    @property
    def is_shared(self) -> bool:
        """Whether it belongs to every app, and has a twin in each."""
        return self._app is None

    @cached_property
    def is_async(self) -> bool:
        """Whether the body is an `async def`."""
        return inspect.iscoroutinefunction(self._function or self.run)

    @cached_property
    def hooks(self) -> frozenset[str]:
        """The hooks that the task's class overrides; the others are never called."""
        return frozenset(name for name in HOOKS if getattr(type(self), name) is not getattr(Hooks, name))

    @cached_property
    def check(self) -> Callable[..., None] | None:
        """Raises TypeError for arguments that do not fit the body; None if they are not checked."""
        return argument_check(self.run, self.name) if self.typing and self.batch is None else None

    @cached_property
    def retry_policy(self) -> RetryPolicy:
        """What to do when a run ends with an exception."""
        conf = self.app.conf
        max_retries = conf.task_max_retries if self.max_retries == "default" else self.max_retries
        delay_s = conf.task_default_retry_delay if self.default_retry_delay is None else self.default_retry_delay
        for_autoretry = self.retry_kwargs or {}
        return RetryPolicy.from_options(
            autoretry_for=self.autoretry_for,
            dont_autoretry_for=self.dont_autoretry_for,
            max_retries=for_autoretry.get("max_retries", max_retries),
            default_retry_delay=for_autoretry.get("countdown", delay_s),
            retry_backoff=self.retry_backoff,
            retry_backoff_max=self.retry_backoff_max,
            retry_jitter=self.retry_jitter,
            retry_strategy=self.retry_strategy,
            throws=self.throws,
        )

    @cached_property
    def drops_result(self) -> bool:
        """Whether values are dropped (the record of the job stays)."""
        return self.app.conf.task_ignore_result if self.ignore_result is None else self.ignore_result

    def limit(self, name: str) -> float | None:
        """`time_limit` or `soft_time_limit` of this task in seconds, else the app's, else None."""
        own: float | None = getattr(self, name)
        return own if own is not None else getattr(self.app.conf, f"task_{name}")

    @cached_property
    def limits(self) -> tuple[float | None, float | None]:
        """`(hard, soft)` time limits in seconds, for calls that say nothing else."""
        return self.limit("time_limit"), self.limit("soft_time_limit")
