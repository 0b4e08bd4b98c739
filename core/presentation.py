"""How a domain shows inputs and predictions to people, where a picture of the input is not enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from .capability import Capability
from .data import Preprocessing
from .inputs import Input


class Drawing(Protocol):
    """An input with what was answered, to be looked at."""

    def text(self, colour: bool, unicode: bool) -> str: ...

    def svg(self) -> str: ...

    def png(self) -> Any: ...  # Pillow's


@dataclass(frozen=True)
class Drawable(Capability):
    """Inputs whose predictions are drawn, such as a board with the likeliest moves."""

    draw: Callable[[Input, dict[str, Any], Preprocessing], Drawing]  # an input and its row of `predict`


@dataclass(frozen=True)
class Readable(Capability):
    """Inputs that people read rather than look at."""

    to_text: Callable[[Tensor, Preprocessing], str]  # a compact input -> its words
