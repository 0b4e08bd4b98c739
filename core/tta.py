"""Test-time augmentation: predictions averaged over several views of an input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from .capability import Capability


def identity(values: Tensor) -> Tensor:
    return values


class View(NamedTuple):
    """A transform of the inputs, such as a reflection, and the inverse for their logits."""

    transform: Callable[[Tensor], Tensor] = identity  # a batch of maps (B, C, H, W) -> a batch of the same shape
    inverse: Callable[[Tensor], Tensor] = identity  # its logits (B, K) -> logits for the original inputs
    default: bool = True  # whether predictions are averaged over it unless a number of views is given


@dataclass(frozen=True)
class TestTimeAugmentation(Capability):
    """Views of an input that were equally likely in training."""

    views: Callable[[str], Sequence[View]]  # from the text of the training's augmentation; the first is the identity
    # The same for predictions that lie in the input: inverses put them back.
    placed: Callable[[str], Sequence[View]] = lambda text: (View(),)
    are_all: Callable[[str], bool] = lambda text: False  # whether training shows nothing but the default views
