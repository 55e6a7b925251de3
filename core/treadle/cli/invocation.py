"""One run of the command line: what the global options said, and how to answer."""

from __future__ import annotations

import json
import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING

import click

from treadle.exceptions import ConfigurationError, TreadleError
from treadle.observe.logs import wants_colour

if TYPE_CHECKING:
    from treadle.app import Treadle
    from treadle.interfaces import Broker
    from treadle.plugins import Plugins


class Invocation:
    """What every command is given."""

    def __init__(self) -> None:
        #: `module` or `module:app`; empty: an app without tasks.
        self.app_path = ""
        self.broker_url: str | None = None
        self.as_json = False
        self.with_traceback = False
        self.quiet = False

    @cached_property
    def app(self) -> Treadle:
        """The application, with its tasks imported. Raises ConfigurationError if that cannot be done."""
        from treadle.worker.loading import Loading, load_app  # `treadle --help` needs no application

        try:
            return load_app(Loading(self.app_path, self.settings))
        except TreadleError:
            raise
        except Exception as error:  # the application's own code
            what = f"{type(error).__name__}: {error}"
            raise ConfigurationError(f"the application {self.app_path!r} cannot be imported: {what}") from error

    @property
    def broker(self) -> Broker:
        """Where the application's jobs wait."""
        return self.app.broker

    @property
    def settings(self) -> dict[str, str | None]:
        """The settings that the global options stand for; None where they say nothing."""
        return {"broker_url": self.broker_url}

    @cached_property
    def plugins(self) -> Plugins:
        """The application's plugins; without one, those that are installed."""
        from treadle.plugins import Plugins  # loads pluggy, which only a command outside of ours needs
        from treadle.settings import Settings

        if self.app_path:
            return self.app.plugins
        settings = Settings()
        settings.read_environment(os.environ)
        return Plugins(disabled=settings.plugins_disabled)

    def show(self, document: object, text: str) -> None:
        """Answer on standard output: the document if JSON was asked for, else the text."""
        if self.as_json:
            click.echo(json.dumps(document, indent=2, default=str, ensure_ascii=False))
        elif text:
            click.echo(text, color=wants_colour(sys.stdout, os.environ))

    def note(self, text: str) -> None:
        """Say something beside the answer, on standard error; not if `-q` asked for quiet."""
        if not self.quiet:
            click.echo(text, err=True, color=wants_colour(sys.stderr, os.environ))

    def complain(self, text: str) -> None:
        """Say on standard error what could not be done, in one line."""
        click.echo(f"treadle: {text}", err=True)
