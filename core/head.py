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
from .frozen import BATCH
from .optimise import Lbfgs
from .problem import USAGE, Problem
from .train import Trainer

PENALTIES = (1e-1, 1e-2, 1e-3, 1e-4)  # of the mean square of the weights of standardised features
FOLDS = 3
STEPS, TRIAL_STEPS = 60, 25  # of L-BFGS: for the head, and to compare penalties
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


def solve_head(trainer: Trainer, examples: Examples, views: int = 1) -> str:
    """Sets the head of a network in training to the minimum of the loss on its features; returns a remark.

    The features are those of the training examples without augmentation, or of all in one of so many views, then in the
    next. The penalty of the weights is the one with the lowest loss on held-out folds, which hold an example in all its
    views.
    """
    head = head_of(trainer.trained)
    count = len(examples) // views
    chosen = torch.arange(count) if len(examples) <= MOST else torch.linspace(0, count - 1, MOST // views).long()
    examples = examples.subset((chosen[:, None] + count * torch.arange(views)).flatten())
    features, targets = _features(trainer, head, examples), examples.targets.to(trainer.device)
    mean, scale = features.mean(0), features.std().clamp_min(1e-6)
    features = (features - mean) / scale

    def loss(weight: Tensor, bias: Tensor, rows: Tensor) -> Tensor:
        logits = features[rows] @ weight.T + bias
        for layer in head.after:
            logits = layer(logits)
        return trainer.task.loss(logits, targets[rows], trainer.settings.smoothing)

    rng = torch.Generator().manual_seed(trainer.settings.seed)
    shuffled = torch.randperm(len(chosen), generator=rng)
    order = (views * shuffled[:, None] + torch.arange(views)).flatten().to(trainer.device)
    shape, has_bias = (head.dense.out_features, head.dense.in_features), head.dense.bias is not None
    weight, bias = minimum(loss, shape, has_bias, order, best_penalty(loss, shape, has_bias, order, views))
    with torch.no_grad():
        head.dense.weight.copy_(weight / scale)
        if head.dense.bias is not None:
            head.dense.bias.copy_(bias - weight @ mean / scale)
        trainer.world.mean(head.dense.weight, *([] if head.dense.bias is None else [head.dense.bias]))
    trainer.restart_average()
    in_views = f" in {views} views" if views > 1 else ""
    examples_used = f"{len(chosen):,} training examples{in_views}"
    return f"the last layer was solved on {examples_used}, before all other layers (--head-first)"


def _features(trainer: Trainer, head: Head, examples: Examples) -> Tensor:
    """(N, K) what the head receives, in evaluation mode."""

    def before_head(inputs: Tensor, targets: Tensor) -> Tensor:
        maps = inputs if trainer.has_features else trainer.maps_to_train_on(inputs)
        for layer in head.before:
            maps = layer(maps)
        features: Tensor = maps.float()
        return features

    with trainer.inference():
        rows = map_batches(trainer, examples, before_head, BATCH)
    return rows.clone().to(trainer.device)  # a tensor of inference mode has no gradients


Loss = Callable[[Tensor, Tensor, Tensor], Tensor]  # of a weight (K, D), a bias (K,) and the rows of some examples


def best_penalty(loss: Loss, shape: tuple[int, int], has_bias: bool, order: Tensor, together: int = 1) -> float:
    """The penalty with the lowest mean loss on folds that the weights have not seen; for too few examples, a usual one.

    `order` is a random one, of which so many neighbours stay `together`: views of one example, of which a held-out one
    would be known by the others.
    """
    if len(order) < 2 * FOLDS * together:
        return PENALTIES[1]
    held_out = held_out_losses(loss, shape, has_bias, order, together)
    return min(held_out, key=held_out.__getitem__)


def held_out_losses(
    loss: Loss, shape: tuple[int, int], has_bias: bool, order: Tensor, together: int = 1
) -> dict[float, float]:
    """The mean loss on FOLDS held-out folds by each of PENALTIES; arguments as for `best_penalty`."""
    held_out = dict.fromkeys(PENALTIES, 0.0)
    folds = [part.flatten() for part in order.view(-1, together).tensor_split(FOLDS)]
    for index, fold in enumerate(folds):
        rest = torch.cat([other for number, other in enumerate(folds) if number != index])
        start: tuple[Tensor, Tensor] | None = None
        for penalty in PENALTIES:  # from the strongest, each from the minimum of the one before
            start = minimum(loss, shape, has_bias, rest, penalty, TRIAL_STEPS, start)
            with torch.no_grad():
                held_out[penalty] += float(loss(*start, fold)) * len(fold) / len(order)
    return held_out


def minimum(
    loss: Loss,
    shape: tuple[int, int],
    has_bias: bool,
    rows: Tensor,
    penalty: float,
    steps: int = STEPS,
    start: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """The weight and the bias with the lowest penalised loss on some rows, from `start` or from 0."""
    weight, bias = start or (torch.zeros(shape, device=rows.device), torch.zeros(shape[0], device=rows.device))
    weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_(has_bias)
    optimiser = Lbfgs([weight, bias] if has_bias else [weight], max_iter=steps, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(weight, bias, rows) + penalty * weight.square().sum()
        value.backward()
        return value

    optimiser.step(closure)
    return weight.detach(), bias.detach()
