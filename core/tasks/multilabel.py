"""Several labels for each input: a sigmoid for each label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import isfinite
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..calibration import COLDEST, HOTTEST, label_temperatures, tempered_labels
from ..data import Data
from ..format import figure, percent, probability
from ..metrics import decision_calibration_error
from ..problem import DATA, Problem
from ..sources.source import natural
from ..targets import BAR, TargetSpec
from .multilabel_metrics import (
    Decisions,
    best_threshold,
    f1_scores,
    label_thresholds,
    mean,
    micro_f1,
    multilabel_metrics,
)
from .task import Chart, Criterion, Floats, Targets, Task

MOST_LABELS = 5000
PAIRS = 10  # of labels that go together, in the report
FEW = 3  # labels that a message names
HALF = 0.5  # the threshold without validation
YES, NO = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")  # in a column for each label, lower case


@dataclass(frozen=True)
class Multilabel(Task):
    """Targets (N, K) float32 are 1 for the labels of an example, else 0; a prediction is (K,) probabilities.

    The loss is the binary cross-entropy, the mean over all labels; label smoothing is not applied, as most labels are
    absent from most examples. A label is predicted if its probability reaches its threshold, which has the highest F1
    on the validation examples (`label_thresholds`); a label that none of them has takes the common threshold, of the
    highest micro-F1. A temperature moves the probabilities of a label and its threshold alike, so that all validation
    examples fit both.
    """

    thresholds: list[float] = field(default_factory=list)  # of each label; empty without validation
    threshold: float = HALF  # common
    without_own: list[str] = field(default_factory=list)  # the labels that take the common threshold
    temperatures: list[float] = field(default_factory=list)  # that divide the logit of each label; empty for 1 each

    name: ClassVar[str] = "multilabel"
    criterion: ClassVar[Criterion] = Criterion("loss", "log loss")
    batch_metrics: ClassVar[tuple[str, ...]] = ("f1",)
    charts: ClassVar[tuple[Chart, ...]] = (
        Chart("loss", "Log loss"),
        Chart("f1", "F1 of an example, at 50%", is_share=True),
    )
    outputs_are_probabilities: ClassVar[bool] = True
    windows_have_label: ClassVar[bool] = True
    template: ClassVar[str] = "multilabel.html"
    has_label_texts: ClassVar[bool] = False

    # --- texts of targets

    @classmethod
    def refusal(cls, text: str, spec: TargetSpec) -> str:
        if len(spec.columns) > 1:
            for name, cell in zip(spec.column_names, spec.cells(text), strict=True):
                if cell.strip().lower() not in YES + NO:
                    return f"has {cell[:40]!r} in the column {name}; expected 0 or 1"
            return ""
        for part in parts_of(text, spec):
            if spec.label_names and not (part.isdecimal() and int(part) < len(spec.label_names)):
                return f"has the label {part[:40]!r}; --label-names has names for 0 to {len(spec.label_names) - 1}"
        return ""

    @classmethod
    def labels_in(cls, text: str, spec: TargetSpec) -> list[str]:
        if len(spec.columns) > 1:
            pairs = zip(spec.column_names, spec.cells(text), strict=True)
            return [name for name, cell in pairs if cell.strip().lower() in YES]
        parts = parts_of(text, spec)
        return [spec.label_names[int(part)] for part in parts] if spec.label_names else parts

    @classmethod
    def untrainable(cls, texts: Collection[str], spec: TargetSpec) -> str:
        counts = label_counts(texts, spec)
        if not counts:
            return "no training example has a label"
        if all(count == len(texts) for count in counts.values()):
            names = ", ".join(list(counts)[:FEW])
            return f"all training examples have the same labels, {names}; expected some that differ"
        return ""

    @classmethod
    def strata(cls, texts: Sequence[str], spec: TargetSpec) -> list[str]:
        """The rarest label of each example (the order of Sechidis et al. 2011: what is rarest is divided first)."""
        counts = label_counts(texts, spec)
        return [min(cls.labels_in(text, spec), key=lambda label: (counts[label], label), default="") for text in texts]

    @classmethod
    def findings(cls, texts: Mapping[str, int], spec: TargetSpec) -> dict[str, Any]:
        sizes: Counter[int] = Counter()
        for text, count in texts.items():
            sizes[len(cls.labels_in(text, spec))] += count
        return {"labels_per_example": {str(size): sizes[size] for size in sorted(sizes)}}

    @classmethod
    def remarks(cls, texts: Mapping[str, int], spec: TargetSpec) -> list[str]:
        total, counts = sum(texts.values()), Counter[str]()
        for text, count in texts.items():
            counts.update(dict.fromkeys(cls.labels_in(text, spec), count))
        remarks = []
        if everywhere := [label for label, count in counts.items() if count == total]:
            remarks.append(
                f"all examples have the label {', '.join(everywhere[:FEW])}: there is nothing to learn about it"
            )
        known = spec.label_names or (spec.column_names if len(spec.columns) > 1 else ())
        if missing := [name for name in known if name not in counts]:
            more = f" and {len(missing) - FEW} more" if len(missing) > FEW else ""
            remarks.append(f"no example has the label {', '.join(missing[:FEW])}{more}: it is left out")
        return remarks

    # --- targets and state

    @classmethod
    def from_data(cls, data: Data) -> Self:
        spec = data.target_spec
        texts = [data.labels[index] for index in data.train.targets.tolist()]
        if reason := cls.untrainable(texts, spec):
            raise Problem(reason, DATA)
        counts = label_counts(texts, spec)
        if len(counts) > MOST_LABELS:
            raise Problem(
                f"the data have {len(counts):,} different labels; at most {MOST_LABELS:,} are possible: leave the rare "
                "ones out",
                DATA,
            )
        official = spec.label_names or (spec.column_names if len(spec.columns) > 1 else ())
        rank = {label: index for index, label in enumerate(official)}
        return cls(sorted(counts, key=lambda label: (rank.get(label, len(rank)), natural(label))))

    def encode(self, data: Data) -> Data:
        index_of = {label: index for index, label in enumerate(self.labels)}
        table = torch.zeros(len(data.labels), len(self.labels))
        for row, text in enumerate(data.labels):
            for label in self.labels_in(text, data.target_spec):
                if label in index_of:  # else it was left out: --unknown skip
                    table[row, index_of[label]] = 1
        return data.with_targets(table, self.labels)

    @property
    def known_labels(self) -> list[str]:
        return self.labels

    def state(self) -> dict[str, Any]:
        state = {"thresholds": self.thresholds, "threshold": self.threshold, "without_own": self.without_own}
        return state | ({"temperatures": self.temperatures} if self.temperatures else {})

    @classmethod
    def from_state(cls, labels: list[str], state: Mapping[str, Any]) -> Self:
        task = cls(labels, **state)
        for name, numbers in (("thresholds", task.thresholds), ("temperatures", task.temperatures)):
            if not isinstance(numbers, list) or len(numbers) not in (0, len(labels)):
                raise TypeError(f"{name} are not {len(labels)} numbers")
            if not all(isinstance(number, int | float) and isfinite(number) for number in [*numbers, task.threshold]):
                raise TypeError(f"{name} are not finite numbers")
        if not all(COLDEST <= number <= HOTTEST for number in task.temperatures):
            raise TypeError(f"temperatures are not from {COLDEST} to {HOTTEST}")
        return task

    @property
    def all_thresholds(self) -> list[float]:
        """(K,) the threshold of each label."""
        return self.thresholds or [self.threshold] * len(self.labels)

    # --- training

    def initial_bias(self, targets: Tensor) -> Tensor:
        """The log-odds of each label: few labels are present, and the first steps need not learn that."""
        return ((targets.sum(0) + 0.5) / (len(targets) + 1)).logit()

    def loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, targets)

    def batch_sums(self, logits: Tensor, targets: Tensor) -> Tensor:
        predicted = (logits >= 0).float()
        total = predicted.sum(1) + targets.sum(1)
        scores = torch.where(total > 0, 2 * (predicted * targets).sum(1) / total.clamp_min(1), 1.0)
        return scores.sum()[None]

    # --- predictions

    def link(self, logits: Tensor) -> Tensor:
        return (logits / logits.new_tensor(self.temperatures) if self.temperatures else logits).sigmoid()

    def example_losses(self, predictions: Floats, targets: Targets, smoothing: float = 0.0) -> Floats:
        p = predictions.astype(np.float64).clip(1e-12, 1 - 1e-12)
        losses: Floats = -(targets * np.log(p) + (1 - targets) * np.log1p(-p)).mean(1)
        return losses

    def epoch_metrics(self, predictions: Floats, targets: Targets) -> dict[str, float]:
        predicted, true = predictions >= HALF, targets > HALF
        total = predicted.sum(1) + true.sum(1)
        scores = np.where(total > 0, 2 * (predicted & true).sum(1) / np.maximum(total, 1), 1.0)
        return {"loss": float(self.example_losses(predictions, targets).mean()), "f1": float(scores.mean())}

    def metrics(self, predictions: Floats, targets: Targets) -> dict[str, Any]:
        metrics = multilabel_metrics(predictions, targets, self.labels, self.all_thresholds)
        common = Decisions(targets > HALF, predictions >= self.threshold)
        metrics["common_threshold"] = {
            "threshold": self.threshold,
            "macro_f1": mean(f1_scores(common)),
            "micro_f1": micro_f1(common),
        }
        metrics |= self._trust(predictions, targets)
        if self.temperatures:
            before = tempered_labels(predictions, 1 / np.array(self.temperatures))
            metrics["uncalibrated"] = self._trust(before, targets)
        decisions = Decisions(targets > HALF, predictions >= np.array(self.all_thresholds))
        return metrics | {"confusion": missed_and_invented(decisions, predictions), "together": together(decisions)}

    def _trust(self, predictions: Floats, targets: Targets) -> dict[str, float]:
        return {
            "log_loss": float(self.example_losses(predictions, targets).mean()),
            "calibration_error": decision_calibration_error(predictions, targets > HALF),
        }

    def calibrated(self, predictions: Floats, targets: Targets) -> Self:
        true = targets > HALF
        temperatures = label_temperatures(predictions, true)
        if all(temperature == 1 for temperature in temperatures):
            temperatures = []
        else:
            predictions = tempered_labels(predictions, temperatures)
        if not true.any():
            return replace(self, thresholds=[HALF] * len(self.labels), threshold=HALF, without_own=list(self.labels))
        common, _ = best_threshold(predictions.ravel(), true.ravel())
        is_known = [bool(column.any()) for column in true.T]
        own = label_thresholds(predictions, true)
        thresholds = [threshold if known else common for threshold, known in zip(own, is_known, strict=True)]
        without_own = [label for label, known in zip(self.labels, is_known, strict=True) if not known]
        return replace(
            self, thresholds=thresholds, threshold=common, without_own=without_own, temperatures=temperatures
        )

    @property
    def calibration_remarks(self) -> list[str]:
        if not self.thresholds:
            return [f"there is no validation split to find thresholds on: labels are predicted from {HALF:.0%} on"]
        if not self.without_own:
            return []
        more = f" and {len(self.without_own) - FEW} more" if len(self.without_own) > FEW else ""
        return [
            f"no validation example has the label {', '.join(self.without_own[:FEW])}{more}: predicted from the common "
            f"threshold, {self.threshold:.1%}, on"
        ]

    def rows(self, predictions: Tensor, top: int) -> list[dict[str, Any]]:
        best = predictions.topk(min(top, len(self.labels)))
        above = predictions >= predictions.new_tensor(self.all_thresholds)
        return [
            {
                "labels": [self.labels[k] for k in _ranked(row) if mask[k]],
                "predictions": [
                    {"label": self.labels[k], "probability": p} for p, k in zip(values, indices, strict=True)
                ],
            }
            for row, mask, values, indices in zip(
                predictions, above.tolist(), best.values.tolist(), best.indices.tolist(), strict=True
            )
        ]

    def window_rows(self, predictions: Tensor) -> list[dict[str, Any]]:
        """The labels of each window, and the most probable one."""
        return [{**row["predictions"][0], "labels": row["labels"]} for row in self.rows(predictions, 1)]

    def window_text(self, window: Mapping[str, Any]) -> str:
        return f"{', '.join(window['labels']) or 'no label'}  ({window['label']} {window['probability']:.1%})"

    def correct(self, predictions: Floats, targets: Targets) -> NDArray[np.bool_]:
        correct: NDArray[np.bool_] = ((predictions >= self.all_thresholds) == (targets > HALF)).all(1)
        return correct

    def default_outputs(self, prediction: Tensor) -> list[int]:
        above = [k for k in _ranked(prediction) if prediction[k] >= self.all_thresholds[k]]
        return above or [int(prediction.argmax())]

    # --- words

    def headline(self, metrics: Mapping[str, Any]) -> str:
        low, high = metrics["interval"] or (None, None)
        text = f"macro-F1 {percent(metrics['value'], 2)} ({percent(low, 2)} to {percent(high, 2)})"
        return text + (f", micro-F1 {percent(metrics['micro_f1'], 2)}" if "micro_f1" in metrics else "")

    def epoch_text(self, train: Mapping[str, float], valid: Mapping[str, float]) -> str:
        text = f"loss {train['loss']:.4f}  F1 {train['f1']:7.2%}"
        return text + (f"  val_loss {valid['loss']:.4f}  val_F1 {valid['f1']:7.2%}" if valid else "")

    def row_text(self, row: Mapping[str, Any]) -> str:
        probabilities = "  ".join(f"{entry['label']} {entry['probability']:.1%}" for entry in row["predictions"])
        return f"{', '.join(row['labels']) or 'no label'}  ({probabilities})"

    def details(self, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
        titles = {
            "macro_f1": "macro-F1",
            "micro_f1": "micro-F1",
            "mean_average_precision": "mean avg. precision",
            "subset_accuracy": "subset accuracy",
            "hamming_loss": "Hamming loss",
        }
        lines = []
        for key, title in titles.items():
            low, high = metrics[f"{key}_interval"] or (None, None)
            extent = "" if low is None else f"  (95% interval {low:.2%} to {high:.2%})"
            lines.append((title, percent(metrics[key], 2) + extent))
        common = metrics["common_threshold"]
        text = f"macro-F1 {percent(common['macro_f1'], 2)}, micro-F1 {percent(common['micro_f1'], 2)}"
        lines.append(("log loss", f"{metrics['log_loss']:.4f}"))
        lines.append(("calibration error", percent(metrics["calibration_error"], 2)))
        if before := metrics.get("uncalibrated"):
            error = percent(before["calibration_error"], 2)
            changed = sum(temperature != 1 for temperature in self.temperatures)
            lines.append(
                (
                    "before temperature",
                    f"calibration error {error}, log loss {before['log_loss']:.4f}; {changed} of "
                    f"{len(self.labels)} labels have one",
                )
            )
        return [*lines, ("one threshold", f"{text}  (of all labels: {common['threshold']:.3f})")]

    def table(self, metrics: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
        names = ("precision", "recall", "f1", "average_precision")
        rows = [
            [row["label"], *(percent(row[name], 2) for name in names), figure(row["threshold"]), f"{row['examples']:,}"]
            for row in metrics["classes"]
        ]
        return ["label", "precision", "recall", "F1", "avg. precision", "threshold", "examples"], rows

    def csv_columns(self) -> list[str]:
        return ["predicted", "most probable", "probability"]

    def csv_cells(self, row: Mapping[str, Any]) -> list[str]:
        best = row["predictions"][0]
        return [BAR.join(row["labels"]), best["label"], f"{best['probability']:.4f}"]

    def report(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        from .multilabel_report import blocks

        return blocks(metrics, self)

    def files(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        from .. import charts

        return {"confusion.png": partial(charts.save_confusion, metrics["confusion"], self.labels)}

    def mistakes(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        """The wrong sets of labels with the highest loss first."""
        losses = np.where(self.correct(predictions, targets), -1.0, self.example_losses(predictions, targets))
        order = [index for index in np.argsort(-losses, kind="stable").tolist() if losses[index] >= 0]
        return [(index, self._entry(predictions[index], targets[index])) for index in order[:count]]

    def typical(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        """Correct sets of labels from the lower end of the quarter with the lowest loss on."""
        losses = self.example_losses(predictions, targets)
        order = sorted(self.correct(predictions, targets).nonzero()[0].tolist(), key=lambda index: losses[index])
        return [(index, self._entry(predictions[index], targets[index])) for index in order[len(order) // 4 :][:count]]

    def _entry(self, prediction: Floats, target: Targets) -> dict[str, Any]:
        predicted, true = prediction >= np.array(self.all_thresholds), target > HALF
        best = int(prediction.argmax())
        return {
            "label": self._joined(true) or "no label",
            "predicted": self._joined(predicted) or "no label",
            "note": f"{self.labels[best]} {probability(float(prediction[best]))}",
        }

    def _joined(self, mask: NDArray[np.bool_]) -> str:
        return ", ".join(self.labels[k] for k in mask.nonzero()[0].tolist())

    def target_text(self, target: Tensor) -> str:
        return BAR.join(self.labels[k] for k in (target > HALF).nonzero()[:, 0].tolist())

    def brief(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        return super().brief(metrics) | {"micro_f1": metrics["micro_f1"]}


def _ranked(prediction: Tensor) -> list[int]:
    indices: list[int] = prediction.argsort(descending=True, stable=True).tolist()
    return indices


def parts_of(text: str, spec: TargetSpec) -> list[str]:
    """The labels in a cell, each once."""
    separator = spec.separator or BAR
    pieces = text.split() if separator.isspace() else text.split(separator)
    return list(dict.fromkeys(piece.strip() for piece in pieces if piece.strip()))


def label_counts(texts: Collection[str], spec: TargetSpec) -> Counter[str]:
    """The number of texts of targets with each label."""
    counts: Counter[str] = Counter()
    for text, count in Counter(texts).items():
        counts.update(dict.fromkeys(Multilabel.labels_in(text, spec), count))
    return counts


def missed_and_invented(decisions: Decisions, predictions: Floats) -> list[list[int]]:
    """(K, K) counts: on the diagonal labels that are true and predicted; else a missed label by an invented one.

    Of several labels that are predicted for an example and not true, a missed one counts with the most probable.
    """
    true, predicted = decisions
    table = np.zeros((true.shape[1],) * 2, np.int64)
    invented = predicted & ~true
    rows = invented.any(1, keepdims=True)
    instead = np.where(invented, predictions, -1.0).argmax(1)
    missed = np.argwhere(true & ~predicted & rows)
    for index, label in missed.tolist():
        table[label, instead[index]] += 1
    np.fill_diagonal(table, (true & predicted).sum(0))
    counts: list[list[int]] = table.tolist()
    return counts


def together(decisions: Decisions, most: int = PAIRS) -> list[list[int]]:
    """The pairs of labels that examples have most often: indices of both, the count of true and of predicted pairs."""
    true, predicted = (mask.astype(np.int64).T @ mask for mask in decisions)
    pairs = np.triu(true, 1)
    order = np.argsort(-pairs, axis=None, kind="stable")[:most]
    cells = [divmod(int(index), len(true)) for index in order if pairs.flat[index]]
    return [[a, b, int(true[a, b]), int(predicted[a, b])] for a, b in cells]
