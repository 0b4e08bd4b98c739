"""Near-duplicates and outliers, by the nearest neighbours of each example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data import Examples, Preprocessing
from ..retrieval.search import Neighbours, nearest, normalized
from .capability import Comparable, Scores

CANDIDATES = 8  # neighbours of an example that may be copies of it
SAMPLED = 400  # pairs that show how alike different examples are
SPREAD = 1.4826  # times the median absolute deviation: the standard deviation of a normal distribution
CLOSER = 0.5  # standard deviations by which a candidate is closer than second neighbours; comparing decides
STRICT = 4.0  # standard deviations beyond which a pair of examples is not two different ones
OUTLYING = 5.0  # standard deviations beyond which an example is far from all others
NEAREST = 5  # neighbours whose mean distance says how far an example is from the others


@dataclass(frozen=True)
class Duplicate:
    """Two examples, the first before the second, that agree in their domain's own terms."""

    first: int
    second: int
    agreement: float
    similarity: float  # the cosine of their descriptors


def neighbours_of(vectors: Tensor, count: int) -> Neighbours:
    """The nearest others of each vector (N, D), most similar first."""
    vectors = normalized(vectors)
    found = nearest(vectors, vectors, min(count + 1, len(vectors)))
    rows = torch.arange(len(vectors))[:, None]
    # Equal vectors may come before the vector itself: it is moved to the end, which is then cut off.
    order = (found.indices == rows).int().argsort(dim=1, stable=True)
    similarities, indices = found.similarities.gather(1, order), found.indices.gather(1, order)
    return Neighbours(similarities[:, :-1], indices[:, :-1])


def mutual_pairs(neighbours: Neighbours) -> list[tuple[int, int]]:
    """Pairs of examples that are each among the neighbours of the other, the smaller index first."""
    listed = [set(row) for row in neighbours.indices.tolist()]
    pairs = {
        (min(row, other_row), max(row, other_row))
        for row, indices in enumerate(listed)
        for other_row in indices
        if row in listed[other_row]
    }
    return sorted(pairs)


def upper_bound(values: Scores, deviations: float) -> float:
    """Median + `deviations` standard deviations, estimated so that a few extreme values have no influence."""
    middle = float(np.median(values))
    return middle + deviations * SPREAD * float(np.median(np.abs(values - middle)))


def distances(similarities: Scores) -> Scores:
    """Logarithms of cosine distances, which are nearly normal where cosines crowd at 1."""
    return np.log(np.maximum(1 - similarities, 1e-9))


def near_duplicates(
    examples: Examples, comparable: Comparable, preprocessing: Preprocessing, features: Tensor | None = None
) -> list[Duplicate]:
    """Pairs of near-duplicates, those that agree most first.

    Candidates are mutual neighbours by the domain's descriptors, or by features of a network, that are closer than
    second neighbours are: of an example with one copy, the second neighbour is a different example, so that second
    neighbours show how close different examples of this data set come. A candidate counts if its pixels, samples or
    letters agree better than those of second neighbours do.
    """
    if len(examples) < 3:
        return []
    descriptors = normalized(comparable.descriptors(examples, preprocessing))
    similarity_of: dict[tuple[int, int], float] = {}
    different: set[tuple[int, int]] = set()
    for vectors in (descriptors,) if features is None else (descriptors, normalized(features)):
        neighbours = neighbours_of(vectors, CANDIDATES)
        second = neighbours.similarities[:, 1].numpy().astype(np.float64)
        closest = -upper_bound(-distances(second), CLOSER)
        for first, other in mutual_pairs(neighbours):
            cosine, similarity = (float(rows[first] @ rows[other]) for rows in (vectors, descriptors))
            if similarity >= comparable.closest and distances(np.array([cosine]))[0] <= closest:
                similarity_of[first, other] = similarity
        rows = np.linspace(0, len(examples) - 1, min(SAMPLED, len(examples))).astype(int)
        different |= {(int(row), int(neighbours.indices[row, 1])) for row in rows}
    candidates = sorted(similarity_of)
    if not candidates:
        return []
    null = comparable.agreement(examples, sorted(different), preprocessing)
    least = max(comparable.least, min(0.98, upper_bound(null, STRICT)))
    scores = comparable.agreement(examples, candidates, preprocessing)
    found = [
        Duplicate(first, other, float(score), similarity_of[first, other])
        for (first, other), score in zip(candidates, scores, strict=True)
        if score >= least
    ]
    return sorted(found, key=lambda pair: (-pair.agreement, pair.first, pair.second))


def groups_of(pairs: Sequence[Duplicate]) -> list[list[int]]:
    """The sets of examples that pairs connect, each in order."""
    leader: dict[int, int] = {}

    def find(row: int) -> int:
        while leader.setdefault(row, row) != row:
            row = leader[row]
        return row

    for pair in pairs:
        first, second = sorted((find(pair.first), find(pair.second)))
        leader[second] = first
    members: dict[int, list[int]] = {}
    for row in sorted(leader):
        members.setdefault(find(row), []).append(row)
    return sorted(members.values())


def outliers(vectors: Tensor) -> tuple[Scores, NDArray[np.bool_]]:
    """(N,) the mean cosine distance of each vector to its nearest others, and whether it is far from all of them.

    An outlier lies OUTLYING standard deviations beyond the median, of the logarithms.
    """
    if len(vectors) < 3:
        return np.zeros(len(vectors)), np.zeros(len(vectors), bool)
    neighbours = neighbours_of(vectors, NEAREST)
    distance = (1 - neighbours.similarities.numpy().astype(np.float64)).mean(1)
    logarithms = np.log(np.maximum(distance, 1e-9))
    return distance, logarithms > upper_bound(logarithms, OUTLYING)
