"""How close data are to those that a pretrained model has seen, by the model itself.

Last layers belong to the data of their training (Yosinski et al. 2014, arXiv:1411.1792). Where a linear head behind all
layers predicts held-out examples much better than a head behind fewer, the last features suit the data and few layers
need training; where it does not, the data are far from the model's, and training more layers gains more
(docs/tried.md).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .data import Examples
from .frozen import BATCH
from .head import FOLDS, head_of, held_out_losses
from .tasks import Task
from .transfer import Far

MOST = 500  # training examples that are compared
CLOSE = 2 / 3  # of the loss behind the early layers: with a lower one behind all layers, the data are close


class Losses(NamedTuple):
    """The mean loss on held-out training examples of a linear head, with its best penalty."""

    early: float  # behind the early layers, on the means of their maps
    whole: float  # behind all layers

    @property
    def are_far(self) -> bool:
        """Whether the last layers are of little use for the data."""
        return self.whole > CLOSE * self.early


def measure(
    early: int, task: Task, frontend: nn.Module, network: nn.Module, examples: Examples, device: torch.device
) -> Losses:
    """The losses of heads behind the first `early` layers of a network and behind all but its last dense layer.

    Too few examples for folds count as close. Raises Problem if the last layer with weights is not dense.
    """
    chosen = examples.subsample(MOST)
    if len(chosen) < 2 * FOLDS:
        return Losses(1.0, 0.0)
    head = head_of(network)
    network.eval()
    rows = _features(early, head.before, frontend.to(device).eval(), chosen, device)
    targets = chosen.targets.to(device)
    order = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(0)).to(device)
    losses = []
    for features in rows:
        scaled = (features - features.mean(0)) / features.std().clamp_min(1e-6)

        def loss(weight: Tensor, bias: Tensor, used: Tensor, scaled: Tensor = scaled) -> Tensor:
            logits = scaled[used] @ weight.T + bias
            for layer in head.after:
                logits = layer(logits)
            return task.loss(logits, targets[used])

        shape = (head.dense.out_features, scaled.shape[1])
        losses.append(min(held_out_losses(loss, shape, True, order).values()))
    return Losses(*losses)


@torch.no_grad()
def _features(
    early: int, before: list[nn.Module], frontend: nn.Module, examples: Examples, device: torch.device
) -> list[Tensor]:
    """(N, K) the means of the maps behind the early layers, and (N, L) what the head receives."""
    parts = []
    for indices in torch.arange(len(examples)).split(BATCH):
        maps = frontend(examples[indices][0].to(device))
        for index, layer in enumerate(before):
            maps = layer(maps)
            if index == early - 1:
                means = maps.flatten(2).mean(2).float()
        parts.append((means, maps.float()))
    return [torch.cat(rows) for rows in zip(*parts, strict=True)]


def remark(far: Far, losses: Losses, name: str) -> str:
    """What the user should know about a training that was changed by `far`."""
    changes = ", ".join(f"{setting} {value}" for setting, value in far.settings.items())
    losses_text = f"loss {losses.whole:.3g} and {losses.early:.3g}"
    return (
        f"these examples are far from those of {name}: a head behind all its layers predicts held-out examples little "
        f"better than one behind the first {far.early} ({losses_text}), so more layers are trained: {changes}"
    )
