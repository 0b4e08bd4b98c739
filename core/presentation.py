"""Presentation of inputs and predictions beyond a picture of the input: drawings and texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from .capability import Capability
from .data import Preprocessing
from .inputs import Input


class Drawing(Protocol):
    """A drawing of an input with its prediction."""

    def text(self, colour: bool, unicode: bool) -> str: ...

    def svg(self) -> str: ...

    def png(self) -> Any: ...  # a Pillow image


@dataclass(frozen=True)
class Drawable(Capability):
    """Inputs whose predictions are drawn, such as a board with the most likely moves."""

    draw: Callable[[Input, dict[str, Any], Preprocessing], Drawing]  # an input and its row of `predict`


@dataclass(frozen=True)
class Readable(Capability):
    """Inputs that are texts."""

    to_text: Callable[[Tensor, Preprocessing], str]  # a compact input -> its text
