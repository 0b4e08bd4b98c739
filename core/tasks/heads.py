"""Heads: several targets of different kinds, each with a task of its head_values, over one network."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import permutations
from keyword import iskeyword
from math import isfinite, prod
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from .. import bootstrap
from ..balance import Balance
from ..combinators import Heads as HeadsLayer
from ..data import Data, Examples
from ..format import percent
from ..network import Network
from ..optimise import Lbfgs
from ..problem import DATA, USAGE, Problem, did_you_mean, shortened
from ..settings import Settings
from ..targets import TargetSpec
from .classify import Classify
from .nesting import Nesting, parents_of, pooled
from .regress import Regress
from .task import LOSS_SETTINGS, Chart, Criterion, Floats, Targets, Task

SEPARATOR = ": "  # between the name of a head and a label in it
LARGEST_WEIGHT = 1e6  # of a head's loss
STEPS = 100  # of L-BFGS, to the loss of the best constant answer


class Head(NamedTuple):
    """One head: its task, its outputs of the network and its columns of the targets."""

    name: str
    task: Task
    outputs: slice
    targets: slice

    def naming(self, text: str) -> str:
        """A text with the name of the head before it, unless it is of the only number, which has the same name."""
        return text if self.task.labels == [self.name] else f"{self.name}: {text}"


@dataclass(frozen=True)
class Heads(Task):
    """Targets (N, W) float32 hold the targets of each head side by side, NaN for a missing one.

    A prediction is the predictions of all heads in one row. The loss is the mean of the losses of the heads, each
    relative to that of the best constant answer, so that heads of different kinds count alike, times its weight; and
    relative to the share of the training examples that have its target, so that the loss of a batch is the mean of
    those of its parts. Of
    two heads where each label of one has one label of the other in training, the predictions agree (nesting.py).
    """

    heads: list[dict[str, Any]] = field(default_factory=list)  # name, task, labels, state, width and constant loss
    nested: list[dict[str, Any]] = field(default_factory=list)  # heads whose labels lie within those of another
    weights: tuple[float, ...] = ()  # of the losses, in training; empty for 1 each
    balance: Balance = "none"  # of the heads that classify, in training
    regression_loss: Literal["huber", "squared", "absolute"] = "huber"  # of the heads that are numbers, in training
    known: tuple[float, ...] = field(default=(), compare=False)  # share of training examples with a target of each head

    name: ClassVar[str] = "heads"
    criterion: ClassVar[Criterion] = Criterion("loss", "loss relative to a constant answer")
    loss_settings: ClassVar[frozenset[str]] = frozenset({"balance", "regression_loss", "loss_weights"})
    charts: ClassVar[tuple[Chart, ...]] = (Chart("loss", "Loss relative to a constant answer"),)
    template: ClassVar[str] = "heads.html"
    target_name: ClassVar[str] = "true"
    smooths_labels: ClassVar[bool] = True
    has_label_texts: ClassVar[bool] = False

    # --- texts of targets

    @classmethod
    def refusal(cls, text: str, spec: TargetSpec) -> str:
        for index, (task, part) in enumerate(parts_of(spec)):
            if (cell := spec.cells(text)[index]) and (reason := task.refusal(cell, part)):
                return f"{reason} (in the column {spec.column_names[index]})"
        return ""

    @classmethod
    def labels_in(cls, text: str, spec: TargetSpec) -> list[str]:
        cells = spec.cells(text)
        return [
            f"{part.column_names[0]}{SEPARATOR}{label}"
            for cell, (task, part) in zip(cells, parts_of(spec), strict=True)
            if cell
            for label in task.labels_in(cell, part)
        ]

    @classmethod
    def untrainable(cls, texts: Collection[str], spec: TargetSpec) -> str:
        for index, (task, part) in enumerate(parts_of(spec)):
            cells = [cell for text in texts if (cell := spec.cells(text)[index])]
            name = part.column_names[0]
            if not cells:
                return f"no training example has a {name}; leave its column out"
            if task.has_label_texts and len(set(cells)) < 2:
                return f"all training examples have the same {name}, {cells[0]}; expected two or more classes"
            if reason := task.untrainable(cells, part):
                return reason
        return ""

    @classmethod
    def strata(cls, texts: Sequence[str], spec: TargetSpec) -> list[str]:
        """The classes of the first head."""
        task, part = parts_of(spec)[0]
        return task.strata([spec.cells(text)[0] for text in texts], part)

    @classmethod
    def cell_counts(cls, texts: Mapping[str, int], spec: TargetSpec) -> list[Counter[str]]:
        """The cells of each column with the number of their examples."""
        columns: list[Counter[str]] = [Counter() for _ in spec.columns]
        for text, count in texts.items():
            for cells, cell in zip(columns, spec.cells(text), strict=True):
                cells[cell] += count
        return columns

    @classmethod
    def findings(cls, texts: Mapping[str, int], spec: TargetSpec) -> dict[str, Any]:
        heads = {}
        for cells, (task, part) in zip(cls.cell_counts(texts, spec), parts_of(spec), strict=True):
            missing = cells.pop("", 0)
            heads[part.column_names[0]] = {"task": task.name, "missing": missing, **task.findings(cells, part)}
        return {"heads": heads}

    @classmethod
    def class_counts(cls, texts: Mapping[str, int], spec: TargetSpec) -> dict[str, Counter[str]]:
        counts = {}
        for cells, (task, part) in zip(cls.cell_counts(texts, spec), parts_of(spec), strict=True):
            del cells[""]
            if classes := task.class_counts(cells, part):
                counts[part.column_names[0]] = classes[""]
        return counts

    # --- targets and state

    @classmethod
    def from_data(cls, data: Data) -> Self:
        spec = data.target_spec
        texts = [data.labels[index] for index in data.train.targets.tolist()]
        if reason := cls.untrainable(texts, spec):
            raise Problem(reason, DATA)
        heads, known = [], []
        for index, (kind, part) in enumerate(parts_of(spec)):
            cells = [cell for text in texts if (cell := spec.cells(text)[index])]
            known.append(len(cells) / len(texts))
            head_data = data_of_cells(cells, part)
            task = kind.from_data(head_data)
            encoded = task.encode(head_data).train.targets
            heads.append(
                {
                    **{"name": part.column_names[0], "task": task.name, "labels": task.labels, "state": task.state()},
                    **{"width": prod(encoded.shape[1:]), "constant_loss": constant_loss(task, encoded)},
                }
            )
        nested = [nesting.to_dict() for nesting in nestings_in(texts, spec, heads)]
        return cls(flat_labels(heads), heads, nested, known=tuple(known))

    def encode(self, data: Data) -> Data:
        spec = data.target_spec
        if list(spec.column_names) != [head.name for head in self.parts]:
            names = ", ".join(head.name for head in self.parts)
            raise Problem(f"the model has the heads {names}; name their columns with --label-column", DATA)
        table = torch.full((len(data.labels), self.width), float("nan"))
        for index, (head, (_, part)) in enumerate(zip(self.parts, parts_of(spec), strict=True)):
            cells = [spec.cells(text)[index] for text in data.labels]
            known = [row for row, cell in enumerate(cells) if cell]
            if known:
                table[known, head.targets] = packed(head.task, [cells[row] for row in known], part)
        return data.with_targets(table, self.labels)

    @property
    def known_labels(self) -> list[str]:
        return [f"{head.name}{SEPARATOR}{label}" for head in self.parts for label in head.task.known_labels]

    def state(self) -> dict[str, Any]:
        return {"heads": self.heads} | ({"nested": self.nested} if self.nested else {})

    @classmethod
    def from_state(cls, labels: list[str], state: Mapping[str, Any]) -> Self:
        task = cls(labels, **state)
        try:
            complete = len(task.parts) > 0 and flat_labels(task.heads) == labels and task.nestings is not None
            losses = [head["constant_loss"] for head in task.heads]
        except (KeyError, AttributeError, Problem) as error:
            raise TypeError(f"its heads are damaged ({error})") from None
        if not complete or not all(isinstance(loss, float) and isfinite(loss) and loss > 0 for loss in losses):
            raise TypeError("its heads do not have these labels")
        return task

    @cached_property
    def parts(self) -> list[Head]:
        from . import task_of

        parts, output, target = [], 0, 0
        for head in self.heads:
            task = task_of(head["task"], head["labels"], head["state"])
            shared = {name: getattr(self, name) for name in task.loss_settings}
            task = replace(task, **shared)
            end, after = output + len(head["labels"]), target + head["width"]
            parts.append(Head(head["name"], task, slice(output, end), slice(target, after)))
            output, target = end, after
        return parts

    @cached_property
    def nestings(self) -> list[Nesting]:
        """The heads whose labels lie within those of another."""
        sizes = {head["name"]: len(head["labels"]) for head in self.heads if head["task"] == Classify.name}
        return [Nesting.from_dict(values, sizes) for values in self.nested]

    @property
    def width(self) -> int:
        return int(self.parts[-1].targets.stop)

    @property
    def constant_losses(self) -> list[float]:
        """The loss of the best constant answer of each head."""
        return [
            1.0 if head["task"] == Regress.name and self.regression_loss == "squared" else head["constant_loss"]
            for head in self.heads  # the mean squared error of the mean is the variance, 1 of standardised numbers
        ]

    @property
    def loss_weights(self) -> tuple[float, ...]:
        return self.weights or (1.0,) * len(self.heads)

    def with_tasks(self, tasks: Sequence[Task]) -> Self:
        """The heads with tasks whose state was changed."""
        heads = [{**head, "state": task.state()} for head, task in zip(self.heads, tasks, strict=True)]
        return replace(self, heads=heads)

    # --- training

    def configured(self, settings: Settings) -> Self:
        tasks = [head.task for head in self.parts]
        for name, (default, purpose) in LOSS_SETTINGS.items():
            is_used = name == "loss_weights" or any(name in task.loss_settings for task in tasks)
            if getattr(settings, name) != default and not is_used:
                raise Problem(f"--{name.replace('_', '-')} is for {purpose}, and no head is one", USAGE)
        if settings.balance == "sample":
            raise Problem(
                "--balance sample draws examples by their one label; with several heads, take --balance loss or logit",
                USAGE,
            )
        if settings.regression_loss == "absolute":
            raise Problem("--regression-loss absolute is for numbers alone; several heads take huber or squared", USAGE)
        weights = parsed_weights(settings.loss_weights, [head.name for head in self.parts])
        return replace(self, weights=weights, balance=settings.balance, regression_loss=settings.regression_loss)

    @property
    def head_sizes(self) -> dict[str, int]:
        names = identifiers([head.name for head in self.parts])
        return {name: len(head.task.labels) for name, head in zip(names, self.parts, strict=True)}

    def check_network(self, network: Network) -> None:
        layer, row = network.built_layers[-1], network.rows[-1]
        if isinstance(layer, HeadsLayer) and (sizes := layer.sizes(row.input)) != self.head_sizes:
            expected = ", ".join(f"{name} ({size})" for name, size in self.head_sizes.items())
            actual = ", ".join(f"{name} ({size})" for name, size in sizes.items())
            raise Problem(
                f"the network has the heads {actual}, the data {expected}; name each, and end it with dense(classes)",
                USAGE,
            )
        super().check_network(network)

    def loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        losses = [logits.sum() * 0]
        shares = self.known or (1.0,) * len(self.heads)
        for head, share, constant, weight in zip(
            self.parts, shares, self.constant_losses, self.loss_weights, strict=True
        ):
            known = ~targets[:, head.targets.start].isnan()
            if count := int(known.sum()):
                head_targets = unpacked(head.task, targets[known, head.targets])
                loss = head.task.loss(logits[known, head.outputs], head_targets, smoothing)
                losses.append(loss * (weight / constant * count / (share * len(targets))))
        return torch.stack(losses).sum() / sum(self.loss_weights)

    # --- predictions

    def link(self, logits: Tensor) -> Tensor:
        columns = {head.name: logits[:, head.outputs] for head in self.parts}
        for fine, coarse, parents in self.nestings:
            columns[fine], columns[coarse] = pooled(columns[fine], columns[coarse], parents)
        return torch.cat([head.task.link(columns[head.name]) for head in self.parts], 1)

    def relative_losses(self, predictions: Floats, targets: Targets, smoothing: float = 0.0) -> Floats:
        """(N, H) the loss of each head relative to that of its constant answer, NaN for a missing target."""
        losses = np.full((len(targets), len(self.parts)), np.nan)
        for index, (head, constant) in enumerate(zip(self.parts, self.constant_losses, strict=True)):
            known = ~np.isnan(targets[:, head.targets.start])
            if known.any():
                head_targets = unpacked(head.task, torch.from_numpy(targets[known, head.targets])).numpy()
                head_values = head.task.example_losses(predictions[known, head.outputs], head_targets, smoothing)
                losses[known, index] = head_values / constant
        return losses

    def example_losses(self, predictions: Floats, targets: Targets, smoothing: float = 0.0) -> Floats:
        losses = self.relative_losses(predictions, targets, smoothing)
        weights = np.where(np.isnan(losses), 0.0, np.array(self.loss_weights))
        mean: Floats = np.nansum(losses * weights, 1) / weights.sum(1)
        return mean

    def epoch_metrics(self, predictions: Floats, targets: Targets) -> dict[str, float]:
        losses = self.relative_losses(predictions, targets)
        named = {f"loss of {head.name}": float(value) for head, value in zip(self.parts, _means(losses), strict=True)}
        return {"loss": float(self.example_losses(predictions, targets).mean()), **named}

    def metrics(self, predictions: Floats, targets: Targets) -> dict[str, Any]:
        losses = self.relative_losses(predictions, targets)
        known = ~np.isnan(losses)
        filled = np.where(known, losses, 0.0)

        def statistic(weights: Floats) -> Floats:
            with np.errstate(invalid="ignore", divide="ignore"):
                shares: Floats = 1 - np.mean((weights @ filled) / (weights @ known), 1)
            return shares

        heads = {}
        for index, head in enumerate(self.parts):
            rows = known[:, index]
            if not rows.any():
                continue
            head_targets = unpacked(head.task, torch.from_numpy(targets[rows, head.targets])).numpy()
            heads[head.name] = {
                "task": head.task.name,
                "improvement": 1 - float(losses[rows, index].mean()),
                **head.task.metrics(predictions[rows, head.outputs], head_targets),
            }
        value = float(np.mean([row["improvement"] for row in heads.values()]))
        interval = bootstrap.interval(statistic, len(targets))
        extent = interval.tolist() if np.isfinite(interval).all() else None
        return {"metric": "improvement", "value": value, "interval": extent, "examples": len(targets), "heads": heads}

    def calibrated(self, predictions: Floats, targets: Targets) -> Self:
        tasks = []
        for head in self.parts:
            rows = ~np.isnan(targets[:, head.targets.start])
            head_targets = unpacked(head.task, torch.from_numpy(targets[rows, head.targets])).numpy()
            head_values = predictions[rows, head.outputs]
            tasks.append(head.task.calibrated(head_values, head_targets) if rows.any() else head.task)
        return self.with_tasks(tasks)

    @property
    def calibration_remarks(self) -> list[str]:
        return [f"{head.name}: {remark}" for head in self.parts for remark in head.task.calibration_remarks]

    def rows(self, predictions: Tensor, top: int) -> list[dict[str, Any]]:
        columns = {head.name: head.task.rows(predictions[:, head.outputs], top) for head in self.parts}
        return [{"heads": {name: rows[index] for name, rows in columns.items()}} for index in range(len(predictions))]

    def default_outputs(self, prediction: Tensor) -> list[int]:
        return [output for head in self.parts for output in self.outputs_of(head.name, prediction)]

    def outputs_of(self, name: str, prediction: Tensor) -> list[int]:
        head = self.head(name)
        head_values = head.task.default_outputs(prediction[head.outputs])
        return [head.outputs.start + output for output in head_values]

    def head(self, name: str) -> Head:
        """A head by its name. Raises Problem for an unknown one."""
        names = {head.name: head for head in self.parts}
        if name not in names:
            raise Problem(f"{name} is not a head{did_you_mean(name, names)}; the heads are {', '.join(names)}", USAGE)
        return names[name]

    # --- words

    @property
    def outputs_text(self) -> str:
        within = {nesting.fine: f", within {nesting.coarse}" for nesting in self.nestings}
        texts = (f"{head.name} ({head.task.outputs_text}{within.get(head.name, '')})" for head in self.parts)
        return f"heads {'; '.join(texts)}"

    def headline(self, metrics: Mapping[str, Any]) -> str:
        return "; ".join(self.headlines(metrics))

    def headlines(self, metrics: Mapping[str, Any]) -> list[str]:
        low, high = metrics["interval"] or (None, None)
        share = f"{percent(metrics['value'])} ({percent(low)} to {percent(high)})"
        rows = [head.naming(head.task.headline(row)) for head, row in self._measured(metrics)]
        return [f"mean improvement over a constant answer {share}", *rows]

    def epoch_text(self, train: Mapping[str, float], valid: Mapping[str, float]) -> str:
        text = f"loss {train['loss']:.4f}"
        if valid:
            named = "  ".join(f"{head.name} {valid[f'loss of {head.name}']:.3f}" for head in self.parts)
            text += f"  val_loss {valid['loss']:.4f}  {named}"
        return text

    def row_text(self, row: Mapping[str, Any]) -> str:
        return "; ".join(self.row_texts(row))

    def row_texts(self, row: Mapping[str, Any]) -> list[str]:
        return [head.naming(head.task.row_text(row["heads"][head.name])) for head in self.parts]

    def details(self, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
        low, high = metrics["interval"] or (None, None)
        lines = [("improvement", f"{percent(metrics['value'])}  (95% interval {percent(low)} to {percent(high)})")]
        for head in self.parts:
            if named := metrics["heads"].get(head.name):
                share = percent(named["improvement"])
                lines.append((head.name, f"{named['examples']:,} examples, improvement {share}"))
                lines += [(f"  {title}", text) for title, text in head.task.details(named)]
        return lines

    def csv_columns(self) -> list[str]:
        return [f"{head.name} {column}" for head in self.parts for column in head.task.csv_columns()]

    def csv_cells(self, row: Mapping[str, Any]) -> list[str]:
        return [cell for head in self.parts for cell in head.task.csv_cells(row["heads"][head.name])]

    def report(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        rows = [(head, {**row, "scored_on": metrics["scored_on"]}) for head, row in self._measured(metrics)]
        return {"heads": [head_block(head, row) for head, row in rows]}

    def _measured(self, metrics: Mapping[str, Any]) -> list[tuple[Head, Mapping[str, Any]]]:
        """The heads that an example has a target for, with their metrics."""
        named = metrics.get("heads", {})
        return [(head, named[head.name]) for head in self.parts if head.name in named]

    def mistakes(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        """The highest losses first."""
        order = np.argsort(-self.example_losses(predictions, targets), kind="stable")[:count]
        texts = ["\n".join(self.row_texts(row)) for row in self.rows(torch.from_numpy(predictions[order]), 1)]
        return [
            (
                index,
                {
                    "label": "\n".join(self.target_texts(torch.from_numpy(targets[index]))),
                    "predicted": text,
                    "note": "",
                },
            )
            for index, text in zip(order.tolist(), texts, strict=True)
        ]

    def target_text(self, target: Tensor) -> str:
        return "; ".join(self.target_texts(target))

    def target_texts(self, target: Tensor) -> list[str]:
        """The targets of the heads that have one."""
        known = [(head, target[head.targets]) for head in self.parts if not bool(target[head.targets][0].isnan())]
        return [f"{head.name}: {head.task.target_text(unpacked(head.task, values[None])[0])}" for head, values in known]

    def brief(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        return super().brief(metrics) | {
            "heads": {
                head.name: head.task.brief(metrics["heads"][head.name])
                for head in self.parts
                if head.name in metrics["heads"]
            }
        }


def parsed_weights(text: str, names: Sequence[str]) -> tuple[float, ...]:
    """The weight of each head in `type=2, price=0.5`; 1 for a head that it leaves out, empty for an empty text.

    Raises Problem for another text or an unknown head.
    """
    if not text.strip():
        return ()
    weights = dict.fromkeys(names, 1.0)
    for part in text.split(","):
        name, _, number = (piece.strip() for piece in part.rpartition("="))
        try:
            weight = float(number)
        except ValueError:
            weight = -1.0
        if not name or not 0 < weight <= LARGEST_WEIGHT:
            raise Problem(f"--loss-weights are positive numbers, type=2,price=0.5; got {shortened(text)}", USAGE)
        if name not in weights:
            raise Problem(f"{name} is not a head{did_you_mean(name, names)}; the heads are {', '.join(names)}", USAGE)
        weights[name] = weight
    return tuple(weights.values())


def identifiers(names: Sequence[str]) -> list[str]:
    """The names of heads as a network's text writes them: with `_` for what no Python name holds, each differently."""
    result: list[str] = []
    for name in names:
        word = re.sub(r"\W", "_", name)
        word = f"{word}_" if iskeyword(word) else f"_{word}" if word[:1].isdecimal() or not word else word
        while word in result:
            word += "_"
        result.append(word)
    return result


def nestings_in(texts: Sequence[str], spec: TargetSpec, heads: Sequence[Mapping[str, Any]]) -> list[Nesting]:
    """The heads of classes whose labels lie within those of another head; a head takes part once, the finest first."""
    columns = dict(zip(spec.column_names, zip(*map(spec.cells, texts), strict=True), strict=True))
    classes = [head for head in heads if head["task"] == Classify.name]
    pairs = sorted(permutations(classes, 2), key=lambda pair: -sum(len(head["labels"]) for head in pair))
    nestings: list[Nesting] = []
    for fine, coarse in pairs:
        taken = {name for nesting in nestings for name in (nesting.fine, nesting.coarse)}
        cells = zip(columns[fine["name"]], columns[coarse["name"]], strict=True)
        parents = parents_of([pair for pair in cells if all(pair)], fine["labels"], coarse["labels"])
        if parents is not None and not taken & {fine["name"], coarse["name"]}:
            nestings.append(Nesting(fine["name"], coarse["name"], parents))
    return nestings


def head_block(head: Head, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The values of heads.html that are about one head."""
    blocks = head.task.report(metrics)
    return {
        "name": head.name,
        "task": head.task.name,
        "size": len(head.task.labels),
        "examples": metrics["examples"],
        "improvement": metrics["improvement"],
        "details": head.task.details(metrics),
        "table": head.task.table(metrics),
        "picture": blocks.get("confusion") or blocks.get("scatter"),
    }


def parts_of(spec: TargetSpec) -> list[tuple[type[Task], TargetSpec]]:
    """The task of each column, and the targets with that column alone."""
    from . import task_class

    return [
        (task_class(column.task or Classify.name), replace(spec, task=column.task, columns=(column.name,)))
        for column in spec.parsed
    ]


def flat_labels(heads: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each output: `type: shirt`, and the name of the head for its only number."""
    labels: list[str] = []
    for head in heads:
        names = [f"{head['name']}{SEPARATOR}{label}" for label in head["labels"]]
        labels += [head["name"]] if head["labels"] == [head["name"]] else names
    return labels


def data_of_cells(cells: Sequence[str], spec: TargetSpec) -> Data:
    """Data whose training targets are cells; their inputs are empty."""
    from ..sources.source import natural

    labels = sorted(set(cells), key=natural)
    index_of = {label: index for index, label in enumerate(labels)}
    targets = torch.tensor([index_of[cell] for cell in cells])
    train = Examples(torch.zeros(len(cells), 0), targets, [""] * len(cells))
    empty = Examples(torch.zeros(0, 0), targets[:0], [])
    return Data(train, empty, empty, labels, {}, target_spec=spec)


def packed(task: Task, cells: Sequence[str], spec: TargetSpec) -> Tensor:
    """(N, W) float32: the targets of a head. A label that its task does not know is missing."""
    if task.has_label_texts:
        index_of = {label: float(index) for index, label in enumerate(task.labels)}
        return torch.tensor([[index_of.get(cell, float("nan"))] for cell in cells])
    return task.encode(data_of_cells(cells, spec)).train.targets.reshape(len(cells), -1).float()


def unpacked(task: Task, targets: Tensor) -> Tensor:
    """The targets of a head as its task takes them."""
    return targets[:, 0].long() if task.has_label_texts else targets


def constant_loss(task: Task, targets: Tensor) -> float:
    """The mean loss of the best answer that is the same for all examples."""
    logits = torch.zeros(1, len(task.labels), requires_grad=True)
    solver = Lbfgs([logits], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        value = task.loss(logits.expand(len(targets), -1), targets)
        value.backward()
        return value

    solver.step(loss)
    return max(1e-6, float(task.loss(logits.detach().expand(len(targets), -1), targets)))


def _means(losses: Floats) -> list[float]:
    return [
        float(column[~np.isnan(column)].mean()) if (~np.isnan(column)).any() else float("nan") for column in losses.T
    ]
