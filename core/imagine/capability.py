"""The capability of a domain that feature visualisation uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from ..capability import Capability
from ..data import Preprocessing
from .parameterization import InputParameterization, Moves, Tokens


@dataclass(frozen=True)
class Imaginable(Capability):
    """Inputs that can be optimised."""

    # From preprocessing and the frontend.
    parameterize: Callable[[Preprocessing, nn.Module], InputParameterization | Tokens | Moves]
    # Compact inputs -> writes them as one sound file, one after the other; None if inputs are not sounds.
    sonify: Callable[[Sequence[Tensor], Preprocessing, Path], None] | None = None
