"""Defers imports that Typer's help makes and does not use: half of the time of `neocog --help`."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

DEFERRED = (("rich.markdown", "Markdown"), ("rich.traceback", "Traceback"))  # for other markup modes; for exceptions


def defer_imports() -> None:
    """Puts a placeholder for each deferred class, which imports the real one as soon as it is used."""
    for module_name, class_name in DEFERRED:
        if module_name not in sys.modules:
            module = ModuleType(module_name)
            setattr(module, class_name, _placeholder(module_name, class_name))
            sys.modules[module_name] = module


def _placeholder(module_name: str, class_name: str) -> type:
    def real() -> Any:
        if getattr(sys.modules.get(module_name), "__file__", None) is None:
            sys.modules.pop(module_name, None)
        return getattr(import_module(module_name), class_name)

    class Placeholder:
        def __new__(cls, *arguments: Any, **keywords: Any) -> Any:
            return real()(*arguments, **keywords)

        @classmethod
        def from_exception(cls, *arguments: Any, **keywords: Any) -> Any:
            return real().from_exception(*arguments, **keywords)

    Placeholder.__name__ = class_name
    return Placeholder
