"""Celery's signals: functions that are told what happens to jobs and workers.

    from treadle.signals import task_failure

    @task_failure.connect
    def page_someone(sender, task_id, exception, **_): ...

Receivers run one after the other in the process where it happens, and only watch: what they raise is
logged. What has to wrap a job's run is a middleware (`treadle.middleware`).

Two differences from Celery. Receivers are held strongly, so a function defined inside another one keeps
being called (`weak=True` brings the old way back). And `sender=` may be a task or its name, whichever
of the two the signal sends. The worker's signals are sent by the life-cycle hooks (`treadle.builtins`).
"""

from __future__ import annotations

import inspect
import logging
import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeAlias, TypeVar, overload

from treadle.exceptions import ConfigurationError
from treadle.naming import nearest

#: Called with `sender` and `signal` and what the signal provides, all by keyword.
Receiver: TypeAlias = Callable[..., Any]
R = TypeVar("R", bound=Receiver)

_log = logging.getLogger(__name__)


class Signal:
    """Something that happens, and who wants to be told.

    Connecting and disconnecting are single operations on a dictionary, so threads need no lock here,
    and a fork cannot inherit a held one.
    """

    __slots__ = ("name", "provides", "receivers")

    def __init__(self, name: str, *provides: str) -> None:
        self.name = name
        #: The keywords that receivers get, besides `sender` and `signal`.
        self.provides = provides
        #: By identity: the wanted sender (None: any), and what gives the receiver (None: it is gone). The same
        #: dictionary for ever, so that who sends often may keep it and ask it alone.
        self.receivers: dict[Hashable, tuple[object, Callable[[], Receiver | None]]] = {}

    def __repr__(self) -> str:
        return f"<Signal {self.name}: {len(self.receivers)} receivers>"

    @property
    def has_receivers(self) -> bool:
        """Whether anybody listens. Ask before gathering what to send."""
        return bool(self.receivers)

    @overload
    def connect(
        self, receiver: R, sender: object = None, *, weak: bool = False, dispatch_uid: Hashable = None
    ) -> R: ...
    @overload
    def connect(
        self, receiver: None = None, sender: object = None, *, weak: bool = False, dispatch_uid: Hashable = None
    ) -> Callable[[R], R]: ...
    def connect(
        self, receiver: R | None = None, sender: object = None, *, weak: bool = False, dispatch_uid: Hashable = None
    ) -> R | Callable[[R], R]:
        """Call `receiver` whenever this is sent (by `sender` only, if given). A decorator, too.

        Connecting the same receiver, or the same `dispatch_uid`, for the same sender again replaces the
        first. Raises ConfigurationError for receivers that are coroutines or do not take any keyword.
        """
        if receiver is None:
            return lambda function: self.connect(function, sender, weak=weak, dispatch_uid=dispatch_uid)
        self._check(receiver)
        key = _key(receiver, sender, dispatch_uid)
        reference = _weak_reference(receiver, lambda _: self.receivers.pop(key, None)) if weak else lambda: receiver
        self.receivers[key] = (sender, reference)
        return receiver

    def disconnect(
        self, receiver: Receiver | None = None, sender: object = None, *, dispatch_uid: Hashable = None
    ) -> bool:
        """Undo a `connect` that had these arguments. False if there was none."""
        return self.receivers.pop(_key(receiver, sender, dispatch_uid), None) is not None

    def send(self, sender: object, **facts: Any) -> list[tuple[Receiver, Any]]:
        """Tell every receiver, in the order of connecting; what each answered, or the exception it raised."""
        answers: list[tuple[Receiver, Any]] = []
        for wanted, reference in tuple(self.receivers.values()):
            receiver = reference() if _is_wanted(wanted, sender) else None
            if receiver is not None:
                answers.append((receiver, self._tell(receiver, sender, facts)))
        return answers

    def _tell(self, receiver: Receiver, sender: object, facts: dict[str, Any]) -> Any:
        try:
            return receiver(sender=sender, signal=self, **facts)
        except Exception as error:  # noqa: BLE001 - a user's function; the job or worker it watches goes on
            _log.exception("receiver %r of signal %s failed", receiver, self.name)
            return error

    def _check(self, receiver: Receiver) -> None:
        if not callable(receiver):
            raise ConfigurationError(f"signal {self.name}: {receiver!r} cannot be called; connect a function")
        if inspect.iscoroutinefunction(receiver):
            raise ConfigurationError(
                f"signal {self.name}: {receiver!r} is a coroutine function, but signals are sent synchronously; "
                "connect a plain function, or write a middleware with `aexecute`"
            )
        try:
            parameters = inspect.signature(receiver).parameters.values()
        except (TypeError, ValueError):  # some built-in callables have no signature
            return
        if all(parameter.kind is not inspect.Parameter.VAR_KEYWORD for parameter in parameters):
            raise ConfigurationError(
                f"signal {self.name}: {receiver!r} must accept any keyword, since signals may come to provide "
                "more; add `**_` to its parameters"
            )


def _key(receiver: Receiver | None, sender: object, dispatch_uid: Hashable) -> Hashable:
    wanted = sender if isinstance(sender, str) else id(sender)
    if dispatch_uid is not None:
        return (dispatch_uid, wanted)
    # A bound method is a new object each time it is looked up.
    bound_to, function = getattr(receiver, "__self__", None), getattr(receiver, "__func__", receiver)
    return (id(bound_to), id(function), wanted)


def _is_wanted(wanted: object, sender: object) -> bool:
    """Whether a receiver connected for `wanted` hears `sender`. A task and its name stand for each other."""
    if wanted is None or wanted is sender:
        return True
    if isinstance(wanted, str) or isinstance(sender, str):
        return _name_of(wanted) == _name_of(sender)
    return False


def _name_of(sender: object) -> object:
    return sender if isinstance(sender, str) else getattr(sender, "name", None)


def _weak_reference(receiver: Receiver, when_gone: Callable[[Any], object]) -> Callable[[], Receiver | None]:
    if inspect.ismethod(receiver):
        return weakref.WeakMethod(receiver, when_gone)
    return weakref.ref(receiver, when_gone)


# Publishing. Sender: the task's name. What a receiver of the first puts into `headers` (also: `id`, `task`)
# travels with the job.
before_task_publish = Signal("before_task_publish", "body", "exchange", "routing_key", "headers")
after_task_publish = Signal("after_task_publish", "body", "exchange", "routing_key", "headers")

# Running. Sender: the task; of task_received, task_rejected and task_unknown the app.
task_received = Signal("task_received", "request")
task_prerun = Signal("task_prerun", "task_id", "task", "args", "kwargs")
task_postrun = Signal("task_postrun", "task_id", "task", "args", "kwargs", "retval", "state")
task_success = Signal("task_success", "result", "runtime")
task_retry = Signal("task_retry", "request", "reason", "einfo")
task_failure = Signal("task_failure", "task_id", "exception", "args", "kwargs", "traceback", "einfo")
task_internal_error = Signal("task_internal_error", "task_id", "args", "kwargs", "request", "exception", "einfo")
task_revoked = Signal("task_revoked", "request", "terminated", "signum", "expired")
task_rejected = Signal("task_rejected", "message", "exc")
task_unknown = Signal("task_unknown", "message", "exc", "name", "id")

# The worker. Sender: the app.
import_modules = Signal("import_modules")
worker_init = Signal("worker_init")
worker_ready = Signal("worker_ready")
worker_process_init = Signal("worker_process_init")
worker_process_shutdown = Signal("worker_process_shutdown", "pid", "exitcode")
worker_shutting_down = Signal("worker_shutting_down")
worker_shutdown = Signal("worker_shutdown")
beat_init = Signal("beat_init")

# Logging. Sender: the app. A receiver of setup_logging does all of it: nothing is configured then.
setup_logging = Signal("setup_logging", "loglevel", "logfile", "format", "colorize")
after_setup_logger = Signal("after_setup_logger", "logger", "loglevel", "logfile", "format", "colorize")
after_setup_task_logger = Signal("after_setup_task_logger", "logger", "loglevel", "logfile", "format", "colorize")

_ON_THE_APP = "the app is configured when it is made; use the plugin hook treadle_configure"
_NOT_NEEDED = {
    "celeryd_init": "connect to worker_init",
    "celeryd_after_setup": "connect to worker_init",
    "task_sent": "connect to after_task_publish",
    "worker_before_create_process": "connect to worker_init, which is sent once before any child is forked",
    "heartbeat_sent": "leases are renewed by the worker itself; `treadle status` shows them",
    "beat_embedded_init": "connect to beat_init; every scheduler runs inside a worker or alone in the same way",
    "user_preload_options": "add commands and options with the plugin hook treadle_commands",
    "on_configure": _ON_THE_APP,
    "on_after_configure": _ON_THE_APP,
    "on_after_finalize": _ON_THE_APP,
    "on_after_fork": "connect to worker_process_init",
    "eventlet_pool_started": "connect to worker_process_init",
    "eventlet_pool_preshutdown": "connect to worker_process_shutdown",
    "eventlet_pool_postshutdown": "connect to worker_process_shutdown",
    "eventlet_pool_apply": "connect to task_prerun",
}


def __getattr__(name: str) -> Signal:
    if name in _NOT_NEEDED:
        # Not an AttributeError: `from treadle.signals import ...` would replace its message.
        raise ConfigurationError(f"Celery's signal {name} is not needed in Treadle: {_NOT_NEEDED[name]}")
    known = [signal for signal, value in globals().items() if isinstance(value, Signal)]
    raise AttributeError(f"no signal {name!r}{nearest(name, known)}", name=name)
