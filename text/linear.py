"""A linear model of texts: what each run of words says of every label, solved before a network learns anything.

A text is a row of its known runs, each as heavy as it is rare (TF-IDF), over the length of the row. Naive Bayes says of
each run how much likelier it is under a label (Wang and Manning 2012), its letters helping out where it is a word; how
far that is to be trusted is judged on texts taken out of its counts. What it still gets wrong, softmax regression
adds, its weights held as small as texts left out say. Naive Bayes alone is best where texts are few and labels two,
the regression where labels are many; together they are no worse than either.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..core.optimise import Lbfgs
from .runs import Found, log_ratios, occurrences, present
from .spelling import Spelling

TRUST = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 11.0, 16.0)  # what naive Bayes counts for, in a row of length 1
ALIKE = 0.2  # what the spelling of a word counts for, beside its own ratio
HELD = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03)  # what the squares of all weights cost, beside the loss of one text
LEFT_OUT = 0.2  # of the texts, to choose among these
STEPS, REMEMBERED = 20, 8  # of the solver for each, and how many it looks back on
MOST_CELLS = 3 << 23  # texts times labels, and runs in texts: 100 MB of each; beyond that some texts stand for all
FEW_CELLS = 1 << 22  # of those that choose among HELD: what all of a large set would choose, in a quarter of the time


class Said(NamedTuple):
    """A linear model: a text's scores are Σ weigh · rows over its runs, over √(Σ weigh²), and `bias`."""

    weigh: Tensor  # (R,)
    rows: Tensor  # (R, K)
    bias: Tensor  # (K,)


@dataclass(frozen=True)
class Scales:
    """How heavy each run of words and each run of letters is, and which words hold which letters."""

    runs: Tensor  # (R,)
    letters: Tensor  # (P,)
    holds: Tensor  # (R, P) sparse
    held_by: Tensor  # (P, R) sparse

    @classmethod
    def of(cls, texts: int, holding: Tensor, spelt: Spelling | None, places: Tensor) -> Scales:
        """For (R,) numbers of texts that hold each run; `places` (words,) say which run each word is, −1 none."""
        at, run, count = torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), 0
        if spelt is not None:
            known = places[spelt.at] >= 0
            at, run, count = places[spelt.at[known]], spelt.run[known], spelt.runs
        held_by = sparse(run, at, torch.ones(len(at)), (count, len(holding)))
        letters = rarity((held_by @ holding).clamp_max(texts), texts)
        return cls(
            rarity(holding, texts), letters, sparse(at, run, torch.ones(len(at)), (len(holding), count)), held_by
        )

    def weigh(self) -> Tensor:
        """What each run adds to the length of a row, its letters among it: (R,)."""
        return (self.runs**2 + self.holds @ self.letters**2).sqrt()

    def ratios(self, counts: Tensor) -> Tensor:
        """What naive Bayes says of each run, from the (R, K) numbers of texts of each label that hold it: (R, K)."""
        return log_ratios(counts) + self.by_letters(counts)

    def by_letters(self, counts: Tensor) -> Tensor:
        """What the letters of each run say, where it is a word."""
        return ALIKE * (self.holds @ log_ratios(self.held_by @ counts))

    def together(self, runs: Tensor, letters: Tensor) -> Tensor:
        """(R, K) weights of runs and (P, K) of letters as what each run says with its letters: (R, K)."""
        return self.runs[:, None] * runs + self.holds @ (self.letters[:, None] * letters)


def rarity(holding: Tensor, texts: int) -> Tensor:
    """1 + log((1 + N) / (1 + n)) of what n of N texts hold."""
    return 1 + ((1 + texts) / (1 + holding)).log()


def sparse(rows: Tensor, columns: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    """Values at rows and columns, in any order, as a sparse matrix."""
    order = torch.argsort(rows.int(), stable=True)
    starts = F.pad(torch.bincount(rows, minlength=size[0]).cumsum(0, dtype=torch.int32), (1, 0))
    return compressed(starts, columns.int()[order], values[order], size)


def compressed(starts: Tensor, columns: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    """Values in the order of their rows as a sparse matrix, numbered by int32: what the multiplication wants."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that rows so kept are new to torch, and are not checked
        return torch.sparse_csr_tensor(starts, columns, values, size)


def solved(
    inputs: Tensor,
    targets: Tensor,
    labels: int,
    keys: NDArray[np.int64],
    longest: int,
    spelt: Spelling | None,
    places: Tensor,
) -> Said:
    """The linear model of (N, L) ids with (N,) targets over the runs `keys`; `places` as in Scales.of."""
    some = judged(inputs, labels, longest)
    found, own = occurrences(inputs[some], keys, longest), targets[some]
    held = found.held(own, len(keys), labels)
    counts = held if len(some) == len(inputs) else present(inputs, targets, keys, labels, longest)
    scales = Scales.of(len(inputs), counts.sum(1), spelt, places)
    rows = Rows(found, scales.weigh())
    order = torch.randperm(len(some), generator=torch.Generator().manual_seed(0))
    left, rest = order.split((out := max(1, round(LEFT_OUT * len(some))), len(some) - out))
    apart = rows.keep(left)
    without = apart.through(scales.ratios(held - apart.found.held(own[left], len(keys), labels)))
    trust = trusted(without, own[left])
    known = trust * (rows.left_out(counts, own) + rows.through(scales.by_letters(counts)))
    known[left] = trust * without
    more, bias = Regression(scales, own, known).solved(rows, left, rest)
    said = trust * scales.ratios(counts) + more
    return Said(rows.weigh, said / rows.weigh[:, None], bias)


def judged(inputs: Tensor, labels: int, longest: int) -> Tensor:
    """The texts that the memory holds as rows, rising: all of them, or as many by chance."""
    cells = max(labels, longest * int((inputs > 0).sum()) // len(inputs))
    most = max(2, MOST_CELLS // max(1, cells))
    if most >= len(inputs):
        return torch.arange(len(inputs))
    return torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))[:most].sort().values


def trusted(told: Tensor, targets: Tensor) -> float:
    """What the (N, K) scores are best multiplied by, for them to be as sure as they are right."""
    losses = [float(F.cross_entropy(told * by, targets)) for by in TRUST]
    return TRUST[losses.index(min(losses))]


class Rows:
    """Texts as sparse rows over known runs, each brought to length 1."""

    def __init__(self, found: Found, weigh: Tensor) -> None:
        self.found, self.weigh = found, weigh
        self.texts, self.runs = len(found.starts) - 1, len(weigh)
        square = self._with(found.often) @ (weigh**2)[:, None]
        self.length = square[:, 0].sqrt().clamp_min(1e-6)
        self.values = found.often / self.length.repeat_interleave(found.starts.diff())
        self.counts = self._with(self.values)

    def _with(self, values: Tensor) -> Tensor:
        return compressed(self.found.starts, self.found.runs, values, (self.texts, self.runs))

    def through(self, says: Tensor) -> Tensor:
        """(R, K) that each run says -> (N, K) scores."""
        return self.counts @ says

    def turned(self) -> Tensor:
        """(R, N), sparse: what gives slopes by run from slopes by text."""
        return sparse(self.found.runs, self.found.texts(), self.values, (self.runs, self.texts))

    def few(self, share: float) -> int:
        """How many texts are that share of FEW_CELLS."""
        return max(1, int(share * FEW_CELLS * self.texts / max(1, len(self.values))))

    def keep(self, indices: Tensor) -> Rows:
        return Rows(self.found.keep(indices), self.weigh)

    def left_out(self, counts: Tensor, targets: Tensor) -> Tensor:
        """What naive Bayes says of each text when it is taken out of the (R, K) counts: (N, K).

        With its own words counted, naive Bayes knows a text by heart.
        """
        own, others = counts + 1, counts.sum(1, keepdim=True) - counts + 1
        base = own.sum(0).log() - others.sum(0).log()
        scores = self.through(own.log() - (others - 1).clamp_min(1).log() - base)  # of labels that are not its own
        ratios = (own - 1).clamp_min(1).log() - others.log() - base  # of its own
        texts = self.found.texts()
        label = targets.int()[texts]
        mine = self.values * ratios.flatten()[self.found.runs * counts.shape[1] + label]
        told = torch.zeros(self.texts).index_add_(0, texts, mine)
        return scores.scatter_(1, targets[:, None], told[:, None])


Weights = tuple[Tensor, Tensor, Tensor]  # of runs (R, K), of letters (P, K), and the bias (K,)


class Regression:
    """Softmax regression on rows that adds to what is known of them, (N, K) scores."""

    def __init__(self, scales: Scales, targets: Tensor, known: Tensor) -> None:
        self.scales, self.targets, self.known = scales, targets, known
        self.labels = known.shape[1]

    def solved(self, rows: Rows, left: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
        """What each run says beside what is known, (R, K), and the bias, (K,); `left` are the texts left out."""
        left, rest = (indices[: rows.few(share)] for indices, share in ((left, LEFT_OUT), (rest, 1 - LEFT_OUT)))
        seen, unseen = rows.keep(rest), rows.keep(left)
        weights, best, chosen = self.nothing(), float("inf"), (HELD[0], self.nothing())
        for held in HELD:
            weights = self.fitted(seen, rest, held, weights)
            loss = float(F.cross_entropy(self.scores(unseen, left, weights), self.targets[left]))
            if loss > best:
                break  # with less to hold them, weights only learn the texts by heart
            best, chosen = loss, (held, weights)
        weights = self.fitted(rows, torch.arange(rows.texts), *chosen)
        return self.scales.together(*weights[:2]), weights[2]

    def nothing(self) -> Weights:
        shapes = (len(self.scales.runs), self.labels), (len(self.scales.letters), self.labels), (self.labels,)
        runs, letters, bias = (torch.zeros(shape) for shape in shapes)
        return runs, letters, bias

    def scores(self, rows: Rows, indices: Tensor, weights: Weights) -> Tensor:
        return rows.through(self.scales.together(*weights[:2])) + weights[2] + self.known[indices]

    def fitted(self, rows: Rows, indices: Tensor, held: float, begin: Weights) -> Weights:
        """The weights with the least loss on the texts at `indices`, from `begin`, by L-BFGS (Nocedal 1980)."""
        weights = [each.clone() for each in begin]
        wanted = F.one_hot(self.targets[indices], self.labels).float()
        back, cost = rows.turned(), held / len(indices)
        solver = Lbfgs(
            weights, max_iter=STEPS, history_size=REMEMBERED, line_search_fn="strong_wolfe", tolerance_change=1e-6
        )

        def loss() -> float:
            logs = self.scores(rows, indices, (weights[0], weights[1], weights[2])).log_softmax(1)
            slopes = (logs.exp() - wanted) / len(indices)
            through = back @ slopes
            weights[0].grad = self.scales.runs[:, None] * through + cost * weights[0]
            weights[1].grad = self.scales.letters[:, None] * (self.scales.held_by @ through) + cost * weights[1]
            weights[2].grad = slopes.sum(0)
            squares = sum(float((each**2).sum()) for each in weights[:2])
            return float(-(logs * wanted).sum()) / len(indices) + cost / 2 * squares

        solver.step(loss)
        return weights[0], weights[1], weights[2]
