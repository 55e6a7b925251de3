"""Commands and groups as all of ours are: `--json` is understood everywhere, and a misspelt name gets the nearest."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from treadle.cli.invocation import Invocation
from treadle.naming import nearest


class Command(click.Command):
    """A command that takes `--json` itself, beside what stands in front of it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(_json_option())


class Group(click.Group):
    """A group whose misspelt commands are answered with the nearest right name."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` begin with."""
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"there is no command {args[0]!r}{nearest(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


class LazyGroup(Group):
    """The root: our own commands by file, in the order of `names`, then those of plugins."""

    names: tuple[str, ...] = ()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return [*self.names, *sorted(self._plugged(ctx))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None. A plugin cannot replace one of ours."""
        if cmd_name in self.names:
            command: click.Command = import_module(f"treadle.cli.commands.{cmd_name}").command
            return command
        return self._plugged(ctx).get(cmd_name)

    def _plugged(self, ctx: click.Context) -> dict[str, click.Command]:
        commands = ctx.ensure_object(Invocation).plugins.commands()
        return {command.name: command for command in commands if command.name not in self.names}


def _json_option() -> click.Option:
    summary = "One JSON document on stdout."
    return click.Option(["--json"], is_flag=True, expose_value=False, callback=_ask_for_json, help=summary)


def _ask_for_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Invocation).as_json = True
