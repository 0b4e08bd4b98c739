"""The capabilities of a domain that `explain` and `filters` use."""

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
    """Returns a position in pixels."""
    return f"row {row}, column {column}"


def sum_of_channels(weight: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Returns a filter (C, h, w) as an image: unchanged with 1 or 3 channels, else the sum over its channels."""
    return weight if len(weight) in (1, 3) else weight.sum(0)


@dataclass(frozen=True)
class Explainable(Capability):
    """How relevance over an input is described; the defaults suit pictures."""

    baseline: Callable[[Tensor], Tensor] = torch.zeros_like  # maps (B, C, H, W) -> the maps of an empty input
    # A compact input, a row and a column of its maps -> the position in the domain's units: "0.42 s, 1,200 Hz".
    describe_position: Callable[[Tensor, int, int, Preprocessing], str] = describe_row_and_column
    # An input, a row and a column of its maps -> the position in the file, where reading scales or cuts inputs.
    locate: Callable[[Input, int, int, Preprocessing], str] | None = None
    # An input, relevance per token, "terminal" or "html" -> the text with coloured tokens; None if inputs are shown.
    highlight: Callable[[Input, Sequence[float], Preprocessing, str], str] | None = None
    # A compact input and relevance (H, W) -> writes the relevant part as a sound file.
    sonify: Callable[[Tensor, Tensor, Preprocessing, Path], None] | None = None


@dataclass(frozen=True)
class FilterImages(Capability):
    """How filters, and the patches that maximise them, are shown; the defaults suit pictures."""

    first_filter: Callable[[Tensor, Preprocessing], Tensor] = sum_of_channels  # (C, h, w) -> (h, w) or (3, h, w)
    flip_rows: bool = False  # whether row 0 is drawn at the bottom, as for frequencies
    # A compact input, its maps (C, H, W), rows and columns -> the patch as a Pillow image, or as text.
    patch: Callable[[Tensor, Tensor, slice, slice, Preprocessing], Any] | None = None
