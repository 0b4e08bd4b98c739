"""Test-time augmentation: predictions averaged over several views of an input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from .capability import Capability


def same(values: Tensor) -> Tensor:
    return values


class View(NamedTuple):
    """Another way to see the same inputs (mirrored, turned), and the way back from what is then answered."""

    see: Callable[[Tensor], Tensor] = same  # a batch of maps (B, C, H, W) -> a batch of the same shape
    back: Callable[[Tensor], Tensor] = same  # its scores (B, K) -> scores for the inputs as they were
    default: bool = True  # whether answers are averaged over it where nobody says over how many


@dataclass(frozen=True)
class TestTimeAugmentation(Capability):
    """Views of an input that its training showed alike."""

    views: Callable[[str], Sequence[View]]  # from the text of the training's augmentation; the first is the identity
