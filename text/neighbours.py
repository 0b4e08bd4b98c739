"""Neighbours of words among pretrained vectors, as features that words share."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from .vectors import Vectors
from .vocabulary import FIRST
from .word_features import WordFeatures

NEIGHBOURS = 10  # of a word, itself included
MAX_WORDS = 20_000  # that have neighbours: the most frequent ones
MAX_CELLS = 1 << 24  # similarities that are computed at once


def neighbours(vectors: Vectors) -> WordFeatures:
    """Returns the neighbours of each word as its features: the words of the most similar vectors, by their cosine.

    A feature is the neighbourhood of one word, so that words with similar vectors share the statistics of labels that
    a small set has for only some of them.
    """
    ids = sorted(vectors.rows)[:MAX_WORDS]
    if not ids:
        return WordFeatures(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), 0)
    unit = F.normalize(torch.stack([torch.as_tensor(vectors.rows[token_id]) for token_id in ids]))
    size = min(NEIGHBOURS, len(ids))
    nearest = [(rows @ unit.T).topk(size).indices for rows in unit.split(max(1, MAX_CELLS // len(ids)))]
    words = torch.tensor(ids) - FIRST
    return WordFeatures(words.repeat_interleave(size), torch.cat(nearest).flatten(), len(ids))
