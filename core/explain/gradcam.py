"""Grad-CAM: maps of a late convolution, weighted by their gradients (Selvaraju et al. 2017, arXiv:1610.02391)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..network import Network
from ..receptive_field import ReceptiveField
from .interpretable import InterpretableNetwork
from .places import Place, last_maps


def default_layers(network: Network) -> list[Place]:
    """Returns the last layers that give maps, as the paper does.

    Finer maps of earlier layers locate a planted patch more often, and explain predictions worse (docs/glass-box.md).
    """
    return last_maps(network)


def gradcam(network: InterpretableNetwork, targets: Tensor, layers: Sequence[Place]) -> Tensor:
    """max(0, Σ_k mean(∂y/∂A_k) · A_k) over the maps A of `layers`, interpolated to the input: (B, H, W).

    Each number lies at the centre of its receptive field. Implementations that stretch the small map over the whole
    input displace it where windows are not padded. The maps of several branches are added.
    """
    from captum.attr import LayerGradCam

    relevance = torch.zeros(len(targets), *network.maps.shape[2:], device=network.maps.device)
    for place in layers:
        method = LayerGradCam(network, place.module(network.network))
        small = method.attribute(network.inputs, target=targets).detach()  # (B, 1, h, w)
        relevance = relevance + interpolate(small[:, 0], place.row.field, relevance.shape[1:])
    return relevance.clamp_min(0)


def interpolate(small: Tensor, field: ReceptiveField, size: Sequence[int]) -> Tensor:
    """Interpolates (B, h, w) numbers, each at the centre of its receptive field, to a grid: (B, H, W)."""
    down, across = (
        _weights(count, centre, step, length).to(small)
        for count, centre, step, length in zip(small.shape[1:], field.centre, field.step, size, strict=True)
    )
    return down.T @ small @ across


def _weights(count: int, first: float, step: float, length: int) -> Tensor:
    """(count, length) linear interpolation weights of `count` numbers `step` apart; the border is repeated."""
    coordinates = ((torch.arange(length) - first) / step).clamp(0, count - 1)
    return (1 - (coordinates - torch.arange(count)[:, None]).abs()).clamp_min(0)
