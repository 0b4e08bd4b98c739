"""What classification asks of a domain beyond its labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..capability import Capability


@dataclass(frozen=True)
class LegalLabels(Capability):
    """Labels that cannot be right for some inputs, such as illegal moves: their probability is 0."""

    mask: Callable[[Sequence[str]], Callable[[Tensor], Tensor]]  # labels -> compact inputs (B, …) -> bool (B, K)


@dataclass(frozen=True)
class DomainMetrics(Capability):
    """Metrics that only one domain knows, such as accuracy by phase of the game."""

    # Probabilities (N, K), targets (N,) and names of examples -> entries of the evaluation's JSON.
    compute: Callable[[Any, Any, Any], dict[str, Any]]
