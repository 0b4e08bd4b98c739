"""The robustness card of a model: what it withstands, in figures that can be compared with another's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import feed
from ..data import Data, Examples, Progress
from ..metrics import finite, interval
from ..model import Model, views_of
from ..problem import USAGE, Problem, did_you_mean
from ..train import mixed
from ..tta import View
from .capability import Corruptible, Corruption

STRENGTHS = (1, 2, 3, 4, 5)


def corruptions_of(model: Model, data: Data, names: Sequence[str] | None = None) -> Mapping[str, Corruption]:
    """The ways in which a domain's inputs go wrong, or those named. Raises Problem for one that there is not."""
    capability = model.domain.capability(Corruptible)
    known = capability.corruptions(model.card.preprocessing, data.extras) if capability else {}
    for name in names or ():
        if name not in known:
            close = did_you_mean(name, known)
            there = f"it knows {', '.join(known)}" if known else "it knows none"
            raise Problem(f"{name} is not a corruption of {model.domain.name}{close}; {there}", USAGE)
    return {name: known[name] for name in names} if names else known


def corrupted(
    model: Model,
    examples: Examples,
    corruptions: Mapping[str, Corruption],
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The accuracy under each corruption at each strength, as JSON. Raises Problem for answers that are no numbers."""
    told: dict[str, Any] = {}
    for count, (name, corruption) in enumerate(corruptions.items()):
        right = _right(model, examples, name, corruption, seed)
        rows = [
            {"strength": strength, "amount": amount, **_share(own)}
            for strength, amount, own in zip(STRENGTHS, corruption.amounts, right.unbind(1), strict=True)
        ]
        mean = sum(row["accuracy"] for row in rows) / len(rows)
        told[name] = {"unit": corruption.unit, "rows": rows, "mean": mean}
        if progress:
            progress(count + 1, len(corruptions))
    return told


def _right(model: Model, examples: Examples, name: str, corruption: Corruption, seed: int) -> Tensor:
    """(N, 5) which examples are answered right at each strength."""
    dice = [torch.Generator(model.device).manual_seed(mixed(seed, name, strength)) for strength in STRENGTHS]

    def work(inputs: Tensor, targets: Tensor) -> Tensor:
        told = []
        for strength, rng in zip(STRENGTHS, dice, strict=True):
            best = model.logits(corruption(inputs, strength, rng)).float().softmax(1).max(1)
            told.append(torch.where(best.values.isfinite(), (best.indices == targets).float(), torch.nan))
        return torch.stack(told, 1)

    with model.inference():
        right = feed.map_batches(model, examples, work)
    finite(right.numpy())
    return right


def _share(right: Tensor) -> dict[str, Any]:
    count = int(right.sum())
    return {"accuracy": count / len(right), "interval": list(interval(count, len(right)))}


def agreement(model: Model, examples: Examples) -> list[float]:
    """For each further way to see an input (mirrored, turned, moved), the share of answers that stay the same.

    Of the ways that training showed. The network is asked for each by itself: the mean over all of them always agrees.
    """
    first, *others = views_of(model.domain, model.card)

    def answers(view: View, maps: Tensor, inputs: Tensor) -> Tensor:
        return model.module.masked(view.back(model.module.network(view.see(maps))), inputs).argmax(1)

    def work(inputs: Tensor, targets: Tensor) -> Tensor:
        maps = model.frontend(inputs)
        own = answers(first, maps, inputs)
        return torch.stack([answers(view, maps, inputs) == own for view in others], 1)

    if not others:
        return []
    with model.inference():
        return feed.map_batches(model, examples, work).float().mean(0).tolist()


def card(
    model: Model,
    examples: Examples,
    corruptions: Mapping[str, Corruption],
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Accuracy as it is, under every corruption, and how far the views of an input agree; as JSON.

    `mean` is over all corruptions and strengths, each as heavy as the others; None where there are none.
    """
    probabilities = feed.predict_proba(model, examples)
    finite(probabilities)
    told = _share(torch.from_numpy(probabilities.argmax(1)) == examples.targets.cpu())
    under = corrupted(model, examples, corruptions, seed, progress)
    means = [each["mean"] for each in under.values()]
    told |= {"corruptions": under, "mean": sum(means) / len(means) if means else None}
    return told | {"views": agreement(model, examples), "seed": seed}


def shown(model: Model, example: Tensor, corruptions: Mapping[str, Corruption], seed: int = 0) -> dict[str, list[Any]]:
    """One compact input as it is and at each strength of each corruption: (input, answer, its probability)."""
    told: dict[str, list[Any]] = {}
    one = example[None].to(model.device)
    with model.inference():
        for name, corruption in corruptions.items():
            told[name] = []
            for strength in (0, *STRENGTHS):
                rng = torch.Generator(model.device).manual_seed(mixed(seed, name, strength))
                inputs = corruption(one, strength, rng)
                sure = model.logits(inputs).float().softmax(1).max(1)
                whole = inputs.round() if inputs.is_floating_point() else inputs
                told[name].append(
                    (whole.to(example.dtype).cpu()[0], model.labels[int(sure.indices)], float(sure.values))
                )
    return told


def against(told: dict[str, Any], other: Mapping[str, Any]) -> dict[str, float]:
    """By how much each mean of a card is above that of another, as shares, and each accuracy. Raises Problem for
    a card of other examples."""
    for name in ("domain", "examples", "scored_on", "seed"):
        if other.get(name) != told[name]:
            found = f"{name} is {other.get(name)} there and {told[name]} here"
            raise Problem(f"the two cards cannot be compared: {found}; make both with the same data and options", USAGE)
    theirs = other["corruptions"]
    ours = {name: each["mean"] for name, each in told["corruptions"].items()}
    above = {name: mean - theirs[name]["mean"] for name, mean in ours.items() if name in theirs}
    return above | {"accuracy": told["accuracy"] - other["accuracy"], "mean": told["mean"] - other["mean"]}
