"""Uneven classes: weights for the loss, priors for logit adjustment, and when labels are called uneven."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Balance = Literal["none", "loss", "sample", "logit"]
UNEVEN = 3.0  # times that the most frequent label has the examples of the rarest, from which labels are uneven
MOST_LABELS = 100  # of hundreds of labels, the rarest always have few examples


def class_counts(targets: Tensor, labels: int) -> list[int]:
    """(N,) indices of labels -> the number of examples of each label."""
    counts: list[int] = torch.bincount(targets.cpu(), minlength=labels).tolist()
    return counts


def class_weights(counts: Sequence[int]) -> Tensor:
    """(K,) weights N / (K n_k) of the labels, as scikit-learn's "balanced": their mean over the examples is 1.

    A label without examples has the weight of one with a single example.
    """
    numbers = torch.tensor(counts, dtype=torch.float32)
    return numbers.sum() / (len(counts) * numbers.clamp(min=1))


def log_prior(counts: Sequence[int]) -> Tensor:
    """(K,) log n_k / N, which logit adjustment adds to the logits in the loss (Menon et al. 2021, equation 10)."""
    numbers = torch.tensor(counts, dtype=torch.float32).clamp(min=1)
    return (numbers / numbers.sum()).log()


def ratio(counts: Sequence[int]) -> float:
    """How many times the most frequent label has the examples of the rarest that has any; 1 if none has."""
    present = [count for count in counts if count]
    return max(present) / min(present) if present else 1.0


def are_uneven(counts: Sequence[int]) -> bool:
    """Whether the accuracy of labels with so many training examples hides the rare ones."""
    return len(counts) <= MOST_LABELS and ratio(counts) >= UNEVEN
