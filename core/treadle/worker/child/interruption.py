"""Raises exceptions in threads from outside: CPython's PyThreadState_SetAsyncExc, made safe to use."""

from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Interruptible:
    """Runs a function in the calling thread, where another thread may interrupt it.

    The exception arrives at the function's next bytecode, as a bare instance of its class; before the
    first one, if the function has not begun. It never arrives after `run` has returned.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread_id = 0
        self._kind: type[BaseException] = _NothingSent
        self._early: type[BaseException] | None = None
        self._is_over = False

    def run(self, function: Callable[..., T], *args: object) -> T:
        """The value of `function(*args)`, or what was raised in it."""
        try:
            self._arm()
            return function(*args)
        finally:
            self._disarm()

    def interrupt(self, kind: type[BaseException]) -> None:
        """Raise an exception of that class in the thread, unless the function is over."""
        with self._lock:
            if self._thread_id:
                self._kind = kind
                _send(self._thread_id, kind)
            elif not self._is_over:
                self._early = kind

    def _arm(self) -> None:
        with self._lock:
            early, self._early = self._early, None
            self._thread_id, self._is_over = threading.get_ident(), False
        if early is not None:
            raise early

    def _disarm(self) -> None:
        """Let nothing more be sent, and take in what was sent and has not arrived.

        It is not withdrawn (by sending NULL): CPython 3.11 then leaves its "something is pending" flag
        up for good, which slows the thread down, and hangs it while it is profiled.
        """
        while True:
            try:
                with self._lock:
                    self._thread_id, self._is_over = 0, True
                if self._kind is not _NothingSent:
                    _pass_some_bytecodes()
                    self._kind = _NothingSent
            except self._kind:
                continue  # it has arrived, and strikes nobody
            return


class _NothingSent(BaseException):
    """Stands for the class of what was sent while nothing was."""


def _pass_some_bytecodes() -> None:
    """Give an exception that was sent the chance to arrive: it does so where a loop jumps back."""
    for _ in range(100):
        pass


def _send(thread_id: int, kind: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(kind))
