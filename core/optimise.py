"""How weights move, and how they are averaged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from . import device as devices
from .settings import Settings

MANY_ROWS = 4096  # of a table: of fewer, a batch names so many that all of them may move


def rate(settings: Settings, share: float) -> float:
    """The learning rate as a share of its peak, `share` of the way through the run: up in the warm-up, then down."""
    if share < settings.warmup:
        return 0.1 + 0.9 * share / settings.warmup
    left = (1 - share) / (1 - settings.warmup)
    return {"linear": left, "cosine": (1 - math.cos(math.pi * left)) / 2, "constant": 1.0}[settings.schedule]


def optimiser(network: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The optimiser that the settings name. A group keeps its highest rate as `peak`; biases and norms do not decay."""
    free = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    tables = [table.weight for table in large_tables(network)] if settings.optimiser == "adamw" else []
    if settings.optimiser == "muon":
        filters = [p for _, p in free if p.ndim == 4]
        others = [p for _, p in free if p.ndim != 4]
        return Muon(_groups((filters, settings.lr, 0.0), (others, settings.lr_other, 0.0)), settings.momentum)
    weights = [p for name, p in free if p.ndim > 1 and not name.endswith("bias") and not any(p is t for t in tables)]
    others = [p for name, p in free if p.ndim <= 1 or name.endswith("bias")]
    groups = _groups((weights, settings.lr, settings.weight_decay), (others, settings.lr, 0.0))
    if settings.optimiser == "sgd":
        return torch.optim.SGD(groups, settings.lr, settings.momentum, nesterov=settings.momentum > 0)
    groups += [group | {"rows": True} for group in _groups((tables, settings.lr, 0.0))]
    return AdamW(groups, settings.lr, (settings.momentum, 0.999), fused=True)


def _groups(*told: tuple[list[nn.Parameter], float, float]) -> list[dict[str, object]]:
    return [{"params": params, "peak": lr, "lr": lr, "weight_decay": decay} for params, lr, decay in told if params]


def large_tables(network: nn.Module) -> list[nn.Embedding]:
    """The tables that learn and have so many rows that a batch names few of them."""
    tables = [module for module in network.modules() if isinstance(module, nn.Embedding)]
    return [table for table in tables if table.weight.requires_grad and table.num_embeddings >= MANY_ROWS]


class AdamW(torch.optim.AdamW):
    """AdamW (Loshchilov and Hutter 2019), but of large tables only the rows that a batch names move, and cost.

    They move by Adam without its first moment: in the end as far as with it, but at once. They do not decay.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override, unused-ignore]
        for group in self.param_groups:
            for p in group["params"] if group.get("rows") else ():
                if p.grad is not None:
                    self._move_rows(p, *named(p.grad), group)
                    p.grad = None  # torch's own step passes over what has none
        super().step()

    def _move_rows(self, p: Tensor, rows: Tensor, slopes: Tensor, group: dict[str, Any]) -> None:
        if not (state := self.state[p]):
            state |= {"step": torch.zeros(()), "square": torch.zeros_like(p), "named": p.new_zeros(len(p), 1)}
        state["step"] += 1
        step, beta = int(state["step"]), group["betas"][1]
        square = state["square"][rows] * beta ** (step - state["named"][rows]) + (1 - beta) * slopes**2
        state["square"][rows], state["named"][rows] = square, float(step)
        p.index_add_(0, rows, slopes / (square / (1 - beta**step)).sqrt_().add_(group["eps"]), alpha=-group["lr"])


def named(grad: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of a table that a gradient is not zero for, each once, and their slopes."""
    if grad.is_sparse:
        grad = grad.coalesce()
        return grad.indices()[0], grad.values()
    rows = grad.any(1).nonzero()[:, 0]
    return rows, grad[rows]


class Muon(torch.optim.Optimizer):
    """Filters move by their orthogonalised momentum, all other parameters by Adam.

    The step of a convolution's weights, as a matrix of (filters, window), has all its singular values near 1; each
    step first brings the weights back to the norm √filters, which batch normalisation behind them makes harmless.
    (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the norm as in airbench94_muon.)
    """

    def __init__(self, groups: list[dict[str, object]], momentum: float) -> None:
        super().__init__(groups, {"lr": 0.1, "momentum": momentum, "betas": (0.9, 0.95)})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override, unused-ignore]
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            for p in moved:
                if not self.state[p]:
                    self._begin(p)
            for p in (p for p in moved if p.ndim == 4):
                self._turn(p, group)
            if others := [p for p in moved if p.ndim != 4]:
                self._adam(others, group)

    def _begin(self, p: Tensor) -> None:
        kept = ("momentum",) if p.ndim == 4 else ("mean", "square")
        self.state[p] |= {name: torch.zeros_like(p) for name in kept}
        self.state[p] |= {"step": torch.zeros(())} if p.ndim != 4 else {}

    def _turn(self, p: Tensor, group: dict[str, Any]) -> None:
        assert p.grad is not None
        momentum = self.state[p]["momentum"].mul_(group["momentum"]).add_(p.grad)
        ahead = torch.add(p.grad, momentum, alpha=group["momentum"])
        p.mul_(len(p) ** 0.5 / p.norm().clamp_min(1e-12))
        p.sub_(orthogonal(ahead.flatten(1)).view_as(p), alpha=group["lr"])

    def _adam(self, params: list[Tensor], group: dict[str, Any]) -> None:
        one, two = group["betas"]
        gradients = [p.grad for p in params if p.grad is not None]
        states = [self.state[p] for p in params]
        for state in states:
            state["step"] += 1
        step = int(states[0]["step"])
        means, squares = [s["mean"] for s in states], [s["square"] for s in states]
        torch._foreach_lerp_(means, gradients, 1 - one)
        torch._foreach_mul_(squares, two)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - two)
        down = torch._foreach_sqrt(torch._foreach_div(squares, 1 - two**step))
        torch._foreach_add_(down, 1e-8)
        torch._foreach_addcdiv_(params, means, down, -group["lr"] / (1 - one**step))


def orthogonal(matrix: Tensor, steps: int = 3) -> Tensor:
    """`matrix` with its singular values brought near 1, by a quintic Newton–Schulz iteration in few bits if fast."""
    x: Tensor = matrix.to(devices.number_format(matrix.device, "auto"))
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * (square @ square)) @ x
    return (x.T if tall else x).to(matrix.dtype)


@torch.no_grad()
def restrain(network: nn.Module, most: float) -> None:
    """Scale the rows of dense layers' weights that are longer than `most` back to it (Kim 2014, section 2.1)."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            module.weight.copy_(torch.renorm(module.weight, 2, 0, most))


class Average:
    """The running mean of a network's weights: smoother than the last step's."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = network
        self.weights: dict[str, Tensor] = {}
        if decay:
            self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Towards the network as it stands after `step`; the first steps count for more, as the start is no guide."""
        if not self.decay:
            return
        far = 1 - min(self.decay, (1 + step) / (10 + step))
        state = self.network.state_dict()
        mean = [value for value in self.weights.values() if value.is_floating_point()]
        torch._foreach_lerp_(mean, [state[n] for n, v in self.weights.items() if v.is_floating_point()], far)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The network with the averaged weights in it, for as long as it is looked at."""
        if not self.weights:
            yield
            return
        own = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.weights)
        try:
            yield
        finally:
            self.network.load_state_dict(own)
