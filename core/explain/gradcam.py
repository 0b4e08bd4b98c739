"""Grad-CAM: the maps of the last convolution, each by how much it matters (Selvaraju et al. 2017, arXiv:1610.02391)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..receptive_field import ReceptiveField
from .opened import Opened
from .places import Place


def gradcam(opened: Opened, targets: Tensor, layers: Sequence[Place]) -> Tensor:
    """max(0, Σ_k mean(∂y/∂A_k) · A_k) over the maps A of `layers`, laid over the input: (B, H, W).

    Each number lies in the middle of what it sees of the input, with a straight line between neighbours; usually the
    small map is stretched over the whole input, which moves it where windows are not padded. The maps of several
    branches are added.
    """
    from captum.attr import LayerGradCam

    told = torch.zeros(len(targets), *opened.maps.shape[2:], device=opened.maps.device)
    for place in layers:
        method = LayerGradCam(opened, place.module(opened.words))
        map_ = method.attribute(opened.leaves, target=targets).detach()  # (B, 1, h, w)
        told = told + laid(map_[:, 0], place.row.field, told.shape[1:])
    return told.clamp_min(0)


def laid(small: Tensor, field: ReceptiveField, size: Sequence[int]) -> Tensor:
    """Interpolates (B, h, w) numbers, each at the centre of its receptive field, to a grid: (B, H, W)."""
    down, across = (
        _weights(count, centre, step, length).to(small)
        for count, centre, step, length in zip(small.shape[1:], field.centre, field.step, size, strict=True)
    )
    return down.T @ small @ across


def _weights(count: int, first: float, step: int, length: int) -> Tensor:
    """(count, length): how much each of `count` numbers, `step` apart, has at each place; the border is repeated."""
    at = ((torch.arange(length) - first) / step).clamp(0, count - 1)
    return (1 - (at - torch.arange(count)[:, None]).abs()).clamp_min(0)
