"""Probabilities that can be believed: a temperature, thresholds to abstain by, and label sets with a coverage.

All of it is fitted on validation predictions, once the epoch is kept, and travels in the model file. From ENOUGH
validation examples on, the temperature is fitted on one half and the thresholds and label sets on the other; with
fewer, the thresholds and label sets come from predictions whose temperature was fitted on the other folds, and the
temperature from all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .metrics import log_losses

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

ENOUGH = 400  # validation examples from which a half each is used
FEWEST = 30  # with fewer, nothing is fitted
FOLDS = 5
COVERAGES = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99)  # for which label sets are prepared
POINTS = 100  # of the curve of answered examples
COLDEST, HOTTEST = 0.05, 20.0  # temperatures
FEWEST_POSITIVE = 10  # examples with a label, and without it, from which it has a temperature
MOST_TEMPERATURES = 200  # labels, the most frequent ones: each takes a hundredth of a second or more
PRIOR = 1.0  # standard deviation of the normal prior of log T, which keeps T near 1 where the predictions are perfect
SMALLEST = 1e-12  # probability


class AnsweredPoint(NamedTuple):
    """What answering only above a probability would have meant on the validation examples."""

    threshold: float  # the lowest probability that is answered
    answered: float  # share of the examples
    accuracy: float  # of those answered


class Calibration(NamedTuple):
    """What is fitted on validation predictions."""

    temperature: float = 1.0
    curve: tuple[AnsweredPoint, ...] = ()  # from the most confident example on
    quantiles: Mapping[str, float] = {}  # coverage -> largest 1 − p of a label in the set


def tempered(probabilities: Floats, temperature: float) -> Floats:
    """(N, K) probabilities of logits divided by a temperature more: softmax(log p / T), in float64."""
    logits = np.log(probabilities.astype(np.float64).clip(SMALLEST)) / temperature
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    result: Floats = exponentials / exponentials.sum(1, keepdims=True)
    return result


def fit_temperature(probabilities: Floats, targets: Ints) -> float:
    """The temperature that minimises the log loss (Guo et al. 2017, section 4.2), with a weak prior around 1.

    Without the prior, the temperature for predictions that are all correct would be 0.
    """
    from scipy.optimize import minimize_scalar

    logits = np.log(probabilities.astype(np.float64).clip(SMALLEST))
    true = np.take_along_axis(logits, targets[:, None], 1)[:, 0]

    def loss(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        top = scaled.max(1)
        normaliser = top + np.log(np.exp(scaled - top[:, None]).sum(1))
        losses = normaliser - true / math.exp(log_temperature)
        return float(losses.sum()) + log_temperature**2 / (2 * PRIOR**2)

    minimum = minimize_scalar(loss, bounds=(math.log(COLDEST), math.log(HOTTEST)), method="bounded")
    return float(math.exp(minimum.x))


def calibrate(probabilities: Floats, targets: Ints) -> Calibration:
    """Everything that (N, K) validation probabilities of temperature 1 say; nothing of fewer than FEWEST examples."""
    count = len(targets)
    if count < FEWEST:
        return Calibration()
    order = np.random.default_rng(0).permutation(count)
    if count >= ENOUGH:
        first, second = order[: count // 2], order[count // 2 :]
        temperature = _accepted(probabilities[first], targets[first])
        held_out, labels = tempered(probabilities[second], temperature), targets[second]
    else:
        temperature = _accepted(probabilities, targets)
        held_out, labels = _cross_fitted(probabilities, targets, order), targets
    return Calibration(temperature, answered_curve(held_out, labels), set_quantiles(held_out, labels))


def label_temperatures(probabilities: Floats, true: NDArray[np.bool_]) -> list[float]:
    """The temperature of each of K labels that do not exclude one another, of (N, K) probabilities; 1 for a rare one.

    Each is that of two classes, with the label and without it, and is accepted as that of `calibrate` is.
    """
    positive = true.sum(0)
    rarer = np.minimum(positive, len(true) - positive)
    temperatures = [1.0] * true.shape[1]
    for k in np.argsort(-rarer, kind="stable")[:MOST_TEMPERATURES].tolist():
        if rarer[k] >= FEWEST_POSITIVE:
            classes = np.stack([1 - probabilities[:, k], probabilities[:, k]], 1)
            temperatures[k] = _accepted(classes, true[:, k].astype(int))
    return temperatures


def tempered_labels(probabilities: Floats, temperatures: Floats | Sequence[float]) -> Floats:
    """(N, K) probabilities of sigmoids whose logits are divided by (K,) temperatures more, in float64."""
    p = probabilities.astype(np.float64).clip(SMALLEST, 1 - SMALLEST)
    result: Floats = 1 / (1 + np.exp(-(np.log(p) - np.log1p(-p)) / np.asarray(temperatures)))
    return result


def _accepted(probabilities: Floats, targets: Ints) -> float:
    """The fitted temperature; 1 if it lowers the log loss of held-out folds by less than a standard error."""
    order = np.random.default_rng(1).permutation(len(targets))
    before, after = (log_losses(p, targets) for p in (probabilities, _cross_fitted(probabilities, targets, order)))
    gains = before - after
    if gains.mean() <= gains.std() / math.sqrt(len(gains)):
        return 1.0
    return fit_temperature(probabilities, targets)


def _cross_fitted(probabilities: Floats, targets: Ints, order: Ints) -> Floats:
    """The probabilities with the temperature that the other folds give each fold."""
    result = np.empty(probabilities.shape)
    for rows in np.array_split(order, FOLDS):
        others = np.setdiff1d(order, rows)
        result[rows] = tempered(probabilities[rows], fit_temperature(probabilities[others], targets[others]))
    return result


def answered_curve(probabilities: Floats, targets: Ints, points: int = POINTS) -> tuple[AnsweredPoint, ...]:
    """The share answered and its accuracy for falling thresholds (El-Yaniv and Wiener 2010), at most `points`."""
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == targets
    order = np.argsort(-confidence, kind="stable")
    accuracy = correct[order].cumsum() / np.arange(1, len(order) + 1)
    ends = np.unique(np.linspace(0, len(order) - 1, min(points, len(order))).round().astype(int))
    return tuple(
        AnsweredPoint(_rounded(confidence[order[end]]), _rounded((end + 1) / len(order)), _rounded(accuracy[end]))
        for end in ends
    )


def set_quantiles(probabilities: Floats, targets: Ints) -> dict[str, float]:
    """For each of COVERAGES, the largest 1 − p of a label in the set: split conformal prediction.

    The ⌈(n + 1) c⌉-th smallest of the n scores 1 − p of the true labels (Sadinle, Lei and Wasserman 2019, section 2);
    1 where there are too few examples for the coverage, so that the set holds all labels.
    """
    scores = np.sort(1 - np.take_along_axis(probabilities, targets[:, None], 1)[:, 0])
    quantiles = {}
    for coverage in COVERAGES:
        rank = conformal_rank(len(scores), coverage)
        quantiles[f"{coverage:g}"] = float(scores[rank - 1]) if rank <= len(scores) else 1.0
    return quantiles


def conformal_rank(count: int, level: float) -> int:
    """The rank among `count` scores of that which a new one exceeds with probability 1 − level: ⌈(n + 1) · level⌉."""
    return math.ceil(round((count + 1) * level, 9))


def threshold_for(curve: Sequence[AnsweredPoint], accuracy: float) -> AnsweredPoint | None:
    """The point of the curve that answers the most examples with at least that accuracy; None if none does."""
    points = [point for point in curve if point.accuracy >= accuracy]
    return max(points, key=lambda point: point.answered, default=None)


def label_sets(probabilities: Floats, largest: float) -> NDArray[np.bool_]:
    """(N, K) whether a label is in the set: 1 − p is at most `largest`; the most probable label always is."""
    members: NDArray[np.bool_] = 1 - probabilities <= largest
    np.put_along_axis(members, probabilities.argmax(1)[:, None], True, 1)
    return members


def _rounded(value: float) -> float:
    return round(float(value), 6)
