"""The socket that a domain plugs into: Domain, and the Recipe and Augment values that it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from .capability import Capability
from .data import Data, DataSpec, Preprocessing
from .inputs import Input
from .layer import Layer
from .problem import USAGE, Problem

C = TypeVar("C", bound=Capability)


def unchanged(x: Tensor, targets: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    return x, targets


class Movement(Protocol):
    """The movement of the pixels of B inputs of equal size, which targets with places take part in."""

    def masks(self, masks: Tensor, outside: int) -> Tensor:
        """Returns (B, H, W) integers by the nearest pixel, `outside` where the input had no pixel."""

    def boxes(self, boxes: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Returns (B, N, 4) boxes x1, y1, x2, y2 in pixels of inputs of `size`, clipped, and the shares that remain."""


Change = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
MovedInputs = Callable[[Tensor, torch.Generator], tuple[Tensor, Movement]]
MoveTargets = Callable[[Tensor, Movement], Tensor]


class Augment(NamedTuple):
    """Random changes while a network learns, on the device; every random number comes from the generator given."""

    inputs: Change = unchanged  # of a batch as the arrays hold it, and its targets
    maps: Change = unchanged  # of what the frontend makes of it, (B, C, H, W), and its targets
    moved_inputs: MovedInputs | None = None  # `inputs`, with the movement of pixels instead of targets

    def moving(self, move: MoveTargets, blank: bool = False) -> Augment:
        """The same changes, for targets that `move` moves with the pixels.

        With `blank`, pixels from beyond the border are 0: reflected ones would show objects that no target names.
        Raises Problem where inputs are changed and their movement is not known.
        """
        if (moved_inputs := self.moved_inputs) is None:
            if self != UNCHANGED:
                raise Problem(
                    "this augmentation does not move masks, boxes and labels of frames with their inputs; leave out "
                    "stretch of recordings, or give --augment none",
                    USAGE,
                )
            return self

        def inputs(x: Tensor, targets: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
            x, movement = moved_inputs(x, rng)
            if blank:
                inside = torch.zeros(len(x), *x.shape[2:], dtype=torch.uint8, device=x.device)
                x = x.masked_fill(movement.masks(inside, 1)[:, None] > 0, 0)
            return x, move(targets, movement)

        return Augment(inputs, self.maps)


UNCHANGED = Augment()


@dataclass(frozen=True)
class Recipe:
    """A named network, kept beside the settings that train it."""

    layers: Callable[..., tuple[Layer, ...]]  # from the number of labels and its own parameters
    about: str  # one line: what it is, and its source
    settings: Mapping[str, Any] = field(default_factory=dict)  # of training, where they differ from the defaults
    options: Mapping[str, Any] = field(default_factory=dict)  # of the domain's own
    input: tuple[int, int, int] = (3, 32, 32)  # what it is measured on where nobody says
    task: str | None = None  # the only task that it is for; None for those that end with a number for each label
    free_options: frozenset[str] = frozenset()  # of the domain, which pretrained weights do not decide
    trunk: str | None = None  # the pretrained model whose layers it begins with, for --weights
    accelerator: Mapping[str, Any] = field(default_factory=dict)  # settings of training on anything but a CPU


@dataclass(frozen=True)
class Domain:
    """One kind of input, as a value: how files become arrays, arrays a network's input, and inputs pictures."""

    name: str
    # A model's labels and preprocessing, when there is one, decide the targets and the form of the inputs.
    load: Callable[[DataSpec, list[str] | None, Preprocessing | None], Data]
    read: Callable[[Input, Preprocessing], Tensor]  # one input -> a compact array, shaped like an example
    expand_paths: Callable[[Sequence[str]], list[Input]]  # command-line arguments: files, folders, globs -> inputs
    frontend: Callable[[Preprocessing], nn.Module]  # compact arrays on the device -> (B, C, H, W)
    augment: Callable[[str, Mapping[str, Tensor]], Augment]  # "flip, crop(4)" and Data.extras -> random changes
    check: Callable[[DataSpec], dict[str, Any]]  # counts, unusable files, duplicates, before any training
    show: Callable[..., Any]  # a compact input, relevance or None, and preprocessing -> a Pillow image
    recipes: Mapping[str, Recipe]
    default: str  # the name of the default recipe
    options: Sequence[str] = ()  # the names that DataSpec.options may have
    capabilities: Sequence[Capability] = field(default=())

    def capability(self, kind: type[C]) -> C | None:
        """The domain's capability of a kind, or None."""
        return next((value for value in self.capabilities if isinstance(value, kind)), None)

    def require(self, kind: type[C], feature: str) -> C:
        """The domain's capability of a kind. Raises Problem, naming the feature, if the domain does not have it."""
        if (value := self.capability(kind)) is None:
            raise Problem(f"{feature} is not for {self.name}", USAGE)
        return value
