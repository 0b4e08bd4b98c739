"""Texts compared by their letters, whatever their case, blanks and a typo."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..core.cleaning.capability import Pairs, Scores
from ..core.data import Examples, Preprocessing
from .show import ids_to_text

SIZE = 512  # of a descriptor
COMPARED = 2000  # letters of a text
LETTERS = 128  # that are counted, codes of letters modulo this number
SHARE = 0.04  # of the letters that may differ in a long text
DIGITS = re.compile(r"\d+")


def texts(examples: Examples, preprocessing: Preprocessing) -> Sequence[str]:
    """The texts in lower case, words parted by one blank."""
    originals = examples.originals
    if originals is None:
        originals = [ids_to_text(examples.inputs[row], preprocessing) for row in range(len(examples))]
    return [" ".join(text.casefold().split())[:COMPARED] for text in originals]


def descriptors(examples: Examples, preprocessing: Preprocessing) -> Tensor:
    """(N, SIZE) counts of runs of three letters, hashed, each weighted by how few texts hold it."""
    counts = np.zeros((len(examples), SIZE), np.float32)
    for row, text in enumerate(texts(examples, preprocessing)):
        padded = f"  {text} "
        places = [zlib.crc32(padded[start : start + 3].encode()) % SIZE for start in range(len(padded) - 2)]
        np.add.at(counts[row], places, 1)
    rarity = np.log((1 + len(counts)) / (1 + (counts > 0).sum(0)))
    return torch.from_numpy(np.sqrt(counts) * rarity.astype(np.float32))


def agreement(examples: Examples, pairs: Pairs, preprocessing: Preprocessing) -> Scores:
    """(P,) 1 for equal texts, from 1 down to 0.9 for texts that a typo or two may have parted, else 0.

    Texts with different numbers are different texts.
    """
    prepared = texts(examples, preprocessing)
    scores = np.zeros(len(pairs))
    if not len(pairs):
        return scores
    letters = np.zeros((len(prepared), LETTERS), np.int32)
    for row, text in enumerate(prepared):
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        letters[row] = np.bincount(codes % LETTERS, minlength=LETTERS)
    first, second = np.array(pairs).T
    # An edit changes the count of at most two letters: most pairs need no comparison.
    apart = np.abs(letters[first] - letters[second]).sum(1)
    most = np.array([allowed(min(len(prepared[a]), len(prepared[b]))) for a, b in pairs])
    for index in np.flatnonzero(apart <= 2 * most).tolist():
        scores[index] = _agreement(prepared[first[index]], prepared[second[index]])
    return scores


def _agreement(first: str, second: str) -> float:
    if first == second:
        return 1.0
    most = allowed(min(len(first), len(second)))
    if DIGITS.findall(first) != DIGITS.findall(second):
        return 0.0
    edits = edit_distance(first, second, most)
    return 0.0 if edits > most else 1 - 0.1 * edits / (most + 1)


def allowed(length: int) -> int:
    """The edits that two texts of so many letters may be apart: none in a word, one in a short sentence."""
    return 0 if length < 12 else max(1, round(SHARE * length))


def edit_distance(first: str, second: str, most: int) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours between two texts, or most + 1 if there are more."""
    if abs(len(first) - len(second)) > most:
        return most + 1
    width = len(second)
    before, row = [most + 1] * (width + 1), list(range(width + 1))
    for i, letter in enumerate(first, 1):
        low, high = max(1, i - most), min(width, i + most)
        new = [most + 1] * (width + 1)
        new[0] = i
        for j in range(low, high + 1):
            cost = row[j - 1] + (letter != second[j - 1])
            cost = min(cost, row[j] + 1, new[j - 1] + 1)
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == second[j - 1]:
                cost = min(cost, before[j - 2] + 1)
            new[j] = cost
        if min(new[:1] + new[low : high + 1]) > most:
            return most + 1
        before, row = row, new
    return min(row[width], most + 1)
