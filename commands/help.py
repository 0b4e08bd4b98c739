"""Groups of commands: boolean flags without a type in help texts, and numbers in their ranges."""

from __future__ import annotations

from copy import copy
from typing import Any

from typer.core import TyperGroup

from ..core.ranges import check_range


def _no_type(ctx: Any) -> None:
    return None


class Group(TyperGroup):
    """A group of commands whose boolean flags are shown without `<bool>`."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _hide_types(command.get_params(ctx))
            _bound(command.get_params(ctx))
        return command

    def get_params(self, ctx: Any) -> Any:
        params = super().get_params(ctx)
        _hide_types(params)
        return params


def _bound(params: list[Any]) -> None:
    """Gives every option and argument that is a number the range of its name (core/ranges.py)."""
    for param in params:
        if getattr(param.type, "name", "").partition(" ")[0] in ("integer", "float"):
            param.type = copy(param.type)  # one value is shared by all options of a type
            param.type.convert = _Bounded(param)


class _Bounded:
    """The conversion of a parameter's text to a number in its range."""

    def __init__(self, param: Any) -> None:
        self.name, self.title, self.convert = param.name.rstrip("_"), max(param.opts, key=len), param.type.convert

    def __call__(self, value: Any, param: Any, ctx: Any) -> Any:
        number = self.convert(value, param, ctx)
        check_range(self.name, number, self.title)
        return number


def _hide_types(params: list[Any]) -> None:
    for param in params:
        if getattr(param, "is_bool_flag", False):
            param.display_type_rich = _no_type
