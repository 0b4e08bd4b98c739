"""Optimisers, the learning rate schedule, and the running average of weights."""

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
Group = dict[str, Any]  # params, lr, max_lr, weight_decay; rows: True for tables of which only the rows in use move

MANY_ROWS = 4096  # of a table: with fewer rows, a batch uses so many that all of them may move


def lr_schedule(settings: Settings, progress: float) -> float:
    """Returns the learning rate as a share of its maximum; `progress` through the run is in [0, 1]."""
    if progress < settings.warmup:
        return 0.1 + 0.9 * progress / settings.warmup
    left = (1 - progress) / (1 - settings.warmup)
    return {"linear": left, "cosine": (1 - math.cos(math.pi * left)) / 2, "constant": 1.0}[settings.schedule]


def optimiser(network: nn.Module, settings: Settings) -> Optimiser:
    """Returns the optimiser that the settings name; biases and norms do not decay."""
    trainable = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    tables = [table.weight for table in large_tables(network)] if settings.optimiser == "adamw" else []
    if settings.optimiser == "muon":
        filters = [p for _, p in trainable if p.ndim == 4]
        remaining = [p for _, p in trainable if p.ndim != 4]
        groups = _groups((filters, settings.lr, 0.0), (remaining, settings.adam_lr, 0.0))
        return Muon(by_depth(groups, network, settings.lr_first), settings.momentum)
    matrices = [(name, p) for name, p in trainable if p.ndim > 1 and not name.endswith("bias")]
    weights = [p for _, p in matrices if not any(p is table for table in tables)]
    vectors = [p for name, p in trainable if p.ndim <= 1 or name.endswith("bias")]
    groups = _groups((weights, settings.lr, settings.weight_decay), (vectors, settings.lr, 0.0))
    groups += [group | {"rows": True} for group in _groups((tables, settings.lr, 0.0))]
    groups = by_depth(groups, network, settings.lr_first)
    return {"sgd": Sgd, "adamw": AdamW}[settings.optimiser](groups, settings.momentum)


def _groups(*groups: tuple[Sequence[Tensor], float, float]) -> list[Group]:
    """Returns parameter groups from (parameters, learning rate, weight decay), without empty ones."""
    return [
        {"params": list(params), "max_lr": lr, "lr": lr, "weight_decay": decay}
        for params, lr, decay in groups
        if params
    ]


def by_depth(groups: list[Group], network: nn.Module, first: float) -> list[Group]:
    """Returns groups whose learning rates fall geometrically from the last layer to `first` of it in the first one.

    Depth counts the layers at the top of the network that have trainable parameters (discriminative fine-tuning; Howard
    and Ruder 2018, arXiv:1801.06146, section 3.2, with a factor for the network instead of one for each layer).
    """
    if first == 1:
        return groups
    layers = [[p for p in layer.parameters() if p.requires_grad] for layer in network.children()]
    trained = [params for params in layers if params]
    steps = max(1, len(trained) - 1)
    factors = {p: first ** ((steps - depth) / steps) for depth, params in enumerate(trained) for p in params}
    split = []
    for group in groups:
        for factor in dict.fromkeys(factors[p] for p in group["params"]):
            params = [p for p in group["params"] if factors[p] == factor]
            lr = group["max_lr"] * factor
            split.append(group | {"params": params, "max_lr": lr, "lr": lr})
    return split


def large_tables(network: nn.Module) -> list[nn.Embedding]:
    """Returns the trainable tables with so many rows that a batch uses few of them."""
    tables = [module for module in network.modules() if isinstance(module, nn.Embedding)]
    return [table for table in tables if table.weight.requires_grad and table.num_embeddings >= MANY_ROWS]


class Optimiser(ABC):
    """The base of optimisers: groups of parameters, and the state of each parameter.

    They are not those of `torch.optim`, the first of which imports torch's compiler, 1.5 s of processor time before the
    first step on a CPU at 2.5 GHz, and whose steps have an overhead of 0.4 ms.
    """

    def __init__(self, groups: list[Group], momentum: float) -> None:
        self.param_groups, self.momentum = groups, momentum
        self.state: dict[Tensor, Tensors] = {}

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Updates every parameter that has a gradient."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            for p in params:
                if p not in self.state:
                    self.state[p] = self.initial_state(p, group)
            if params:
                self.update(params, [p.grad for p in params], group)

    @abstractmethod
    def initial_state(self, p: Tensor, group: Group) -> Tensors:
        """Returns the state of a parameter before its first step, by name."""

    @abstractmethod
    def update(self, params: list[Tensor], gradients: list[Tensor], group: Group) -> None:
        """Updates some parameters of a group."""

    @property
    def params(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def state_dict(self) -> dict[int, Tensors]:
        """Returns the state of each parameter that was updated, by the parameter's index."""
        return {index: self.state[p] for index, p in enumerate(self.params) if p in self.state}

    def load_state_dict(self, states: dict[int, Tensors]) -> None:
        """Continues from a state, copied into new tensors laid out like the parameters, which fused steps rely on."""
        params = [(p, group) for group in self.param_groups for p in group["params"]]
        self.state = {}
        for index, values in states.items():
            p, group = params[index]
            self.state[p] = self.initial_state(p, group)
            for name, value in values.items():
                self.state[p][name].copy_(value)

    def values(self, params: list[Tensor], name: str) -> list[Tensor]:
        """Returns one value of the state of each parameter."""
        return [self.state[p][name] for p in params]


class AdamW(Optimiser):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101), fused over all parameters.

    Of large tables only the rows that a batch uses are updated, and cost time. For them Adam has no first moment: the
    same total update, without delay. They do not decay.
    """

    BETA, EPS = 0.999, 1e-8  # of the second moment

    def initial_state(self, p: Tensor, group: Group) -> Tensors:
        if group.get("rows"):
            return {"step": torch.zeros(()), "square": torch.zeros_like(p), "named": p.new_zeros(len(p), 1)}
        step = torch.zeros((), device=p.device)  # the fused step of a GPU wants it there
        return {"step": step, "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}

    def update(self, params: list[Tensor], gradients: list[Tensor], group: Group) -> None:
        steps = self.values(params, "step")
        torch._foreach_add_(steps, 1)
        if group.get("rows"):
            for p, gradient in zip(params, gradients, strict=True):
                self._move_rows(p, gradient, group["lr"])
            return
        means, squares = self.values(params, "exp_avg"), self.values(params, "exp_avg_sq")
        torch._fused_adamw_(
            params, gradients, means, squares, [], steps,
            lr=group["lr"], beta1=self.momentum, beta2=self.BETA, weight_decay=group["weight_decay"], eps=self.EPS,
            amsgrad=False, maximize=False,
        )  # fmt: skip

    def _move_rows(self, p: Tensor, gradient: Tensor, lr: float) -> None:
        state = self.state[p]
        if gradient.is_sparse:
            gradient = gradient.coalesce()
            rows, values = gradient.indices()[0], gradient.values()
            state["square"][rows], divisor = self._second_moment(
                state, state["square"][rows], state["named"][rows], values
            )
            state["named"][rows] = float(state["step"])
            p.index_add_(0, rows, values / divisor, alpha=-lr)
            return
        used = gradient.any(1, keepdim=True)  # as a mask: indices would make a GPU wait
        square, divisor = self._second_moment(state, state["square"], state["named"], gradient)
        state["square"].copy_(torch.where(used, square, state["square"]))
        state["named"].masked_fill_(used, float(state["step"]))
        p.addcdiv_(gradient, divisor, value=-lr)

    def _second_moment(
        self, state: Tensors, square: Tensor, last_step: Tensor, gradient: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Returns the second moment of rows that were last used at `last_step`, and the divisor of their gradients."""
        step = int(state["step"])
        square = square * self.BETA ** (step - last_step) + (1 - self.BETA) * gradient**2
        return square, (square / (1 - self.BETA**step)).sqrt_().add_(self.EPS)


class Sgd(Optimiser):
    """Gradient descent with Nesterov's momentum (as in Sutskever et al. 2013)."""

    def initial_state(self, p: Tensor, group: Group) -> Tensors:
        return {"momentum_buffer": torch.zeros_like(p)} if self.momentum else {}

    def update(self, params: list[Tensor], gradients: list[Tensor], group: Group) -> None:
        if decay := group["weight_decay"]:
            gradients = list(torch._foreach_add(gradients, params, alpha=decay))
        if self.momentum:
            buffers = self.values(params, "momentum_buffer")
            torch._foreach_mul_(buffers, self.momentum)
            torch._foreach_add_(buffers, gradients)
            gradients = list(torch._foreach_add(gradients, buffers, alpha=self.momentum))
        torch._foreach_add_(params, gradients, alpha=-group["lr"])


class Muon(Optimiser):
    """Updates filters by their orthogonalised momentum, and all other parameters by Adam.

    The update of a convolution's weights, as a matrix of (filters, window), has all its singular values near 1; each
    step first scales the weights to the norm √filters, which batch normalisation behind them makes harmless.
    (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the norm as in airbench94_muon.)
    """

    BETAS = (0.9, 0.95)  # of Adam

    def initial_state(self, p: Tensor, group: Group) -> Tensors:
        if p.ndim == 4:
            return {"momentum": torch.zeros_like(p)}
        return {"mean": torch.zeros_like(p), "square": torch.zeros_like(p), "step": torch.zeros(())}

    def update(self, params: list[Tensor], gradients: list[Tensor], group: Group) -> None:
        by_shape: dict[torch.Size, tuple[list[Tensor], list[Tensor]]] = {}
        for p, gradient in zip(params, gradients, strict=True):
            if p.ndim == 4:
                filters, filter_gradients = by_shape.setdefault(p.shape, ([], []))
                filters.append(p)
                filter_gradients.append(gradient)
        for filters, filter_gradients in by_shape.values():
            self._orthogonal_step(filters, filter_gradients, group["lr"])
        if remaining := [p for p in params if p.ndim != 4]:
            self._adam(remaining, [g for g in gradients if g.ndim != 4], group["lr"])

    def _orthogonal_step(self, params: list[Tensor], gradients: list[Tensor], lr: float) -> None:
        """Updates filters of one shape in batched products: many small ones keep a GPU waiting."""
        momenta = self.values(params, "momentum")
        torch._foreach_mul_(momenta, self.momentum)
        torch._foreach_add_(momenta, gradients)
        nesterov = torch._foreach_add(gradients, momenta, alpha=self.momentum)
        updates = orthogonal(torch.stack([matrix.flatten(1) for matrix in nesterov]))
        norms = torch._foreach_maximum(torch._foreach_norm(params), 1e-12)
        torch._foreach_mul_(params, torch._foreach_mul(torch._foreach_reciprocal(norms), len(params[0]) ** 0.5))
        torch._foreach_sub_(params, [update.view_as(p) for update, p in zip(updates, params, strict=True)], alpha=lr)

    def _adam(self, params: list[Tensor], gradients: list[Tensor], lr: float) -> None:
        beta1, beta2 = self.BETAS
        steps, means, squares = (self.values(params, name) for name in ("step", "mean", "square"))
        torch._foreach_add_(steps, 1)
        step = int(steps[0])
        torch._foreach_lerp_(means, gradients, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
        divisors = torch._foreach_sqrt(torch._foreach_div(squares, 1 - beta2**step))
        torch._foreach_add_(divisors, 1e-8)
        torch._foreach_addcdiv_(params, means, divisors, -lr / (1 - beta1**step))


class Lbfgs(torch.optim.LBFGS):
    """torch's L-BFGS (Nocedal 1980) without the wrapper that imports torch's compiler."""

    add_param_group = torch.optim.Optimizer.add_param_group.__wrapped__  # type: ignore[attr-defined]


def orthogonal(matrix: Tensor, steps: int = 3) -> Tensor:
    """Returns matrices (…, M, N) with singular values near 1, by a quintic Newton–Schulz iteration.

    It multiplies in bfloat16 on devices on which that is faster.
    """
    x: Tensor = matrix.to(devices.number_format(matrix.device, "auto"))
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * (square @ square)) @ x
    return (x.mT if tall else x).to(matrix.dtype)


@torch.no_grad()
def shrink_weights(groups: Sequence[Group], l1: float) -> None:
    """Moves each weight towards 0 by `l1` times its learning rate, and no further: the proximal step of an L1 penalty
    (Parikh and Boyd 2014, section 6.5.2). Biases and norms stay.
    """
    for group in groups:
        for parameter in group["params"]:
            if parameter.ndim > 1:
                parameter.copy_(torch.nn.functional.softshrink(parameter, l1 * group["lr"]))


@torch.no_grad()
def apply_max_norm(network: nn.Module, most: float) -> None:
    """Scales rows of dense layers' weights whose norm exceeds `most` back to it (Kim 2014, section 2.1)."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            module.weight.copy_(torch.renorm(module.weight, 2, 0, most))


class EMA:
    """The exponential moving average of a network's weights."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.network = network
        self.weights: dict[str, Tensor] = {}
        if decay:
            self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Moves the average towards the weights after `step`; early steps weigh more, to forget the initial weights."""
        if not self.decay:
            return
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        state = self.network.state_dict()
        averages = {name: value for name, value in self.weights.items() if value.is_floating_point()}
        torch._foreach_lerp_(list(averages.values()), [state[name] for name in averages], weight)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Puts the averaged weights into the network within the context."""
        if not self.weights:
            yield
            return
        trained = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.weights)
        try:
            yield
        finally:
            self.network.load_state_dict(trained)
