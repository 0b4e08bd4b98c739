"""Initial weights of a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import Tensor, nn

from .capability import Capability
from .data import Data, DataSpec
from .modules import Local, Patches, SCells, Vote


@dataclass(frozen=True)
class DataInitialization(Capability):
    """Initial weights that a domain computes from the training data, such as a linear model of words."""

    # Changes the network for data that a task has encoded, given the task's loss; returns remarks.
    initialize: Callable[[nn.Module, Data, DataSpec, Callable[[Tensor, Tensor], Tensor]], list[str]]


def initialize(network: nn.Module, seed: int, dirac: bool = False) -> None:
    """Draws weights by He et al. 2015 (section 2.2) and sets biases to 0; the last layer gets smaller weights.

    With `dirac`, all convolutions except the first start as the identity, with small random weights only in the filters
    beyond their input's channels (Jordan 2024, arXiv:2404.00498, section 3.1). Weights are drawn on the CPU, so that
    they are the same on every device.
    """
    rng = torch.Generator().manual_seed(seed)
    weighted = [m for m in network.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear | Local | nn.Embedding)]
    for module in weighted:
        window = module.weight.shape[2] if isinstance(module, Local) else module.weight[0].numel()
        gain = 1.0 if module is weighted[-1] else 3**-0.5 if dirac else 2**0.5
        std = 0.1 if isinstance(module, nn.Embedding) else gain * window**-0.5
        with torch.no_grad():
            module.weight.normal_(0, std, generator=rng)
            if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                module.weight[module.padding_idx] = 0
            if isinstance(bias := getattr(module, "bias", None), Tensor):
                bias.zero_()
            if dirac and isinstance(module, nn.Conv2d) and module is not weighted[0] and module.groups == 1:
                _set_identity(module)


@torch.no_grad()
def set_output_bias(network: nn.Module, bias: Tensor) -> None:
    """Sets the bias (K,) of the dense layers that give the network's output, in the branches of a vote of each."""
    for layer in output_layers(network):
        if layer.bias is not None and layer.bias.shape == bias.shape:
            layer.bias.copy_(bias)


def output_layers(module: nn.Module) -> list[nn.Linear]:
    """The dense layers that end a network."""
    if isinstance(module, nn.Linear):
        return [module]
    last = list(module.branches) if isinstance(module, Vote) else list(module.children())[-1:]
    return [layer for child in last for layer in output_layers(child)]


def _set_identity(conv: nn.Conv2d) -> None:
    """Makes filter k return channel k; even windows are padded more after than before, so their tap moves by one."""
    filters = conv.weight[: conv.in_channels]
    nn.init.dirac_(filters)
    for axis, size in enumerate(conv.kernel_size):
        if size % 2 == 0:
            filters.copy_(filters.roll(-1, 2 + axis))


@torch.no_grad()
def whiten(network: nn.Module, inputs: Tensor, eps: float = 5e-4) -> bool:
    """Makes the first convolution whiten its input: its filters become the eigenvectors of its patches, and frozen.

    `inputs` (B, C, H, W) are some thousands of training inputs behind the frontend. There are two filters for each
    eigenvector, divided by the root of its eigenvalue, one with each sign; filters beyond those stay random, scaled to
    the same size. Returns False if the network does not start with a convolution. (Jordan 2024, arXiv:2404.00498,
    section 3.2, after Page 2018.)
    """
    conv = next(iter(network.children()), None)
    if not can_whiten(conv):
        return False
    patches = nn.functional.unfold(inputs, conv.kernel_size, conv.dilation)[..., ::2]  # (B, C·h·w, positions)
    patches = patches.transpose(0, 1).flatten(1).double()  # (C·h·w, patches)
    values, vectors = torch.linalg.eigh(torch.cov(patches))
    filters = (vectors / (values + eps).sqrt()).T.flip(0)[: len(conv.weight) // 2]  # the largest eigenvalue first
    both = torch.cat((filters, -filters)).unflatten(1, conv.weight.shape[1:])
    conv.weight.mul_(both.std() / conv.weight.std())
    conv.weight[: len(both)] = both.to(conv.weight)
    conv.weight.requires_grad_(False)
    return True


@torch.no_grad()
def fit_templates(network: nn.Module, inputs: Tensor, seed: int) -> None:
    """Sets the templates of `patches` and `scells` from training inputs (B, C, H, W) behind the frontend.

    Each layer is fitted to what it receives once those before it are fitted.
    """
    rng = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, TEMPLATES):
            received: list[Tensor] = []
            hook = module.register_forward_pre_hook(lambda _, arguments, to=received: to.append(arguments[0]))
            try:
                for batch in inputs.split(TEMPLATE_BATCH):
                    network(batch)
            finally:
                hook.remove()
            module.fit(received, rng)


def has_templates(network: nn.Module) -> bool:
    """Whether a network has layers that `fit_templates` sets."""
    return any(isinstance(module, TEMPLATES) for module in network.modules())


TEMPLATES = Patches | SCells
TEMPLATE_BATCH = 32  # inputs that go through the network at once


def freeze_whitening(network: nn.Module) -> None:
    """Marks the first convolution as not trained, as `whiten` does, for weights that are restored."""
    conv = next(iter(network.children()), None)
    if can_whiten(conv):
        conv.weight.requires_grad_(False)


def can_whiten(module: nn.Module | None) -> TypeGuard[nn.Conv2d]:
    return isinstance(module, nn.Conv2d) and module.groups == 1 and len(module.weight) >= 2
