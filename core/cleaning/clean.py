"""A data set cleaned: out-of-fold probabilities, suspected labels, near-duplicates and outliers, in one result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .. import device as devices
from .. import feed
from ..data import GROUP_KEY, Data, Examples
from ..fit import Begun, Event, Finished, Step, Training, fit
from ..folds import Folds, fold_data, folds, keys_of, pooled
from ..model import Model
from ..plan import Plan
from ..problem import INTERRUPTED, USAGE, Problem
from ..retrieval.features import FeatureExtractor
from ..run import card_of
from ..tasks import Classify
from . import label_errors, neighbours
from .capability import Comparable

Probabilities = NDArray[np.float32]
INVERSE_REGULARISATION = 1.0  # of the logistic regression on features of mean 0 and standard deviation 1


@dataclass(frozen=True)
class Suspect:
    """An example whose label is probably wrong."""

    index: int
    label: str
    suggested: str
    confidence: float  # the out-of-fold probability of the label
    suggested_probability: float


@dataclass(frozen=True)
class Cleaning:
    """What was found in a data set. Indices count the examples of all splits, in their order."""

    data: Data
    examples: Examples
    fold_of: Folds
    probabilities: Probabilities
    duplicates: list[neighbours.Duplicate]
    distances: NDArray[np.float64]
    outlying: NDArray[np.bool_]
    method: str  # how the probabilities were predicted

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        return self.examples.targets.numpy()

    @cached_property
    def splits(self) -> list[str]:
        return [split for split, count in self.data.counts.items() for _ in range(count)]

    @property
    def accuracy(self) -> float:
        """The share of examples whose label is the most probable out of fold."""
        return float((self.probabilities.argmax(1) == self.labels).mean())

    @cached_property
    def suspects(self) -> list[Suspect]:
        """The suspected labels, the most probably wrong first."""
        mask = label_errors.suspects(self.probabilities, self.labels)
        confident = label_errors.confident_labels(self.probabilities, self.labels)
        scores = label_errors.self_confidence(self.probabilities, self.labels)
        names = self.data.labels
        return [
            Suspect(
                index,
                names[self.labels[index]],
                names[confident[index]],
                float(scores[index]),
                float(self.probabilities[index, confident[index]]),
            )
            for index in sorted(np.flatnonzero(mask).tolist(), key=lambda index: (scores[index], index))
        ]

    @property
    def outliers(self) -> list[int]:
        """The examples that are far from all others, the farthest first."""
        indices = np.flatnonzero(self.outlying).tolist()
        return sorted(indices, key=lambda index: (-self.distances[index], index))

    def same_group(self, pair: neighbours.Duplicate) -> bool:
        """Whether both examples are of one group, such as the frames of a video."""
        keys = keys_of(self.examples)
        return keys[pair.first] == keys[pair.second] and keys[pair.first].startswith(GROUP_KEY)

    def across_splits(self, pair: neighbours.Duplicate) -> bool:
        return self.splits[pair.first] != self.splits[pair.second]

    def contradicts(self, pair: neighbours.Duplicate) -> bool:
        """Whether the labels of two near-duplicates differ."""
        return bool(self.labels[pair.first] != self.labels[pair.second])

    def superfluous(self, pair: neighbours.Duplicate) -> int:
        """The example to leave out: the one in training where the other tests, else the later one."""
        if self.across_splits(pair):
            return pair.first if self.splits[pair.first] == "train" else pair.second
        return pair.second


def clean(
    data: Data,
    comparable: Comparable | None,
    predict: Callable[[Data, Examples, Folds], tuple[Probabilities, Tensor | None]],
    method: str,
    count: int,
    seed: int,
) -> Cleaning:
    """Looks for faults in `data`. `predict` gives out-of-fold probabilities (N, K) and, if there are any, features."""
    if (task := data.target_spec.task or Classify.name) != Classify.name:
        raise Problem(
            f"clean looks for wrong labels of classification; the targets are for {task}: name a column of labels with "
            "--label-column, which also finds near-duplicates and outliers",
            USAGE,
        )
    examples = pooled(data)
    fold_of = folds(keys_of(examples), examples.targets.tolist(), count, seed)
    probabilities, features = predict(data, examples, fold_of)
    duplicates: list[neighbours.Duplicate] = []
    vectors = features
    if comparable is not None:
        duplicates = neighbours.near_duplicates(examples, comparable, data.preprocessing, features)
        vectors = comparable.descriptors(examples, data.preprocessing) if vectors is None else vectors
    distances, outlying = neighbours.outliers(torch.empty(0, 1) if vectors is None else vectors)
    if vectors is None:
        distances, outlying = np.zeros(len(examples)), np.zeros(len(examples), bool)
    return Cleaning(data, examples, fold_of, probabilities, duplicates, distances, outlying, method)


# --- out-of-fold probabilities ---------------------------------------------------------------------------------------


def trained_probabilities(
    plan: Plan, device: torch.device, stopped: Callable[[], bool], progress: Callable[[int, int], object]
) -> Callable[[Data, Examples, Folds], tuple[Probabilities, Tensor | None]]:
    """Trains the plan's network on all folds but one, and predicts that one, for each fold.

    Raises Problem where `stopped` becomes true.
    """

    def predict(data: Data, examples: Examples, fold_of: Folds) -> tuple[Probabilities, Tensor | None]:
        probabilities = np.zeros((len(examples), len(data.labels)), np.float32)
        count = int(fold_of.max()) + 1
        for fold, (indices, fold_set) in enumerate(fold_data(data, examples, fold_of)):
            training = _trained(fit(plan, fold_set, devices.World(), device), stopped, progress, fold, count)
            card = card_of(training, {}, "")
            model = Model(plan.domain, card, training.trainer.weights(), str(device))
            probabilities[indices] = feed.predict_proba(model, fold_set.test)
        return probabilities, None

    return predict


def _trained(
    events: Iterator[Event], stopped: Callable[[], bool], progress: Callable[[int, int], object], fold: int, count: int
) -> Training:
    """The training after its last event."""
    training: Training | None = None
    for event in events:
        if isinstance(event, Begun):
            training = event.training
        elif isinstance(event, Step):
            steps = event.epoch_steps * event.epochs
            progress(fold * steps + event.number, count * steps)
            if stopped() and training is not None:
                training.stop()
        elif isinstance(event, Finished) and not event.complete:
            raise Problem("stopped before all folds were trained; nothing was written", INTERRUPTED)
    assert training is not None, "a training begins with Begun"
    return training


def frozen_probabilities(
    extractor: FeatureExtractor, progress: Callable[[int, int], object]
) -> Callable[[Data, Examples, Folds], tuple[Probabilities, Tensor | None]]:
    """Fits a logistic regression on the features of a model for all folds but one, and predicts that one.

    The model must not have been trained on these examples, or wrong labels are in its features already.
    """

    def predict(data: Data, examples: Examples, fold_of: Folds) -> tuple[Probabilities, Tensor | None]:
        features = extractor.of_examples(examples, lambda done_count, total: progress(done_count, total or 0))
        return logistic_probabilities(features.numpy(), examples.targets.numpy(), len(data.labels), fold_of), features

    return predict


def logistic_probabilities(
    features: NDArray[np.float32], labels: NDArray[np.int64], classes: int, fold_of: Folds
) -> Probabilities:
    """(N, K) out-of-fold probabilities of a logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression

    probabilities = np.zeros((len(labels), classes), np.float32)
    for fold in range(int(fold_of.max()) + 1):
        inside = fold_of == fold
        middle, scale = features[~inside].mean(0), features[~inside].std(0).clip(1e-6)
        known = np.unique(labels[~inside])
        if len(known) == 1:  # a regression needs two labels
            probabilities[inside, known[0]] = 1
            continue
        regression = LogisticRegression(C=INVERSE_REGULARISATION, max_iter=300)
        regression.fit((features[~inside] - middle) / scale, labels[~inside])
        predicted = regression.predict_proba((features[inside] - middle) / scale)
        probabilities[np.ix_(np.flatnonzero(inside), regression.classes_)] = predicted
    return probabilities


# --- rows ------------------------------------------------------------------------------------------------------------


COLUMNS = ("kind", "file", "label", "suggested", "score", "partner", "split", "exclude")
Row = dict[str, Any]


def rows(cleaning: Cleaning, kinds: Sequence[str] = ("label", "duplicate", "outlier")) -> list[Row]:
    """A row for each finding: what `--json` lists and the table holds.

    `exclude` is "yes" for suspected labels and for one of two near-duplicates, and empty for outliers, which are often
    the rarest examples that are right.
    """
    examples, splits, names = cleaning.examples, cleaning.splits, cleaning.data.labels

    def row(kind: str, index: int, score: float, **values: str) -> Row:
        cells: Row = {"kind": kind, "file": examples.names[index], "label": names[cleaning.labels[index]]}
        return cells | {
            "suggested": values.get("suggested", ""),
            "score": round(score, 6),
            "partner": values.get("partner", ""),
            "split": splits[index],
            "exclude": values.get("exclude", ""),
        }

    result = []
    if "label" in kinds:
        for suspect in cleaning.suspects:
            result.append(row("label", suspect.index, suspect.confidence, suggested=suspect.suggested, exclude="yes"))
    if "duplicate" in kinds:
        left_out: set[int] = set()
        for pair in cleaning.duplicates:
            index = cleaning.superfluous(pair)
            kept = pair.first + pair.second - index
            mark = "" if kept in left_out else "yes"  # of three copies one stays
            left_out |= {index} if mark else set()
            suggested = names[cleaning.labels[kept]] if cleaning.contradicts(pair) else ""
            result.append(
                row("duplicate", index, pair.agreement, partner=examples.names[kept], exclude=mark, suggested=suggested)
            )
    if "outlier" in kinds:
        result += [row("outlier", index, float(cleaning.distances[index])) for index in cleaning.outliers]
    return result


def summary(cleaning: Cleaning) -> dict[str, Any]:
    """The counts, and all findings, as JSON."""
    across = [pair for pair in cleaning.duplicates if cleaning.across_splits(pair) and not cleaning.same_group(pair)]
    return {
        "examples": len(cleaning.examples),
        "folds": int(cleaning.fold_of.max()) + 1,
        "method": cleaning.method,
        "accuracy": round(cleaning.accuracy, 6),
        "label_errors": len(cleaning.suspects),
        "duplicates": len(cleaning.duplicates),
        "duplicates_across_splits": len(across),
        "contradicting_duplicates": sum(map(cleaning.contradicts, cleaning.duplicates)),
        "outliers": len(cleaning.outliers),
        "findings": rows(cleaning),
    }
