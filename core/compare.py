"""Runs against each other: curves, settings that differ, and paired tests on the same examples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .model import Model
from .plan import read_settings
from .problem import USAGE, Problem

RESAMPLES = 10_000  # of the paired bootstrap
IGNORED = ("neocog", "train.device")  # settings that say nothing about the network


class Evaluated(NamedTuple):
    """A run with what its model predicts for the common examples."""

    folder: Path
    model: Model
    metrics: dict[str, Any]
    losses: NDArray[np.floating[Any]]  # (N,)
    correct: NDArray[np.bool_] | None  # (N,); None where predictions are not right or wrong


class PairedTest(NamedTuple):
    """Whether a run differs from the first one, on the same examples."""

    run: str
    test: str  # "McNemar" or "paired bootstrap"
    better: int | None  # examples that only this run predicts correctly; None without right and wrong
    worse: int | None  # examples that only the first run predicts correctly
    difference: float  # of the accuracies, or of the mean losses; above 0 this run is better
    interval: tuple[float, float]  # 95%, by the paired bootstrap
    p: float

    @property
    def verdict(self) -> str:
        """In words, at the level of 5%."""
        if self.p >= 0.05:
            return "no significant difference"
        return "better" if self.difference > 0 else "worse"

    @property
    def text(self) -> str:
        """The verdict with its figures: points of accuracy, or the mean loss."""
        low, high = self.interval
        p = "p < 0.001" if self.p < 0.001 else f"p = {self.p:.3f}"
        if self.better is None:
            return f"{self.verdict}: loss {-self.difference:+.4g} ({-high:+.4g} to {-low:+.4g}), {p}"
        return (
            f"{self.verdict}: {100 * self.difference:+.2f} points ({100 * low:+.2f} to {100 * high:+.2f}), {p}; "
            f"{self.better:,} correct only in this run, {self.worse:,} only in the first"
        )


def paired_test(first: Evaluated, other: Evaluated) -> PairedTest:
    """McNemar's exact test of the examples that only one of two runs predicts correctly (Dietterich 1998, section 3.1).

    For tasks without right and wrong, a paired bootstrap of the difference of the mean losses.
    """
    if first.correct is not None and other.correct is not None:
        differences = other.correct.astype(np.float64) - first.correct
        better, worse = int((differences > 0).sum()), int((differences < 0).sum())
        return PairedTest(
            str(other.folder), "McNemar", better, worse, float(differences.mean()), bootstrap(differences),
            mcnemar(better, worse),
        )  # fmt: skip
    differences = first.losses - other.losses
    means = resampled_means(differences)
    p = 2 * min((means <= 0).mean(), (means >= 0).mean())
    return PairedTest(
        str(other.folder), "paired bootstrap", None, None, float(differences.mean()), bootstrap(differences),
        min(1.0, float(p)),
    )  # fmt: skip


def mcnemar(better: int, worse: int) -> float:
    """The two-sided p of a fair coin that shows `better` heads and `worse` tails; 1 without a toss."""
    from scipy.stats import binomtest

    return float(binomtest(better, better + worse).pvalue) if better + worse else 1.0


def bootstrap(differences: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """The 95% percentile interval of the mean of paired differences."""
    low, high = np.quantile(resampled_means(differences), [0.025, 0.975])
    return float(low), float(high)


def resampled_means(differences: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """(RESAMPLES,) means of resampled differences, from a fixed seed."""
    rng = np.random.default_rng(0)
    values, counts = np.unique(differences, return_counts=True)
    if len(values) <= 3:  # right or wrong: counts of a multinomial, at once for any number of examples
        draws = rng.multinomial(len(differences), counts / len(differences), RESAMPLES)
        means: NDArray[np.floating[Any]] = draws @ values / len(differences)
        return means
    blocks = [differences[rng.integers(len(differences), size=len(differences))].mean() for _ in range(RESAMPLES // 10)]
    return np.array(blocks)


def require_comparable(models: Sequence[Model], folders: Sequence[Path]) -> None:
    """Raises Problem for runs of several domains, tasks or sets of labels."""
    first = models[0]
    for model, folder in zip(models[1:], folders[1:], strict=True):
        for title, values in (
            ("domain", (first.card.domain, model.card.domain)),
            ("task", (first.task.name, model.task.name)),
            ("set of labels", (sorted(first.labels), sorted(model.labels))),
        ):
            if values[0] != values[1]:
                raise Problem(
                    f"{folders[0]} and {folder} are of another {title}, so their predictions cannot be compared", USAGE
                )


def differing_settings(folders: Sequence[Path]) -> dict[str, list[Any]]:
    """The settings in which runs differ: the name, and the value of each run; None where it has none."""
    tables = [flattened(read_settings(folder / "settings.toml")) for folder in folders]
    names = sorted(set().union(*tables) - set(IGNORED))
    rows = {name: [table.get(name) for table in tables] for name in names}
    return {name: values for name, values in rows.items() if any(value != values[0] for value in values[1:])}


def flattened(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, with names such as train.lr."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def history_of(folder: Path) -> list[dict[str, Any]]:
    """The epochs of a run; empty where metrics.jsonl is missing or damaged."""
    try:
        lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [dict(json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError):
        return []
