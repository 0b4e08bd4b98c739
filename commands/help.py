"""Groups of commands: boolean flags without a type in help texts, and numbers in their ranges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from typer.core import TyperGroup

from ..core.ranges import check_range, name_in


def _no_type(ctx: Any) -> None:
    return None


class Group(TyperGroup):
    """A group of commands whose boolean flags are shown without `<bool>`."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _hide_types(command.get_params(ctx))
            _bound(command)
        return command

    def get_params(self, ctx: Any) -> Any:
        params = super().get_params(ctx)
        _hide_types(params)
        return params


def _bound(command: Any) -> None:
    """Lets a command refuse numbers outside of the range of their name (core/ranges.py) before it does anything."""
    run = command.callback
    if run is None or isinstance(run, _InRange):
        return
    titles = {param.name: max(param.opts, key=len) for param in command.params if param.opts}
    command.callback = _InRange(run, str(command.name), titles)


class _InRange:
    """A command's function, called with numbers in their ranges only."""

    def __init__(self, run: Callable[..., Any], command: str, titles: Mapping[str, str]) -> None:
        self.run, self.command, self.titles = run, command, titles

    def __call__(self, **values: Any) -> Any:
        owner = values.get("domain") or self.command
        for name, value in values.items():
            for number in value if isinstance(value, list | tuple) else (value,):
                if isinstance(number, int | float) and not isinstance(number, bool):
                    check_range(name_in(str(owner), name), number, self.titles.get(name))
        return self.run(**values)


def _hide_types(params: list[Any]) -> None:
    for param in params:
        if getattr(param, "is_bool_flag", False):
            param.display_type_rich = _no_type
