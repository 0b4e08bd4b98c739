"""Go. Boards, records and planes need no torch, so DOMAIN is imported on first access."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .domain import DOMAIN as DOMAIN


def __getattr__(name: str) -> Any:
    if name == "DOMAIN":
        from .domain import DOMAIN

        return DOMAIN
    raise AttributeError(f"module {__name__} has no attribute {name}")
