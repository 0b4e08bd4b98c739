"""How weights move, and how they are averaged."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from . import device as devices
from .settings import Settings

Tensors = dict[str, Tensor]
Group = dict[str, Any]  # params, lr, its max_lr, weight_decay; rows, where only those that a batch names move

MANY_ROWS = 4096  # of a table: of fewer, a batch names so many that all of them may move


def lr_schedule(settings: Settings, share: float) -> float:
    """The learning rate as a share of its peak, `share` of the way through the run: up in the warm-up, then down."""
    if share < settings.warmup:
        return 0.1 + 0.9 * share / settings.warmup
    left = (1 - share) / (1 - settings.warmup)
    return {"linear": left, "cosine": (1 - math.cos(math.pi * left)) / 2, "constant": 1.0}[settings.schedule]


def optimiser(network: nn.Module, settings: Settings) -> Optimiser:
    """The optimiser that the settings name. `max_lr` is the peak rate of a group; biases and norms do not decay."""
    free = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    tables = [table.weight for table in large_tables(network)] if settings.optimiser == "adamw" else []
    if settings.optimiser == "muon":
        filters = [p for _, p in free if p.ndim == 4]
        others = [p for _, p in free if p.ndim != 4]
        return Muon(_groups((filters, settings.lr, 0.0), (others, settings.adam_lr, 0.0)), settings.momentum)
    weights = [p for name, p in free if p.ndim > 1 and not name.endswith("bias") and not any(p is t for t in tables)]
    others = [p for name, p in free if p.ndim <= 1 or name.endswith("bias")]
    groups = _groups((weights, settings.lr, settings.weight_decay), (others, settings.lr, 0.0))
    groups += [group | {"rows": True} for group in _groups((tables, settings.lr, 0.0))]
    return {"sgd": Sgd, "adamw": AdamW}[settings.optimiser](groups, settings.momentum)


def _groups(*told: tuple[Sequence[Tensor], float, float]) -> list[Group]:
    known = [(list(params), lr, decay) for params, lr, decay in told if params]
    return [{"params": params, "max_lr": lr, "lr": lr, "weight_decay": decay} for params, lr, decay in known]


def large_tables(network: nn.Module) -> list[nn.Embedding]:
    """The tables that learn and have so many rows that a batch names few of them."""
    tables = [module for module in network.modules() if isinstance(module, nn.Embedding)]
    return [table for table in tables if table.weight.requires_grad and table.num_embeddings >= MANY_ROWS]


class Optimiser(ABC):
    """What moves weights against their gradients: groups of parameters, and what is remembered of each.

    Not one of `torch.optim`: the first of those imports torch's compiler, 1.5 s of processor time before the first
    step on a CPU at 2.5 GHz, and each step of theirs takes 0.4 ms for itself.
    """

    def __init__(self, groups: list[Group], momentum: float) -> None:
        self.param_groups, self.momentum = groups, momentum
        self.state: dict[Tensor, Tensors] = {}

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One step of every parameter that has a gradient."""
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            for p in moved:
                if p not in self.state:
                    self.state[p] = self.begin(p, group)
            if moved:
                self.move(moved, [p.grad for p in moved], group)

    @abstractmethod
    def begin(self, p: Tensor, group: Group) -> Tensors:
        """What is remembered of a parameter before its first step, by name."""

    @abstractmethod
    def move(self, params: list[Tensor], gradients: list[Tensor], group: Group) -> None:
        """One step of these parameters of a group."""

    @property
    def params(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def remembered(self) -> dict[int, Tensors]:
        """What is remembered of each parameter that has moved, by its place among all."""
        return {at: self.state[p] for at, p in enumerate(self.params) if p in self.state}

    def remember(self, numbers: dict[int, Tensors]) -> None:
        """Go on from what `remembered` gave, copied to where a new one would lie: fused steps pair by memory."""
        placed = [(p, group) for group in self.param_groups for p in group["params"]]
        self.state = {}
        for at, values in numbers.items():
            p, group = placed[at]
            self.state[p] = self.begin(p, group)
            for name, value in values.items():
                self.state[p][name].copy_(value)

    def of(self, params: list[Tensor], name: str) -> list[Tensor]:
        return [self.state[p][name] for p in params]


class AdamW(Optimiser):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101), in one pass over the numbers.

    Of large tables only the rows that a batch names move, and cost. They move by Adam without its first moment: in the
    end as far as with it, but at once. They do not decay.
    """

    BETA, EPS = 0.999, 1e-8  # of the second moment

    def begin(self, p: Tensor, group: Group) -> Tensors:
        if group.get("rows"):
            return {"step": torch.zeros(()), "square": torch.zeros_like(p), "named": p.new_zeros(len(p), 1)}
        step = torch.zeros((), device=p.device)  # the fused step of a GPU wants it there
        return {"step": step, "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}

    def move(self, params: list[Tensor], gradients: list[Tensor], group: Group) -> None:
        steps = self.of(params, "step")
        torch._foreach_add_(steps, 1)
        if group.get("rows"):
            for p, gradient in zip(params, gradients, strict=True):
                self._move_rows(p, gradient, group["lr"])
            return
        means, squares = self.of(params, "exp_avg"), self.of(params, "exp_avg_sq")
        torch._fused_adamw_(
            params, gradients, means, squares, [], steps,
            lr=group["lr"], beta1=self.momentum, beta2=self.BETA, weight_decay=group["weight_decay"], eps=self.EPS,
            amsgrad=False, maximize=False,
        )  # fmt: skip

    def _move_rows(self, p: Tensor, gradient: Tensor, lr: float) -> None:
        state = self.state[p]
        if gradient.is_sparse:
            gradient = gradient.coalesce()
            rows, slopes = gradient.indices()[0], gradient.values()
            state["square"][rows], down = self._seen(state, state["square"][rows], state["named"][rows], slopes)
            state["named"][rows] = float(state["step"])
            p.index_add_(0, rows, slopes / down, alpha=-lr)
            return
        has = gradient.any(1, keepdim=True)  # which rows these are is not asked: the answer would make a GPU wait
        square, down = self._seen(state, state["square"], state["named"], gradient)
        state["square"].copy_(torch.where(has, square, state["square"]))
        state["named"].masked_fill_(has, float(state["step"]))
        p.addcdiv_(gradient, down, value=-lr)

    def _seen(self, state: Tensors, square: Tensor, named: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
        """The second moment of rows that were last named at step `named`, and what their slopes are divided by."""
        step = int(state["step"])
        square = square * self.BETA ** (step - named) + (1 - self.BETA) * slopes**2
        return square, (square / (1 - self.BETA**step)).sqrt_().add_(self.EPS)


class Sgd(Optimiser):
    """Gradient descent that looks ahead along its momentum (Nesterov's, as Sutskever et al. 2013 write it)."""

    def begin(self, p: Tensor, group: Group) -> Tensors:
        return {"momentum_buffer": torch.zeros_like(p)} if self.momentum else {}

    def move(self, params: list[Tensor], gradients: list[Tensor], group: Group) -> None:
        if decay := group["weight_decay"]:
            gradients = list(torch._foreach_add(gradients, params, alpha=decay))
        if self.momentum:
            buffers = self.of(params, "momentum_buffer")
            torch._foreach_mul_(buffers, self.momentum)
            torch._foreach_add_(buffers, gradients)
            gradients = list(torch._foreach_add(gradients, buffers, alpha=self.momentum))
        torch._foreach_add_(params, gradients, alpha=-group["lr"])


class Muon(Optimiser):
    """Filters move by their orthogonalised momentum, all other parameters by Adam.

    The step of a convolution's weights, as a matrix of (filters, window), has all its singular values near 1; each
    step first brings the weights back to the norm √filters, which batch normalisation behind them makes harmless.
    (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the norm as in airbench94_muon.)
    """

    BETAS = (0.9, 0.95)  # of Adam

    def begin(self, p: Tensor, group: Group) -> Tensors:
        if p.ndim == 4:
            return {"momentum": torch.zeros_like(p)}
        return {"mean": torch.zeros_like(p), "square": torch.zeros_like(p), "step": torch.zeros(())}

    def move(self, params: list[Tensor], gradients: list[Tensor], group: Group) -> None:
        alike: dict[torch.Size, tuple[list[Tensor], list[Tensor]]] = {}
        for p, gradient in zip(params, gradients, strict=True):
            if p.ndim == 4:
                filters, slopes = alike.setdefault(p.shape, ([], []))
                filters.append(p)
                slopes.append(gradient)
        for filters, slopes in alike.values():
            self._turn(filters, slopes, group["lr"])
        if others := [p for p in params if p.ndim != 4]:
            self._adam(others, [g for g in gradients if g.ndim != 4], group["lr"])

    def _turn(self, params: list[Tensor], gradients: list[Tensor], lr: float) -> None:
        """One step of filters of one shape, in products of them all: many small ones keep a GPU waiting."""
        momenta = self.of(params, "momentum")
        torch._foreach_mul_(momenta, self.momentum)
        torch._foreach_add_(momenta, gradients)
        ahead = torch._foreach_add(gradients, momenta, alpha=self.momentum)
        turned = orthogonal(torch.stack([each.flatten(1) for each in ahead]))
        norms = torch._foreach_maximum(torch._foreach_norm(params), 1e-12)
        torch._foreach_mul_(params, torch._foreach_mul(torch._foreach_reciprocal(norms), len(params[0]) ** 0.5))
        torch._foreach_sub_(params, [each.view_as(p) for each, p in zip(turned, params, strict=True)], alpha=lr)

    def _adam(self, params: list[Tensor], gradients: list[Tensor], lr: float) -> None:
        one, two = self.BETAS
        steps, means, squares = (self.of(params, name) for name in ("step", "mean", "square"))
        torch._foreach_add_(steps, 1)
        step = int(steps[0])
        torch._foreach_lerp_(means, gradients, 1 - one)
        torch._foreach_mul_(squares, two)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - two)
        down = torch._foreach_sqrt(torch._foreach_div(squares, 1 - two**step))
        torch._foreach_add_(down, 1e-8)
        torch._foreach_addcdiv_(params, means, down, -lr / (1 - one**step))


class Lbfgs(torch.optim.LBFGS):
    """torch's L-BFGS (Nocedal 1980), which of torch's compiler needs nothing either but for one wrapper."""

    add_param_group = torch.optim.Optimizer.add_param_group.__wrapped__  # type: ignore[attr-defined]


def orthogonal(matrix: Tensor, steps: int = 3) -> Tensor:
    """Matrices (…, M, N) with singular values near 1, by a quintic Newton–Schulz iteration, in few bits if fast."""
    x: Tensor = matrix.to(devices.number_format(matrix.device, "auto"))
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * (square @ square)) @ x
    return (x.mT if tall else x).to(matrix.dtype)


@torch.no_grad()
def apply_max_norm(network: nn.Module, most: float) -> None:
    """Scale the rows of dense layers' weights that are longer than `most` back to it (Kim 2014, section 2.1)."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            module.weight.copy_(torch.renorm(module.weight, 2, 0, most))


class EMA:
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
