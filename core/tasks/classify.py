"""Classification: one label for each input, by softmax."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, Any, ClassVar, NotRequired, Self, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from .. import calibration, schema
from ..balance import Balance, are_uneven, class_counts, class_weights, log_prior
from ..calibration import AnsweredPoint
from ..data import Data
from ..format import probability
from ..metrics import calibration_error, classification_metrics, log_losses
from ..problem import DATA, USAGE, Problem
from ..schema import Between
from ..score_curves import ScoreCurve, score_curves
from ..settings import Settings
from ..targets import TargetSpec
from .task import Chart, Criterion, Floats, Targets, Task

TOP_5_FROM = 6  # labels from which top-5 accuracy says something
Share = Annotated[float, Between(0, 1)]


class ClassifyState(TypedDict):
    """What a card holds of the task beside the labels."""

    counts: NotRequired[list[Annotated[int, Between(0, 2**62)]]]  # training examples of each label
    temperature: NotRequired[Annotated[float, Between(calibration.COLDEST, calibration.HOTTEST)]]
    curve: NotRequired[list[tuple[Share, Share, Share]]]  # Calibration.curve
    quantiles: NotRequired[dict[str, Share]]  # Calibration.quantiles


def calibration_text(metrics: Mapping[str, Any]) -> str:
    """The interval of the calibration error as `evaluate` prints it; "" where there is none."""
    if not (interval := metrics.get("calibration_interval")):
        return ""
    return f"  (95% interval {interval[0]:.2%} to {interval[1]:.2%})"


def _share_line(name: str, metrics: Mapping[str, Any]) -> tuple[str, str]:
    """A share with its interval, as `evaluate` prints it."""
    key = name.replace(" ", "_")
    low, high = metrics[f"{key}_interval"]
    return name, f"{metrics[key]:.2%}  (95% interval {low:.2%} to {high:.2%})"


@dataclass(frozen=True)
class Classify(Task):
    """Targets (N,) int64 index the labels; a prediction is (K,) probabilities of the logits over the temperature."""

    counts: tuple[int, ...] = ()  # training examples of each label; empty where they are not known
    temperature: float = 1.0
    curve: tuple[AnsweredPoint, ...] = ()  # Calibration.curve
    quantiles: Mapping[str, float] = field(default_factory=dict)  # Calibration.quantiles
    balance: Balance = "none"  # of the loss, in training
    threshold: float | None = None  # probability below which the answer is "unsure"
    set_quantile: float | None = None  # 1 − p up to which a label is in the label set
    _tensors: dict[torch.device, Tensor] = field(default_factory=dict, compare=False, repr=False)

    name: ClassVar[str] = "classify"
    criterion: ClassVar[Criterion] = Criterion("loss", "log loss")
    uses_domain_labels: ClassVar[bool] = True
    has_attacks: ClassVar[bool] = True
    batch_metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    loss_settings: ClassVar[frozenset[str]] = frozenset({"balance"})
    charts: ClassVar[tuple[Chart, ...]] = (Chart("loss", "Log loss"), Chart("accuracy", "Accuracy", is_share=True))
    outputs_are_probabilities: ClassVar[bool] = True
    windows_have_label: ClassVar[bool] = True
    template: ClassVar[str] = "classify.html"
    smooths_labels: ClassVar[bool] = True

    @classmethod
    def class_counts(cls, texts: Mapping[str, int], spec: TargetSpec) -> dict[str, Counter[str]]:
        return {"": Counter(texts)}

    @classmethod
    def from_data(cls, data: Data) -> Self:
        if len(data.train) < 2 or len(data.labels) < 2:
            raise Problem(
                f"the data hold {len(data.train)} training example(s) of {len(data.labels)} label(s); "
                "training needs 2 labels and an example of each",
                DATA,
            )
        return cls(data.labels, tuple(class_counts(data.train.targets, len(data.labels))))

    def encode(self, data: Data) -> Data:
        return data

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = {"counts": list(self.counts)}
        if self.curve:
            state |= {"temperature": self.temperature, "curve": [list(point) for point in self.curve]}
            state |= {"quantiles": dict(self.quantiles)}
        return state

    @classmethod
    def from_state(cls, labels: list[str], state: Mapping[str, Any]) -> Self:
        schema.check(ClassifyState, state)
        counts, curve = state.get("counts", ()), state.get("curve", ())
        points = tuple(AnsweredPoint(*point) for point in curve)
        return cls(labels, tuple(counts), state.get("temperature", 1.0), points, state.get("quantiles", {}))

    # --- training

    def configured(self, settings: Settings) -> Self:
        return replace(super().configured(settings), balance=settings.balance, _tensors={})

    def loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        if self.balance == "logit":
            logits = logits + self._on(logits.device)
        if self.balance != "loss":
            return F.cross_entropy(logits, targets, label_smoothing=smoothing)
        losses = F.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")
        return (losses * self._on(logits.device)[targets]).mean()

    def _on(self, device: torch.device) -> Tensor:
        """(K,) what the balance adds to logits or multiplies losses by, copied to a device once."""
        if device not in self._tensors:
            values = log_prior(self.counts) if self.balance == "logit" else class_weights(self.counts)
            self._tensors[device] = values.to(device)
        return self._tensors[device]

    def batch_sums(self, logits: Tensor, targets: Tensor) -> Tensor:
        return (logits.argmax(1) == targets).sum()[None]

    def link(self, logits: Tensor) -> Tensor:
        return (logits if self.temperature == 1 else logits / self.temperature).softmax(1)

    def example_losses(self, predictions: Floats, targets: Targets, smoothing: float = 0.0) -> Floats:
        losses = log_losses(predictions, targets)
        if smoothing:
            uniform = -np.log(predictions.astype(np.float64).clip(1e-12)).mean(1)
            losses = (1 - smoothing) * losses + smoothing * uniform
        if self.balance != "none":  # each label counts alike
            losses = losses * class_weights(self.counts).numpy()[targets]
        return losses

    def epoch_metrics(self, predictions: Floats, targets: Targets) -> dict[str, float]:
        return {
            "loss": float(log_losses(predictions, targets).mean()),
            "accuracy": float((predictions.argmax(1) == targets).mean()),
        }

    def metrics(self, predictions: Floats, targets: Targets) -> dict[str, Any]:
        metrics = classification_metrics(predictions, targets, self.labels)
        first = "balanced_accuracy" if self.is_uneven else "accuracy"
        metrics = {"metric": first, "value": metrics[first], "interval": metrics[f"{first}_interval"], **metrics}
        if self.temperature != 1:
            uncalibrated = calibration.tempered(predictions, 1 / self.temperature)
            metrics["temperature"] = self.temperature
            metrics["uncalibrated"] = {
                "log_loss": float(log_losses(uncalibrated, targets).mean()),
                "calibration_error": calibration_error(uncalibrated, targets),
            }
        metrics["answered_curve"] = [point._asdict() for point in calibration.answered_curve(predictions, targets)]
        if self.threshold is not None:
            answered = predictions.max(1) >= self.threshold
            correct = self.correct(predictions, targets)[answered]
            metrics["abstention"] = {
                "threshold": self.threshold,
                "answered": float(answered.mean()),
                "accuracy": float(correct.mean()) if len(correct) else None,
            }
        if self.set_quantile is not None:
            members = calibration.label_sets(predictions, self.set_quantile)
            covered = np.take_along_axis(members, targets[:, None], 1)
            metrics["label_sets"] = {"coverage": float(covered.mean()), "mean_size": float(members.sum(1).mean())}
        return metrics

    @property
    def is_uneven(self) -> bool:
        """Whether accuracy would hide the rare labels."""
        return are_uneven(self.counts)

    # --- calibration and decisions

    def calibrated(self, predictions: Floats, targets: Targets) -> Self:
        fitted = calibration.calibrate(predictions, targets)
        return replace(self, temperature=fitted.temperature, curve=fitted.curve, quantiles=fitted.quantiles)

    def deciding(self, abstain: str | None = None, coverage: float | None = None) -> Self:
        return replace(
            self,
            threshold=None if abstain is None else self._threshold(abstain),
            set_quantile=None if coverage is None else self._set_quantile(coverage),
        )

    def _threshold(self, text: str) -> float:
        """The probability in `0.8`, or the one that reached `accuracy=0.95` on the validation split."""
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if name not in ("", "accuracy") or not 0 <= value <= 1:
            raise Problem(
                f"--abstain is a probability, such as 0.8, or an accuracy to reach, accuracy=0.95; got {text}", USAGE
            )
        if not name:
            return value
        self._require_calibration("--abstain accuracy=…")
        point = calibration.threshold_for(self.curve, value)
        if point is None:
            best = max(point.accuracy for point in self.curve)
            raise Problem(
                f"no threshold reached an accuracy of {value:.1%} on the validation split; the highest is {best:.1%}",
                USAGE,
            )
        return point.threshold

    def _set_quantile(self, coverage: float) -> float:
        """The quantile of the lowest prepared coverage that is not below the one asked for."""
        self._require_calibration("--label-sets")
        prepared = sorted(self.quantiles, key=float)
        name = next((name for name in prepared if float(name) >= coverage - 1e-9), None)
        if name is None or coverage <= 0:
            raise Problem(f"--label-sets is a coverage above 0 and up to {prepared[-1]}; got {coverage:g}", USAGE)
        return self.quantiles[name]

    def _require_calibration(self, option: str) -> None:
        if not self.curve:
            raise Problem(
                f"{option} needs what a validation split of {calibration.FEWEST} examples or more gives in training, "
                "and this model has none; train it again with one",
                USAGE,
            )

    def rows(self, predictions: Tensor, top: int) -> list[dict[str, Any]]:
        best = predictions.topk(min(top, len(self.labels)))
        rows: list[dict[str, Any]] = [
            {"predictions": [{"label": self.labels[k], "probability": p} for p, k in zip(values, indices, strict=True)]}
            for values, indices in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]
        if self.threshold is not None:
            for row in rows:
                row["unsure"] = row["predictions"][0]["probability"] < self.threshold
        if self.set_quantile is not None:
            members = calibration.label_sets(predictions.numpy(), self.set_quantile)
            order = predictions.argsort(descending=True).numpy()
            for row, ranked, present in zip(rows, order, members, strict=True):
                row["label_set"] = [self.labels[k] for k in ranked if present[k]]
        return rows

    def window_rows(self, predictions: Tensor) -> list[dict[str, Any]]:
        return [row["predictions"][0] for row in self.rows(predictions, 1)]

    def score_curves(self, predictions: Floats, targets: Targets) -> list[ScoreCurve]:
        return score_curves(predictions, np.arange(len(self.labels)) == targets[:, None], self.labels)

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
        name = metrics.get("metric", "accuracy").replace("_", " ")
        text = f"{name} {metrics['value']:.2%} ({low:.2%} to {high:.2%})"
        return text if name == "accuracy" else f"{text}, accuracy {metrics['accuracy']:.2%}"

    def epoch_text(self, train: Mapping[str, float], valid: Mapping[str, float]) -> str:
        text = f"loss {train['loss']:.4f}  acc {train['accuracy']:7.2%}"
        if valid:
            text += f"  val_loss {valid['loss']:.4f}  val_acc {valid['accuracy']:7.2%}"
        return text

    def row_text(self, row: Mapping[str, Any]) -> str:
        text = "  ".join(f"{entry['label']} {entry['probability']:.1%}" for entry in row["predictions"])
        if row.get("unsure"):
            text = f"unsure ({text})"
        return text + (f"  {{{', '.join(row['label_set'])}}}" if "label_set" in row else "")

    def window_text(self, window: Mapping[str, Any]) -> str:
        return f"{window['label']} {window['probability']:.1%}"

    def details(self, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
        lines = [_share_line("accuracy", metrics), _share_line("balanced accuracy", metrics)]
        if worst := metrics["worst_class"]:
            lines.append(("worst recall", f"{worst['recall']:.2%}  ({worst['label']}, {worst['examples']:,} examples)"))
        lines.append(("macro-F1", f"{metrics['macro_f1']:.2%}"))
        if self.is_uneven:  # the rare labels first
            lines = [*lines[1:], lines[0]]
        if len(self.labels) >= TOP_5_FROM:
            lines.append(("top-5 accuracy", f"{metrics['top5']:.2%}"))
        lines += [
            ("log loss", f"{metrics['log_loss']:.4f}"),
            ("calibration error", f"{metrics['calibration_error']:.2%}{calibration_text(metrics)}"),
        ]
        if before := metrics.get("uncalibrated"):
            text = f"calibration error {before['calibration_error']:.2%}, log loss {before['log_loss']:.4f}"
            lines.append(("before temperature", f"{text}; T = {metrics['temperature']:.3f}"))
        if decisions := metrics.get("abstention"):
            accuracy = "–" if decisions["accuracy"] is None else f"{decisions['accuracy']:.2%}"
            limit = f"probability {decisions['threshold']:.3f} or more"
            lines.append(("answered", f"{decisions['answered']:.1%}, of which {accuracy} correctly ({limit})"))
        if sets := metrics.get("label_sets"):
            text = f"hold the true label in {sets['coverage']:.1%}; {sets['mean_size']:.2f} labels on average"
            lines.append(("label sets", text))
        return lines

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
        unsure, label_set = self.threshold is not None, self.set_quantile is not None
        return ["predicted", "probability"] + ["unsure"] * unsure + ["label_set"] * label_set

    def csv_cells(self, row: Mapping[str, Any]) -> list[str]:
        best = row["predictions"][0]
        cells = [best["label"], f"{best['probability']:.4f}"]
        if self.threshold is not None:
            cells.append(str(row["unsure"]).lower())
        return [*cells, "|".join(row["label_set"])] if self.set_quantile is not None else cells

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
        names = ("metric", "value", "accuracy", "interval", "examples", "log_loss", "balanced_accuracy")
        return {name: metrics[name] for name in names}
