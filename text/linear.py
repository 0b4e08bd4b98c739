"""A linear classifier of texts over n-grams, solved before the network is trained.

A text is a TF-IDF row over its known n-grams, of length 1. For labels of which each text has one, the model adds two
parts. Naive Bayes gives each n-gram the
log-ratios of its labels (Wang and Manning 2012), and a word those of the features that it shares with others too: its
character n-grams, and its neighbours among word vectors (text/neighbours.py). Their common scale is
chosen by texts that are left out of the counts. Softmax regression then corrects what naive Bayes gets wrong, with an
L2 penalty chosen by held-out texts. Naive Bayes alone is best for few texts and two labels, regression for many labels;
the sum is no worse than either. For other targets there is no naive Bayes: the model minimises their loss alone, with
a penalty for each output.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.optimise import Lbfgs
from .ngrams import Keys, NGramCounts, count_in_texts, document_frequency, log_ratios
from .word_features import WordFeatures

SCALES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 11.0, 16.0)  # candidates for naive Bayes, for rows of length 1
SHARED_WEIGHT = 0.2  # of a word's shared features, beside its own log-ratio
PENALTIES = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03)  # candidates for the L2 penalty, relative to the loss of one text
HELD_OUT = 0.2  # share of the texts by which these are chosen
ITERATIONS, HISTORY = 20, 8  # of L-BFGS
MAX_CELLS = 3 << 23  # texts × labels, and n-grams in texts: 100 MB each; larger sets are sampled
MAX_CHOICE_CELLS = 1 << 26  # texts × labels × labels: beyond, all outputs have one penalty
MAX_SELECTION_CELLS = 1 << 22  # while a penalty is chosen: the same choice as with all texts in a quarter of the time


class LinearModel(NamedTuple):
    """A text's logits are Σ weights · coefficients over its n-grams, divided by √(Σ weights²), plus `bias`."""

    weights: Tensor  # (R,)
    coefficients: Tensor  # (R, K)
    bias: Tensor  # (K,)


@dataclass(frozen=True)
class Features:
    """IDF weights of word n-grams (R) and of features that words share (P), and which word n-gram has which."""

    ngram_idf: Tensor  # (R,)
    shared_idf: Tensor  # (P,)
    contains: Tensor  # (R, P) sparse
    contained_in: Tensor  # (P, R) sparse

    @classmethod
    def of(cls, texts: int, frequency: Tensor, shared: WordFeatures | None, unigrams: Tensor) -> Features:
        """Computes weights from the (R,) document frequencies in `texts` texts.

        `unigrams` (words,) has the n-gram that each word of `shared` is, −1 for none.
        """
        rows, columns, count = torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), 0
        if shared is not None:
            is_known = unigrams[shared.word_index] >= 0
            rows, columns = unigrams[shared.word_index[is_known]], shared.feature_index[is_known]
            count = shared.size
        ones = torch.ones(len(rows))
        contains = sparse(rows, columns, ones, (len(frequency), count))
        contained_in = sparse(columns, rows, ones, (count, len(frequency)))
        shared_idf = idf((contained_in @ frequency).clamp_max(texts), texts)
        return cls(idf(frequency, texts), shared_idf, contains, contained_in)

    def weights(self) -> Tensor:
        """The contribution of each n-gram to a row's length, its shared features included: (R,)."""
        return (self.ngram_idf**2 + self.contains @ self.shared_idf**2).sqrt()

    def log_ratios(self, frequency: Tensor) -> Tensor:
        """Naive Bayes' log-ratios from document frequencies by label: (R, K) -> (R, K)."""
        return log_ratios(frequency) + self.shared_log_ratios(frequency)

    def shared_log_ratios(self, frequency: Tensor) -> Tensor:
        """The part of the log-ratios that comes from shared features: (R, K) -> (R, K)."""
        return SHARED_WEIGHT * (self.contains @ log_ratios(self.contained_in @ frequency))

    def combine(self, ngram_coefficients: Tensor, shared_coefficients: Tensor) -> Tensor:
        """Coefficients of word n-grams (R, K) and of shared features (P, K) as coefficients of word n-grams."""
        from_shared = self.contains @ (self.shared_idf[:, None] * shared_coefficients)
        return self.ngram_idf[:, None] * ngram_coefficients + from_shared


def idf(frequency: Tensor, texts: int) -> Tensor:
    """Smoothed inverse document frequency: 1 + log((1 + N) / (1 + n)) for n of N texts."""
    return 1 + ((1 + texts) / (1 + frequency)).log()


def sparse(rows: Tensor, columns: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    """Returns a sparse matrix from coordinates in any order."""
    order = torch.argsort(rows.int(), stable=True)
    starts = F.pad(torch.bincount(rows, minlength=size[0]).cumsum(0, dtype=torch.int32), (1, 0))
    return compressed_rows(starts, columns.int()[order], values[order], size)


def compressed_rows(starts: Tensor, columns: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    """Returns a sparse CSR matrix with int32 indices, which are the fastest to multiply."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch warns that CSR is in beta and that indices are unchecked
        return torch.sparse_csr_tensor(starts, columns, values, size)


class Objective:
    """What the linear model minimises: a loss of (B, K) logits and targets, summed over the K outputs."""

    def __init__(self, targets: Tensor, outputs: int, mean_loss: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.targets, self.outputs, self.mean_loss = targets, outputs, mean_loss

    def subset(self, indices: Tensor) -> Objective:
        return Objective(self.targets[indices], self.outputs, self.mean_loss)

    def loss(self, logits: Tensor) -> float:
        """(B, K) logits -> the mean loss of a text."""
        return self.outputs * float(self.mean_loss(logits, self.targets))

    def loss_and_gradient(self, logits: Tensor) -> tuple[float, Tensor]:
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            loss = self.outputs * self.mean_loss(leaf, self.targets)
            (gradient,) = torch.autograd.grad(loss, leaf)
        return float(loss.detach()), gradient


class Softmax(Objective):
    """The cross-entropy of labels, (N,) int64, of which each text has one."""

    def __init__(self, targets: Tensor, outputs: int) -> None:
        super().__init__(targets, outputs, F.cross_entropy)

    def subset(self, indices: Tensor) -> Softmax:
        return Softmax(self.targets[indices], self.outputs)

    def loss(self, logits: Tensor) -> float:
        return float(F.cross_entropy(logits, self.targets))

    @cached_property
    def one_hot(self) -> Tensor:
        return F.one_hot(self.targets, self.outputs).float()

    def loss_and_gradient(self, logits: Tensor) -> tuple[float, Tensor]:
        log_probabilities = logits.log_softmax(1)
        gradient = (log_probabilities.exp() - self.one_hot) / len(logits)
        return float(-(log_probabilities * self.one_hot).sum()) / len(logits), gradient


class NaiveBayes(NamedTuple):
    """Naive Bayes' part: logits (N, K) of each text without the text itself, and coefficients (R, K)."""

    offset: Tensor
    coefficients: Tensor


def solve(
    inputs: Tensor, objective: Objective, keys: Keys, max_n: int, shared: WordFeatures | None, unigrams: Tensor
) -> LinearModel:
    """Fits the linear model to (N, L) ids over the n-grams `keys`; `unigrams` as in Features.of."""
    outputs = objective.outputs
    is_softmax = isinstance(objective, Softmax)
    labels, targets = (outputs, objective.targets) if is_softmax else (1, torch.zeros(len(inputs), dtype=torch.int64))
    sample = sample_texts(inputs, outputs, max_n)
    counts, sample_targets = count_in_texts(inputs[sample], keys, max_n), targets[sample]
    sample_frequency = counts.document_frequency(sample_targets, len(keys), labels)
    if len(sample) == len(inputs):
        frequency = sample_frequency
    else:
        frequency = document_frequency(inputs, targets, keys, labels, max_n)
    features = Features.of(len(inputs), frequency.sum(1), shared, unigrams)
    matrix = TextMatrix(counts, features.weights())
    order = torch.randperm(len(sample), generator=torch.Generator().manual_seed(0))
    held_out_count = max(1, round(HELD_OUT * len(sample)))
    held_out, remaining = order.split((held_out_count, len(sample) - held_out_count))
    if is_softmax:
        bayes = naive_bayes(matrix, features, frequency, sample_frequency, sample_targets, held_out)
    else:
        bayes = NaiveBayes(torch.zeros(len(sample), outputs), torch.zeros(len(keys), outputs))
    regression = Regression(features, objective.subset(sample), bayes.offset)
    correction, bias = regression.fit(matrix, held_out, remaining)
    coefficients = bayes.coefficients + correction
    return LinearModel(matrix.weights, coefficients / matrix.weights[:, None], bias)


def naive_bayes(
    matrix: TextMatrix,
    features: Features,
    frequency: Tensor,
    sample_frequency: Tensor,
    targets: Tensor,
    held_out: Tensor,
) -> NaiveBayes:
    """Naive Bayes over the texts of `matrix`, its scale chosen by those at `held_out`; `frequency` (R, K) of all."""
    held_out_matrix, labels = matrix.subset(held_out), frequency.shape[1]
    held_out_frequency = held_out_matrix.counts.document_frequency(targets[held_out], matrix.ngrams, labels)
    held_out_logits = held_out_matrix.logits(features.log_ratios(sample_frequency - held_out_frequency))
    scale = best_scale(held_out_logits, targets[held_out])
    from_shared = matrix.logits(features.shared_log_ratios(frequency))
    offset = scale * (matrix.leave_one_out(frequency, targets) + from_shared)
    offset[held_out] = scale * held_out_logits
    return NaiveBayes(offset, scale * features.log_ratios(frequency))


def sample_texts(inputs: Tensor, labels: int, max_n: int) -> Tensor:
    """Returns the indices of the texts to fit, ascending: all of them, or a random sample of MAX_CELLS cells."""
    cells = max(labels, max_n * int((inputs > 0).sum()) // len(inputs))
    limit = max(2, MAX_CELLS // max(1, cells))
    if limit >= len(inputs):
        return torch.arange(len(inputs))
    return torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))[:limit].sort().values


def best_scale(logits: Tensor, targets: Tensor) -> float:
    """Returns the factor of SCALES that minimises the cross-entropy of (N, K) logits."""
    losses = [float(F.cross_entropy(logits * scale, targets)) for scale in SCALES]
    return SCALES[losses.index(min(losses))]


class TextMatrix:
    """Texts as sparse TF-IDF rows over known n-grams, each of length 1: (N, R)."""

    def __init__(self, counts: NGramCounts, weights: Tensor) -> None:
        self.counts, self.weights = counts, weights
        self.texts, self.ngrams = len(counts.starts) - 1, len(weights)
        squares = self._sparse(counts.counts) @ (weights**2)[:, None]
        self.lengths = squares[:, 0].sqrt().clamp_min(1e-6)
        self.values = counts.counts / self.lengths.repeat_interleave(counts.starts.diff())
        self.matrix = self._sparse(self.values)

    def _sparse(self, values: Tensor) -> Tensor:
        return compressed_rows(self.counts.starts, self.counts.ngrams, values, (self.texts, self.ngrams))

    def logits(self, coefficients: Tensor) -> Tensor:
        """(R, K) coefficients of n-grams -> (N, K) logits of texts."""
        return self.matrix @ coefficients

    def transposed(self) -> Tensor:
        """(R, N), sparse: maps gradients by text to gradients by n-gram."""
        return sparse(self.counts.ngrams, self.counts.rows(), self.values, (self.ngrams, self.texts))

    def selection_size(self, share: float) -> int:
        """Returns the number of texts that hold this share of MAX_SELECTION_CELLS."""
        return max(1, int(share * MAX_SELECTION_CELLS * self.texts / max(1, len(self.values))))

    def subset(self, indices: Tensor) -> TextMatrix:
        """Returns the rows at `indices`, in that order."""
        return TextMatrix(self.counts.subset(indices), self.weights)

    def leave_one_out(self, frequency: Tensor, targets: Tensor) -> Tensor:
        """Naive Bayes' logits of each text, with the text itself taken out of the (R, K) frequencies: (N, K).

        With the text in its counts, naive Bayes overfits.
        """
        label, rest = frequency + 1, frequency.sum(1, keepdim=True) - frequency + 1
        prior = label.sum(0).log() - rest.sum(0).log()
        # For the other labels the text is one of the rest, for its own label it is one of `label`.
        logits = self.logits(label.log() - (rest - 1).clamp_min(1).log() - prior)
        ratios = (label - 1).clamp_min(1).log() - rest.log() - prior
        rows = self.counts.rows()
        row_labels = targets.int()[rows]
        terms = self.values * ratios.flatten()[self.counts.ngrams * frequency.shape[1] + row_labels]
        target_logits = torch.zeros(self.texts).index_add_(0, rows, terms)
        return logits.scatter_(1, targets[:, None], target_logits[:, None])


Parameters = tuple[Tensor, Tensor, Tensor]  # coefficients of n-grams (R, K), of shared features (P, K); bias (K,)


class PenaltyChoice:
    """The best penalty of each output by the held-out loss, and the parameters fitted with it.

    Outputs that exclude one another have one penalty, which `Softmax` takes for all.
    """

    def __init__(self, objective: Objective, start: Parameters) -> None:
        self.objective, self.parameters = objective, start
        outputs = objective.outputs
        self.penalties = torch.full((outputs,), PENALTIES[0])
        self.common_loss, self.loss, self.logits = float("inf"), float("inf"), torch.zeros(0)
        self.is_common = isinstance(objective, Softmax) or outputs**2 * len(objective.targets) > MAX_CHOICE_CELLS

    def improved(self, penalty: float, parameters: Parameters, logits: Tensor) -> bool:
        """Takes a penalty into account; returns whether it lowers the held-out loss of all outputs together."""
        loss = self.objective.loss(logits)
        is_first, is_better = not len(self.logits), loss <= self.common_loss
        if is_first or (self.is_common and is_better):
            self.logits, self.loss = logits.clone(), loss
            self._take(slice(None), penalty, parameters)
        elif not self.is_common:
            self._choose_by_output(penalty, parameters, logits)
        self.common_loss = min(loss, self.common_loss)
        return is_better

    def _choose_by_output(self, penalty: float, parameters: Parameters, logits: Tensor) -> None:
        for output in range(logits.shape[1]):
            before = self.logits[:, output].clone()
            self.logits[:, output] = logits[:, output]
            loss = self.objective.loss(self.logits)
            if loss < self.loss:
                self.loss = loss
                self._take(slice(output, output + 1), penalty, parameters)
            else:
                self.logits[:, output] = before

    def _take(self, outputs: slice, penalty: float, parameters: Parameters) -> None:
        self.penalties[outputs] = penalty
        for chosen, parameter in zip(self.parameters, parameters, strict=True):
            chosen[..., outputs] = parameter[..., outputs]


class Regression:
    """Regression on top of fixed logits, `offset` (N, K)."""

    def __init__(self, features: Features, objective: Objective, offset: Tensor) -> None:
        self.features, self.objective, self.offset = features, objective, offset
        self.outputs = offset.shape[1]

    def fit(self, matrix: TextMatrix, held_out: Tensor, remaining: Tensor) -> tuple[Tensor, Tensor]:
        """Chooses the penalty by the texts `held_out`, then fits all: coefficients (R, K) and bias (K,)."""
        held_out = held_out[: matrix.selection_size(HELD_OUT)]
        remaining = remaining[: matrix.selection_size(1 - HELD_OUT)]
        train, valid = matrix.subset(remaining), matrix.subset(held_out)
        choice = PenaltyChoice(self.objective.subset(held_out), self.zeros())
        parameters = self.zeros()
        for penalty in PENALTIES:
            parameters = self.minimise(train, remaining, penalty, parameters)
            if not choice.improved(penalty, parameters, self.logits(valid, held_out, parameters)):
                break  # smaller penalties overfit more
        parameters = self.minimise(matrix, torch.arange(matrix.texts), choice.penalties, choice.parameters)
        return self.features.combine(*parameters[:2]), parameters[2]

    def zeros(self) -> Parameters:
        """Returns parameters of zero."""
        features = self.features
        outputs = self.outputs
        shapes = (len(features.ngram_idf), outputs), (len(features.shared_idf), outputs), (outputs,)
        ngrams, shared, bias = (torch.zeros(shape) for shape in shapes)
        return ngrams, shared, bias

    def logits(self, matrix: TextMatrix, indices: Tensor, parameters: Parameters) -> Tensor:
        """The logits of the texts at `indices`, whose rows are `matrix`: (N, K)."""
        return matrix.logits(self.features.combine(*parameters[:2])) + parameters[2] + self.offset[indices]

    def minimise(self, matrix: TextMatrix, indices: Tensor, penalty: float | Tensor, start: Parameters) -> Parameters:
        """Minimises the penalised loss on the texts at `indices`, from `start`, by L-BFGS (Nocedal 1980).

        `penalty` is of all outputs, or (K,) of each.
        """
        ngrams, shared, bias = parameters = [parameter.clone() for parameter in start]
        objective = self.objective.subset(indices)
        transposed, decay = matrix.transposed(), penalty / len(indices)
        solver = Lbfgs(
            parameters, max_iter=ITERATIONS, history_size=HISTORY, line_search_fn="strong_wolfe", tolerance_change=1e-6
        )

        def loss() -> float:
            value, gradient = objective.loss_and_gradient(self.logits(matrix, indices, (ngrams, shared, bias)))
            by_ngram = transposed @ gradient
            by_shared = self.features.contained_in @ by_ngram
            ngrams.grad = self.features.ngram_idf[:, None] * by_ngram + decay * ngrams
            shared.grad = self.features.shared_idf[:, None] * by_shared + decay * shared
            bias.grad = gradient.sum(0)
            squares = (ngrams**2).sum(0) + (shared**2).sum(0)
            return value + float((decay * squares).sum()) / 2

        solver.step(loss)
        return ngrams, shared, bias
