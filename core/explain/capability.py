"""What explanations and pictures of filters ask of a domain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..capability import Capability
from ..data import Preprocessing
from ..inputs import Input


def describe_row_and_column(inputs: Tensor, row: int, column: int, preprocessing: Preprocessing) -> str:
    return f"row {row}, column {column}"


def sum_of_channels(weight: Tensor, preprocessing: Preprocessing) -> Tensor:
    """A filter (C, h, w) as it is shown: its own channels where they are grey or colour, else their sum."""
    return weight if len(weight) in (1, 3) else weight.sum(0)


@dataclass(frozen=True)
class Explainable(Capability):
    """How relevance over an input is described; every default suits pictures."""

    baseline: Callable[[Tensor], Tensor] = torch.zeros_like  # maps (B, C, H, W) -> the maps of an empty input
    # A compact input, a row and a column of its maps -> the position in the domain's units: "0.42 s, 1,200 Hz".
    describe_position: Callable[[Tensor, int, int, Preprocessing], str] = describe_row_and_column
    # An input, relevance per token, "terminal" or "html" -> the text with coloured tokens; None if inputs are shown.
    highlight: Callable[[Input, Sequence[float], Preprocessing, str], str] | None = None
    # A compact input and relevance (H, W) -> writes what is relevant as a sound file.
    sonify: Callable[[Tensor, Tensor, Preprocessing, Path], None] | None = None


@dataclass(frozen=True)
class FilterImages(Capability):
    """How filters and the patches that excite them are shown; every default suits pictures."""

    first_filter: Callable[[Tensor, Preprocessing], Tensor] = sum_of_channels  # (C, h, w) -> (h, w) or (3, h, w)
    flip_rows: bool = False  # whether row 0 is drawn at the bottom, as frequencies are
    # A compact input, its maps (C, H, W), rows and columns -> that patch as a Pillow image, or in words.
    patch: Callable[[Tensor, Tensor, slice, slice, Preprocessing], Any] | None = None
