"""The capability of a domain that finding near-duplicates uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..capability import Capability
from ..data import Examples, Preprocessing

Pairs = Sequence[tuple[int, int]]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Comparable(Capability):
    """How two inputs of a domain are compared beyond the features of a network."""

    # Examples -> (N, D) vectors that small changes (compression, loudness, a typo) move little: their neighbours by
    # cosine are candidates.
    descriptors: Callable[[Examples, Preprocessing], Tensor]
    # Examples and P pairs of them -> (P,) how well pixels, samples or letters agree, at most 1.
    agreement: Callable[[Examples, Pairs, Preprocessing], Scores]
    closest: float  # the least cosine of the descriptors of a candidate
    least: float  # the agreement below which a pair is never a near-duplicate
