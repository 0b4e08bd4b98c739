"""The frontend of text models: token ids as floats, which `embed` looks up."""

from __future__ import annotations

from torch import Tensor, nn

from ..core.data import Preprocessing


class Frontend(nn.Module):
    """(B, 1, 1, L) int32 ids -> the same as float32, which represents all integers up to 16,777,216."""

    def forward(self, x: Tensor) -> Tensor:
        return x.float()


def frontend(preprocessing: Preprocessing) -> Frontend:
    return Frontend()
