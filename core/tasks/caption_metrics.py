"""How near sentences are to references: BLEU and CIDEr-D, of sentences that are lists of words.

Both give what pycocoevalcap 1.2 gives for the same words, its small constants included.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

Words = Sequence[str]
Grams = Counter[tuple[str, ...]]
LONGEST = 4  # words of an n-gram
SIGMA = 6.0  # words: the width of CIDEr-D's penalty of other lengths
TINY, SMALL = 1e-15, 1e-9  # keep quotients defined where nothing matches


def grams(words: Words) -> Grams:
    """The n-grams of a sentence of 1 to LONGEST words, with their counts."""
    return Counter(tuple(words[i : i + n]) for n in range(1, LONGEST + 1) for i in range(len(words) - n + 1))


def bleu(candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[float]:
    """BLEU-1 to BLEU-4 of a corpus (Papineni et al. 2002, section 2), with the reference of the closest length."""
    matches, totals = [0] * LONGEST, [0] * LONGEST
    length = reference_length = 0
    for words, wanted in zip(candidates, references, strict=True):
        most: Grams = Counter()
        for reference in wanted:
            most |= grams(reference)
        for gram, count in grams(words).items():
            matches[len(gram) - 1] += min(count, most[gram])
        for n in range(LONGEST):
            totals[n] += max(0, len(words) - n)
        length += len(words)
        reference_length += min((abs(len(reference) - len(words)), len(reference)) for reference in wanted)[1]
    ratio = (length + TINY) / (reference_length + SMALL)
    penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    product, scores = 1.0, []
    for n in range(LONGEST):
        product *= (matches[n] + TINY) / (totals[n] + SMALL)
        scores.append(product ** (1 / (n + 1)) * penalty)
    return scores


def cider_d(candidates: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[float]:
    """CIDEr-D of each sentence, from 0 to 10 (Vedantam et al. 2015, arXiv:1411.5726, sections 4 and 6).

    The weights of n-grams depend on all references: figures of other corpora cannot be compared.
    """
    documents: Grams = Counter()
    for wanted in references:
        documents.update({gram for reference in wanted for gram in grams(reference)})
    total = math.log(len(references)) if references else 0.0

    def weights(words: Words) -> list[dict[tuple[str, ...], float]]:
        vectors: list[dict[tuple[str, ...], float]] = [{} for _ in range(LONGEST)]
        for gram, count in grams(words).items():
            vectors[len(gram) - 1][gram] = count * (total - math.log(max(1, documents[gram])))
        return vectors

    scores = []
    for words, wanted in zip(candidates, references, strict=True):
        vectors = weights(words)
        value = 0.0
        for reference in wanted:
            # The original measures lengths in pairs of words.
            difference = max(0, len(words) - 1) - max(0, len(reference) - 1)
            penalty = math.exp(-(difference**2) / (2 * SIGMA**2))
            value += penalty * sum(map(clipped_cosine, vectors, weights(reference))) / LONGEST
        scores.append(10 * value / len(wanted))
    return scores


def clipped_cosine(first: dict[tuple[str, ...], float], second: dict[tuple[str, ...], float]) -> float:
    """The cosine of two vectors, in which an entry of the first counts at most as much as that of the second."""
    product = sum(min(value, second.get(gram, 0.0)) * second.get(gram, 0.0) for gram, value in first.items())
    norms = [math.sqrt(sum(value**2 for value in vector.values())) for vector in (first, second)]
    return product / (norms[0] * norms[1]) if norms[0] and norms[1] else product
