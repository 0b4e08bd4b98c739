"""The frontend of text models: token ids as floats, which `embed` looks up."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..core.data import Preprocessing
from .vocabulary import FIRST, PADDING


class Frontend(nn.Module):
    """(B, 1, 1, L) int32 ids -> the same as float32, which represents all integers up to 16,777,216."""

    def forward(self, x: Tensor) -> Tensor:
        return x.float()


def random_ids(preprocessing: Preprocessing, shape: Sequence[int], rng: torch.Generator) -> Tensor:
    """Returns random ids of known tokens, int32 (B, 1, 1, L); padding follows the first half or more of each text."""
    ids = torch.randint(1, FIRST + max(1, len(preprocessing["vocabulary"])), tuple(shape), generator=rng).int()
    lengths = torch.randint(-(-shape[-1] // 2), shape[-1] + 1, (shape[0], 1, 1, 1), generator=rng)
    return torch.where(torch.arange(shape[-1]) < lengths, ids, PADDING)


def frontend(preprocessing: Preprocessing) -> Frontend:
    return Frontend()
