"""The supervisor's side of the template process: makes it, asks it, makes it again when it dies."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from treadle.exceptions import ConfigurationError
from treadle.worker.channel import Channel, channel_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from treadle.worker.supervisor.reactor import Reactor

logger = logging.getLogger(__name__)

#: How long after its death the template is made again; longer if the application cannot be loaded any more.
_REVIVE_S, _REVIVE_BROKEN_S = 0.2, 5.0


class Loaded(NamedTuple):
    """What the template reported of the application."""

    facts: dict[str, Any]
    #: Why children are spawned instead of forked; empty if they are forked.
    unsafe: str


class TemplateHost:
    """Keeps a template alive."""

    def __init__(self, reactor: Reactor, order: dict[str, Any], memory_fd: int) -> None:
        self._reactor, self._order, self._memory_fd = reactor, order, memory_fd
        self._channel: Channel | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False
        #: How many templates there have been.
        self.generation = 0
        self._pause_s = _REVIVE_S
        #: Called in the loop when a template that was made again is ready.
        self.on_revived: Callable[[], None] = _nothing

    def load(self) -> Loaded:
        """Start the first template and wait for its report.

        Raises ConfigurationError if the application cannot be imported.
        """
        channel = self._start()
        while (messages := channel.receive()) is not None:
            for message in messages:
                if message["say"] == "loaded":
                    return Loaded(message, message["unsafe"])
                raise ConfigurationError(f"the application cannot be loaded: {message['error']}\n{message['trace']}")
        raise ConfigurationError("the process that imports the application died while it did")

    def attach(self) -> None:
        """From now on its messages, and its death, are the loop's business."""
        if self._channel is not None:
            self._reactor.watch(self._channel, self._on_message)

    def fork(self, assignment: dict[str, Any], fd: int) -> bool:
        """Ask for a child that gets `fd` as its channel. False if there is no template to ask."""
        return self._channel is not None and self._channel.send({"do": "fork", "assignment": assignment}, [fd])

    def fire(self, hook: str) -> None:
        """Run a life-cycle hook where the application is loaded."""
        if self._channel is not None:
            self._channel.send({"do": "fire", "hook": hook})

    def replace(self) -> None:
        """Make it again, with the application as it is on disk now."""
        self._drop()
        self._revive()

    def end(self, timeout_s: float = 5.0) -> None:
        """Let it run its last hooks and end."""
        self._ended = True
        self._drop()
        if self._process is not None:
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @property
    def pid(self) -> int:
        """The process id of the latest template."""
        return self._process.pid if self._process is not None else 0

    def _start(self) -> Channel:
        ours, theirs = channel_pair()
        fds = (theirs.fileno(), self._memory_fd)
        command = [sys.executable, "-m", "treadle.worker.template", *map(str, fds)]
        self._process = subprocess.Popen(command, pass_fds=fds)
        theirs.close()
        ours.send(self._order)  # not as an argument: it may hold a password, and everybody can read those
        self._channel = ours
        self.generation += 1
        return ours

    def _on_message(self) -> None:
        messages = self._channel.receive() if self._channel is not None else None
        if messages is None:
            self._drop()
            if not self._ended:
                logger.error("the template process died; making another")
                self._reactor.call_later(self._pause_s, self._revive)
            return
        for message in messages:
            if message["say"] == "loaded":
                self._pause_s = _REVIVE_S
                self.on_revived()
            else:
                self._pause_s = _REVIVE_BROKEN_S
                logger.error("the application cannot be loaded any more: %s\n%s", message["error"], message["trace"])

    def _revive(self) -> None:
        if not self._ended and self._channel is None:
            self._start()
            self.attach()

    def _drop(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            self._reactor.unwatch(channel)
            channel.close()


def _nothing() -> None:
    """Nobody asked to be told."""
