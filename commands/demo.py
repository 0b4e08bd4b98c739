"""The command demo."""

from __future__ import annotations

from typing import Annotated

from .flags import flag


def demo(
    quick: Annotated[bool, flag("Fewer epochs: a few seconds.", None, "--quick")] = False,
    out: Annotated[str | None, flag("The run folder.", default="runs/demo-TIME")] = None,
) -> None:
    """Train a small network of each domain on data that is included, in a minute or two."""
    from ..demo import show_demo

    show_demo(quick, out)
