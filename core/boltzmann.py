"""Layers pre-trained one by one as restricted Boltzmann machines, without labels: a deep belief network.

Hinton, Osindero and Teh 2006 (Neural Computation 18), by contrastive divergence with one step (Hinton 2002); learning
rates, momentum and decay as Hinton 2010, "A practical guide to training restricted Boltzmann machines", sections 8 to
10, recommends, and Mohamed, Dahl and Hinton 2012 (IEEE TASLP 20(1), section V) use for speech. The units that
generate the inputs are not kept: what is left is the initial weights of a network.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .problem import USAGE, Problem

WINDOWS = 20_000  # that a layer learns from
BATCH = 100
GAUSSIAN_LR, BINARY_LR = 0.002, 0.05
MOMENTUM, LATE_MOMENTUM, EARLY = 0.5, 0.9, 5  # and the epochs before the momentum rises
DECAY = 2e-4
CHUNK = 500  # examples that go through a layer at once


class Boltzmann(NamedTuple):
    """Weights (H, V) and biases of H hidden and V visible units; hidden ones are 0 or 1.

    Visible units are 0 or 1, or with `gaussian` numbers of variance 1.
    """

    weight: Tensor
    hidden: Tensor
    visible: Tensor
    gaussian: bool

    def hidden_probabilities(self, v: Tensor) -> Tensor:
        return torch.sigmoid(v @ self.weight.T + self.hidden)

    def reconstructed(self, h: Tensor) -> Tensor:
        """The expected visible units, given hidden ones."""
        sums = h @ self.weight + self.visible
        return sums if self.gaussian else torch.sigmoid(sums)

    def divergence(self, v: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """The direction of contrastive divergence with one step, of the weights and both biases, for a batch (B, V)."""
        first = self.hidden_probabilities(v)
        sampled = (torch.rand(first.shape, generator=rng) < first).to(v)
        again = self.reconstructed(sampled)
        second = self.hidden_probabilities(again)
        weight = (first.T @ v - second.T @ again) / len(v)
        return weight, (first - second).mean(0), (v - again).mean(0)

    def error(self, v: Tensor) -> float:
        """The mean square of what a reconstruction from the hidden probabilities misses."""
        return float((v - self.reconstructed(self.hidden_probabilities(v))).square().mean())


def learn(v: Tensor, units: int, epochs: int, rng: torch.Generator, gaussian: bool) -> Boltzmann:
    """A machine with so many hidden units for examples (N, V)."""
    machine = Boltzmann(
        torch.randn(units, v.shape[1], generator=rng) * 0.01, torch.zeros(units), torch.zeros(v.shape[1]), gaussian
    )
    if not gaussian:
        machine.visible.copy_(v.mean(0).clamp(0.01, 0.99).logit())
    steps = [torch.zeros_like(parameter) for parameter in machine[:3]]
    lr = GAUSSIAN_LR if gaussian else BINARY_LR
    for epoch in range(epochs):
        momentum = MOMENTUM if epoch < EARLY else LATE_MOMENTUM
        for rows in torch.randperm(len(v), generator=rng).split(BATCH):
            directions = list(machine.divergence(v[rows], rng))
            directions[0] -= DECAY * machine.weight
            for parameter, step, direction in zip(machine[:3], steps, directions, strict=True):
                parameter.add_(step.mul_(momentum).add_(direction, alpha=lr))
    return machine


@torch.no_grad()
def pretrain(network: nn.Module, maps: Tensor, epochs: int, seed: int) -> str:
    """Sets every `conv` and `dense` in front of a sigmoid, from the first on, to a machine's weights; a remark.

    `maps` (N, C, H, W) are training inputs behind the frontend. The first machine has Gaussian visible units, which are
    standardised; the others get the probabilities that the one before gives. Raises Problem without such layers.
    """
    rng = torch.Generator().manual_seed(seed)
    layers = list(network.children())
    errors: list[str] = []
    x, device = maps.cpu().float(), maps.device
    network.cpu()
    for index, (layer, following) in enumerate(pairwise(layers)):
        if isinstance(layer, nn.Conv2d | nn.Linear) and isinstance(following, nn.Sigmoid):
            if isinstance(layer, nn.Conv2d) and layer.groups > 1:
                raise Problem(f"--set rbm: layer {index} has groups, of which no machine is learned", USAGE)
            v = windows(layer, x, rng)
            mean, std = (v.mean(0), v.std(0, correction=0).clamp_min(1e-3)) if not errors else (0.0, 1.0)
            v = (v - mean) / std
            machine = learn(v, len(layer.weight), epochs, rng, gaussian=not errors)
            weight = machine.weight / std
            layer.weight.copy_(weight.view_as(layer.weight))
            if layer.bias is not None:
                layer.bias.copy_(machine.hidden - (weight * mean).sum(1))
            errors.append(f"layer {index} {machine.error(v):.3f}")
        x = torch.cat([layer(part) for part in x.split(CHUNK)])
    network.to(device)
    if not errors:
        raise Problem("--set rbm pre-trains layers in front of a sigmoid, and the network has none", USAGE)
    return f"pre-trained as restricted Boltzmann machines (mean square error of reconstruction: {', '.join(errors)})"


def windows(layer: nn.Module, x: Tensor, rng: torch.Generator) -> Tensor:
    """Random windows (at most WINDOWS, V) of what a layer sees of its inputs."""
    if isinstance(layer, nn.Conv2d):
        share = max(1, WINDOWS // len(x))
        drawn = []
        for part in x.split(CHUNK):
            seen = F.unfold(part, layer.kernel_size, layer.dilation, layer.padding, layer.stride)  # type: ignore[arg-type]
            picks = torch.randint(seen.shape[2], (len(part), share), generator=rng)
            drawn.append(seen.gather(2, picks[:, None].expand(-1, seen.shape[1], -1)).transpose(1, 2).flatten(0, 1))
        return torch.cat(drawn)
    return x[torch.randperm(len(x), generator=rng)[:WINDOWS]]
