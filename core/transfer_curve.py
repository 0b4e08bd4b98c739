"""How much the kept layers of a trained model are worth: accuracy of a new head by the number of kept layers.

The kept layers are frozen; the head is a linear classifier on the mean of the last kept maps, solved on the training
split and measured on the test split. Many layers are worth keeping for a close domain, few for a far one (Yosinski et
al. 2014, arXiv:1411.1792).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor

from .data import Examples
from .feed import map_batches
from .fit import Training
from .frozen import BATCH
from .head import best_penalty, minimum
from .keep import kept_layers
from .metrics import interval
from .problem import DATA, USAGE, Problem, shortened
from .tasks import Classify

MOST = 5000  # training examples that a head is solved on


@dataclass(frozen=True)
class Point:
    """The accuracy of a head behind some kept layers, as a share."""

    kept: int  # layers, from the first
    layer: str  # the last of them
    examples: int | None  # training examples of each label; None for all
    accuracy: float  # the mean over the draws
    interval: tuple[float, float]  # 95%: over the test examples, or over the draws
    draws: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def counts_of(training: Training, text: str) -> list[int]:
    """The numbers of layers that a text such as 0,2,…,all stands for, ascending. 0 is the input itself.

    "…" goes on in steps of the two numbers before it. Raises Problem for what is no place to cut.
    """
    network, labels = training.network, len(training.task.labels)

    def count(part: str) -> int:
        return 0 if part == "0" else kept_layers(network, part, labels).kept

    parts = [part.strip() for part in text.replace("...", "…").split(",")]
    if "…" not in parts:
        return sorted({count(part) for part in parts})
    index = parts.index("…")
    before, after = [count(part) for part in parts[:index]], [count(part) for part in parts[index + 1 :]]
    if len(before) < 2 or len(after) != 1 or before[-1] <= before[-2]:
        raise Problem(
            f"--keep takes two ascending numbers before … and one after it, as in 0,2,…,all; got {shortened(text)}",
            USAGE,
        )
    return sorted({*before, *range(before[-1], after[0], before[-1] - before[-2]), *after})


def default_counts(training: Training, most: int = 8) -> list[int]:
    """The input, the last layer before each change of the size of the maps, and all layers before the head."""
    head = kept_layers(training.network, "all", len(training.task.labels)).kept
    sizes = [row.output[1:] for row in training.network.rows]
    changes = [index for index in range(1, head) if sizes[index] != sizes[index - 1]]
    chosen = sorted({0, head, *changes})
    step = max(1, -(-len(chosen) // most))
    return sorted({*chosen[::step], head})


def curve(training: Training, counts: Sequence[int], per_label: Sequence[int], draws: int, seed: int) -> list[Point]:
    """A point for each number of kept layers, with all training examples or so many of each label."""
    data = training.data
    if training.task.name != Classify.name:
        raise Problem(f"a curve is of accuracies, which need one label for each input, not {training.task.name}", DATA)
    if not len(data.test):
        raise Problem("a curve is measured on a test split, and there is none; raise --test-share", DATA)
    train = data.train.subsample(MOST)
    features = list(zip(_features(training, train, counts), _features(training, data.test, counts), strict=True))
    wanted: list[int | None] = [*per_label] if per_label else [None]
    points = []
    for count, (rows, test_rows) in zip(counts, features, strict=True):
        layer = str(training.network.layers[count - 1]) if count else "the input"
        for examples in wanted:
            shares = [
                _accuracy(training, rows, train.targets, test_rows, data.test.targets, examples, seed + draw)
                for draw in range(draws if examples else 1)
            ]
            points.append(Point(count, layer, examples, mean(shares), _interval(shares, len(data.test)), len(shares)))
    return points


def _features(training: Training, examples: Examples, counts: Sequence[int]) -> list[Tensor]:
    """(N, K) of each number of kept layers: the means of the maps, or the row of numbers, in one pass."""
    trainer, layers = training.trainer, list(training.trainer.network.children())
    sizes: list[int] = []

    def pooled(inputs: Tensor, targets: Tensor) -> Tensor:
        maps = trainer.frontend(inputs)
        rows = []
        for index in range(max(counts) + 1):
            if index in counts:
                rows.append((maps.mean((2, 3)) if maps.dim() == 4 else maps).float())
            if index < max(counts):
                maps = layers[index](maps)
        sizes[:] = [row.shape[1] for row in rows]
        return torch.cat(rows, 1)

    with trainer.inference():
        rows = map_batches(trainer, examples, pooled, BATCH).clone()
    return list(rows.split(sizes, 1))


def _accuracy(
    training: Training,
    rows: Tensor,
    targets: Tensor,
    test_rows: Tensor,
    test_targets: Tensor,
    per_label: int | None,
    seed: int,
) -> float:
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(rows), generator=rng)
    if per_label is not None:
        order = torch.cat([order[targets[order] == label][:per_label] for label in targets.unique()])
        order = order[torch.randperm(len(order), generator=rng)]
    chosen, labels = rows[order], targets[order]
    middle, scale = chosen.mean(0), chosen.std().clamp_min(1e-6)
    chosen = (chosen - middle) / scale

    def loss(weight: Tensor, bias: Tensor, used: Tensor) -> Tensor:
        return training.task.loss(chosen[used] @ weight.T + bias, labels[used])

    shape, every = (len(training.task.labels), chosen.shape[1]), torch.arange(len(chosen))
    weight, bias = minimum(loss, shape, True, every, best_penalty(loss, shape, True, every))
    logits = ((test_rows - middle) / scale) @ weight.T + bias
    return float((logits.argmax(1) == test_targets).double().mean())


def _interval(shares: Sequence[float], examples: int) -> tuple[float, float]:
    """Wilson's interval over the test examples of one draw; of several, the mean ± 1.96 standard errors."""
    if len(shares) == 1:
        return interval(round(shares[0] * examples), examples)
    error = 1.96 * stdev(shares) / len(shares) ** 0.5
    return max(0.0, mean(shares) - error), min(1.0, mean(shares) + error)
