"""Captions: a sentence for each input."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import decoder
from ..bootstrap import interval
from ..data import Data
from ..format import percent
from ..metrics import interval as share_interval
from ..network import Network
from ..problem import DATA, USAGE, Problem
from ..targets import TargetSpec
from .caption_metrics import bleu, cider_d
from .task import Chart, Criterion, Floats, Targets, Task

WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
END, UNKNOWN = "<end>", "<unknown>"  # the first two labels
BEHIND = -1  # in targets, positions behind the end
LONGEST = 100  # words of a sentence


@dataclass(frozen=True)
class Caption(Task):
    """Targets (N, L) int64 are ids of words, END behind the last and −1 behind that; labels are the words.

    A prediction is (2, L): the ids that the network wrote, and the log-probability of each. It is the network's own
    sentence, never one that was helped by the true words. Words are in lower case, without punctuation.
    """

    length: int = 1  # words of the longest sentence in training, and its end

    name: ClassVar[str] = "caption"
    criterion: ClassVar[Criterion] = Criterion("cider", "CIDEr-D", higher_is_better=True)
    batch_metrics: ClassVar[tuple[str, ...]] = ("words",)
    charts: ClassVar[tuple[Chart, ...]] = (
        Chart("loss", "Log loss of a word, given the true words before it"),
        Chart("exact", "Sentences that are exact", is_share=True),
        Chart("cider", "CIDEr-D"),
    )
    template: ClassVar[str] = "caption.html"
    target_name: ClassVar[str] = "true sentence"
    has_label_texts: ClassVar[bool] = False
    smooths_labels: ClassVar[bool] = True
    measured_columns: ClassVar[tuple[str, ...]] = ("sentence", "exact")

    # --- texts of targets

    @classmethod
    def refusal(cls, text: str, spec: TargetSpec) -> str:
        count = len(words_of(text))
        if not count:
            return f"has {text[:40]!r}, in which there is no word; expected a sentence"
        if count > LONGEST:
            return f"has a sentence of {count:,} words; expected at most {LONGEST}"
        return ""

    @classmethod
    def untrainable(cls, texts: Collection[str], spec: TargetSpec) -> str:
        if len({tuple(words_of(text)) for text in texts}) < 2:
            return "all training examples have the same sentence; expected sentences that differ"
        return ""

    @classmethod
    def strata(cls, texts: Sequence[str], spec: TargetSpec) -> list[str]:
        return [""] * len(texts)

    @classmethod
    def findings(cls, texts: Mapping[str, int], spec: TargetSpec) -> dict[str, Any]:
        counts = [len(words_of(text)) for text in texts]
        known = {word for text in texts for word in words_of(text)}
        return {"sentences": len(texts), "words": len(known), "longest": max(counts, default=0)}

    # --- targets and state

    @classmethod
    def from_data(cls, data: Data) -> Self:
        texts = [data.labels[index] for index in data.train.targets.tolist()]
        for text in texts:
            if reason := cls.refusal(text, data.target_spec):
                raise Problem(f"an example {reason}", DATA)
        if reason := cls.untrainable(texts, data.target_spec):
            raise Problem(reason, DATA)
        sentences = [words_of(text) for text in texts]
        counts = Counter(word for sentence in sentences for word in sentence)
        known = sorted(counts, key=lambda word: (-counts[word], word))
        return cls([END, UNKNOWN, *known], max(map(len, sentences)) + 1)

    def encode(self, data: Data) -> Data:
        rows = torch.full((len(data.labels), self.length), BEHIND)
        for row, text in zip(rows, data.labels, strict=True):
            ids = [self.ids.get(word, decoder.UNKNOWN) for word in words_of(text)] + [decoder.END]
            ids = ids[: self.length]
            row[: len(ids)] = torch.tensor(ids)
        return data.with_targets(rows, self.labels)

    @cached_property
    def ids(self) -> dict[str, int]:
        return {word: index for index, word in enumerate(self.labels)}

    def state(self) -> dict[str, Any]:
        return {"length": self.length}

    @classmethod
    def from_state(cls, labels: list[str], state: Mapping[str, Any]) -> Self:
        task = cls(labels, **state)
        if type(task.length) is not int or not 1 <= task.length <= LONGEST + 1 or labels[:2] != [END, UNKNOWN]:
            raise TypeError("its words or its length are none")
        return task

    # --- training

    @property
    def constants(self) -> dict[str, int]:
        return {"words": self.length}

    def check_network(self, network: Network) -> None:
        if network.output != (len(self.labels), 1, self.length):
            raise Problem(
                f"the network gives {network.output}, but sentences have up to {self.length} words, their end counted, "
                f"of {len(self.labels)}; end it with decoder(classes, words)",
                USAGE,
            )

    @contextmanager
    def teaching(self, network: nn.Module, targets: Tensor) -> Iterator[None]:
        with decoder.teaching(network, targets):
            yield

    def loss(self, logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        return F.cross_entropy(logits[:, :, 0], targets, ignore_index=BEHIND, label_smoothing=smoothing)

    def batch_sums(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The share of words of each sentence that are right, given the true words before them."""
        known = targets >= 0
        right = ((logits[:, :, 0].argmax(1) == targets) & known).sum(1) / known.sum(1).clamp_min(1)
        return right.sum()[None]

    # --- predictions

    def link(self, logits: Tensor) -> Tensor:
        best = logits[:, :, 0].log_softmax(1).max(1)
        return torch.stack((best.indices.to(best.values), best.values), 1)

    def over_windows(self, predictions: Tensor) -> Tensor:
        """The sentence of the window with the most probable words."""
        written = (predictions[:, 0] != decoder.END).cummin(1).values
        means = (predictions[:, 1] * written).sum(1) / written.sum(1).clamp_min(1)
        return predictions[means.argmax()]

    def example_losses(self, predictions: Floats, targets: Targets, smoothing: float = 0.0) -> Floats:
        """The share of words that are wrong at their place."""
        known = targets >= 0
        wrong: Floats = ((predictions[:, 0] != targets) & known).sum(1) / np.maximum(known.sum(1), 1)
        return wrong

    def epoch_metrics(self, predictions: Floats, targets: Targets) -> dict[str, float]:
        written, wanted = self.written(predictions), self.wanted(targets)
        exact = [first == second for first, second in zip(written, wanted, strict=True)]
        return {"cider": float(np.mean(ciders(written, wanted))), "exact": float(np.mean(exact))}

    def metrics(self, predictions: Floats, targets: Targets) -> dict[str, Any]:
        """CIDEr-D first, and the same for sentences that were written for other pictures: what knowing none gives."""
        written, wanted = self.written(predictions), self.wanted(targets)
        scores = np.array(ciders(written, wanted))
        exact = [first == second for first, second in zip(written, wanted, strict=True)]
        order = np.random.default_rng(0).permutation(len(written))
        moved = [written[index] for index in np.roll(order, 1)[np.argsort(order)]]  # none stays where it was
        low, high = interval(lambda weights: weights @ scores / weights.sum(1), len(scores))
        return {
            "metric": "cider",
            "value": float(scores.mean()),
            "interval": [float(low), float(high)],
            "exact": float(np.mean(exact)),
            "exact_interval": list(share_interval(sum(exact), len(exact))),
            "bleu": bleu(written, [[sentence] for sentence in wanted]),
            "shuffled": {
                "cider": float(np.mean(ciders(moved, wanted))),
                "exact": float(np.mean([first == second for first, second in zip(moved, wanted, strict=True)])),
            },
            "examples": len(written),
        }

    def rows(self, predictions: Tensor, top: int) -> list[dict[str, Any]]:
        values = predictions.numpy()
        return [
            {"captions": [{"text": " ".join(words), "probability": float(np.exp(row[1, : len(words) + 1].sum()))}]}
            for words, row in zip(self.written(values), values, strict=True)
        ]

    def written(self, predictions: Floats) -> list[list[str]]:
        """(N, 2, L) predictions as words up to the end."""
        return [self.words(row) for row in predictions[:, 0].astype(int).tolist()]

    def wanted(self, targets: Targets) -> list[list[str]]:
        return [self.words(row) for row in targets.tolist()]

    def words(self, ids: Sequence[int]) -> list[str]:
        words = []
        for index in ids:
            if index in (decoder.END, BEHIND):
                break
            words.append(self.labels[index])
        return words

    def correct(self, predictions: Floats, targets: Targets) -> Any:
        pairs = zip(self.written(predictions), self.wanted(targets), strict=True)
        return np.array([written == wanted for written, wanted in pairs], bool)

    # --- explanations

    def scalars(self, logits: Tensor) -> Tensor:
        """(B, K) the largest logit of each word over the positions of the sentence."""
        return logits.amax((2, 3))

    def default_outputs(self, prediction: Tensor) -> list[int]:
        """The words of the sentence; the first three are enough for a sheet."""
        ids = [index for index in prediction[0].long().tolist() if index > decoder.UNKNOWN]
        return list(dict.fromkeys(ids))[:3] or [decoder.END]

    def output_value(self, prediction: Tensor, index: int) -> float:
        places = prediction[0].long() == index
        return float(prediction[1][places].exp().max()) if bool(places.any()) else 0.0

    # --- words

    @property
    def outputs_text(self) -> str:
        return f"sentences of {len(self.labels) - 2} words"

    def headline(self, metrics: Mapping[str, Any]) -> str:
        low, high = metrics["interval"]
        text = f"CIDEr-D {metrics['value']:.2f} ({low:.2f} to {high:.2f})"
        if "exact" in metrics:
            text += f", exact {percent(metrics['exact'])}"
        if "shuffled" in metrics:
            shuffled = metrics["shuffled"]
            text += f"; sentences of other pictures {shuffled['cider']:.2f}, {percent(shuffled['exact'])}"
        return text

    def epoch_text(self, train: Mapping[str, float], valid: Mapping[str, float]) -> str:
        text = f"loss {train['loss']:.4f}  words {train['words']:7.2%}"
        return text + (f"  val_CIDEr-D {valid['cider']:5.2f}  val_exact {valid['exact']:7.2%}" if valid else "")

    def row_text(self, row: Mapping[str, Any]) -> str:
        return "  ".join(f"{caption['text']} ({caption['probability']:.0%})" for caption in row["captions"])

    def details(self, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
        low, high = metrics["exact_interval"]
        shuffled = metrics["shuffled"]
        return [
            ("exact", f"{percent(metrics['exact'])}  (95% interval {percent(low)} to {percent(high)})"),
            ("BLEU-1 to 4", ", ".join(f"{value:.3f}" for value in metrics["bleu"])),
            ("sentences of other pictures", f"CIDEr-D {shuffled['cider']:.2f}, exact {percent(shuffled['exact'])}"),
        ]

    def csv_columns(self) -> list[str]:
        return ["caption", "probability"]

    def csv_cells(self, row: Mapping[str, Any]) -> list[str]:
        (caption,) = row["captions"]
        return [caption["text"], f"{caption['probability']:.6g}"]

    def mistakes(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        """The sentences with the lowest CIDEr-D first."""
        return self._entries(predictions, targets, count, worst=True)

    def typical(self, predictions: Floats, targets: Targets, count: int) -> list[tuple[int, dict[str, Any]]]:
        return self._entries(predictions, targets, count, worst=False)

    def _entries(
        self, predictions: Floats, targets: Targets, count: int, worst: bool
    ) -> list[tuple[int, dict[str, Any]]]:
        written, wanted = self.written(predictions), self.wanted(targets)
        scores = ciders(written, wanted)
        order = sorted(range(len(scores)), key=lambda index: scores[index] if worst else -scores[index])
        chosen = [index for index in order if not worst or written[index] != wanted[index]][:count]
        return [
            (
                index,
                {
                    "label": " ".join(wanted[index]),
                    "predicted": " ".join(written[index]),
                    "note": f"CIDEr-D {scores[index]:.2f}",
                },
            )
            for index in chosen
        ]

    def target_text(self, target: Tensor) -> str:
        return " ".join(self.words(target.tolist()))

    def brief(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        return super().brief(metrics) | {name: metrics[name] for name in ("exact", "shuffled")}


def words_of(text: str) -> list[str]:
    """The words of a sentence in lower case."""
    return [word.lower() for word in WORD.findall(text)]


def ciders(written: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]]) -> list[float]:
    return cider_d(written, [[sentence] for sentence in wanted])
