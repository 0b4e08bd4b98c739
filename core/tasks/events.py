"""Events: a label for each frame of an input, and from when to when it holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data import Data
from ..format import figure, percent
from ..network import Network
from ..places import Layout
from ..presentation import Track
from ..problem import DATA, USAGE, Problem
from ..sources.source import natural
from ..targets import TargetSpec
from .masks import IGNORE, PALETTE
from .segment import Segment
from .segment_metrics import TINY
from .task import Chart, Criterion, Floats, Targets

BACKGROUND = "background"  # the first label: frames without an event
BACKGROUND_COLOUR = "#e8e8e8"
PENALTIES = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # of a change of label, in log probability: validation chooses
SHOWN = 6  # events in a line of the terminal


class Event(NamedTuple):
    """A label from `start` to `end`, in seconds."""

    start: float
    end: float
    label: str


class TextTarget(NamedTuple):
    """The target of an example, read from its text: its events, and the part of it in which they are known."""

    events: list[Event]
    known: tuple[float, float]


def write(events: Sequence[Event], known: tuple[float, float]) -> str:
    """The text of a target; all times in seconds of the example."""
    return json.dumps({"events": [list(event) for event in events], "known": list(known)}, ensure_ascii=False)


@lru_cache(maxsize=65536)
def read(text: str) -> TextTarget:
    """Reads a target from its text."""
    value = json.loads(text)
    start, end = value["known"]
    return TextTarget([Event(*event) for event in value["events"]], (start, end))


@dataclass(frozen=True)
class Events(Segment):
    """Targets (N, 1, F) uint8 are the labels of frames, as masks of height 1 are; a prediction is (K, 1, F).

    The network ends with (classes, 1, frames). The labels of an input are the most probable sequence in which each
    change of label has a penalty (Viterbi 1967); events are the runs of one label in it.
    """

    times: tuple[float, ...] = ()  # seconds: between two frames, and of the middle of the first
    penalty: float = 0.0  # of a change of label between two frames, in log probability

    name: ClassVar[str] = "events"
    criterion: ClassVar[Criterion] = Criterion("frame_f1", "F1 of frames", higher_is_better=True)
    batch_metrics: ClassVar[tuple[str, ...]] = ("frame_accuracy",)
    charts: ClassVar[tuple[Chart, ...]] = (
        Chart("loss", "Loss"),
        Chart("frame_f1", "F1 of frames", is_share=True),
        Chart("event_f1", "F1 of events", is_share=True),
    )
    template: ClassVar[str] = "events.html"
    target_name: ClassVar[str] = "true events"
    picture_folders: ClassVar[tuple[str, ...]] = ()
    measured_columns: ClassVar[tuple[str, ...]] = ()  # "label" is a column of its own
    has_timeline: ClassVar[bool] = True

    # --- texts of targets

    @classmethod
    def labels_in(cls, text: str, spec: TargetSpec) -> list[str]:
        return list(dict.fromkeys(event.label for event in read(text).events))

    @classmethod
    def untrainable(cls, texts: Collection[str], spec: TargetSpec) -> str:
        return "" if any(read(text).events for text in texts) else "no recording for training has an event"

    @classmethod
    def strata(cls, texts: Sequence[str], spec: TargetSpec) -> list[str]:
        """The rarest label of each example, as of several labels; "" without an event."""
        counts = Counter(label for text in texts for label in cls.labels_in(text, spec))
        return [min(cls.labels_in(text, spec), key=lambda label: (counts[label], label), default="") for text in texts]

    @classmethod
    def findings(cls, texts: Mapping[str, int], spec: TargetSpec) -> dict[str, Any]:
        counts, seconds = Counter[str](), Counter[str]()
        total = 0.0
        for text, count in texts.items():
            target = read(text)
            total += count * (target.known[1] - target.known[0])
            for event in target.events:
                counts[event.label] += count
                seconds[event.label] += count * (event.end - event.start)  # type: ignore[assignment]
        events = {
            label: {"events": counts[label], "seconds": round(float(seconds[label]), 2)}
            for label in sorted(counts, key=natural)
        }
        return {"events": events, "labelled_seconds": round(total, 2)}

    @classmethod
    def remarks(cls, texts: Mapping[str, int], spec: TargetSpec) -> list[str]:
        empty = sum(count for text, count in texts.items() if not read(text).events)
        return [f"{empty:,} of {sum(texts.values()):,} examples have no event"] * (empty > 0)

    # --- targets and state

    @classmethod
    def from_data(cls, data: Data) -> Self:
        if data.train.targets.dim() != 3:
            raise Problem("events are for recordings with label files, or a table of their starts and ends", DATA)
        spec = data.target_spec
        counts = np.bincount(data.train.targets.numpy().ravel(), minlength=len(data.labels))[: len(data.labels)]
        values = list(range(len(data.labels)))
        return cls(data.labels, values, colours_of(len(data.labels)), pixels=counts.tolist(), times=spec.frame_times)

    def state(self) -> dict[str, Any]:
        return {"times": list(self.times), "penalty": self.penalty}

    @classmethod
    def from_state(cls, labels: list[str], state: Mapping[str, Any]) -> Self:
        times = tuple(state.get("times", ()))
        numbers = [*times, state.get("penalty", 0.0)]
        if len(times) != 2 or not all(isinstance(n, int | float) and isfinite(n) and 0 <= n < 1e4 for n in numbers):
            raise TypeError("times and penalty are not numbers")
        if times[0] <= 0:
            raise TypeError("times are not positive")
        values = list(range(len(labels)))
        return cls(labels, values, colours_of(len(labels)), times=times, penalty=numbers[-1])

    def check_network(self, network: Network) -> None:
        wanted = (len(self.labels), 1, network.input[2])
        if network.output != wanted:
            raise Problem(
                f"the network gives {network.output}, and a label for each frame of {len(self.labels)} is {wanted}; "
                "end it with conv(classes, 1) on maps of height 1, and upsample((1, k)) if frames were pooled, or take "
                "the recipe event-cnn",
                USAGE,
            )

    # --- predictions

    def measured(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """(B, K, 1, F) -> (B, K·F + 1): log probabilities, and the sum of log losses of frames with a true label."""
        true = targets[:, None].long()
        is_known = true != IGNORE
        logs = predictions.clamp_min(TINY).log()
        losses = -(logs.gather(1, true.where(is_known, 0)) * is_known).flatten(1).sum(1, keepdim=True)
        return torch.cat((logs.flatten(1), losses), 1).float()

    def example_losses(self, predictions: Floats, targets: Targets, smoothing: float = 0.0) -> Floats:
        known = (targets != IGNORE).reshape(len(targets), -1).sum(1)
        losses: Floats = predictions[:, -1].astype(np.float64) / np.maximum(known, 1)
        return losses

    def epoch_metrics(self, predictions: Floats, targets: Targets) -> dict[str, float]:
        from .event_metrics import counts_of, f1

        counts = counts_of(self.sequences(predictions), targets[:, 0], len(self.labels), self.times)
        return {
            "loss": float(self.example_losses(predictions, targets).mean()),
            "frame_f1": float(np.nan_to_num(f1(counts.frames.sum((0, 1))))),
            "event_f1": float(np.nan_to_num(f1(counts.events.sum((0, 1))))),
        }

    def sequences(self, predictions: Floats) -> NDArray[np.int64]:
        """(N, K·F + 1) what `measured` keeps -> (N, F) the labels of frames."""
        logs = predictions[:, :-1].reshape(len(predictions), len(self.labels), -1)
        return most_probable(logs, self.penalty)

    def metrics(self, predictions: Floats, targets: Targets) -> dict[str, Any]:
        from .event_metrics import counts_of, event_metrics

        counts = counts_of(self.sequences(predictions), targets[:, 0], len(self.labels), self.times)
        losses, known = predictions[:, -1].astype(np.float64), targets != IGNORE
        metrics = event_metrics(counts, self.labels)
        seconds = float(known.sum()) * self.times[0]
        return metrics | {"log_loss": float(losses.sum() / max(1, known.sum())), "labelled_seconds": round(seconds, 2)}

    def calibrated(self, predictions: Floats, targets: Targets) -> Self:
        """The task with the penalty that gives the highest F1 of events; of equal ones the smallest."""
        tasks = [replace(self, penalty=penalty, _tensors={}) for penalty in PENALTIES]
        return max(tasks, key=lambda task: round(task.epoch_metrics(predictions, targets)["event_f1"], 6))

    def rows(self, predictions: Tensor, top: int) -> list[dict[str, Any]]:
        return [self._row(prediction[:, 0], self._seconds(prediction.shape[-1])) for prediction in predictions]

    def _seconds(self, frames: int) -> float:
        """The length of so many frames."""
        return (frames - 1) * self.times[0] + 2 * self.times[1]

    def placed_row(self, maps: Callable[[slice], Tensor], layout: Layout) -> dict[str, Any]:
        probabilities = layout.map(maps)
        if not bool(torch.isfinite(probabilities).all()):
            raise FloatingPointError
        return self._row(probabilities[:, 0], layout.seconds or self._seconds(layout.size[1]))

    def _row(self, probabilities: Tensor, seconds: float) -> dict[str, Any]:
        """(K, F) the probabilities of frames -> the entries of an input that lasts so many seconds."""
        logs = probabilities.clamp_min(TINY).log().cpu().numpy()
        labels = most_probable(logs[None], self.penalty)[0]
        events = [
            {**event._asdict(), "probability": float(probabilities[label, frames].mean())}
            for event, label, frames in self.events(labels, seconds)
        ]
        return {"seconds": round(seconds, 3), "events": events}

    def events(self, labels: NDArray[Any], seconds: float) -> list[tuple[Event, int, slice]]:
        """(F,) labels of frames -> the events of an input of so many seconds, with their label and frames.

        An event begins in the middle between two frames, or with the input; the last frame ends with the input.
        """
        from .event_metrics import runs

        hop, first = self.times
        found = []
        for label, start, end in runs(labels):
            if label in (0, IGNORE):
                continue
            begin = first + (start - 0.5) * hop if start else 0.0
            stop = first + (end - 0.5) * hop if end < len(labels) else seconds
            event = Event(round(begin, 3), round(min(stop, seconds), 3), self.labels[label])
            found.append((event, label, slice(start, end)))
        return found

    def measured_rows(self, predictions: Floats, top: int) -> list[dict[str, Any]]:
        """The events of each example; the probability of an event is the mean of those of its frames."""
        logs = predictions[:, :-1].reshape(len(predictions), len(self.labels), -1)
        probabilities = torch.from_numpy(np.exp(logs))
        return [self._row(example, self._seconds(logs.shape[2])) for example in probabilities]

    def default_outputs(self, prediction: Tensor) -> list[int]:
        """The label of the most frames, the background aside."""
        counts = torch.bincount(prediction.argmax(0).flatten(), minlength=len(self.labels))
        if len(counts) > 1 and int(counts[1:].sum()):
            return [int(counts[1:].argmax()) + 1]
        return [int(prediction.flatten(1).mean(1)[1:].argmax()) + 1]

    # --- words

    @property
    def outputs_text(self) -> str:
        return f"frames of {len(self.labels)} labels"

    def headline(self, metrics: Mapping[str, Any]) -> str:
        low, high = metrics["interval"] or (None, None)
        text = f"event F1 {percent(metrics['value'], 1)} ({percent(low, 1)} to {percent(high, 1)})"
        return text + (f", frame F1 {percent(metrics['frame_f1'], 1)}" if "frame_f1" in metrics else "")

    def epoch_text(self, train: Mapping[str, float], valid: Mapping[str, float]) -> str:
        text = f"loss {train['loss']:.4f}  frames {train['frame_accuracy']:7.2%}"
        if not valid:
            return text
        return f"{text}  val_loss {valid['loss']:.4f}  val_frame_F1 {valid['frame_f1']:7.2%}" + (
            f"  val_event_F1 {valid['event_f1']:7.2%}"
        )

    def row_text(self, row: Mapping[str, Any]) -> str:
        counts = Counter(event["label"] for event in row["events"])
        return ", ".join(f"{count:,} {label}" for label, count in counts.most_common(SHOWN)) or "no event"

    def row_texts(self, row: Mapping[str, Any]) -> list[str]:
        lines = [f"{e['start']:8.2f} to {e['end']:.2f} s  {e['label']} {e['probability']:.1%}" for e in row["events"]]
        return [self.row_text(row), *lines]

    def details(self, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
        lines = []
        for name, title in (
            ("event_f1", "F1 of events, start and end"),
            ("onset_f1", "F1 of events, start alone"),
            ("frame_f1", "F1 of frames"),
            ("frame_accuracy", "right frames"),
        ):
            low, high = metrics[f"{name}_interval"] or (None, None)
            extent = "" if low is None else f"  (95% interval {percent(low, 1)} to {percent(high, 1)})"
            lines.append((title, percent(metrics[name], 1) + extent))
        return [*lines, ("labelled", f"{metrics['labelled_seconds']:,.1f} s in {metrics['examples']:,} windows")]

    def table(self, metrics: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
        names = ("event_f1", "precision", "recall", "onset_f1", "frame_f1")
        rows = [
            [row["label"], *(percent(row[name], 1) for name in names), f"{row['events']:,}", figure(row["seconds"])]
            for row in metrics["classes"]
        ]
        return ["label", "event F1", "precision", "recall", "onset F1", "frame F1", "events", "seconds"], rows

    def csv_columns(self) -> list[str]:
        return ["start", "end", "label", "probability"]

    def csv_cells(self, row: Mapping[str, Any]) -> list[str]:
        return self.csv_lines(row)[0]

    def csv_lines(self, row: Mapping[str, Any]) -> list[list[str]]:
        """A line for each event; one with empty cells if there is none."""
        lines = [
            [f"{event['start']:g}", f"{event['end']:g}", event["label"], f"{event['probability']:.4f}"]
            for event in row["events"]
        ]
        return lines or [[""] * len(self.csv_columns())]

    def report(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        colours = dict(zip(self.labels, self.colours, strict=True))
        classes = sorted(metrics["classes"], key=lambda row: (row["event_f1"] is None, row["event_f1"] or 0.0))
        return {"wide": True, "classes": [{**row, "colour": colours[row["label"]]} for row in classes]}

    def files(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def mistakes(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        """The examples with the highest loss of their frames first."""
        order = np.argsort(-self.example_losses(predictions, targets), kind="stable")[:count].tolist()
        return [(index, self._entry(predictions, targets, index)) for index in order]

    def typical(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        """The examples with the lowest loss of those that have events."""
        losses = self.example_losses(predictions, targets)
        has_event = ((targets != 0) & (targets != IGNORE)).reshape(len(targets), -1).any(1)
        order = np.argsort(np.where(has_event, losses, np.inf), kind="stable")[: min(count, int(has_event.sum()))]
        return [(index, self._entry(predictions, targets, index)) for index in order.tolist()]

    def _entry(self, predictions: Floats, targets: Targets, index: int) -> dict[str, Any]:
        from .event_metrics import counts_of, f1

        labels, truth = self.sequences(predictions[index : index + 1]), targets[index : index + 1, 0]
        value = float(f1(counts_of(labels, truth, len(self.labels), self.times).events.sum((0, 1))))
        texts = [self._in_words(values) for values in (truth[0], labels[0])]
        note = f"true are {texts[0]}" + ("" if np.isnan(value) else f"; event F1 of this one {percent(value)}")
        return {"label": texts[0], "predicted": f"predicted {texts[1]}", "note": note}

    def _in_words(self, labels: NDArray[Any]) -> str:
        """The number of events of each label in (F,) labels of frames, in words."""
        counts = Counter(event.label for event, _, _ in self.events(labels, self._seconds(len(labels))))
        return ", ".join(f"{count} {label}" for label, count in sorted(counts.items())) or "no event"

    def target_text(self, target: Tensor) -> str:
        return self._in_words(target[0].numpy())

    def tracks(self, prediction: Tensor, target: Tensor) -> list[Track]:
        logs = prediction[:, 0].clamp_min(TINY).log().cpu().numpy()
        rows = target[0].cpu().numpy(), most_probable(logs[None], self.penalty)[0]
        return [
            Track(
                title, [(*event, self.colours[label]) for event, label, _ in self.events(row, self._seconds(len(row)))]
            )
            for title, row in zip(("true", "predicted"), rows, strict=True)
        ]

    def brief(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        names = ("metric", "value", "interval", "examples", "frame_f1")
        return {name: metrics[name] for name in names}


def colours_of(count: int) -> list[str]:
    """The colours that labels are shown in, that of the background first."""
    return [BACKGROUND_COLOUR, *(PALETTE[index % len(PALETTE)] for index in range(count - 1))]


def most_probable(logs: Floats, penalty: float) -> NDArray[np.int64]:
    """(N, K, F) log probabilities -> (N, F) the labels whose sum, less a penalty for each change, is largest."""
    count, classes, frames = logs.shape
    if not penalty:
        most: NDArray[np.int64] = logs.argmax(1)
        return most
    scores, same = logs[:, :, 0].astype(np.float64), np.arange(classes)
    before = np.zeros((frames, count, classes), np.int64)  # the label of the frame before each label
    for frame in range(1, frames):
        best = scores.argmax(1)
        changed = scores.max(1)[:, None] - penalty
        stays = scores >= changed
        before[frame] = np.where(stays, same, best[:, None])
        scores = np.where(stays, scores, changed) + logs[:, :, frame]
    labels = np.zeros((count, frames), np.int64)
    labels[:, -1] = scores.argmax(1)
    for frame in range(frames - 1, 0, -1):
        labels[:, frame - 1] = before[frame][np.arange(count), labels[:, frame]]
    return labels
