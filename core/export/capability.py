"""What an export asks of a domain: the form of its compact inputs, and random ones of any size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Generator, Tensor

from ..capability import Capability
from ..data import Preprocessing


@dataclass(frozen=True)
class Exportable(Capability):
    """The compact inputs (B, …) that an exported model takes."""

    name: str  # of the input of the graph: "pixels", "samples"
    shape: Callable[[Preprocessing], tuple[int, ...]]  # of an example
    random: Callable[[Preprocessing, Sequence[int], Generator], Tensor]  # a shape (B, …) -> random inputs of it
    axes: Mapping[int, str] = field(default_factory=dict)  # those of any size, if the network takes it: {1: "samples"}
