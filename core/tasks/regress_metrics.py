"""Metrics of regression with their intervals: MAE, RMSE, R², Pearson's correlation, coverage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import bootstrap
from ..metrics import finite, interval

Floats = NDArray[np.floating[Any]]

KEYS = ("mae", "rmse", "r2", "pearson")
POINTS = 1000  # pairs of true and predicted numbers that the chart shows


def regression_metrics(
    predictions: Floats, targets: Floats, names: Sequence[str], half_widths: Sequence[float | None] = ()
) -> dict[str, Any]:
    """All metrics of (N, V) predictions against (N, V) targets, NaN for a missing one, as JSON; N is 1 or more.

    A metric that is not defined, such as R² of equal targets, is None. Raises Problem for predictions of NaN.
    """
    finite(predictions)
    widths = half_widths or [None] * len(names)
    values = [
        {"name": name, **metrics_of(predictions[:, index], targets[:, index], widths[index])}
        for index, name in enumerate(names)
    ]
    if len(names) == 1:
        (only,) = values
        first = {"metric": "mae", "value": only["mae"], "interval": only["mae_interval"], "r2": only["r2"]}
    else:
        mean, extent = mean_r2(predictions, targets)
        first = {"metric": "r2", "value": mean, "interval": extent}
    stride = -(-len(targets) // POINTS)
    points = np.stack([targets[::stride], predictions[::stride]], -1)  # (N, V, 2)
    return {
        **first,
        "examples": len(targets),
        "values": values,
        "points": [[pair for pair in column.tolist() if pair[0] == pair[0]] for column in points.swapaxes(0, 1)],
    }


def metrics_of(predictions: Floats, targets: Floats, half_width: float | None = None) -> dict[str, Any]:
    """The metrics of (N,) predictions of one number; missing targets are left out."""
    known = ~np.isnan(targets)
    predictions, targets = predictions[known], targets[known]
    count = len(targets)
    if not count:
        return {"examples": 0, **dict.fromkeys(KEYS), **dict.fromkeys(f"{key}_interval" for key in KEYS)} | {
            "coverage": None,
            "coverage_interval": None,
        }
    point = statistics(np.ones((1, count)), predictions, targets)[0]
    low_high = bootstrap.interval(lambda weights: statistics(weights, predictions, targets), count)
    metrics: dict[str, Any] = {"examples": count}
    for index, key in enumerate(KEYS):
        metrics[key] = _number(point[index])
        metrics[f"{key}_interval"] = low_high[index].tolist() if np.isfinite(low_high[index]).all() else None
    inside = None if half_width is None else int((np.abs(predictions - targets) <= half_width).sum())
    metrics["coverage"] = None if inside is None else inside / count
    metrics["coverage_interval"] = None if inside is None else list(interval(inside, count))
    return metrics


def statistics(weights: Floats, predictions: Floats, targets: Floats) -> Floats:
    """(R, N) weights of examples -> (R, 4) the metrics of KEYS, NaN where one is not defined.

    Targets and predictions are centred first, so that their large mean costs no digits.
    """
    errors = predictions - targets
    y, p = targets - targets.mean(), predictions - predictions.mean()
    columns = np.stack([np.abs(errors), errors**2, y, y * y, p, p * p, y * p], 1)  # (N, 7)
    absolute, squared, ys, yys, ps, pps, yps = (weights @ columns / weights.sum(1, keepdims=True)).T
    y_variance, p_variance, covariance = yys - ys**2, pps - ps**2, yps - ys * ps
    tiny = 1e-12  # of the mean square: below, all values drawn are equal but for rounding
    y_variance = np.where(y_variance > tiny * (yys + np.finfo(float).tiny), y_variance, np.nan)
    p_variance = np.where(p_variance > tiny * (pps + np.finfo(float).tiny), p_variance, np.nan)
    r2 = 1 - squared / y_variance
    return np.stack([absolute, np.sqrt(squared), r2, covariance / np.sqrt(y_variance * p_variance)], 1)


def mean_r2(predictions: Floats, targets: Floats) -> tuple[float | None, list[float] | None]:
    """The mean R² over the numbers, and its interval."""

    def statistic(weights: Floats) -> Floats:
        columns = []
        for column, prediction in zip(targets.T, predictions.T, strict=True):
            known = ~np.isnan(column)
            if known.any():
                columns.append(statistics(weights[:, known], prediction[known], column[known])[:, 2])
        return np.mean(columns, 0) if columns else np.full(len(weights), np.nan)

    point = _number(statistic(np.ones((1, len(targets))))[0])
    low_high = bootstrap.interval(statistic, len(targets))
    return point, low_high.tolist() if point is not None and np.isfinite(low_high).all() else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
