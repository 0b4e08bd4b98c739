"""Features that the words of a vocabulary share, such as character n-grams."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class WordFeatures(NamedTuple):
    """Pairs of a word and a feature that it has."""

    word_index: Tensor  # (pairs,)
    feature_index: Tensor  # (pairs,)
    size: int  # number of different features

    def joined(self, other: WordFeatures) -> WordFeatures:
        """Returns the features of both, of the same words."""
        words = torch.cat((self.word_index, other.word_index))
        return WordFeatures(
            words, torch.cat((self.feature_index, other.feature_index + self.size)), self.size + other.size
        )
