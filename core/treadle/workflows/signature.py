"""A call that has not been made yet: a dictionary that survives JSON and comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from treadle.current import current_app_object

if TYPE_CHECKING:
    from treadle.app import Treadle
    from treadle.result import AsyncResult


class Signature(dict[str, Any]):
    """`{"task", "args", "kwargs", "options", "subtask_type", "immutable"}`, as in Celery.

    A partial: arguments given when it is called go in front of its own; keyword arguments and options
    given then win over its own. An immutable one takes options only.
    """

    def __init__(
        self,
        task: str | Mapping[str, Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        immutable: bool = False,
        app: Treadle | None = None,
    ) -> None:
        super().__init__(
            task=task,
            args=list(args or ()),
            kwargs=dict(kwargs or {}),
            options=dict(options or {}),
            subtask_type=None,
            immutable=immutable,
        )
        if not isinstance(task, str):
            self.update(task)
        self._app = app

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], app: Treadle | None = None) -> Signature:
        """The signature that `content` (its JSON form, say) stands for."""
        return cls(content, app=app)

    @property
    def app(self) -> Treadle:
        """The app it is called on: its own, or the current one."""
        return self._app if self._app is not None else current_app_object()

    @property
    def task(self) -> str:
        """The name of the task."""
        return cast("str", self["task"])

    @property
    def args(self) -> list[Any]:
        """Positional arguments."""
        return cast("list[Any]", self["args"])

    @property
    def kwargs(self) -> dict[str, Any]:
        """Keyword arguments."""
        return cast("dict[str, Any]", self["kwargs"])

    @property
    def options(self) -> dict[str, Any]:
        """Call options, as `apply_async` takes them."""
        return cast("dict[str, Any]", self["options"])

    @property
    def immutable(self) -> bool:
        """Whether arguments given later are ignored."""
        return bool(self.get("immutable"))

    def clone(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Signature:
        """A copy with more arguments in front, and keyword arguments and options merged in."""
        more_args, more_kwargs = ((), {}) if self.immutable else (args or (), kwargs or {})
        return Signature(
            self.task,
            [*more_args, *self.args],
            {**self.kwargs, **more_kwargs},
            {**self.options, **options},
            immutable=self.immutable,
            app=self._app,
        )

    def set(self, *, immutable: bool | None = None, **options: Any) -> Signature:
        """Change options in place; answers itself."""
        if immutable is not None:
            self["immutable"] = immutable
        self.options.update(options)
        return self

    def apply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult[Any]:
        """Publish the job, with more arguments in front and more options."""
        call = self.clone(args, kwargs, **options)
        return self.app.send_task(call.task, call.args, call.kwargs, **call.options)

    async def aapply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult[Any]:
        """`apply_async`, without blocking the event loop."""
        return (await self.app.apublish_many([self.clone(args, kwargs, **options)]))[0]

    def delay(self, *args: Any, **kwargs: Any) -> AsyncResult[Any]:
        """`apply_async` with these arguments."""
        return self.apply_async(args, kwargs)

    async def adelay(self, *args: Any, **kwargs: Any) -> AsyncResult[Any]:
        """`delay`, without blocking the event loop."""
        return await self.aapply_async(args, kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function itself, here and now: no job is made. Raises TaskNotRegistered if it is not known here."""
        call = self.clone(args, kwargs)
        return self.app.tasks[call.task](*call.args, **call.kwargs)

    def __repr__(self) -> str:
        parts = [repr(value) for value in self.args] + [f"{name}={value!r}" for name, value in self.kwargs.items()]
        return f"{self.task}({', '.join(parts)})"

    def __reduce__(self) -> tuple[type[Signature], tuple[dict[str, Any]]]:
        return type(self), (dict(self),)


def signature(
    task: str | Mapping[str, Any],
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    app: Treadle | None = None,
    immutable: bool = False,
    **options: Any,
) -> Signature:
    """The call of a task by its name; or the signature that a dictionary (its JSON form, say) stands for."""
    if isinstance(task, str):
        return Signature(task, args, kwargs, options, immutable=immutable, app=app)
    return Signature.from_dict(task, app=app).clone(args, kwargs, **options)
