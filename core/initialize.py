"""How the weights of a network begin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor, nn

from .capability import Capability
from .data import Data, DataSpec
from .modules import Local


@dataclass(frozen=True)
class DataInitialization(Capability):
    """Initial weights that a domain computes from the training data, such as a linear model of words."""

    initialize: Callable[[nn.Module, Data, DataSpec], list[str]]  # changes the network; returns remarks


def initialize(network: nn.Module, seed: int, dirac: bool = False) -> None:
    """Random weights by He et al. 2015 (section 2.2), zero biases; the last layer smaller, so that no label leads.

    With `dirac`, convolutions but the first begin by handing their input on, and have small random weights only in
    the filters beyond its channels (Jordan 2024, arXiv:2404.00498, section 3.1). Drawn on the CPU, so that every
    device begins with the same weights.
    """
    rng = torch.Generator().manual_seed(seed)
    heavy = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear | Local | nn.Embedding)]
    for module in heavy:
        window = module.weight.shape[2] if isinstance(module, Local) else module.weight[0].numel()
        gain = 1.0 if module is heavy[-1] else 3**-0.5 if dirac else 2**0.5
        deviation = 0.1 if isinstance(module, nn.Embedding) else gain * window**-0.5
        with torch.no_grad():
            module.weight.normal_(0, deviation, generator=rng)
            if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                module.weight[module.padding_idx] = 0
            if isinstance(bias := getattr(module, "bias", None), Tensor):
                bias.zero_()
            if dirac and isinstance(module, nn.Conv2d) and module is not heavy[0] and module.groups == 1:
                _hand_on(module)


def _hand_on(conv: nn.Conv2d) -> None:
    """Filters that give the channel they are named after, unmoved: an even window is padded more after than before."""
    kept = conv.weight[: conv.in_channels]
    nn.init.dirac_(kept)
    for axis, size in enumerate(conv.kernel_size):
        if size % 2 == 0:
            kept.copy_(kept.roll(-1, 2 + axis))


@torch.no_grad()
def whiten(network: nn.Module, inputs: Tensor, eps: float = 5e-4) -> bool:
    """Let the first convolution whiten its input: its filters become the eigenvectors of the patches it sees, and stay.

    `inputs` (B, C, H, W) are some thousands of training inputs as the network sees them. Each eigenvector, divided by
    the root of its eigenvalue, is there with both signs; filters beyond those are random, of the same size. False
    where the network does not begin with a convolution. (Jordan 2024, arXiv:2404.00498, section 3.2, after Page 2018.)
    """
    conv = next(iter(network.children()), None)
    if not can_whiten(conv):
        return False
    patches = nn.functional.unfold(inputs, conv.kernel_size, conv.dilation)[..., ::2]  # (B, C·h·w, places)
    patches = patches.transpose(0, 1).flatten(1).double()  # (C·h·w, patches)
    values, vectors = torch.linalg.eigh(torch.cov(patches))
    filters = (vectors / (values + eps).sqrt()).T.flip(0)[: len(conv.weight) // 2]  # the strongest first
    both = torch.cat((filters, -filters)).unflatten(1, conv.weight.shape[1:])
    conv.weight.mul_(both.std() / conv.weight.std())
    conv.weight[: len(both)] = both.to(conv.weight)
    conv.weight.requires_grad_(False)
    return True


def freeze_whitening(network: nn.Module) -> None:
    """Marks the first convolution as not trained, as `whiten` does, for weights that are restored."""
    conv = next(iter(network.children()), None)
    if can_whiten(conv):
        conv.weight.requires_grad_(False)


def can_whiten(module: nn.Module | None) -> TypeGuard[nn.Conv2d]:
    return isinstance(module, nn.Conv2d) and module.groups == 1 and len(module.weight) >= 2
