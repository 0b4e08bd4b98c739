"""What feature visualisation asks of a domain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from ..capability import Capability
from ..data import Preprocessing
from .canvas import Canvas, Moves, Tokens


@dataclass(frozen=True)
class Imaginable(Capability):
    """Inputs that can be optimised."""

    parameterize: Callable[[Preprocessing, nn.Module], Canvas | Tokens | Moves]  # from preprocessing and the frontend
