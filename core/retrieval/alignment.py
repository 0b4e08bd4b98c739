"""Two models' features in one space: a linear map for each, learned from pairs of inputs.

After DeViSE (Frome et al. 2013, NeurIPS, section 3), which maps the features of pictures into the space of the vectors
of words by a ranking loss; here both sides have a map. InfoNCE is the loss of van den Oord et al. 2018
(arXiv:1807.03748, section 2.3), with a softmax over the pairs of a batch in both directions as in Radford et al. 2021
(arXiv:2103.00020, section 2.3). Pairs of one label are no negatives of each other (Khosla et al. 2020,
arXiv:2004.11362, section 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..checkpoint import Card
from ..data import Progress
from ..inputs import Input
from ..layers import dense, unit
from ..metrics import interval
from ..model import Model
from ..network import Network
from ..optimise import AdamW
from ..problem import DATA, USAGE, Bad, Problem
from ..versions import versions
from .features import FeatureExtractor
from .pairs import Pairs, language_remarks


@dataclass(frozen=True)
class AlignmentSettings:
    """How the maps are learned."""

    size: int = 128  # numbers of a vector in the common space
    loss: Literal["infonce", "ranking"] = "infonce"
    epochs: int = 60
    batch: int = 128  # pairs, each of which has the others as negatives
    lr: float = 0.003
    weight_decay: float = 1.0
    dropout: float = 0.2  # of features
    temperature: float = 0.1  # InfoNCE divides cosines by it
    margin: float = 0.1  # of the ranking loss, as in DeViSE
    seed: int = 0


class LinearMap(NamedTuple):
    """x ↦ W·x + b, of features (N, d) to the common space (N, D)."""

    weight: Tensor  # (D, d)
    bias: Tensor  # (D,)

    def __call__(self, features: Tensor) -> Tensor:
        """Returns vectors of norm 1."""
        return F.normalize(features @ self.weight.T + self.bias)


class Standardised(NamedTuple):
    """Features with a mean of 0 and a standard deviation of 1, and how a map of them is one of the features."""

    features: Tensor
    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Standardised:
        mean, std = features.mean(0), features.std(0, correction=0).clamp_min(1e-6)
        return cls((features - mean) / std, mean, std)

    def unstandardised(self, weight: Tensor) -> LinearMap:
        return LinearMap(weight / self.std, -(weight / self.std) @ self.mean)


def align(a: Tensor, b: Tensor, labels: Tensor, settings: AlignmentSettings) -> tuple[LinearMap, LinearMap]:
    """Learns a map for the features (N, dA) and one for (N, dB) of N pairs; `labels` (N,) say which are alike."""
    rng = torch.Generator().manual_seed(settings.seed)
    sides = (Standardised.of(a), Standardised.of(b))
    weights = [
        (torch.randn(settings.size, side.features.shape[1], generator=rng) * side.features.shape[1] ** -0.5)
        .to(a.device)
        .requires_grad_()
        for side in sides
    ]
    group = {"params": weights, "lr": settings.lr, "max_lr": settings.lr, "weight_decay": settings.weight_decay}
    optimiser = AdamW([group], 0.9)
    steps = settings.epochs * -(-len(a) // settings.batch)
    step = 0
    for _ in range(settings.epochs):
        for rows in torch.randperm(len(a), generator=rng).split(settings.batch):
            rows = rows.to(a.device)
            vectors = [
                F.normalize(_dropped(side.features[rows], settings.dropout, rng) @ weight.T)
                for side, weight in zip(sides, weights, strict=True)
            ]
            same = labels[rows, None] == labels[rows]
            loss = LOSSES[settings.loss](vectors[0] @ vectors[1].T, same, settings)
            optimiser.zero_grad()
            loss.backward()
            group["lr"] = settings.lr * (1 - step / steps)
            optimiser.step()
            step += 1
    first, second = (side.unstandardised(weight.detach()) for side, weight in zip(sides, weights, strict=True))
    return first, second


def _dropped(features: Tensor, rate: float, rng: torch.Generator) -> Tensor:
    kept = torch.rand(features.shape, generator=rng) >= rate
    return features * kept.to(features) / (1 - rate)


def infonce(cosines: Tensor, same: Tensor, settings: AlignmentSettings) -> Tensor:
    """The mean of −log of the share that the pairs of the same label have of the softmax, in both directions.

    `cosines` (n, n) are those of n inputs with n others; `same` says which have the same label.
    """
    logits = cosines / settings.temperature
    right = logits.masked_fill(~same, -torch.inf)
    directions = [(logits.logsumexp(axis) - right.logsumexp(axis)).mean() for axis in (1, 0)]
    return (directions[0] + directions[1]) / 2


def ranking(cosines: Tensor, same: Tensor, settings: AlignmentSettings) -> Tensor:
    """The mean over inputs of Σ max(0, margin − c(pair) + c(other)) over the inputs of other labels, both directions.

    Frome et al. 2013, equation 1.
    """
    pairs = cosines.diagonal()
    directions = [
        ((settings.margin - pairs.unsqueeze(axis) + cosines).clamp_min(0) * ~same).sum(axis).mean() for axis in (1, 0)
    ]
    return (directions[0] + directions[1]) / 2


LOSSES = {"infonce": infonce, "ranking": ranking}


# --- two models ------------------------------------------------------------------------------------------------------


HITS = (1, 5)


@dataclass
class Aligned:
    """The maps of two models, and the vectors of all pairs in the common space."""

    maps: tuple[LinearMap, LinearMap]
    vectors: tuple[Tensor, Tensor]  # (N, D); of a pair without a first input zeros
    labels: list[str]  # sorted
    targets: Tensor  # (N,) index of the label of each pair
    pairs: Pairs
    held_out: list[str]  # labels whose pairs were not learned from

    def prototypes(self, side: int) -> Tensor:
        """(K, D) the mean vector of each label's inputs that may be learned from, or of all; zeros without any."""
        rows = torch.zeros(len(self.labels), self.vectors[side].shape[1])
        for index in range(len(self.labels)):
            members = (self.targets == index) & self.vectors[side].any(1)
            learned = members & torch.tensor([split == "train" for split in self.pairs.splits])
            chosen = self.vectors[side][learned if bool(learned.any()) else members]
            rows[index] = F.normalize(chosen.sum(0), dim=0)
        return rows

    def metrics(self) -> dict[str, Any]:
        """How often the right label is among the nearest, and mean average precision by label, in both directions.

        Hits are of inputs that were not learned from; a direction without any has none.
        """
        split = next(name for name in ("test", "valid", "train") if name in self.pairs.splits)
        whole = self.vectors[0].any(1)
        new = tuple(~self._learned_from(side) for side in (0, 1))
        held = torch.tensor([label in set(self.held_out) for label in self.pairs.labels])
        rows = whole & ~held & torch.tensor([name == split for name in self.pairs.splits])
        seen = [index for index, label in enumerate(self.labels) if label not in self.held_out]
        result: dict[str, Any] = {"scored_on": split, "labels": len(self.labels), "pairs": int(rows.sum())}
        for name, side in (("a_to_b", 0), ("b_to_a", 1)):
            unseen_inputs = rows & new[side] if split != "train" else rows
            hits = self._hits(side, unseen_inputs, torch.tensor(seen)) if bool(unseen_inputs.any()) else {}
            result[name] = hits | {"map": self._map(side, rows)}
        if self.held_out:
            unseen = torch.tensor([self.labels.index(label) for label in self.held_out])
            everything = torch.arange(len(self.labels))
            result["held_out"] = {
                "labels": self.held_out,
                "among_all": self._hits(0, whole & held, everything),
                "among_held_out": self._hits(0, whole & held, unseen),
            }
        return result

    def _learned_from(self, side: int) -> Tensor:
        """(N,) whether the input of a side also stands in a pair that was learned from, as a description may."""
        inputs = [None if value is None else value.name for value in self.pairs.sides[side]]
        learned = {
            name
            for name, split, label in zip(inputs, self.pairs.splits, self.pairs.labels, strict=True)
            if split == "train" and label not in self.held_out
        }
        return torch.tensor([name in learned for name in inputs])

    def _hits(self, side: int, rows: Tensor, candidates: Tensor) -> dict[str, Any]:
        """Shares of the inputs whose label is among the first of `candidates`, with intervals, and by chance."""
        queries, targets = distinct(self.vectors[side][rows], self.targets[rows])
        prototypes = self.prototypes(1 - side)[candidates]
        cosines = queries @ prototypes.T
        own = (candidates == targets[:, None]).float().argmax(1, keepdim=True)
        ranks = (cosines > cosines.gather(1, own)).sum(1)
        result: dict[str, Any] = {"inputs": len(queries), "candidates": len(candidates)}
        for count in HITS:
            hits = int((ranks < count).sum())
            result |= {f"hit@{count}": hits / len(queries), f"hit@{count}_interval": interval(hits, len(queries))}
            result[f"hit@{count}_chance"] = min(1.0, count / len(candidates))
        return result

    def _map(self, side: int, rows: Tensor) -> float:
        """Mean average precision: each input searches the other side's for those of its label."""
        queries, wanted = distinct(self.vectors[side][rows], self.targets[rows])
        found, labels = distinct(self.vectors[1 - side][rows], self.targets[rows])
        return mean_average_precision(queries @ found.T, wanted[:, None] == labels)


def distinct(vectors: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors and targets without repetitions, such as a text that describes several pictures."""
    _, index = torch.unique(torch.cat((vectors, targets[:, None].to(vectors)), 1), dim=0, return_inverse=True)
    first = torch.full((int(index.max()) + 1,), len(index)).scatter_reduce(0, index, torch.arange(len(index)), "amin")
    return vectors[first], targets[first]


def mean_average_precision(similarities: Tensor, relevant: Tensor) -> float:
    """The mean over queries of the mean precision at the rank of each relevant row: (Q, N) and (Q, N) bool."""
    order = similarities.argsort(dim=1, descending=True, stable=True)
    hits = relevant.gather(1, order).double()
    precision = hits.cumsum(1) / torch.arange(1, hits.shape[1] + 1)
    return float(((precision * hits).sum(1) / hits.sum(1)).mean())


def align_models(
    models: tuple[Model, Model],
    pairs: Pairs,
    settings: AlignmentSettings,
    hold_out: int = 0,
    max_bad: float = 0.05,
    progress: Progress | None = None,
) -> Aligned:
    """Learns the maps of two models from the training pairs of a table; unreadable inputs join `pairs.bad`.

    With `hold_out`, the pairs of so many random labels are kept for measuring what descriptions alone give. Raises
    Problem for pairs that cannot be learned from.
    """
    extractors = tuple(_extractor(model, side) for model, side in zip(models, "AB", strict=True))
    for model, inputs in zip(models, pairs.sides, strict=True):
        pairs.remarks += language_remarks(model, inputs)
    total = len(set(_names(pairs.a)) | set(_names(pairs.b)))
    counter = Counter(total, progress)
    features = []
    for extractor, side in zip(extractors, pairs.sides, strict=True):
        features.append(_features(extractor, side, counter))
    problems = {row: str(p) for side in features for row, p in enumerate(side) if isinstance(p, Problem)}
    kept = pairs.without(problems)
    if len(kept.bad) > max_bad * (len(kept) + len(kept.bad)):
        raise too_many(kept)
    tensors = [torch.stack([f for row, f in enumerate(side) if row not in problems]) for side in features]  # type: ignore[misc]
    labels = sorted(set(kept.labels))
    targets = torch.tensor([labels.index(label) for label in kept.labels])
    held_out = _held_out(kept, hold_out, settings.seed)
    whole = torch.tensor([value is not None for value in kept.a])
    learned = whole & torch.tensor(
        [s == "train" and label not in held_out for s, label in zip(kept.splits, kept.labels, strict=True)]
    )
    if (count := len(targets[learned].unique())) < 2:
        raise Problem(
            f"pairs to learn from have {count} label{'s' * (count != 1)}, and it takes two or more to tell apart; "
            "name another --label-column, or hold out fewer",
            DATA,
        )
    maps = align(tensors[0][learned], tensors[1][learned], targets[learned], settings)
    vectors = tuple(apply(side) for apply, side in zip(maps, tensors, strict=True))
    return Aligned(maps, (vectors[0] * whole[:, None], vectors[1]), labels, targets, kept, held_out)


def _extractor(model: Model, name: str) -> FeatureExtractor:
    extractor = FeatureExtractor(model)
    place, before = extractor.layer
    if not before or len(place.row.input) != 1 or place.number != str(place.top_level):
        raise Problem(
            f"model {name} does not end with a dense layer, whose input align maps: its network is {model.network}",
            USAGE,
        )
    return extractor


class Counter:
    """Counts inputs over several passes."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total, self.progress, self.done = total, progress, 0

    def step(self) -> None:
        self.done += 1
        if self.progress:
            self.progress(self.done, self.total)


def _names(inputs: Sequence[Input | None]) -> list[str]:
    return [value.name for value in inputs if value is not None]


def _features(extractor: FeatureExtractor, inputs: Sequence[Input | None], counter: Counter) -> list[Tensor | Problem]:
    """The features of each input, computed once where it occurs several times; zeros for None."""
    different = {value.name: value for value in inputs if value is not None}
    known: dict[str, Tensor | Problem] = {}
    for value, features in extractor.of_inputs(different.values()):
        known[value.name] = features
        counter.step()
    return [torch.zeros(extractor.size) if value is None else known[value.name] for value in inputs]


def _held_out(pairs: Pairs, count: int, seed: int) -> list[str]:
    labels = sorted({label for label, value in zip(pairs.labels, pairs.a, strict=True) if value is not None})
    if count and count > len(labels) - 2:
        raise Problem(f"--hold-out {count} leaves less than two of {len(labels)} labels to learn from", USAGE)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return sorted(labels[index] for index in order[:count].tolist())


def too_many(pairs: Pairs) -> Problem:
    bad: Bad = pairs.bad[0]
    total = len(pairs) + len(pairs.bad)
    return Problem(
        f"{len(pairs.bad)} of {total} pairs cannot be used, more than --max-bad allows "
        f"(first: {bad.file}: {bad.reason})",
        DATA,
    )


# --- models of the common space --------------------------------------------------------------------------------------


def aligned_models(
    models: tuple[Model, Model], aligned: Aligned, settings: AlignmentSettings, metrics: dict[str, Any], data: str
) -> list[tuple[Card, dict[str, Tensor]]]:
    """A model for each side: the layers of the old one, the map, and as head the mean vector of each label.

    The head is of the other side: a model of pictures knows a label by its description. So labels without a picture are
    predicted too.
    """
    identity = blake2b(digest_size=8)
    for model in models:
        identity.update(model.fingerprint.encode())
    for tensor in (tensor for pair in aligned.maps for tensor in pair):
        identity.update(tensor.numpy().tobytes())
    training = {"alignment": identity.hexdigest(), "loss": settings.loss, "data": data}
    return [_aligned_model(model, aligned, side, settings, metrics, training) for side, model in enumerate(models)]


def _aligned_model(
    model: Model, aligned: Aligned, side: int, settings: AlignmentSettings, metrics: dict[str, Any], training: Any
) -> tuple[Card, dict[str, Tensor]]:
    known = aligned.prototypes(1 - side)
    used = known.any(1)
    labels = [label for label, usable in zip(aligned.labels, used.tolist(), strict=True) if usable]
    cut = FeatureExtractor(model).layer.place.top_level
    head = dense(len(labels), bias=False)
    layers = (*model.network.layers[:cut], dense(settings.size), unit, head)
    network = Network(model.network.input, layers)
    weights = {
        f"{index}.{name}": value
        for index, child in enumerate(list(model.words.children())[:cut])
        for name, value in child.state_dict().items()
    }
    weights |= {f"{cut}.weight": aligned.maps[side].weight, f"{cut}.bias": aligned.maps[side].bias}
    weights[f"{cut + 2}.weight"] = known[used] / settings.temperature
    card = replace(
        model.card,
        network=str(network),
        labels=labels,
        task="classify",
        task_state={},
        recipe=None,
        data={},
        training=training | {"aligned_with": "ba"[side]},
        metrics=metrics,
        versions=versions(),
    )
    return card, weights
