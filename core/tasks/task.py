"""A task: one kind of answer, as a value. The core trains, measures, explains and reports through it alone.

A task knows nothing of domains: it gets targets, logits and predictions as tensors, and labels as texts. Its state
(labels, thresholds, scales) is JSON and travels in the card of the model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data import Data, Examples
from ..domain import Movement
from ..frame import Frame
from ..network import Network
from ..places import Layout
from ..presentation import Track
from ..problem import USAGE, Problem
from ..score_curves import ScoreCurve
from ..settings import Settings
from ..targets import TargetSpec

Floats = NDArray[np.floating[Any]]
Targets = NDArray[Any]
# The settings of the loss that not every task has: the value that changes nothing, and what they are for.
LOSS_SETTINGS = {
    "balance": ("none", "classification"),
    "regression_loss": ("huber", "regression"),
    "loss_weights": ("", "several heads"),
    "dice": (0.0, "masks"),
}


class Criterion(NamedTuple):
    """The validation metric that decides which epoch's weights are kept."""

    name: str  # "loss" for the mean of `Task.example_losses`, or a key of `Task.epoch_metrics`
    title: str  # "log loss"
    higher_is_better: bool = False


class Chart(NamedTuple):
    """One curve over the epochs, of training and validation."""

    name: str  # a key of Epoch.train and Epoch.valid
    title: str  # "Log loss"
    is_share: bool = False  # whether the axis is in per cent


@dataclass(frozen=True)
class Task(ABC):
    """The base of all tasks. N is a number of examples, B of a batch, K of the network's outputs."""

    labels: list[str]  # a name for each output of the network

    name: ClassVar[str]  # as Card.task and `--task` write it
    criterion: ClassVar[Criterion]
    uses_domain_labels: ClassVar[bool] = False  # whether LegalLabels and DomainMetrics of a domain apply
    has_attacks: ClassVar[bool] = False  # whether `attack_loss` and `correct` are defined
    batch_metrics: ClassVar[tuple[str, ...]] = ()  # the names of what `batch_sums` sums
    loss_settings: ClassVar[frozenset[str]] = frozenset()  # those of LOSS_SETTINGS that the task takes
    charts: ClassVar[tuple[Chart, ...]] = ()
    outputs_are_probabilities: ClassVar[bool] = False  # whether `output_value` is one
    windows_have_label: ClassVar[bool] = False  # whether `window_rows` have "label" and "probability"
    template: ClassVar[str] = ""  # the file with the task's blocks of the report, beside the task
    target_name: ClassVar[str] = "true label"  # as the report calls the target of an example
    smooths_labels: ClassVar[bool] = False  # whether its loss applies label smoothing
    has_places: ClassVar[bool] = False  # whether targets lie in the input, so that `moved` moves them
    has_objects: ClassVar[bool] = False  # of targets with places: whether what is reflected would lack one
    has_maps: ClassVar[bool] = False  # whether a prediction is a map over the input for each label
    measured_columns: ClassVar[tuple[str, ...]] = ("label", "correct")  # that tables of an evaluation add
    has_timeline: ClassVar[bool] = False  # whether rows have "events", which a label file of a recording holds
    picture_folders: ClassVar[tuple[str, ...]] = ()  # of `pictures`
    has_label_texts: ClassVar[bool] = True  # whether the text of a target is the name of a label

    # --- texts of targets, before an example is decoded

    @classmethod
    def refusal(cls, text: str, spec: TargetSpec) -> str:
        """The reason why the text of a target cannot be one, worded to follow the name of its example; or ""."""
        return ""

    @classmethod
    def labels_in(cls, text: str, spec: TargetSpec) -> list[str]:
        """The names of labels in the text of a target, which training and a model match by name."""
        return [text] if cls.has_label_texts else []

    @classmethod
    def untrainable(cls, texts: Collection[str], spec: TargetSpec) -> str:
        """The reason why the targets of the training examples leave nothing to learn, a clause; or ""."""
        return ""

    @classmethod
    def strata(cls, texts: Sequence[str], spec: TargetSpec) -> list[str]:
        """A class for each target: the splits hold every class."""
        return list(texts)

    @classmethod
    def findings(cls, texts: Mapping[str, int], spec: TargetSpec) -> dict[str, Any]:
        """What `check` reports of the targets, each with its count, beside the counts of labels."""
        return {}

    @classmethod
    def class_counts(cls, texts: Mapping[str, int], spec: TargetSpec) -> dict[str, Counter[str]]:
        """The examples of each class by the name of its head, "" for a task without heads; empty without classes."""
        return {}

    @classmethod
    def remarks(cls, texts: Mapping[str, int], spec: TargetSpec) -> list[str]:
        """What the user should know of the targets, each with its count, before a training."""
        return []

    # --- targets and state

    @classmethod
    @abstractmethod
    def from_data(cls, data: Data) -> Self:
        """Finds the task's state in loaded data, whose targets index `data.labels`. Raises Problem if it cannot."""

    @abstractmethod
    def encode(self, data: Data) -> Data:
        """Returns the data with targets as `loss` takes them, (N, …), and `labels` those of the task."""

    @property
    def known_labels(self) -> list[str]:
        """The labels that a loader matches by name when a trained model is evaluated; empty without such names."""
        return self.labels if self.has_label_texts else []

    def state(self) -> dict[str, Any]:
        """What beside the labels has to travel in the model file, as JSON."""
        return {}

    @classmethod
    def from_state(cls, labels: list[str], state: Mapping[str, Any]) -> Self:
        """The task of a trained model."""
        return cls(labels, **state)

    # --- training

    def configured(self, settings: Settings) -> Self:
        """The task with the loss that the settings ask for. Raises Problem for a setting of other tasks."""
        for name, (default, purpose) in LOSS_SETTINGS.items():
            if name not in self.loss_settings and getattr(settings, name) != default:
                option = f"--{name.replace('_', '-')}"
                raise Problem(f"{option} is for {purpose}, and this task is {self.name}", USAGE)
        return self

    @property
    def head_sizes(self) -> dict[str, int]:
        """The outputs of each head, by its name in a network's text; empty in a task without heads."""
        return {}

    @property
    def constants(self) -> dict[str, int]:
        """Names that stand for numbers in a network's text and in recipes, beside those of the domain."""
        return {}

    def check_network(self, network: Network) -> None:
        """Raises Problem if a network's output is not what the task needs."""
        if network.output != (len(self.labels),):
            raise Problem(
                f"the network gives {network.output}, but there are {len(self.labels)} labels; end it with "
                "dense(classes)",
                USAGE,
            )

    def fitted_to(self, network: Network, train: Examples) -> Self:
        """The task with what depends on the network and the encoded training examples, such as its positions."""
        return self

    def initialize_output(self, module: nn.Module) -> bool:
        """Changes the initial weights of the layers that give the outputs, where others suit them better."""
        return False

    def initial_bias(self, targets: Tensor) -> Tensor | None:
        """(N, …) training targets -> (K,) logits that the output layer starts with; None for 0."""
        return None

    @abstractmethod
    def loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """(B, K) logits and targets -> the mean loss of the batch, a scalar."""

    def teaching(self, network: nn.Module, targets: Tensor) -> AbstractContextManager[None]:
        """A context in which the network may see the targets (B, …) of the inputs that it is trained on."""
        return nullcontext()

    def batch_sums(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Sums over the batch, one for each of `batch_metrics`, on the device of the logits."""
        return logits.new_zeros(0)

    def moved(self, targets: Tensor, movement: Movement) -> Tensor:
        """(B, …) targets with places, moved with the pixels of their inputs by an augmentation."""
        raise NotImplementedError

    # --- predictions

    @abstractmethod
    def link(self, logits: Tensor) -> Tensor:
        """(B, K) logits -> (B, …) predictions."""

    def over_windows(self, predictions: Tensor) -> Tensor:
        """(W, …) predictions for the windows of an input -> the prediction for the whole input."""
        return predictions.mean(0)

    def exported_link(self, logits: Tensor) -> Tensor:
        """What an exported file gives for logits: the predictions, or what they are computed from outside of it."""
        return self.link(logits)

    def from_exported(self, outputs: Tensor) -> Tensor:
        """The predictions for what an exported file gives."""
        return outputs

    def export_differences(self, outputs: Tensor, expected: Tensor) -> Tensor:
        """|a − b| / max(1, |b|) of the numbers of an exported file and those of the model, of any shape."""
        return (outputs - expected).abs() / expected.abs().clamp_min(1)

    def measured(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """(B, …) predictions and targets -> (B, …) what is kept of them to compute metrics.

        The functions below take it as `predictions`. It is something else where predictions are too large to keep.
        """
        return predictions

    @abstractmethod
    def example_losses(self, predictions: Floats, targets: Targets, smoothing: float = 0.0) -> Floats:
        """(N,) losses as in training; lower is better. Their mean is the criterion of the name "loss"."""

    @abstractmethod
    def epoch_metrics(self, predictions: Floats, targets: Targets) -> dict[str, float]:
        """The validation metrics of an epoch; `criterion.name` is one of them."""

    @abstractmethod
    def metrics(self, predictions: Floats, targets: Targets) -> dict[str, Any]:
        """All metrics as JSON: "metric", "value" and "interval" of the first, "examples", and what the task adds."""

    @abstractmethod
    def rows(self, predictions: Tensor, top: int) -> list[dict[str, Any]]:
        """(N, …) predictions -> the entries of each input in `predict --json`; `top` bounds ranked lists."""

    def placed(self, row: dict[str, Any], frame: Frame) -> dict[str, Any]:
        """The entries of an input in `predict --json` with places in its file instead of the network's input."""
        return row

    def placed_row(self, maps: Callable[[slice], Tensor], layout: Layout) -> dict[str, Any]:
        """The entries of an input whose prediction lies in it; `maps` gives those of windows (Layout.labels).

        Raises FloatingPointError if predictions are not finite.
        """
        raise NotImplementedError

    def window_rows(self, predictions: Tensor) -> list[dict[str, Any]]:
        """(W, …) predictions -> the entries of each window of an input in `predict --json`."""
        return self.rows(predictions, 1)

    def measured_rows(self, predictions: Floats, top: int) -> list[dict[str, Any]]:
        """(N, …) what `measured` keeps -> the entries of each example in the rows of an evaluation."""
        return self.rows(torch.from_numpy(predictions), top)

    def score_curves(self, predictions: Floats, targets: Targets) -> list[ScoreCurve]:
        """ROC and precision-recall curves. Raises Problem in a task whose predictions are no scores of labels."""
        raise Problem(f"--curves is for labels, and this model's task is {self.name}", USAGE)

    def correct(self, predictions: Floats, targets: Targets) -> NDArray[np.bool_] | None:
        """(N,) whether a prediction is right; None where predictions are not right or wrong."""
        return None

    # --- calibration and decisions

    def calibrated(self, predictions: Floats, targets: Targets) -> Self:
        """The task with what validation predictions of the kept weights say: a temperature, thresholds, quantiles."""
        return self

    @property
    def calibration_remarks(self) -> list[str]:
        """What the user should know of the calibration, such as that there was too little to calibrate by."""
        return []

    def deciding(self, abstain: str | None = None, coverage: float | None = None) -> Self:
        """The task whose rows say "unsure", or hold label sets of a coverage. Raises Problem in a task without them."""
        if abstain is not None or coverage is not None:
            raise Problem(
                f"--abstain and --label-sets are for classification, and this model's task is {self.name}", USAGE
            )
        return self

    # --- explanations and attacks

    def scalars(self, logits: Tensor) -> Tensor:
        """(B, K) what explanations and feature visualisation differentiate, one number for each label."""
        return logits

    def focused(self, box: Sequence[float]) -> Self:
        """The task whose `scalars` are about a box: left, top, right, bottom in pixels of the network's input.

        Raises Problem in a task whose predictions have no places.
        """
        raise Problem(f"--region is for models of boxes and masks; this model's task is {self.name}", USAGE)

    @abstractmethod
    def default_outputs(self, prediction: Tensor) -> list[int]:
        """The indices of the labels that a prediction is explained for if the user names none."""

    def outputs_of(self, head: str, prediction: Tensor) -> list[int]:
        """`default_outputs` of one head. Raises Problem in a task without heads."""
        raise Problem(f"--head is for models with several heads; this model's task is {self.name}", USAGE)

    def output_value(self, prediction: Tensor, index: int) -> float:
        """What the prediction says of one label: a probability, or the number itself."""
        return float(prediction[index])

    def attack_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(B,) what an adversary increases. Raises Problem in a task that has no attack."""
        raise Problem(f"attacks are for classification, and this model's task is {self.name}", USAGE)

    # --- words

    @property
    def outputs_text(self) -> str:
        """What the network predicts, for the first lines of a training."""
        return f"{len(self.labels)} labels"

    @abstractmethod
    def headline(self, metrics: Mapping[str, Any]) -> str:
        """The first metric with its interval, in words; also from the metrics of a card."""

    def headlines(self, metrics: Mapping[str, Any]) -> list[str]:
        """The headline in lines: one, or more of several heads."""
        return [self.headline(metrics)]

    @abstractmethod
    def epoch_text(self, train: Mapping[str, float], valid: Mapping[str, float]) -> str:
        """The metrics of an epoch for a line of the terminal."""

    @abstractmethod
    def row_text(self, row: Mapping[str, Any]) -> str:
        """The prediction in a row of `predict`, in words."""

    def row_texts(self, row: Mapping[str, Any]) -> list[str]:
        """The prediction in lines: one, or more of several heads."""
        return [self.row_text(row)]

    def window_text(self, window: Mapping[str, Any]) -> str:
        """The prediction for one window, in words."""
        return self.row_text(window)

    def details(self, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Names and values of further metrics, for `evaluate`."""
        return []

    def table(self, metrics: Mapping[str, Any]) -> tuple[list[str], list[list[str]]] | None:
        """A header and a row for each label, for `evaluate`."""
        return None

    @abstractmethod
    def csv_columns(self) -> list[str]:
        """The columns that `predict` adds to a table."""

    @abstractmethod
    def csv_cells(self, row: Mapping[str, Any]) -> list[str]:
        """The cells of these columns for one row."""

    def csv_lines(self, row: Mapping[str, Any]) -> list[list[str]]:
        """The cells in lines: one, or several for a row with several answers."""
        return [self.csv_cells(row)]

    def report(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """The values that the task's template shows."""
        return {}

    def files(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """Pictures for the run folder: a file name -> a function that writes it to a path."""
        return {}

    def mistakes(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        """The worst predictions first: the index of the example, and what the report says of it.

        An entry may hold "outlines" to draw on the input: (label, [left, top, right, bottom], "true" or "predicted").
        """
        return []

    def typical(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        """Good predictions that stand for most: the index of the example, and what the report says of it."""
        return []

    def drawn(self, picture: Any, prediction: Tensor, target: Tensor) -> Any:
        """The picture of an input with a prediction and a target that lie in it, as a Pillow image."""
        raise NotImplementedError

    def tracks(self, prediction: Tensor, target: Tensor) -> list[Track]:
        """The true and the predicted events of an example, to draw under it."""
        raise NotImplementedError

    def scores(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) the share of each prediction that is right, and its confidence, of a task with places."""
        raise NotImplementedError

    def pictures(self, row: Mapping[str, Any], picture: Any) -> dict[str, bytes]:
        """The PNGs that `predict --out FOLDER` writes of a row, by the folder they go to; none in most tasks.

        The first is what the row's entry of that name becomes the path of; `picture` is the input as a Pillow image.
        """
        return {}

    def target_text(self, target: Tensor) -> str:
        """One target in words, where a list of examples names theirs."""
        return ""

    def brief(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """The metrics that travel in the card."""
        return {name: metrics[name] for name in ("metric", "value", "interval", "examples")}
