"""Linear models of texts that were fitted before: the trainings of a study begin at one, which is fitted once."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from .linear import LinearModel, Softmax, solve
from .ngrams import Keys
from .word_features import WordFeatures


class Solved(NamedTuple):
    """A linear model, and what it depends on besides the texts."""

    facts: tuple[Tensor, ...]
    model: LinearModel


_last: MutableMapping[Tensor, Solved] = WeakTensorKeyDictionary()  # by the inputs, as long as these are in use


def solve_once(
    inputs: Tensor, targets: Tensor, labels: int, keys: Keys, max_n: int, shared: WordFeatures | None, unigrams: Tensor
) -> LinearModel:
    """`solve` for (N, 1, 1, L) ids and labels of which each text has one; the last model of `inputs` is kept.

    Other targets have losses that settings change, so that their models are not kept.
    """
    words, features, size = shared or (unigrams[:0], unigrams[:0], 0)
    numbers = torch.tensor([labels, max_n, size, torch.get_num_threads()])  # threads change the order of sums
    facts = (targets, torch.from_numpy(keys), words, features, unigrams, numbers)
    last = _last.get(inputs)
    if last is None or not all(map(torch.equal, last.facts, facts)):
        model = solve(inputs[:, 0, 0], Softmax(targets, labels), keys, max_n, shared, unigrams)
        last = _last[inputs] = Solved(facts, model)
    return last.model
