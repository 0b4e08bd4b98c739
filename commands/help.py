"""Help texts without the type of boolean flags, which take no value."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


def _no_type(ctx: Any) -> None:
    return None


class Group(TyperGroup):
    """A group of commands whose boolean flags are shown without `<bool>`."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _hide_types(command.get_params(ctx))
        return command

    def get_params(self, ctx: Any) -> Any:
        params = super().get_params(ctx)
        _hide_types(params)
        return params


def _hide_types(params: list[Any]) -> None:
    for param in params:
        if getattr(param, "is_bool_flag", False):
            param.display_type_rich = _no_type
