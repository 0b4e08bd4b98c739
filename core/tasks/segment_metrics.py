"""Metrics of masks over a set: pictures are counted first, and the counts of all are added before they are divided.

A row of counts stands for each picture, so that no probability is kept longer than its batch: the confusion matrix of
its pixels, the sum of their log losses, and the boundary pixels that lie near a boundary of the other mask.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, hypot
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..bootstrap import interval

Floats = NDArray[np.floating[Any]]

TOLERANCE = 0.0075  # of the picture's diagonal: boundaries as near as that count as met (Csurka et al. 2013)
TINY = 1e-12  # a probability below it counts as this


class Counts(NamedTuple):
    """What is counted for each picture, of K classes; sums over pictures are counts of the set."""

    confusion: Floats  # (N, K, K) pixels: true class, predicted class
    losses: Floats  # (N,) the sum of the log losses of all pixels that are not ignored
    ignored: Floats  # (N,) pixels that are ignored
    boundary: Floats  # (N, 4, K) pixels: predicted boundary, of it near the true one; true boundary, near the predicted

    @property
    def pixels(self) -> Floats:
        """(N,) pixels that are not ignored."""
        pixels: Floats = self.confusion.sum((1, 2))
        return pixels


def count(probabilities: Tensor, targets: Tensor, ignore: int) -> Tensor:
    """(B, K, H, W) probabilities and (B, H, W) class indices -> (B, K·K + 2 + 4·K) float64 rows of Counts."""
    batch, classes = probabilities.shape[:2]
    targets = targets.long()
    valid = targets != ignore
    true, predicted = targets.where(valid, 0), probabilities.argmax(1)
    cells = (true * classes + predicted).where(valid, classes * classes).flatten(1)
    confusion = torch.zeros(batch, classes * classes + 1, dtype=torch.float64, device=cells.device)
    confusion.scatter_add_(1, cells, torch.ones_like(cells, dtype=torch.float64))
    likelihood = probabilities.gather(1, true[:, None])[:, 0].clamp_min(TINY)
    losses = -(likelihood.log().double() * valid).flatten(1).sum(1, keepdim=True)
    near = boundary_counts(predicted, true, valid, classes)
    return torch.cat((confusion[:, :-1], losses, confusion[:, -1:], near.flatten(1)), 1)


def counts_of(rows: Floats, classes: int) -> Counts:
    """The rows of `count`, of N pictures, by their names."""
    rows = rows.astype(np.float64, copy=False)
    matrix = classes * classes
    return Counts(
        rows[:, :matrix].reshape(-1, classes, classes),
        rows[:, matrix],
        rows[:, matrix + 1],
        rows[:, matrix + 2 :].reshape(-1, 4, classes),
    )


# --- boundaries -------------------------------------------------------------------------------------------------------


def boundary_counts(predicted: Tensor, true: Tensor, valid: Tensor, classes: int) -> Tensor:
    """(B, H, W) class indices, and where they count -> (B, 4, K) as in Counts.

    The boundary of a class are its pixels beside a pixel of another class (Csurka et al. 2013, section 3). Ignored
    pixels have no class in either mask: nothing is known of a boundary there.
    """
    disc = disc_of(tolerance(true.shape[1], true.shape[2]), true.device)
    edges = [boundaries(mask, valid, classes) for mask in (predicted, true)]
    near = [widened(edge, disc) for edge in edges]
    totals = (edges[0], edges[0] & near[1], edges[1], edges[1] & near[0])
    return torch.stack([total.flatten(2).sum(2) for total in totals], 1).double()


def tolerance(height: int, width: int) -> int:
    """The distance in whole pixels at which boundaries count as met, 1 at least."""
    return max(1, ceil(TOLERANCE * hypot(height, width) - 0.5))


def boundaries(mask: Tensor, valid: Tensor, classes: int) -> Tensor:
    """(B, H, W) class indices -> (B, K, H, W) bool: pixels of a class above, below or beside one of another class."""
    inside = F.one_hot(mask, classes).permute(0, 3, 1, 2).bool() & valid[:, None]
    others = valid[:, None] & ~inside
    beside = torch.zeros_like(others)
    beside[:, :, 1:] |= others[:, :, :-1]
    beside[:, :, :-1] |= others[:, :, 1:]
    beside[..., 1:] |= others[..., :-1]
    beside[..., :-1] |= others[..., 1:]
    return inside & beside


@lru_cache(maxsize=8)
def disc_of(radius: int, device: torch.device) -> tuple[tuple[int, int], ...]:
    """The offsets of all pixels up to a distance."""
    span = range(-radius, radius + 1)
    return tuple((y, x) for y in span for x in span if y * y + x * x <= radius * radius)


def widened(edges: Tensor, disc: tuple[tuple[int, int], ...]) -> Tensor:
    """(B, K, H, W) bool -> where a pixel that is set lies within the disc."""
    height, width = edges.shape[2:]
    result = torch.zeros_like(edges)
    for y, x in disc:
        rows = slice(max(0, y), min(height, height + y)), slice(max(0, -y), min(height, height - y))
        columns = slice(max(0, x), min(width, width + x)), slice(max(0, -x), min(width, width - x))
        result[:, :, rows[0], columns[0]] |= edges[:, :, rows[1], columns[1]]
    return result


# --- metrics ----------------------------------------------------------------------------------------------------------


def ious(confusion: Floats) -> Floats:
    """(…, K, K) pixels -> (…, K) intersections over unions; NaN for a class that is in neither mask."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return ratio(hits, confusion.sum(-1) + confusion.sum(-2) - hits)


def f1_scores(confusion: Floats) -> Floats:
    """(…, K, K) pixels -> (…, K) F1, which is Dice's coefficient of the two regions."""
    return ratio(2 * np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1) + confusion.sum(-2))


def boundary_f1(boundary: Floats) -> Floats:
    """(…, 4, K) pixels -> (…, K) the harmonic mean of the shares of both boundaries that lie near the other."""
    precision = ratio(boundary[..., 1, :], boundary[..., 0, :])
    recall = ratio(boundary[..., 3, :], boundary[..., 2, :])
    one_sided = np.isnan(precision) ^ np.isnan(recall)
    precision, recall = np.where(one_sided, 0.0, precision), np.where(one_sided, 0.0, recall)
    return np.where(precision + recall == 0, 0.0, ratio(2 * precision * recall, precision + recall))


def ratio(part: Floats, total: Floats) -> Floats:
    """part / total; NaN where the total is 0."""
    divided: Floats = np.divide(part, total, out=np.full(np.broadcast(part, total).shape, np.nan), where=total != 0)
    return divided


def mean(values: Floats) -> Floats:
    """The mean along the last axis without NaN; NaN of none."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0.0).sum(-1), known.sum(-1).astype(np.float64))


def segment_metrics(counts: Counts, labels: list[str]) -> dict[str, Any]:
    """All metrics as JSON, with intervals from 1,000 resampled sets of pictures. Mean IoU is first."""
    total = Counts(*(part.sum(0) for part in counts))
    confusion = total.confusion
    statistics = {
        "mean_iou": lambda c: mean(ious(c.confusion)),
        "pixel_accuracy": lambda c: ratio(np.trace(c.confusion, axis1=-2, axis2=-1), c.confusion.sum((-1, -2))),
        "mean_accuracy": lambda c: mean(ratio(np.diagonal(c.confusion, axis1=-2, axis2=-1), c.confusion.sum(-1))),
        "mean_f1": lambda c: mean(f1_scores(c.confusion)),
        "boundary_f1": lambda c: mean(boundary_f1(c.boundary)),
        "iou": lambda c: ious(c.confusion),
        "f1": lambda c: f1_scores(c.confusion),
    }
    values = {name: statistic(total) for name, statistic in statistics.items()}
    extents = {name: _interval(statistic, counts) for name, statistic in statistics.items()}
    single = [name for name in statistics if name not in ("iou", "f1")]
    metrics: dict[str, Any] = {"metric": "mean_iou", "value": _number(values["mean_iou"])}
    metrics |= {"interval": _extent(extents["mean_iou"]), "examples": len(counts.losses)}
    for name in single:
        metrics |= {name: _number(values[name]), f"{name}_interval": _extent(extents[name])}
    pixels = float(confusion.sum())
    metrics["log_loss"] = float(total.losses) / pixels if pixels else None
    metrics |= {"pixels": int(pixels), "ignored_pixels": int(total.ignored)}
    precision = ratio(np.diagonal(confusion), confusion.sum(0))
    recall = ratio(np.diagonal(confusion), confusion.sum(1))
    boundary = boundary_f1(total.boundary)
    metrics["classes"] = [
        {
            "label": label,
            "iou": _number(values["iou"][k]),
            "iou_interval": _extent(extents["iou"][k]),
            "f1": _number(values["f1"][k]),
            "f1_interval": _extent(extents["f1"][k]),
            "precision": _number(precision[k]),
            "recall": _number(recall[k]),
            "boundary_f1": _number(boundary[k]),
            "pixels": int(confusion[k].sum()),
            "pictures": int((counts.confusion[:, k].sum(1) > 0).sum()),
        }
        for k, label in enumerate(labels)
    ]
    return metrics | {"confusion": confusion.astype(np.int64).tolist()}


def _interval(statistic: Any, counts: Counts) -> Floats:
    """(…, 2) the interval of a statistic over resampled pictures."""

    def of_resamples(weights: Floats) -> Floats:
        sums = Counts(*(np.tensordot(weights, part, 1) for part in counts))
        return np.asarray(statistic(sums))

    return interval(of_resamples, len(counts.losses))


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def _extent(values: Floats) -> list[float] | None:
    return None if np.isnan(values).any() else [float(value) for value in values]
