"""The robustness card of a model: its accuracy under corruptions, comparable with the card of another model."""

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
from .attack import BATCH_SIZE, check_task, mean_interval
from .capability import Corruptible, Corruption

STRENGTHS = (1, 2, 3, 4, 5)


def corruptions_of(model: Model, data: Data, names: Sequence[str] | None = None) -> Mapping[str, Corruption]:
    """Returns the corruptions of the model's domain, or the named ones. Raises Problem for an unknown one."""
    capability = model.domain.capability(Corruptible)
    known = capability.corruptions(model.card.preprocessing, data.extras) if capability else {}
    for name in names or ():
        if name not in known:
            hint = did_you_mean(name, known)
            choices = f"there are {', '.join(known)}" if known else "there are none"
            raise Problem(f"{name} is not a corruption of {model.domain.name}{hint}; {choices}", USAGE)
    return {name: known[name] for name in names} if names else known


def corrupted(
    model: Model,
    examples: Examples,
    corruptions: Mapping[str, Corruption],
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Returns the accuracy under each corruption at each strength, as JSON.

    Raises Problem if probabilities are not finite.
    """
    result: dict[str, Any] = {}
    for count, (name, corruption) in enumerate(corruptions.items()):
        correct = _correct(model, examples, name, corruption, seed)
        rows = [
            {"strength": strength, "amount": amount, **_accuracy(column)}
            for strength, amount, column in zip(STRENGTHS, corruption.amounts, correct.unbind(1), strict=True)
        ]
        mean = sum(row["accuracy"] for row in rows) / len(rows)
        result[name] = {"unit": corruption.unit, "rows": rows, "mean": mean}
        if progress:
            progress(count + 1, len(corruptions))
    return result


def _correct(model: Model, examples: Examples, name: str, corruption: Corruption, seed: int) -> Tensor:
    """(N, 5) which examples are predicted correctly at each strength; NaN where probabilities are not finite."""
    rngs = [torch.Generator(model.device).manual_seed(mixed(seed, name, strength)) for strength in STRENGTHS]

    def work(inputs: Tensor, targets: Tensor) -> Tensor:
        columns = []
        for strength, rng in zip(STRENGTHS, rngs, strict=True):
            logits = model.logits(corruption(inputs, strength, rng)).float()
            if model.task.has_places:
                columns.append(model.task.scores(logits, targets)[0])
                continue
            best = model.task.link(logits).max(1)
            columns.append(torch.where(best.values.isfinite(), (best.indices == targets).float(), torch.nan))
        return torch.stack(columns, 1)

    with model.inference():
        correct = feed.map_batches(model, examples, work, feed.batch_size(model.task, examples, BATCH_SIZE))
    finite(correct.numpy())
    return correct


def _accuracy(correct: Tensor) -> dict[str, Any]:
    """The mean of (N,) right or wrong examples, or of shares of one that are right."""
    if bool(((correct != 0) & (correct != 1)).any()):
        shares = correct.double().numpy()
        return {"accuracy": float(shares.mean()), "interval": mean_interval(shares)}
    count = int(correct.sum())
    return {"accuracy": count / len(correct), "interval": list(interval(count, len(correct)))}


def agreement(model: Model, examples: Examples) -> list[float]:
    """For each further view of test-time augmentation, the share of predictions that are the same as without it.

    Each view is predicted by itself: the mean over all of them would always agree.
    """
    first, *others = views_of(model.domain, model.card)
    if model.task.has_places:
        return []

    def predicted(view: View, maps: Tensor, inputs: Tensor) -> Tensor:
        return model.module.masked(view.inverse(model.module.network(view.transform(maps))), inputs).argmax(1)

    def work(inputs: Tensor, targets: Tensor) -> Tensor:
        maps = model.frontend(inputs)
        original = predicted(first, maps, inputs)
        return torch.stack([predicted(view, maps, inputs) == original for view in others], 1)

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
    """Returns the accuracy without and with every corruption, and the agreement of views, as JSON.

    `mean` is over all corruptions and strengths with equal weights; None without corruptions.
    """
    check_task(model)
    if model.task.has_places:
        result = _accuracy(_shares(model, examples))
    else:
        probabilities = feed.predict_proba(model, examples)
        finite(probabilities)
        result = _accuracy(torch.from_numpy(probabilities.argmax(1)) == examples.targets.cpu())
    rows = corrupted(model, examples, corruptions, seed, progress)
    means = [row["mean"] for row in rows.values()]
    result |= {"corruptions": rows, "mean": sum(means) / len(means) if means else None}
    return result | {"views": agreement(model, examples), "seed": seed}


def _shares(model: Model, examples: Examples) -> Tensor:
    """(N,) the share of each example's labels that are predicted correctly."""

    def work(inputs: Tensor, targets: Tensor) -> Tensor:
        return model.task.scores(model.logits(inputs).float(), targets)[0]

    with model.inference():
        return feed.map_batches(model, examples, work, feed.batch_size(model.task, examples, BATCH_SIZE))


def corrupted_example(
    model: Model, example: Tensor, corruptions: Mapping[str, Corruption], seed: int = 0
) -> dict[str, list[Any]]:
    """One compact input without and with each corruption at each strength: (input, predicted label, probability)."""
    result: dict[str, list[Any]] = {}
    batch = example[None].to(model.device)
    with model.inference():
        for name, corruption in corruptions.items():
            result[name] = []
            for strength in (0, *STRENGTHS):
                rng = torch.Generator(model.device).manual_seed(mixed(seed, name, strength))
                inputs = corruption(batch, strength, rng)
                rounded = inputs.round() if inputs.is_floating_point() else inputs
                shown = rounded.to(example.dtype).cpu()[0]
                predictions = model.task.link(model.logits(inputs).float())
                if model.task.has_places:
                    output, *_ = model.task.default_outputs(predictions[0])
                    value = model.task.output_value(predictions[0], output)
                    result[name].append((shown, model.task.labels[output], value))
                    continue
                best = predictions.max(1)
                result[name].append((shown, model.task.labels[int(best.indices)], float(best.values)))
    return result


def differences(card: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, float]:
    """Returns the differences of the means and accuracies of two cards, as shares.

    Raises Problem if the second card is of other examples.
    """
    for name in ("domain", "examples", "scored_on", "seed"):
        if second.get(name) != card[name]:
            reason = f"{name} is {second.get(name)} in one and {card[name]} in the other"
            raise Problem(f"the two cards cannot be compared: {reason}; use the same data and options", USAGE)
    theirs = second["corruptions"]
    means = {name: row["mean"] for name, row in card["corruptions"].items()}
    result = {name: mean - theirs[name]["mean"] for name, mean in means.items() if name in theirs}
    return result | {"accuracy": card["accuracy"] - second["accuracy"], "mean": card["mean"] - second["mean"]}
