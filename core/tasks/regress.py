"""Regression: one or several numbers for each input."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import isfinite
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..calibration import conformal_rank
from ..data import Data
from ..format import figure, percent
from ..problem import DATA, Problem
from ..settings import Settings
from ..targets import TargetSpec
from .regress_metrics import regression_metrics
from .task import Chart, Criterion, Floats, Targets, Task

LARGEST = 1e30  # of a target: its square is finite in float64, its standardised value in float32
BINS = 10  # of equal counts, by which the splits are compared
FEWEST = 20  # examples in a bin
LEVEL = 0.9  # of the interval of a prediction
TITLES = {"mae": "mean abs. error", "rmse": "RMSE", "r2": "R²", "pearson": "Pearson's r"}
# Standard deviations from which a loss grows linearly. The absolute error is rounded off below, where it would be met
# with steps of one size.
THRESHOLDS = {"huber": 1.0, "absolute": 0.05}


@dataclass(frozen=True)
class Regress(Task):
    """Targets (N, V) float32 are standardised numbers, NaN for a missing one; a prediction is (V,) numbers.

    A standardised number is (number − mean) / std of the training examples. The loss is Huber's (1964, with the
    threshold at one standard deviation), the squared error, or the absolute one. Each number counts alike: its loss is
    relative to the share of the training examples that have it, so that the loss of a batch is the mean of those of its
    parts.
    """

    means: list[float] = field(default_factory=list)
    stds: list[float] = field(default_factory=list)
    half_widths: list[float] = field(default_factory=list)  # of the intervals of predictions; empty without validation
    regression_loss: Literal["huber", "squared", "absolute"] = "huber"
    known: list[float] = field(default_factory=list, compare=False)  # share of training examples that have each number

    name: ClassVar[str] = "regress"
    criterion: ClassVar[Criterion] = Criterion("loss", "regression loss")
    batch_metrics: ClassVar[tuple[str, ...]] = ("r2",)
    loss_settings: ClassVar[frozenset[str]] = frozenset({"regression_loss"})
    charts: ClassVar[tuple[Chart, ...]] = (Chart("loss", "Loss of standardised numbers"), Chart("r2", "R²"))
    template: ClassVar[str] = "regress.html"
    target_name: ClassVar[str] = "true number"
    has_label_texts: ClassVar[bool] = False

    # --- texts of targets

    @classmethod
    def refusal(cls, text: str, spec: TargetSpec) -> str:
        reasons = [not_a_number(cell) for cell in spec.cells(text) if cell or len(spec.columns) < 2]
        return next(filter(None, reasons), "")

    @classmethod
    def untrainable(cls, texts: Collection[str], spec: TargetSpec) -> str:
        numbers = numbers_of(list(texts), spec)
        for name, column in zip(names_of(spec), numbers.T, strict=True):
            known = np.unique(column[~np.isnan(column)])
            if not len(known):
                return f"no training example has a {name}; expected numbers"
            if len(known) < 2:
                return f"all training examples have the same {name}, {known[0]:g}; expected numbers that differ"
        return ""

    @classmethod
    def strata(cls, texts: Sequence[str], spec: TargetSpec) -> list[str]:
        """Bins of the first number with about equal counts."""
        numbers = numbers_of(texts, spec)[:, 0] if len(texts) else np.zeros(0)
        bins = min(BINS, max(1, len(texts) // FEWEST))
        known = numbers[np.isfinite(numbers)]
        edges = np.quantile(known, np.arange(1, bins) / bins) if len(known) else known
        return [f"bin {index}" for index in np.searchsorted(edges, numbers, side="right")]

    @classmethod
    def findings(cls, texts: Mapping[str, int], spec: TargetSpec) -> dict[str, Any]:
        numbers = numbers_of(list(texts), spec).repeat(list(texts.values()), axis=0)
        values = {}
        for name, column in zip(names_of(spec), numbers.T, strict=True):
            known = column[~np.isnan(column)]
            if len(known):
                low, median, high = np.quantile(known, [0, 0.5, 1])
                numbers_found = {"smallest": low, "median": median, "largest": high}
                numbers_found |= {"mean": known.mean(), "std": known.std()}
                values[name] = {key: float(f"{number:.6g}") for key, number in numbers_found.items()}
                values[name]["missing"] = len(column) - len(known)
        return {"values": values}

    # --- targets and state

    @classmethod
    def from_data(cls, data: Data) -> Self:
        texts = [data.labels[index] for index in data.train.targets.tolist()]
        for text in data.labels:
            if reason := cls.refusal(text, data.target_spec):
                raise Problem(f"an example {reason}", DATA)
        if reason := cls.untrainable(texts, data.target_spec):
            raise Problem(reason, DATA)
        numbers = numbers_of(texts, data.target_spec)
        means, stds = np.nanmean(numbers, 0), np.nanstd(numbers, 0)
        known = (~np.isnan(numbers)).mean(0)
        return cls(names_of(data.target_spec), means.tolist(), stds.tolist(), known=known.tolist())

    def encode(self, data: Data) -> Data:
        numbers = numbers_of(data.labels, data.target_spec)
        if numbers.shape[1] != len(self.labels):
            raise Problem(
                f"the data have {numbers.shape[1]} numbers for each example, the model predicts {len(self.labels)}: "
                f"{', '.join(self.labels)}; name their columns with --label-column",
                DATA,
            )
        return data.with_targets(torch.from_numpy(self.standardised(numbers)).float(), self.labels)

    def state(self) -> dict[str, Any]:
        return {"means": self.means, "stds": self.stds, "half_widths": self.half_widths}

    @classmethod
    def from_state(cls, labels: list[str], state: Mapping[str, Any]) -> Self:
        task = cls(labels, **state)
        for name in ("means", "stds", "half_widths"):
            numbers = getattr(task, name)
            complete = isinstance(numbers, list) and (len(numbers) == len(labels) or (name[0] == "h" and not numbers))
            if not complete or not all(isinstance(number, int | float) and isfinite(number) for number in numbers):
                raise TypeError(f"{name} are not {len(labels)} finite numbers")
        return task

    def standardised(self, numbers: Floats) -> Floats:
        """(N, V) numbers in their units -> numbers of standard deviation 1, float64."""
        standardised: Floats = (numbers - np.array(self.means)) / np.array(self.stds)
        return standardised

    def in_units(self, targets: Targets) -> Floats:
        """(N, V) standardised numbers -> numbers in their units, float64."""
        numbers: Floats = targets.astype(np.float64) * np.array(self.stds) + np.array(self.means)
        return numbers

    # --- training

    def configured(self, settings: Settings) -> Self:
        return replace(super().configured(settings), regression_loss=settings.regression_loss)

    def loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """0 for a batch without a number that is known."""
        errors = (logits - targets.nan_to_num()).abs() * ~targets.isnan()
        losses: Tensor = losses_of(errors, self.regression_loss, torch.where)
        return (losses.mean(0) / losses.new_tensor(self.known or 1.0)).mean()

    def batch_sums(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The variance explained in each example: their mean is R²."""
        explained = 1 - (logits - targets) ** 2
        return explained.nanmean(1).nan_to_num().sum()[None]

    # --- predictions

    def link(self, logits: Tensor) -> Tensor:
        return logits * logits.new_tensor(self.stds) + logits.new_tensor(self.means)

    def example_losses(self, predictions: Floats, targets: Targets, smoothing: float = 0.0) -> Floats:
        errors = np.abs(self.standardised(predictions.astype(np.float64)) - targets)
        losses = losses_of(errors, self.regression_loss, np.where)
        mean: Floats = np.nanmean(losses, 1)
        return mean

    def epoch_metrics(self, predictions: Floats, targets: Targets) -> dict[str, float]:
        known = ~np.isnan(targets)
        errors = np.where(known, self.standardised(predictions.astype(np.float64)) - targets, 0.0)
        means = np.nanmean(targets, 0)
        totals = np.nansum((targets - means) ** 2, 0)
        r2 = 1 - (errors**2).sum(0) / np.where(totals > 0, totals, np.nan)
        return {
            "loss": float(self.example_losses(predictions, targets).mean()),
            "r2": float(np.nanmean(r2)) if np.isfinite(r2).any() else float("nan"),
        }

    def metrics(self, predictions: Floats, targets: Targets) -> dict[str, Any]:
        numbers = self.in_units(targets)
        metrics = regression_metrics(predictions.astype(np.float64), numbers, self.labels, self.half_widths)
        for mean, value, column in zip(self.means, metrics["values"], numbers.T, strict=True):
            known = column[~np.isnan(column)]
            value["mae_of_mean"] = float(np.abs(known - mean).mean()) if len(known) else None
        return metrics

    def calibrated(self, predictions: Floats, targets: Targets) -> Self:
        """Split-conformal intervals (Lei et al. 2018, arXiv:1604.04173): ± a quantile of the absolute errors."""
        errors = np.abs(predictions.astype(np.float64) - self.in_units(targets))
        half_widths = [conformal_quantile(column[~np.isnan(column)], LEVEL) for column in errors.T]
        widths = [width for width in half_widths if width is not None]
        return replace(self, half_widths=widths if len(widths) == len(half_widths) else [])

    @property
    def calibration_remarks(self) -> list[str]:
        if self.half_widths:
            return []
        least = next(count for count in range(1, 1000) if conformal_rank(count, LEVEL) <= count)
        return [f"predictions have no intervals: {LEVEL:.0%} need {least} validation examples with each number"]

    def rows(self, predictions: Tensor, top: int) -> list[dict[str, Any]]:
        return [{"values": [self._value(*entry) for entry in enumerate(row)]} for row in predictions.double().tolist()]

    def _value(self, index: int, number: float) -> dict[str, Any]:
        value: dict[str, Any] = {"name": self.labels[index], "value": number}
        if self.half_widths:
            value["interval"] = [number - self.half_widths[index], number + self.half_widths[index]]
        return value

    def default_outputs(self, prediction: Tensor) -> list[int]:
        return list(range(len(self.labels)))

    # --- words

    @property
    def outputs_text(self) -> str:
        count = len(self.labels)
        return f"one number, {self.labels[0]}" if count == 1 else f"{count} numbers: {', '.join(self.labels)}"

    def headline(self, metrics: Mapping[str, Any]) -> str:
        low, high = metrics["interval"] or (None, None)
        name = {"mae": f"mean absolute error of {self.labels[0]}", "r2": "mean R²"}[metrics["metric"]]
        text = f"{name} {figure(metrics['value'])} ({figure(low)} to {figure(high)})"
        return f"{text}, R² {figure(metrics['r2'])}" if metrics["metric"] == "mae" and "r2" in metrics else text

    def epoch_text(self, train: Mapping[str, float], valid: Mapping[str, float]) -> str:
        text = f"loss {train['loss']:.4f}  R² {train['r2']:6.3f}"
        return text + (f"  val_loss {valid['loss']:.4f}  val_R² {valid['r2']:6.3f}" if valid else "")

    def row_text(self, row: Mapping[str, Any]) -> str:
        return "  ".join(map(value_text, row["values"]))

    def details(self, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
        if len(self.labels) > 1:
            return [("mean R²", with_interval(metrics["value"], metrics["interval"]))]
        (value,) = metrics["values"]
        lines = [(title, with_interval(value[key], value[f"{key}_interval"])) for key, title in TITLES.items()]
        if value["coverage"] is not None:
            low, high = value["coverage_interval"]
            share = f"{value['coverage']:.1%} of {LEVEL:.0%}  (95% interval {low:.1%} to {high:.1%})"
            lines.append(("coverage", share))
        return lines

    def table(self, metrics: Mapping[str, Any]) -> tuple[list[str], list[list[str]]] | None:
        if len(self.labels) == 1:
            return None
        rows = [
            [
                *(value["name"], *(figure(value[key]) for key in TITLES)),
                *(percent(value["coverage"]), f"{value['examples']:,}"),
            ]
            for value in metrics["values"]
        ]
        return ["number", *TITLES.values(), "coverage", "examples"], rows

    def csv_columns(self) -> list[str]:
        extent = ("", " low", " high") if self.half_widths else ("",)
        names = ["predicted"] if len(self.labels) == 1 else [f"predicted {name}" for name in self.labels]
        return [name + suffix for name in names for suffix in extent]

    def csv_cells(self, row: Mapping[str, Any]) -> list[str]:
        return [f"{number:.6g}" for value in row["values"] for number in (value["value"], *value.get("interval", ()))]

    def report(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        from .regress_report import blocks

        return blocks(metrics, self)

    def files(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        from .regress_report import save_scatter

        return {"predicted.png": partial(save_scatter, metrics)}

    def mistakes(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        """The largest errors first, in standard deviations of the number."""
        order = np.argsort(-self._errors(predictions, targets), kind="stable")
        return self._entries(predictions, targets, order[:count])

    def typical(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        """Examples whose error is about the median."""
        order = np.argsort(self._errors(predictions, targets), kind="stable")
        start = max(0, len(order) // 2 - count // 2)
        return self._entries(predictions, targets, order[start : start + count])

    def _errors(self, predictions: Floats, targets: Targets) -> Floats:
        errors: Floats = np.nanmax(np.abs(self.standardised(predictions.astype(np.float64)) - targets), 1)
        return errors

    def _entries(
        self, predictions: Floats, targets: Targets, indices: NDArray[np.integer[Any]]
    ) -> list[tuple[int, dict[str, Any]]]:
        entries = []
        for index in indices.tolist():
            number, target = predictions[index].astype(np.float64), self.in_units(targets[index])
            worst = int(np.nanargmax(np.abs(self.standardised(number) - targets[index])))
            prefix = f"{self.labels[worst]} " if len(self.labels) > 1 else ""
            error = number[worst] - target[worst]
            entry = {"label": prefix + figure(target[worst]), "predicted": prefix + figure(number[worst])}
            entries.append((index, entry | {"note": f"{'+' if error > 0 else '−'}{figure(abs(error))}"}))
        return entries

    def target_text(self, target: Tensor) -> str:
        numbers = self.in_units(target.numpy()).tolist()
        return ", ".join("" if number != number else f"{number:.6g}" for number in numbers)

    def brief(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        first = {"r2": metrics["values"][0]["r2"]} if len(self.labels) == 1 else {}
        return super().brief(metrics) | first


def names_of(spec: TargetSpec) -> list[str]:
    """The names of the numbers: those of their columns; "value" for a number that is the name of a folder."""
    return [f"column {name}" if name.isdecimal() else name for name in spec.column_names] or ["value"]


def numbers_of(texts: Sequence[str], spec: TargetSpec) -> Floats:
    """The numbers in the texts of targets: (N, V) float64, NaN for an empty cell."""
    rows = [[float(cell) if cell else float("nan") for cell in spec.cells(text)] for text in texts]
    return np.array(rows, np.float64).reshape(len(texts), max(1, len(spec.columns)))


def not_a_number(cell: str) -> str:
    """The reason why a cell is no number to predict; or ""."""
    try:
        number = float(cell)
    except ValueError:
        return f"has {cell[:40]!r}, which is not a number; expected such as 12.5, without a unit and without commas"
    if not isfinite(number):
        return f"has {cell[:40]!r}, which is not a finite number; expected such as 12.5"
    if abs(number) > LARGEST:
        return f"has {cell[:40]}, which is larger than {LARGEST:g}"
    return ""


def conformal_quantile(errors: Floats, level: float) -> float | None:
    """The error that new examples exceed with a probability of at most 1 − level; None for too few examples."""
    rank = conformal_rank(len(errors), level)
    return float(np.sort(errors)[rank - 1]) if rank <= len(errors) else None


def with_interval(value: float | None, interval: Sequence[float] | None) -> str:
    """`0.214  (95% interval 0.203 to 0.225)`."""
    extent = f"  (95% interval {figure(interval[0])} to {figure(interval[1])})" if interval else ""
    return figure(value) + extent


def value_text(value: Mapping[str, Any]) -> str:
    """`price 12.3 (9.1 to 15)`."""
    interval = value.get("interval")
    extent = f" ({figure(interval[0])} to {figure(interval[1])})" if interval else ""
    return f"{value['name']} {figure(value['value'])}{extent}"


def losses_of(errors: Any, loss: str, where: Callable[..., Any]) -> Any:
    """The loss of each absolute error of a standardised number: tensors with torch.where, arrays with np.where."""
    if loss == "squared":
        return errors**2
    threshold = THRESHOLDS[loss]
    return where(errors < threshold, errors**2 / (2 * threshold), errors - threshold / 2)
