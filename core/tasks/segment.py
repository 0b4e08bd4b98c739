"""Segmentation: a label for each pixel of an input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..balance import class_weights
from ..data import Data
from ..domain import Movement
from ..format import percent
from ..network import Network
from ..places import Layout
from ..problem import DATA, USAGE, Problem
from ..settings import Settings
from ..targets import TargetSpec
from . import masks
from .masks import IGNORE
from .segment_metrics import Counts, count, counts_of, f1_scores, ious, mean, segment_metrics
from .task import Chart, Criterion, Floats, Targets, Task

TITLES = {
    "mean_iou": "mean IoU",
    "pixel_accuracy": "pixel accuracy",
    "mean_accuracy": "mean accuracy",
    "mean_f1": "mean F1 (Dice)",
    "boundary_f1": "boundary F1",
}
SHOWN = 5  # labels in a line of the terminal
SMALLEST = 0.0005  # share of a label that such a line names


@dataclass(frozen=True)
class Segment(Task):
    """Targets (N, H, W) uint8 are class indices, IGNORE for pixels without a label; a prediction is (K, H, W).

    Evaluation keeps counts of each picture (segment_metrics.py) instead of predictions, which are as large as the
    pictures times K. The loss is the mean over pictures of the mean log loss of their pixels, or a part of it Dice's.
    """

    values: list[int] = field(default_factory=list)  # that masks write each label with
    colours: list[str] = field(default_factory=list)  # that each label is shown in
    dice: float = 0.0  # share of Dice's loss
    pixels: list[int] = field(default_factory=list)  # of each label in training, for the weights of the loss
    is_balanced: bool = False  # whether each label weighs the same in the loss
    _tensors: dict[torch.device, Tensor] = field(default_factory=dict, compare=False, repr=False)
    focus: tuple[float, ...] = ()  # the box of an input that an explanation is about; empty for each label's region

    name: ClassVar[str] = "segment"
    criterion: ClassVar[Criterion] = Criterion("mean_iou", "mean IoU", higher_is_better=True)
    has_attacks: ClassVar[bool] = True
    batch_metrics: ClassVar[tuple[str, ...]] = ("pixel_accuracy",)
    loss_settings: ClassVar[frozenset[str]] = frozenset({"balance", "dice"})
    charts: ClassVar[tuple[Chart, ...]] = (
        Chart("loss", "Loss"),
        Chart("pixel_accuracy", "Pixel accuracy", is_share=True),
        Chart("mean_iou", "Mean IoU", is_share=True),
    )
    outputs_are_probabilities: ClassVar[bool] = True
    template: ClassVar[str] = "segment.html"
    target_name: ClassVar[str] = "true mask"
    has_places: ClassVar[bool] = True
    has_maps: ClassVar[bool] = True
    picture_folders: ClassVar[tuple[str, ...]] = ("mask", "overlay")
    measured_columns: ClassVar[tuple[str, ...]] = ("mean_iou", "pixel_accuracy")
    has_label_texts: ClassVar[bool] = False

    # --- targets and state

    @classmethod
    def strata(cls, texts: Sequence[str], spec: TargetSpec) -> list[str]:
        return [""] * len(texts)

    @classmethod
    def from_data(cls, data: Data) -> Self:
        spec = data.target_spec
        if data.train.targets.dim() != 3:
            raise Problem("segment is for pictures with masks, in folders such as images/ and masks/", DATA)
        values = [int(text) if text.isdecimal() else index for index, text in enumerate(spec.mask_values)]
        counts = np.bincount(data.train.targets.numpy().ravel(), minlength=len(data.labels))[: len(data.labels)]
        return cls(data.labels, values, list(spec.mask_colours), pixels=counts.tolist())

    def encode(self, data: Data) -> Data:
        return data

    @property
    def known_labels(self) -> list[str]:
        return self.labels

    def state(self) -> dict[str, Any]:
        return {"values": self.values, "colours": self.colours}

    @classmethod
    def from_state(cls, labels: list[str], state: Mapping[str, Any]) -> Self:
        task = cls(labels, **state)
        if len(task.values) != len(labels) or not all(
            type(value) is int and 0 <= value <= IGNORE for value in task.values
        ):
            raise TypeError(f"values are not {len(labels)} bytes")
        if len(task.colours) != len(labels) or not all(
            isinstance(colour, str) and len(colour) == 7 and colour[0] == "#" and is_hexadecimal(colour[1:])
            for colour in task.colours
        ):
            raise TypeError(f"colours are not {len(labels)} of the form #804000")
        return task

    # --- training

    def configured(self, settings: Settings) -> Self:
        if settings.balance not in ("none", "loss"):
            raise Problem(
                f"--balance {settings.balance} is for a label for each example; masks take --balance loss", USAGE
            )
        is_balanced = settings.balance == "loss"
        return replace(super().configured(settings), dice=settings.dice, is_balanced=is_balanced, _tensors={})

    def check_network(self, network: Network) -> None:
        wanted = (len(self.labels), *network.input[1:])
        if network.output != wanted:
            raise Problem(
                f"the network gives {network.output}, and a mask of {len(self.labels)} labels is {wanted}; end it with "
                "conv(classes, 1), and upsample(k) if its maps are smaller, or take a recipe such as unet",
                USAGE,
            )

    def moved(self, targets: Tensor, movement: Movement) -> Tensor:
        return movement.masks(targets, IGNORE)

    def loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        targets = targets.long()
        losses = F.cross_entropy(
            logits,
            targets,
            weight=self._weights(logits.device) if self.is_balanced else None,
            ignore_index=IGNORE,
            reduction="none",
            label_smoothing=smoothing,
        )
        valid = targets != IGNORE
        mean_loss = (losses.flatten(1).sum(1) / valid.flatten(1).sum(1).clamp_min(1)).mean()
        if not self.dice:
            return mean_loss
        return (1 - self.dice) * mean_loss + self.dice * dice_loss(logits, targets, valid)

    def _weights(self, device: torch.device) -> Tensor:
        if device not in self._tensors:
            self._tensors[device] = class_weights(self.pixels).to(device)
        return self._tensors[device]

    def batch_sums(self, logits: Tensor, targets: Tensor) -> Tensor:
        return pixel_accuracies(logits, targets).sum()[None]

    # --- predictions

    def link(self, logits: Tensor) -> Tensor:
        return logits.softmax(1)

    def measured(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return count(predictions, targets, IGNORE)

    def _counts(self, rows: Floats) -> Counts:
        return counts_of(rows, len(self.labels))

    def example_losses(self, predictions: Floats, targets: Targets, smoothing: float = 0.0) -> Floats:
        counts = self._counts(predictions)
        losses: Floats = counts.losses / np.maximum(counts.pixels, 1)
        return losses

    def epoch_metrics(self, predictions: Floats, targets: Targets) -> dict[str, float]:
        counts = self._counts(predictions)
        confusion = counts.confusion.sum(0)
        return {
            "loss": float(self.example_losses(predictions, targets).mean()),
            "pixel_accuracy": float(np.trace(confusion) / max(1.0, confusion.sum())),
            "mean_iou": float(mean(ious(confusion))),
        }

    def metrics(self, predictions: Floats, targets: Targets) -> dict[str, Any]:
        return segment_metrics(self._counts(predictions), self.labels)

    def rows(self, predictions: Tensor, top: int) -> list[dict[str, Any]]:
        return [self.row_of(prediction.argmax(0).to(torch.uint8).cpu().numpy()) for prediction in predictions]

    def measured_rows(self, predictions: Floats, top: int) -> list[dict[str, Any]]:
        """The metrics of each picture, and the shares of the predicted labels among its pixels with a true one."""
        counts, rows = self._counts(predictions), []
        for value, confusion in zip(self._ious(predictions), counts.confusion, strict=True):
            total = max(1.0, float(confusion.sum()))
            shares = [
                {"label": label, "share": float(pixels / total)}
                for label, pixels in zip(self.labels, confusion.sum(0), strict=True)
            ]
            metrics = {"mean_iou": float(value), "pixel_accuracy": float(np.trace(confusion) / total)}
            rows.append({**metrics, "shares": shares, "mask": ""})
        return rows

    def placed_row(self, maps: Callable[[slice], Tensor], layout: Layout) -> dict[str, Any]:
        def finite(indices: slice) -> Tensor:
            predictions = maps(indices)
            if not bool(torch.isfinite(predictions).all()):
                raise FloatingPointError
            return predictions

        return self.row_of(layout.labels(finite).numpy())

    def row_of(self, indices: NDArray[np.uint8]) -> dict[str, Any]:
        """The entries of one input in `predict --json`, from the class index of each of its pixels (H, W)."""
        counts = np.bincount(indices.ravel(), minlength=len(self.labels))[: len(self.labels)]
        order = np.argsort(-counts, kind="stable").tolist()
        shares = [
            {"label": self.labels[k], "share": float(counts[k] / max(1, indices.size)), "colour": self.colours[k]}
            for k in order
        ]
        png = masks.index_png(indices, self.values, self.colours)
        return {"size": list(indices.shape), "shares": shares, "mask": masks.as_text(png)}

    def default_outputs(self, prediction: Tensor) -> list[int]:
        """The label of the most pixels."""
        if self.focus:
            prediction = prediction[:, *self._inside(prediction)]
        return [int(torch.bincount(prediction.argmax(0).flatten(), minlength=len(self.labels)).argmax())]

    # --- explanations and attacks

    def scalars(self, logits: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, K) the mean logit of each label over the pixels that are predicted as it.

        Of a label that is predicted nowhere, over all pixels; with a focus, over the pixels in it.
        """
        if self.focus:
            return logits[:, :, *self._inside(logits)].mean((2, 3))
        region = F.one_hot(logits.detach().argmax(1), len(self.labels)).permute(0, 3, 1, 2).to(logits.dtype)
        sizes = region.sum((2, 3))
        region = torch.where((sizes > 0)[..., None, None], region, torch.ones_like(region))
        return (logits * region).sum((2, 3)) / region.sum((2, 3))

    def _inside(self, maps: Tensor) -> tuple[slice, slice]:
        """The rows and columns of maps (…, H, W) within the focus, one of each at least."""
        left, top, right, bottom = (round(edge) for edge in self.focus)
        rows, columns = min(top, maps.shape[-2] - 1), min(left, maps.shape[-1] - 1)
        return slice(rows, max(bottom, rows + 1)), slice(columns, max(right, columns + 1))

    def focused(self, box: Sequence[float]) -> Self:
        """The mean logit of the pixels in a box is explained."""
        return replace(self, focus=tuple(box), _tensors={})

    def output_value(self, prediction: Tensor, index: int) -> float:
        """The mean probability of a label over all pixels: its expected share; with a focus, over those in it."""
        if self.focus:
            prediction = prediction[:, *self._inside(prediction)]
        return float(prediction[index].mean())

    def attack_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        losses = F.cross_entropy(logits, targets.long(), ignore_index=IGNORE, reduction="none")
        return losses.flatten(1).mean(1)

    def scores(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) the share of pixels that are predicted correctly, and the mean probability of the predicted labels."""
        return pixel_accuracies(logits, targets), self.link(logits).amax(1).flatten(1).mean(1)

    # --- words

    def headline(self, metrics: Mapping[str, Any]) -> str:
        low, high = metrics["interval"] or (None, None)
        text = f"mean IoU {percent(metrics['value'], 2)} ({percent(low, 2)} to {percent(high, 2)})"
        if "pixel_accuracy" not in metrics:
            return text
        return f"{text}, pixel accuracy {percent(metrics['pixel_accuracy'], 2)}"

    def epoch_text(self, train: Mapping[str, float], valid: Mapping[str, float]) -> str:
        text = f"loss {train['loss']:.4f}  pixels {train['pixel_accuracy']:7.2%}"
        if not valid:
            return text
        validation = f"val_loss {valid['loss']:.4f}  val_pixels {valid['pixel_accuracy']:7.2%}"
        return f"{text}  {validation}  val_mIoU {valid['mean_iou']:7.2%}"

    def row_text(self, row: Mapping[str, Any]) -> str:
        shares = [entry for entry in row["shares"] if entry["share"] >= SMALLEST][:SHOWN]
        text = "  ".join(f"{entry['label']} {entry['share']:.1%}" for entry in shares)
        return f"{text}  -> {row['mask']}" if "mask" in row and not row["mask"].startswith(masks.PNG) else text

    def details(self, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
        lines = []
        for name, title in TITLES.items():
            low, high = metrics[f"{name}_interval"] or (None, None)
            extent = "" if low is None else f"  (95% interval {low:.2%} to {high:.2%})"
            lines.append((title, percent(metrics[name], 2) + extent))
        lines.append(("log loss", "–" if metrics["log_loss"] is None else f"{metrics['log_loss']:.4f}"))
        ignored = metrics["ignored_pixels"]
        return [*lines, ("pixels", f"{metrics['pixels']:,}" + (f", and {ignored:,} ignored" if ignored else ""))]

    def table(self, metrics: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
        names = ("iou", "f1", "precision", "recall", "boundary_f1")
        rows = [
            [row["label"], *(percent(row[name], 2) for name in names), f"{row['pixels']:,}", f"{row['pictures']:,}"]
            for row in metrics["classes"]
        ]
        return ["label", "IoU", "F1", "precision", "recall", "boundary F1", "pixels", "examples"], rows

    def csv_columns(self) -> list[str]:
        return ["mask", *(f"share {label}" for label in self.labels)]

    def csv_cells(self, row: Mapping[str, Any]) -> list[str]:
        shares = {entry["label"]: entry["share"] for entry in row["shares"]}
        mask = "" if row["mask"].startswith(masks.PNG) else row["mask"]
        return [mask, *(f"{shares[label]:.5f}" for label in self.labels)]

    def report(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        from .segment_report import blocks

        return blocks(metrics, self)

    def files(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        from .. import charts

        return {"confusion.png": partial(charts.save_confusion, metrics["confusion"], self.labels)}

    def mistakes(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        """The pictures with the lowest mean IoU of their own labels first."""
        order = np.argsort(self._ious(predictions), kind="stable")
        return self._entries(predictions, order[:count].tolist())

    def typical(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        """The pictures with the highest mean IoU."""
        order = np.argsort(-self._ious(predictions), kind="stable")
        return self._entries(predictions, order[:count].tolist())

    def _ious(self, predictions: Floats) -> Floats:
        """(N,) the mean IoU of each picture; 1 for one without a labelled pixel."""
        values: Floats = np.nan_to_num(mean(ious(self._counts(predictions).confusion)), nan=1.0)
        return values

    def _entries(self, predictions: Floats, indices: Sequence[int]) -> list[tuple[int, dict[str, Any]]]:
        values, f1 = self._ious(predictions), f1_scores(self._counts(predictions).confusion)
        entries = []
        for index in indices:
            worst = int(np.nanargmin(f1[index])) if not np.isnan(f1[index]).all() else 0
            note = f"worst {self.labels[worst]}, F1 {percent(None if np.isnan(f1[index][worst]) else f1[index][worst])}"
            entries.append((index, {"label": "left", "predicted": f"mean IoU {values[index]:.1%}", "note": note}))
        return entries

    def drawn(self, picture: Any, prediction: Tensor, target: Tensor) -> Any:
        """A picture with its true mask over it, and beside it with the predicted one, as a Pillow image."""
        indices = [target.to(torch.uint8).cpu().numpy(), prediction.argmax(0).to(torch.uint8).cpu().numpy()]
        return masks.beside([masks.overlay(picture, mask, self.colours) for mask in indices])

    def pictures(self, row: Mapping[str, Any], picture: Any) -> dict[str, bytes]:
        """The index PNG, and the mask laid over the picture."""
        png = masks.from_text(row["mask"])
        drawn = masks.overlay(picture, masks.index_of(png, self.values), self.colours)
        return {"mask": png, "overlay": masks.encoded(drawn)}

    def brief(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        return super().brief(metrics) | {"pixel_accuracy": metrics["pixel_accuracy"]}


def pixel_accuracies(logits: Tensor, targets: Tensor) -> Tensor:
    """(B, K, H, W) logits and (B, H, W) class indices -> (B,) shares of the pixels that are not ignored."""
    valid = targets != IGNORE
    hits = (logits.argmax(1) == targets) & valid
    return hits.flatten(1).sum(1) / valid.flatten(1).sum(1).clamp_min(1)


def dice_loss(logits: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
    """1 − 2 Σ p·t / (Σ p² + Σ t²) of each label over the batch, the mean of those in it (Milletari et al. 2016)."""
    classes = logits.shape[1]
    true = F.one_hot(targets.where(valid, 0), classes).permute(0, 3, 1, 2) * valid[:, None]
    probabilities = logits.float().softmax(1) * valid[:, None]
    hits, sizes = (probabilities * true).sum((0, 2, 3)), probabilities.square().sum((0, 2, 3)) + true.sum((0, 2, 3))
    present = (true.sum((0, 2, 3)) > 0).to(hits.dtype)
    return (present * (1 - 2 * hits / sizes.clamp_min(1e-6))).sum() / present.sum().clamp_min(1)


def is_hexadecimal(text: str) -> bool:
    return all(character in "0123456789abcdefABCDEF" for character in text)
