"""Detection: boxes with labels in each input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from .. import modules, proposals
from ..combinators import Scales
from ..data import Data, Examples
from ..domain import Movement
from ..format import figure, percent
from ..frame import Frame
from ..layers.anchors import Regions
from ..network import Network, Row
from ..problem import DATA, USAGE, Problem
from ..proposals import overlaps
from ..sources.source import natural
from ..targets import TargetSpec
from . import box_targets
from .task import Chart, Criterion, Floats, Targets, Task

if TYPE_CHECKING:
    from .box_grid import Grid
    from .box_regions import RegionGrid

OUTPUTS = 5  # that a network gives beside the labels: for each position, or each region
THRESHOLD = 0.3  # of the score without validation
SMALLER = 0.1  # times He's initial weights, in the layers that give the outputs
REMAINING = 0.3  # share of a moved box that must stay in the input for it to remain a target
UNSURE = 0.05  # share of the regions of an input that may be others in an exported file, whose numbers are rounded
FEW = 3  # labels that a message names


@dataclass(frozen=True)
class Detect(Task):
    """Targets (N, 1 + M, 6) are the boxes of each input (box_targets.py); a prediction (100, 6) has rows of left, top,
    right, bottom in pixels of the input, score and label, the highest score first and zeros behind the last.

    The network ends with the layer `scales`, which gives (classes + 5, 1, positions): for each position K scores, four
    distances and the centre-ness (box_grid.py). The loss is the sum of the focal loss, 1 − GIoU and the cross-entropy
    of the centre-ness over all positions, in units of the mean number of positions with a box in a training input; so
    it is a mean over inputs, and an input without boxes counts as others do. Or it ends with the layer `regions`, as
    Faster R-CNN does, whose loss box_regions.py states.
    """

    size: list[int] = field(default_factory=list)  # height and width of the network's input
    levels: list[list[int]] = field(default_factory=list)  # rows and columns of the positions of each scale
    positives: float = 1.0  # the mean number of positions with a box in a training input
    thresholds: list[float] = field(default_factory=list)  # of the score, for each label; empty without validation
    without_own: list[str] = field(default_factory=list)  # the labels that take the common threshold
    anchors: list[float] = field(default_factory=list)  # their sizes in cells, of a network that ends with regions
    regions: int = 0  # of an input, of such a network
    focus: tuple[float, ...] = ()  # the box of an input that an explanation is about; empty for the most probable one

    name: ClassVar[str] = "detect"
    criterion: ClassVar[Criterion] = Criterion("ap", "AP", higher_is_better=True)
    has_places: ClassVar[bool] = True
    has_objects: ClassVar[bool] = True
    charts: ClassVar[tuple[Chart, ...]] = (
        Chart("loss", "Loss of the training examples"),
        Chart("ap", "AP at overlaps of 0.50 to 0.95", is_share=True),
        Chart("ap50", "AP at an overlap of 0.50", is_share=True),
    )
    outputs_are_probabilities: ClassVar[bool] = True
    has_attacks: ClassVar[bool] = True
    template: ClassVar[str] = "detect.html"
    target_name: ClassVar[str] = "true boxes"
    has_label_texts: ClassVar[bool] = False

    # --- texts of targets

    @classmethod
    def labels_in(cls, text: str, spec: TargetSpec) -> list[str]:
        return list(dict.fromkeys(box.label for box in box_targets.read(text).boxes))

    @classmethod
    def untrainable(cls, texts: Collection[str], spec: TargetSpec) -> str:
        if not any(box_targets.read(text).boxes for text in texts):
            return "no training example has a box; expected some with boxes"
        return ""

    @classmethod
    def strata(cls, texts: Sequence[str], spec: TargetSpec) -> list[str]:
        """The rarest label of each example, as of several labels; "" without a box."""
        counts = Counter(label for text in texts for label in cls.labels_in(text, spec))
        return [min(cls.labels_in(text, spec), key=lambda label: (counts[label], label), default="") for text in texts]

    @classmethod
    def findings(cls, texts: Mapping[str, int], spec: TargetSpec) -> dict[str, Any]:
        targets = [(box_targets.read(text), count) for text, count in texts.items()]
        boxes: Counter[str] = Counter()
        for target, count in targets:
            for box in target.boxes:
                boxes[box.label] += count
        per_example = [len(target.boxes) for target, count in targets for _ in range(count)]
        sides = [min(b.right - b.left, b.bottom - b.top) for target, _ in targets for b in target.boxes]
        return {
            "boxes": {label: boxes[label] for label in sorted(boxes, key=natural)},
            "boxes_per_example": {
                "least": min(per_example, default=0),
                "mean": round(float(np.mean(per_example)), 2) if per_example else 0,
                "most": max(per_example, default=0),
            },
            "without_boxes": per_example.count(0),
            "shorter_side": {
                name: round(float(value), 1)
                for name, value in zip(("smallest", "median", "largest"), np.quantile(sides, [0, 0.5, 1]), strict=True)
            }
            if sides
            else {},
        }

    @classmethod
    def remarks(cls, texts: Mapping[str, int], spec: TargetSpec) -> list[str]:
        empty = sum(count for text, count in texts.items() if not box_targets.read(text).boxes)
        return [f"{empty:,} of {sum(texts.values()):,} examples have no box: they are examples of nothing"] * (
            empty > 0
        )

    # --- targets and state

    @classmethod
    def from_data(cls, data: Data) -> Self:
        texts = [data.labels[index] for index in data.train.targets.tolist()]
        if reason := cls.untrainable(texts, data.target_spec):
            raise Problem(reason, DATA)
        labels = {label for text in texts for label in cls.labels_in(text, data.target_spec)}
        return cls(sorted(labels, key=natural))

    def encode(self, data: Data) -> Data:
        table = box_targets.encode([box_targets.read(text) for text in data.labels], self.labels)
        examples = next((split for split in data.splits.values() if len(split)), data.train)
        height, width = examples.inputs[:1].shape[-2:]
        return data.with_targets(box_targets.clipped(table, (height, width)), self.labels)

    @property
    def known_labels(self) -> list[str]:
        return self.labels

    def state(self) -> dict[str, Any]:
        names = ["size", "levels", "positives", "thresholds", "without_own"]
        return {name: getattr(self, name) for name in [*names, *["anchors", "regions"] * bool(self.regions)]}

    @classmethod
    def from_state(cls, labels: list[str], state: Mapping[str, Any]) -> Self:
        task = cls(labels, **state)
        sides = [task.size, *task.levels]
        if not task.levels or not all(
            isinstance(pair, list) and len(pair) == 2 and all(type(side) is int and 0 < side < 1e5 for side in pair)
            for pair in sides
        ):
            raise TypeError("size and levels are not pairs of whole numbers")
        if not isinstance(task.thresholds, list) or len(task.thresholds) not in (0, len(labels)):
            raise TypeError(f"thresholds are not {len(labels)} numbers")
        numbers = [*task.thresholds, task.positives]
        if not all(isinstance(number, int | float) and isfinite(number) for number in numbers) or task.positives <= 0:
            raise TypeError("thresholds and positives are not finite numbers")
        if type(task.regions) is not int or not 0 <= task.regions <= 1e4 or bool(task.regions) != bool(task.anchors):
            raise TypeError("regions are not a count, with anchors")
        if not isinstance(task.anchors, list) or not all(
            isinstance(size, int | float) and 0 < size < 1e5 for size in task.anchors
        ):
            raise TypeError("anchors are not sizes")
        return task

    @property
    def grid(self) -> Grid | RegionGrid:
        """What the network's outputs stand for: positions of an input, or regions."""
        from .box_grid import Grid
        from .box_regions import RegionGrid

        (height, width), levels = self.size, tuple((rows, columns) for rows, columns in self.levels)
        if self.regions:
            return RegionGrid((height, width), levels[0], tuple(self.anchors), self.regions)
        return Grid((height, width), levels)

    @property
    def all_thresholds(self) -> list[float]:
        """(K,) the score from which boxes of each label are predicted."""
        return self.thresholds or [THRESHOLD] * len(self.labels)

    # --- the network

    def check_network(self, network: Network) -> None:
        wanted = len(self.labels) + OUTPUTS
        if outputs_of_each(network.rows[-1]) != wanted:
            raise Problem(
                f"the network gives {network.output}, and boxes of {len(self.labels)} labels need {wanted} numbers "
                "for each position: end it with scales((…, parallel((conv(classes, 1),), (conv(5, 1),))), …), or name "
                "a recipe for boxes, such as --recipe detector",
                USAGE,
            )

    def fitted_to(self, network: Network, train: Examples) -> Self:
        from . import box_grid

        last, size = network.rows[-1], list(network.input[1:])
        if isinstance(last.layer, Regions):
            anchors, regions = [float(side) for side in last.layer.sizes], last.layer.count
            return replace(self, size=size, levels=[list(last.input[1:])], anchors=anchors, regions=regions)
        shapes = [branch[-1].output if branch else last.input for branch in last.branches]
        task = replace(self, size=size, levels=[[shape[1], shape[2]] for shape in shapes])
        assert isinstance(task.grid, box_grid.Grid)
        positions = task.grid.positions(train.targets)
        counts = [(box_grid.assign(targets, positions).box >= 0).sum().item() for targets in train.targets.split(64)]
        return replace(task, positives=max(1.0, sum(counts) / max(1, len(train))))

    @torch.no_grad()
    def initialize_output(self, module: nn.Module) -> bool:
        """Scores start at a small probability and distances at about a stride (Lin et al. 2017, section 4.1).

        Regions start as the anchors, with all labels about as probable.
        """
        from .box_grid import PRIOR

        last = list(module.children())[-1]
        if isinstance(last, proposals.Regions):
            for layer in (*output_layers(last.proposer), *output_layers(last.head)):
                layer.weight.mul_(SMALLER)
            return True
        for branch in last.branches:  # type: ignore[union-attr]
            first = 0  # channel of the branch's output
            for conv in output_layers(branch):
                conv.weight.mul_(SMALLER)
                if conv.bias is not None:
                    conv.bias[: max(0, len(self.labels) - first)] = float(np.log(PRIOR / (1 - PRIOR)))
                first += len(conv.weight)
        return True

    # --- training

    def loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        return self.grid.losses(logits, targets).sum(1).mean() / self.positives

    def moved(self, targets: Tensor, movement: Movement) -> Tensor:
        """Boxes move with the pixels; one of which little remains in the input is no target any more."""
        edges, share = movement.boxes(targets[:, 1:, :4], (self.size[0], self.size[1]))
        is_kept = (share >= REMAINING) & ((edges[..., 2:] - edges[..., :2]).amin(-1) >= 1)
        label = torch.where(is_kept, targets[:, 1:, box_targets.LABEL], box_targets.NOTHING)
        rows = torch.cat((edges, label[..., None], targets[:, 1:, box_targets.CROWD :]), -1)
        return torch.cat((targets[:, :1], rows), 1)

    # --- predictions

    def link(self, logits: Tensor) -> Tensor:
        return self.from_exported(self.exported_link(logits))

    def exported_link(self, logits: Tensor) -> Tensor:
        """(B, L, 4 + K): boxes and scores of each position or region; suppression is left to the file's reader."""
        return self.grid.decoded(logits)

    def export_differences(self, outputs: Tensor, expected: Tensor) -> Tensor:
        """Of each region, that from the nearest region; without the few whose choice rounding may decide."""
        if not self.regions:
            return super().export_differences(outputs, expected)
        size = expected.abs().clamp_min(1)[:, None]
        pairs = ((outputs[:, :, None] - expected[:, None]).abs() / size).amax(-1)  # (B, P, P)
        return pairs.amin(2).quantile(1 - UNSURE, 1, interpolation="lower")

    def from_exported(self, outputs: Tensor) -> Tensor:
        from .box_grid import suppressed

        return suppressed(outputs, self.size)

    def example_losses(self, predictions: Floats, targets: Targets, smoothing: float = 0.0) -> Floats:
        """1 − the AP50 of each example by itself."""
        from .detect_metrics import input_precisions

        losses: Floats = 1 - input_precisions(predictions, targets, len(self.labels))
        return losses

    def epoch_metrics(self, predictions: Floats, targets: Targets) -> dict[str, float]:
        from . import average_precision as ap
        from .detect_metrics import matches_of, mean_precision, sets_of

        matches = matches_of(sets_of(predictions, targets, len(self.labels)))
        precisions = np.stack([ap.average_precision(match) for match in matches])
        return {"ap": mean_precision(precisions) or 0.0, "ap50": mean_precision(precisions[:, 0]) or 0.0}

    def metrics(self, predictions: Floats, targets: Targets) -> dict[str, Any]:
        from .detect_metrics import detection_metrics

        if not np.isfinite(predictions).all():
            raise Problem("the network's predictions are not finite numbers: its weights are damaged; train it again")
        return detection_metrics(predictions, targets, self.labels, self.all_thresholds)

    def calibrated(self, predictions: Floats, targets: Targets) -> Self:
        from .detect_metrics import thresholds_of

        own = thresholds_of(predictions, targets, len(self.labels))
        known = [threshold for threshold in own if threshold is not None]
        common = float(np.median(known)) if known else THRESHOLD
        without_own = [label for label, threshold in zip(self.labels, own, strict=True) if threshold is None]
        thresholds = [common if threshold is None else threshold for threshold in own]
        return replace(self, thresholds=thresholds, without_own=without_own)

    @property
    def calibration_remarks(self) -> list[str]:
        if not self.thresholds:
            return [f"there is no validation split to find thresholds on: boxes are predicted from {THRESHOLD:.0%} on"]
        if not self.without_own:
            return []
        more = f" and {len(self.without_own) - FEW} more" if len(self.without_own) > FEW else ""
        common = self.thresholds[self.labels.index(self.without_own[0])]
        names = ", ".join(self.without_own[:FEW])
        return [f"no validation example shows a threshold for {names}{more}: predicted from {common:.0%} on"]

    def rows(self, predictions: Tensor, top: int) -> list[dict[str, Any]]:
        """Boxes above the thresholds of their labels, in pixels of the input until `placed`; `top` bounds nothing."""
        return [self._row(prediction) for prediction in predictions.double().numpy()]

    def _row(self, prediction: Floats) -> dict[str, Any]:
        boxes = [
            {"label": self.labels[int(label)], "probability": float(score), "box": list(map(float, edges))}
            for *edges, score, label in self._above(prediction).tolist()
        ]
        counts = Counter(box["label"] for box in boxes)
        return {"boxes": boxes, "counts": {label: counts[label] for label in self.labels}}

    def _above(self, prediction: Floats) -> Floats:
        """The rows of a prediction (D, 6) whose scores reach the threshold of their label."""
        limits = np.asarray(self.all_thresholds)[prediction[:, 5].astype(int)]
        above: Floats = prediction[(prediction[:, 4] > 0) & (prediction[:, 4] >= limits)]
        return above

    def placed(self, row: dict[str, Any], frame: Frame) -> dict[str, Any]:
        if row["boxes"]:
            edges = frame.into_file(np.array([box["box"] for box in row["boxes"]]))
            row["boxes"] = [
                {**box, "box": [round(float(edge), 2) for edge in values]}
                for box, values in zip(row["boxes"], edges, strict=True)
            ]
        return row | {"size": [frame.height, frame.width]}

    # --- explanations and attacks

    def scalars(self, logits: Tensor) -> Tensor:
        """(B, K) the logit of each label at the position, or of the region, with its highest score."""
        decoded = self.grid.decoded(logits.detach())
        best = decoded[..., 4:].argmax(1, keepdim=True)
        if self.focus:
            near = overlaps(decoded[..., :4], decoded.new_tensor(self.focus).expand(len(decoded), 1, 4))  # (B, L, 1)
            best = near.argmax(1, keepdim=True).expand_as(best)
        return self.grid.label_logits(logits).gather(1, best)[:, 0]

    def focused(self, box: Sequence[float]) -> Self:
        """The position or the region whose box overlaps the given one most is explained."""
        return replace(self, focus=tuple(box))

    def scores(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The AP50 of each input by itself, and the highest score of its boxes."""
        from .detect_metrics import input_precisions

        predictions = self.link(logits)
        precisions = input_precisions(predictions.cpu().numpy(), targets.cpu().numpy(), len(self.labels))
        return torch.from_numpy(precisions).to(logits), predictions[:, 0, 4]

    def attack_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.grid.losses(logits, targets).sum(1) / self.positives

    def default_outputs(self, prediction: Tensor) -> list[int]:
        if self.focus:
            near = overlaps(prediction[None, :, :4], prediction.new_tensor([[self.focus]]))[0, :, 0]
            return [int(prediction[near.argmax(), 5])]
        rows = self._above(prediction.double().numpy())
        if not len(rows):
            return [int(prediction[0, 5])]
        return list(dict.fromkeys(int(label) for label in rows[:, 5].tolist()))

    def output_value(self, prediction: Tensor, index: int) -> float:
        """The highest score of a box of the label."""
        scores = prediction[(prediction[:, 5] == index) & (prediction[:, 4] > 0), 4]
        return float(scores.max()) if len(scores) else 0.0

    # --- words

    @property
    def outputs_text(self) -> str:
        return f"boxes of {len(self.labels)} label{'s' * (len(self.labels) > 1)}"

    def headline(self, metrics: Mapping[str, Any]) -> str:
        low, high = metrics["interval"] or (None, None)
        text = f"AP50 {percent(metrics['value'], 1)} ({percent(low, 1)} to {percent(high, 1)})"
        return text + (f", AP {percent(metrics['ap'], 1)}" if "ap" in metrics else "")

    def epoch_text(self, train: Mapping[str, float], valid: Mapping[str, float]) -> str:
        text = f"loss {train['loss']:.4f}"
        return text + (f"  val_AP {valid['ap']:6.2%}  val_AP50 {valid['ap50']:6.2%}" if valid else "")

    def row_text(self, row: Mapping[str, Any]) -> str:
        counts = ", ".join(f"{count:,} {label}" for label, count in row["counts"].items() if count)
        return counts or "no box"

    def row_texts(self, row: Mapping[str, Any]) -> list[str]:
        boxes = [
            f"{box['label']} {box['probability']:.1%} at {', '.join(f'{edge:.0f}' for edge in box['box'])}"
            for box in row["boxes"]
        ]
        return [self.row_text(row), *boxes]

    def details(self, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
        lines = []
        for key, title, interval in (("ap50", "AP50", "interval"), ("ap", "AP", "ap_interval"), ("ap75", "AP75", "")):
            low, high = metrics.get(interval) or (None, None)
            extent = "" if low is None else f"  (95% interval {percent(low, 1)} to {percent(high, 1)})"
            lines.append((title, percent(metrics[key], 1) + extent))
        for area in ("small", "medium", "large"):
            if metrics[f"boxes_{area}"]:
                text = f"{percent(metrics[f'ap_{area}'], 1)}  ({metrics[f'boxes_{area}']:,} boxes)"
                lines.append((f"AP of {area} boxes", text))
        return lines

    def table(self, metrics: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
        names = ("ap50", "ap", "precision", "recall", "f1")
        rows = [
            [
                row["label"],
                *(percent(row[name], 1) for name in names),
                figure(row["count_error"]),
                figure(row["threshold"]),
                f"{row['boxes']:,}",
            ]
            for row in metrics["classes"]
        ]
        return ["label", "AP50", "AP", "precision", "recall", "F1", "count error", "threshold", "boxes"], rows

    def csv_columns(self) -> list[str]:
        return ["class", "xmin", "ymin", "xmax", "ymax", "probability"]

    def csv_cells(self, row: Mapping[str, Any]) -> list[str]:
        return self.csv_lines(row)[0]

    def csv_lines(self, row: Mapping[str, Any]) -> list[list[str]]:
        """A line for each box; one with empty cells if there is none."""
        lines = [
            [box["label"], *(f"{edge:g}" for edge in box["box"]), f"{box['probability']:.4f}"] for box in row["boxes"]
        ]
        return lines or [[""] * len(self.csv_columns())]

    def report(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        from .detect_report import blocks

        return blocks(metrics, self)

    def files(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        from .. import charts

        labels = [*self.labels, "background"]
        return {"confusion.png": partial(charts.save_confusion, metrics["confusion"], labels)}

    def mistakes(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        """The examples with the lowest AP50 of their own first; those without an error at the thresholds left out."""
        losses = self.example_losses(predictions, targets)
        for index, (prediction, target) in enumerate(zip(predictions, targets, strict=True)):
            if not len(box_targets.boxes_of(target)) and not len(self._above(prediction)):
                losses[index] = 0
        order = [index for index in np.argsort(-losses, kind="stable").tolist() if losses[index] > 0.01]
        return [(index, self._entry(predictions[index], targets[index], losses[index])) for index in order[:count]]

    def typical(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        """The examples with the highest AP50 of their own, those with most boxes first."""
        losses = self.example_losses(predictions, targets)
        sizes = [len(box_targets.boxes_of(target)) for target in targets]
        order = sorted(range(len(losses)), key=lambda index: (round(float(losses[index]), 2), -sizes[index]))
        return [(index, self._entry(predictions[index], targets[index], losses[index])) for index in order[:count]]

    def _entry(self, prediction: Floats, target: Targets, loss: float) -> dict[str, Any]:
        true, predicted = box_targets.boxes_of(target), self._above(prediction.astype(np.float64))
        outlines = [(self.labels[int(row[4])], row[:4].tolist(), "true") for row in true]
        outlines += [(self.labels[int(row[5])], row[:4].tolist(), "predicted") for row in predicted]
        names = [Counter(self.labels[int(row[k])] for row in rows) for rows, k in ((true, 4), (predicted, 5))]
        texts = [", ".join(f"{count} {label}" for label, count in sorted(c.items())) or "no box" for c in names]
        note = f"true are {texts[0]}" + (f"; AP50 of this one {percent(1 - loss)}" if len(true) else "")
        return {"label": texts[0], "predicted": f"predicted {texts[1]}", "note": note, "outlines": outlines}

    def target_text(self, target: Tensor) -> str:
        counts = Counter(self.labels[int(row[4])] for row in box_targets.boxes_of(target.numpy()))
        return ", ".join(f"{count} {label}" for label, count in sorted(counts.items())) or "no box"

    def brief(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        return super().brief(metrics) | {"ap": metrics["ap"]}


def outputs_of_each(row: Row) -> int:
    """The numbers that a network's last layer gives for each position or region; 0 for other layers."""
    if isinstance(row.layer, Regions):
        return row.layer.classes(row.input) + OUTPUTS
    return row.output[0] if isinstance(row.layer, Scales) else 0


def output_layers(module: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """The layers with weights that end a sequence of layers, in the order of its output's channels."""
    last = list(module.children())[-1]
    if isinstance(last, nn.Conv2d | nn.Linear):
        return [last]
    branches = last.branches if isinstance(last, modules.Combinator) else ()
    return [layer for branch in branches for layer in output_layers(branch)]
