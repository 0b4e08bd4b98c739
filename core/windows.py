"""Inputs longer than an example, which are predicted in overlapping windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .capability import Capability
from .data import Examples, Preprocessing
from .frame import Frame
from .inputs import Input
from .lazy import LazyInputs
from .places import Layout


class Windows(NamedTuple):
    """One input that is longer than an example, as overlapping windows shaped like examples."""

    inputs: Tensor | LazyInputs  # (W, ...)
    spans: Sequence[tuple[float, float]]  # start and end of each: seconds of a recording, tokens of a text
    lengths: Tensor | None = None  # (W,) int64: the length of each without padding
    unit: str = ""  # of the spans
    frame: Frame | None = None  # where the content of the file lies in the inputs, for tasks with places
    layout: Layout | None = None  # where they lie on the input, for predictions that do

    def examples(self) -> Examples:
        """Returns the windows as unlabelled examples (targets are zeros)."""
        count = len(self.inputs)
        return Examples(self.inputs, torch.zeros(count, dtype=torch.int64), [""] * count, self.lengths)


def merged(inputs: Sequence[Windows]) -> Windows:
    """Returns the windows of several inputs as those of one, without their spans."""
    if len(inputs) == 1:
        return inputs[0]
    lengths = [windows.lengths for windows in inputs if windows.lengths is not None]
    return Windows(torch.cat([windows.inputs[:] for windows in inputs]), (), torch.cat(lengths) if lengths else None)


@dataclass(frozen=True)
class Windowed(Capability):
    """Inputs that may be longer than an example."""

    read: Callable[[Input, Preprocessing], Windows]
    # A row of `predict` with "windows" -> the text of a label file such as a TextGrid; None if inputs have no time.
    timeline: Callable[[Mapping[str, Any], Path], str] | None = None
