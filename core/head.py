"""The head before everything else: a last dense layer solved on the features of the layers before it.

Fine-tuning from a random head first distorts the features that the other layers give; solving the head first and then
training all layers (LP-FT) keeps them (Kumar et al. 2022, arXiv:2202.10054).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .data import Examples
from .feed import map_batches
from .optimise import Lbfgs
from .problem import USAGE, Problem
from .train import Trainer

PENALTIES = (1e-1, 1e-2, 1e-3, 1e-4)  # of the mean square of the weights of standardised features
FOLDS = 4
STEPS = 60  # of L-BFGS
MOST = 20_000  # training examples that the head is solved on


@dataclass(frozen=True)
class Head:
    """The last dense layer of a network with what stands before and after it."""

    before: list[nn.Module]
    dense: nn.Linear
    after: list[nn.Module]


def head_of(network: nn.Module) -> Head:
    """Raises Problem unless the last layer with weights is a dense one."""
    layers = list(network.children())
    last = max((index for index, layer in enumerate(layers) if layer.state_dict()), default=-1)
    if last < 0 or not isinstance(dense := layers[last], nn.Linear):
        raise Problem(
            "--head-first is for a network whose last layer with weights is dense(…); this one ends otherwise", USAGE
        )
    return Head(layers[:last], dense, layers[last + 1 :])


def solve_head(trainer: Trainer, examples: Examples) -> str:
    """Sets the head of a network in training to the minimum of the loss on its features; returns a remark.

    The features are those of the training examples without augmentation. The penalty of the weights is the one with the
    lowest loss on held-out folds.
    """
    head = head_of(trainer.network)
    examples = examples.subsample(MOST)
    features, targets = _features(trainer, head, examples), examples.targets.to(trainer.device)
    mean, scale = features.mean(0), features.std().clamp_min(1e-6)
    features = (features - mean) / scale

    def loss(weight: Tensor, bias: Tensor, rows: Tensor) -> Tensor:
        logits = features[rows] @ weight.T + bias
        for layer in head.after:
            logits = layer(logits)
        return trainer.task.loss(logits, targets[rows], trainer.settings.smoothing)

    order = torch.randperm(len(features), generator=torch.Generator().manual_seed(trainer.settings.seed))
    penalty = _best_penalty(loss, head.dense, order.to(trainer.device)) if len(order) >= 2 * FOLDS else PENALTIES[1]
    weight, bias = _minimum(loss, head.dense, order.to(trainer.device), penalty)
    with torch.no_grad():
        head.dense.weight.copy_(weight / scale)
        if head.dense.bias is not None:
            head.dense.bias.copy_(bias - weight @ mean / scale)
        trainer.world.mean(head.dense.weight, *([] if head.dense.bias is None else [head.dense.bias]))
    trainer.restart_average()
    return f"the last layer was solved on {len(features):,} training examples, before all other layers (--head-first)"


def _features(trainer: Trainer, head: Head, examples: Examples) -> Tensor:
    """(N, K) what the head receives, in evaluation mode."""

    def before_head(inputs: Tensor, targets: Tensor) -> Tensor:
        maps = trainer.frontend(inputs).contiguous(memory_format=trainer.layout)
        for layer in head.before:
            maps = layer(maps)
        features: Tensor = maps.float()
        return features

    with trainer.inference():
        rows = map_batches(trainer, examples, before_head, 100)
    return rows.clone().to(trainer.device)  # a tensor of inference mode has no gradients


Loss = Callable[[Tensor, Tensor, Tensor], Tensor]  # of a weight, a bias and the rows of some examples


def _best_penalty(loss: Loss, dense: nn.Linear, order: Tensor) -> float:
    """The penalty with the lowest mean loss on folds that the weights have not seen."""
    held_out = dict.fromkeys(PENALTIES, 0.0)
    folds = order.tensor_split(FOLDS)
    for index, fold in enumerate(folds):
        rest = torch.cat([other for number, other in enumerate(folds) if number != index])
        for penalty in PENALTIES:
            weight, bias = _minimum(loss, dense, rest, penalty)
            held_out[penalty] += float(loss(weight, bias, fold)) * len(fold)
    return min(held_out, key=held_out.__getitem__)


def _minimum(loss: Loss, dense: nn.Linear, rows: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """The weight and the bias with the lowest penalised loss on some rows."""
    weight = torch.zeros_like(dense.weight).requires_grad_()
    bias = torch.zeros(len(weight), device=weight.device).requires_grad_(dense.bias is not None)
    parameters = [weight, bias] if dense.bias is not None else [weight]
    optimiser = Lbfgs(parameters, max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(weight, bias, rows) + penalty * weight.square().sum()
        value.backward()
        return value

    optimiser.step(closure)
    return weight.detach(), bias.detach()
