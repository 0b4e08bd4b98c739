"""Classification: one label for each input, by softmax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..data import Data
from ..format import probability
from ..metrics import classification_metrics, log_losses
from ..problem import DATA, Problem
from .task import Chart, Criterion, Floats, Targets, Task

TOP_5_FROM = 6  # labels from which top-5 accuracy says something


def calibration_text(metrics: Mapping[str, Any]) -> str:
    """The interval of the calibration error as `evaluate` prints it; "" where there is none."""
    if not (interval := metrics.get("calibration_interval")):
        return ""
    return f"  (95% interval {interval[0]:.2%} to {interval[1]:.2%})"


@dataclass(frozen=True)
class Classify(Task):
    """Targets (N,) int64 index the labels; a prediction is (K,) probabilities."""

    name: ClassVar[str] = "classify"
    criterion: ClassVar[Criterion] = Criterion("loss", "log loss")
    uses_domain_labels: ClassVar[bool] = True
    has_attacks: ClassVar[bool] = True
    batch_metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    charts: ClassVar[tuple[Chart, ...]] = (Chart("loss", "Log loss"), Chart("accuracy", "Accuracy", is_share=True))
    outputs_are_probabilities: ClassVar[bool] = True
    template: ClassVar[str] = "classify.html"

    @classmethod
    def from_data(cls, data: Data) -> Self:
        if len(data.train) < 2 or len(data.labels) < 2:
            raise Problem(
                f"the data hold {len(data.train)} training example(s) of {len(data.labels)} label(s); "
                "training needs 2 labels and an example of each",
                DATA,
            )
        return cls(data.labels)

    def encode(self, data: Data) -> Data:
        return data

    def loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        return F.cross_entropy(logits, targets, label_smoothing=smoothing)

    def batch_sums(self, logits: Tensor, targets: Tensor) -> Tensor:
        return (logits.argmax(1) == targets).sum()[None]

    def link(self, logits: Tensor) -> Tensor:
        return logits.softmax(1)

    def example_losses(self, predictions: Floats, targets: Targets, smoothing: float = 0.0) -> Floats:
        losses = log_losses(predictions, targets)
        if smoothing:
            uniform = -np.log(predictions.astype(np.float64).clip(1e-12)).mean(1)
            losses = (1 - smoothing) * losses + smoothing * uniform
        return losses

    def epoch_metrics(self, predictions: Floats, targets: Targets) -> dict[str, float]:
        return {
            "loss": float(log_losses(predictions, targets).mean()),
            "accuracy": float((predictions.argmax(1) == targets).mean()),
        }

    def metrics(self, predictions: Floats, targets: Targets) -> dict[str, Any]:
        metrics = classification_metrics(predictions, targets, self.labels)
        return {"metric": "accuracy", "value": metrics["accuracy"], **metrics}

    def rows(self, predictions: Tensor, top: int) -> list[dict[str, Any]]:
        best = predictions.topk(min(top, len(self.labels)))
        return [
            {"predictions": [{"label": self.labels[k], "probability": p} for p, k in zip(values, indices, strict=True)]}
            for values, indices in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]

    def window_rows(self, predictions: Tensor) -> list[dict[str, Any]]:
        return [row["predictions"][0] for row in self.rows(predictions, 1)]

    def correct(self, predictions: Floats, targets: Targets) -> NDArray[np.bool_]:
        correct: NDArray[np.bool_] = predictions.argmax(1) == targets
        return correct

    def default_outputs(self, prediction: Tensor) -> list[int]:
        return [int(prediction.argmax())]

    def attack_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(B,) log(1/p − 1) of the probability p of the true label: the log-odds against it.

        The log loss −log p increases with it, so the signs of the gradients agree; but where p rounds to 1 the
        gradient of the log loss is zero, and an attack on it would find nothing.
        """
        index = targets[:, None]
        others = logits.scatter(1, index, float("-inf")).logsumexp(1)
        return others - logits.gather(1, index)[:, 0]

    def headline(self, metrics: Mapping[str, Any]) -> str:
        low, high = metrics["interval"]
        return f"accuracy {metrics['value']:.2%} ({low:.2%} to {high:.2%})"

    def epoch_text(self, train: Mapping[str, float], valid: Mapping[str, float]) -> str:
        text = f"loss {train['loss']:.4f}  acc {train['accuracy']:7.2%}"
        if valid:
            text += f"  val_loss {valid['loss']:.4f}  val_acc {valid['accuracy']:7.2%}"
        return text

    def row_text(self, row: Mapping[str, Any]) -> str:
        return "  ".join(f"{entry['label']} {entry['probability']:.1%}" for entry in row["predictions"])

    def window_text(self, window: Mapping[str, Any]) -> str:
        return f"{window['label']} {window['probability']:.1%}"

    def details(self, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
        low, high = metrics["interval"]
        lines = [("accuracy", f"{metrics['accuracy']:.2%}  (95% interval {low:.2%} to {high:.2%})")]
        if len(self.labels) >= TOP_5_FROM:
            lines.append(("top-5 accuracy", f"{metrics['top5']:.2%}"))
        return [
            *lines,
            ("balanced accuracy", f"{metrics['balanced_accuracy']:.2%}"),
            ("log loss", f"{metrics['log_loss']:.4f}"),
            ("calibration error", f"{metrics['calibration_error']:.2%}{calibration_text(metrics)}"),
        ]

    def table(self, metrics: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
        names = ("precision", "recall", "f1")
        rows = [
            [
                row["label"],
                *("–" if row[name] is None else f"{row[name]:.2%}" for name in names),
                f"{row['examples']:,}",
            ]
            for row in metrics["classes"]
        ]
        return ["label", "precision", "recall", "F1", "examples"], rows

    def csv_columns(self) -> list[str]:
        return ["predicted", "probability"]

    def csv_cells(self, row: Mapping[str, Any]) -> list[str]:
        best = row["predictions"][0]
        return [best["label"], f"{best['probability']:.4f}"]

    def report(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        from .classify_report import blocks

        return blocks(metrics, self.labels)

    def files(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        from .. import charts

        return {"confusion.png": partial(charts.save_confusion, metrics["confusion"], self.labels)}

    def mistakes(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        """The wrong predictions of the highest probability first."""
        wrong = self._by_confidence(predictions, ~self.correct(predictions, targets))
        return self._entries(predictions, targets, wrong[:count])

    def typical(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        """Correct predictions from the lower end of the most confident quarter on."""
        correct = self._by_confidence(predictions, self.correct(predictions, targets))
        return self._entries(predictions, targets, correct[len(correct) // 4 :][:count])

    def _by_confidence(self, predictions: Floats, mask: NDArray[np.bool_]) -> list[int]:
        confidence = predictions.max(1)
        return sorted(mask.nonzero()[0].tolist(), key=lambda index: -confidence[index])

    def _entries(
        self, predictions: Floats, targets: Targets, indices: Sequence[int]
    ) -> list[tuple[int, dict[str, Any]]]:
        return [
            (
                index,
                {
                    "label": self.labels[int(targets[index])],
                    "predicted": self.labels[int(predictions[index].argmax())],
                    "note": probability(float(predictions[index].max())),
                },
            )
            for index in indices
        ]

    def target_text(self, target: Tensor) -> str:
        return self.labels[int(target)]

    def brief(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        return {name: metrics[name] for name in ("metric", "value", "accuracy", "interval", "examples", "log_loss")}
