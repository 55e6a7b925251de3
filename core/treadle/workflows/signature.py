"""A call that has not been made yet: a dictionary that survives JSON and comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from treadle.current import current_app_object
from treadle.exceptions import ConfigurationError

if TYPE_CHECKING:
    from treadle.app import Treadle


class Signature(dict[str, Any]):
    """`{"task", "args", "kwargs", "options", "subtask_type", "immutable"}`, as in Celery.

    A partial: arguments given when it is called go in front of its own; keyword arguments and options
    given then win over its own. An immutable one takes options only. `a | b` is a chain.
    """

    #: What stands under "subtask_type"; each kind of composition has its own.
    kind: ClassVar[str | None] = None
    kinds: ClassVar[dict[str | None, type[Signature]]] = {}

    #: The app it was made for; None: whichever is current.
    own_app: Treadle | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Signature.kinds[cls.kind] = cls

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
            subtask_type=self.kind,
            immutable=immutable,
        )
        if not isinstance(task, str):
            self.update(task)
        self.own_app = app

    @classmethod
    def from_dict(cls, content: Any, app: Treadle | None = None) -> Signature:
        """The signature that `content` (its JSON form, say) stands for. Raises ConfigurationError if it is none."""
        if isinstance(content, Signature) and app in (None, content.own_app):
            return content
        if not isinstance(content, Mapping):
            raise ConfigurationError(f"{content!r:.80} is no signature: expected a call such as task.s(...)")
        content = cast("Mapping[str, Any]", content)
        kind = content.get("subtask_type")
        if "task" not in content or kind not in Signature.kinds:
            known = ", ".join(sorted(name for name in Signature.kinds if name))
            raise ConfigurationError(
                f"{str(dict(content))[:80]} is no signature: expected a task, and a subtask_type that is None, {known}"
            )
        return Signature.kinds[kind].revived(content, app)

    @classmethod
    def revived(cls, content: Mapping[str, Any], app: Treadle | None) -> Signature:
        """One of this kind, with that content."""
        made = cls.__new__(cls)
        made.update(Signature("", app=app))
        made.update(content)
        made["args"], made["kwargs"] = list(content.get("args") or ()), dict(content.get("kwargs") or {})
        made["options"] = dict(content.get("options") or {})
        made.own_app = app
        return made

    # What it says ----------------------------------------------------------------------------------

    @property
    def app(self) -> Treadle:
        """The app it is called on: its own, or that of its first part that has one, or the current one."""
        named = self.named_app()
        return named if named is not None else current_app_object()

    def named_app(self) -> Treadle | None:
        """The app that it or one of its parts was made for, if any."""
        if self.own_app is not None:
            return self.own_app
        return next((app for part in self.parts() if (app := part.named_app()) is not None), None)

    @property
    def task(self) -> str:
        """The name of the task."""
        task: str = self["task"]
        return task

    @property
    def args(self) -> list[Any]:
        """Positional arguments."""
        args: list[Any] = self["args"]
        return args

    @property
    def kwargs(self) -> dict[str, Any]:
        """Keyword arguments."""
        kwargs: dict[str, Any] = self["kwargs"]
        return kwargs

    @property
    def options(self) -> dict[str, Any]:
        """Call options, as `apply_async` takes them."""
        options: dict[str, Any] = self["options"]
        return options

    @property
    def immutable(self) -> bool:
        """Whether arguments given later are ignored."""
        return bool(self.get("immutable"))

    @property
    def id(self) -> str | None:
        """The id of its job, once it is frozen."""
        id: str | None = self.options.get("task_id")
        return id

    def parts(self) -> Iterable[Signature]:
        """The signatures that it is made of; none for the call of a task."""
        return ()

    # Making another of it --------------------------------------------------------------------------

    def clone(self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any) -> Self:
        """A copy with more arguments in front, and keyword arguments and options merged in."""
        # By hand, since a call of thousands is cloned member by member.
        copy = self.__class__.__new__(self.__class__)
        copy.update(self)
        copy.own_app = self.own_app
        takes = not self["immutable"]
        copy["args"] = [*args, *self["args"]] if args and takes else list(self["args"])
        copy["kwargs"] = {**self["kwargs"], **kwargs} if kwargs and takes else dict(self["kwargs"])
        copy["options"] = chosen = {**self["options"], **options}
        for links in ("link", "link_error"):
            if links in chosen:
                # The copy may be linked to more.
                chosen[links] = as_list(chosen[links])
        return copy

    def replace(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Self:
        """A copy with other arguments, keyword arguments or options, where they are given."""
        copy = self.clone()
        if args is not None:
            copy["args"] = list(args)
        if kwargs is not None:
            copy["kwargs"] = dict(kwargs)
        if options is not None:
            copy["options"] = dict(options)
        return copy

    # Changing it in place --------------------------------------------------------------------------

    def set(self, *, immutable: bool | None = None, **options: Any) -> Self:
        """Change options; answers itself."""
        if immutable is not None:
            self.set_immutable(immutable)
        self.options.update(options)
        return self

    def set_immutable(self, immutable: bool) -> Self:
        """Say whether arguments given later are ignored; answers itself."""
        self["immutable"] = immutable
        return self

    def link(self, callback: Signature) -> Signature:
        """Call `callback` with the result when this has succeeded; answers the callback."""
        return self._attach("link", callback)

    def link_error(self, errback: Signature) -> Signature:
        """Call `errback` once if this fails: with the request, the error and its traceback; answers the errback."""
        return self._attach("link_error", errback)

    def on_error(self, errback: Signature) -> Self:
        """`link_error`, for writing more behind it: answers this signature."""
        self.link_error(errback)
        return self

    def _attach(self, option: str, callback: Signature) -> Signature:
        attached = as_list(self.options.get(option))
        if callback not in attached:
            attached.append(callback)
        self.options[option] = attached
        return callback

    # Calling it ------------------------------------------------------------------------------------

    def freeze(self, id: str | None = None) -> Any:
        """Give it and all of its parts ids, where they have none yet; the handle of what it will be."""
        return self.app.workflows.freeze(self, id)

    def apply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        """Publish it, with more arguments in front and more options.

        The handle of a chain or chord is that of its last step, of a group a GroupResult.
        """
        return self.app.workflows.publish(self, args, kwargs, options)

    async def aapply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> Any:
        """`apply_async`, without blocking the event loop."""
        return await self.app.workflows.apublish(self, args, kwargs, options)

    def apply(self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Run it here and now, step by step, through everything that a worker does."""
        return self.app.workflows.run_here(self, args, kwargs, options)

    def delay(self, *args: Any, **kwargs: Any) -> Any:
        """`apply_async` with these arguments."""
        return self.apply_async(args, kwargs)

    async def adelay(self, *args: Any, **kwargs: Any) -> Any:
        """`delay`, without blocking the event loop."""
        return await self.aapply_async(args, kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function itself, here and now: no job is made. Raises TaskNotRegistered if it is not known here."""
        call = self.clone(args, kwargs)
        return self.app.tasks[call.task](*call.args, **call.kwargs)

    def __invert__(self) -> Any:
        """`~signature`: publish it, and wait for its result."""
        return self.delay().get()

    def __or__(self, other: Any) -> Any:
        """A chain of the two; a group before something else becomes a chord."""
        if not isinstance(other, Signature):
            return NotImplemented
        from treadle.workflows.joining import joined

        return joined(self, other)

    def __ior__(self, other: Any) -> Any:
        """`a |= b`: a chain of the two. A dictionary's own would take the other's entries over."""
        return self | other

    def __ror__(self, other: Any) -> Any:
        """Not by itself: only signatures make chains."""
        return NotImplemented

    def __repr__(self) -> str:
        parts = [repr(value) for value in self.args] + [f"{name}={value!r}" for name, value in self.kwargs.items()]
        return f"{self.task}({', '.join(parts)})"

    def __reduce__(self) -> tuple[Callable[..., Signature], tuple[dict[str, Any]]]:
        return Signature.from_dict, (dict(self),)


Signature.kinds[None] = Signature


def as_list(value: Any) -> list[Signature]:
    """One signature or several, in any form in which they travel, as a list of signatures."""
    if value is None:
        return []
    return [Signature.from_dict(each) for each in (value if _is_several(value) else (value,))]


def _is_several(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


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
