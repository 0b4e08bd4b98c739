"""The linear model of texts: leave-one-out naive Bayes, regression on top of it, and the bag that holds both."""

import gc
import math
import weakref

import numpy as np
import pytest
import torch
from neocog.core.modules import Bag, NGrams
from neocog.text import initialize, linear, ngrams, solved
from neocog.text import neighbours as neighbours_module
from neocog.text.linear import Features, Objective, PenaltyChoice, Regression, Softmax, TextMatrix, solve
from neocog.text.neighbours import neighbours
from neocog.text.spelling import Spelling
from neocog.text.vectors import Vectors
from neocog.text.word_features import WordFeatures
from torch.nn import functional as F

WORDS = ["good", "goods", "goodly", "bad", "badly", "the", "of"]
SPELLING = Spelling(WORDS).features


def texts(count: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, 8) ids of WORDS and targets; the first three words indicate label 1, the next two label 0."""
    rng = np.random.default_rng(0)
    targets = torch.arange(count) % 2
    inputs = torch.zeros(count, 8, dtype=torch.int32)
    for row in range(count):
        indicators = rng.choice([0, 1, 2] if row % 2 else [3, 4], 2)
        ids = np.concatenate([indicators, rng.choice(7, rng.integers(1, 4))]) + 2
        inputs[row, : len(ids)] = torch.from_numpy(ids)
    return inputs, targets


@pytest.fixture
def known() -> tuple[torch.Tensor, torch.Tensor, np.ndarray, torch.Tensor, Features, TextMatrix]:
    inputs, targets = texts()
    keys = ngrams.select_ngrams(inputs, 2)
    frequency = ngrams.document_frequency(inputs, targets, keys, 2, 3)
    features = Features.of(len(inputs), frequency.sum(1), SPELLING, ngrams.unigram_index(keys, len(WORDS) + 2)[2:])
    matrix = TextMatrix(ngrams.count_in_texts(inputs, keys, 3), features.weights())
    return inputs, targets, keys, frequency, features, matrix


def test_every_occurrence_of_a_known_ngram_is_counted(known):
    inputs, _, keys, _, _, matrix = known
    expected = np.zeros((len(inputs), len(keys)))
    column = {int(key): index for index, key in enumerate(keys)}
    indices, hashes = next(iter(ngrams.hashed_batches(inputs)))
    for row, row_hashes in zip(indices.tolist(), hashes, strict=True):
        for key in row_hashes:
            if int(key) in column:
                expected[row, column[int(key)]] += 1
    counts = np.zeros_like(expected)
    counts[matrix.counts.rows(), matrix.counts.ngrams] = matrix.counts.counts
    np.testing.assert_array_equal(counts, expected)


def test_rows_have_length_one(known):
    """Σ counts · weights² of a text is its length squared, shared features included."""
    *_, features, matrix = known
    rows = matrix.counts.rows()
    squares = torch.zeros(matrix.texts).index_add_(
        0, rows, matrix.counts.counts * (features.weights()[matrix.counts.ngrams] / matrix.lengths[rows]) ** 2
    )
    torch.testing.assert_close(squares, torch.ones(matrix.texts))


def test_naive_bayes_leaves_each_text_out_of_its_counts(known):
    """Compared with a slow sum in plain Python."""
    _, targets, _, frequency, _, matrix = known
    logits = matrix.leave_one_out(frequency, targets)
    sums = [float((frequency[:, k] + 1).sum()) for k in (0, 1)]
    expected = torch.zeros(matrix.texts, 2)
    columns = (matrix.counts.rows(), matrix.counts.ngrams, matrix.counts.counts)
    for row, ngram, count in zip(*(column.tolist() for column in columns), strict=True):
        for k in (0, 1):
            is_target = int(targets[row]) == k
            label, rest = float(frequency[ngram, k]) + 1, float(frequency[ngram, 1 - k]) + 1
            label, rest = label - is_target, rest - (not is_target)
            ratio = math.log(label / sums[k]) - math.log(rest / sums[1 - k])
            expected[row, k] += count * ratio / float(matrix.lengths[row])
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-3)


def test_words_that_share_character_ngrams_share_log_ratios():
    features = Features.of(18, torch.ones(7), SPELLING, torch.arange(7))
    frequency = torch.tensor([[0.0, 9], [0, 0], [0, 0], [9, 0], [0, 0], [0, 0], [0, 0]])
    ratios = features.shared_log_ratios(frequency)
    assert ratios[2, 1] > 0.2 > -0.2 > ratios[4, 1] and ratios[5:].abs().sum() == 0
    torch.testing.assert_close(ratios[:, 0], -ratios[:, 1])


def test_neighbours_share_log_ratios(monkeypatch):
    """What is known of the labels of a word counts for the words of similar vectors, and for no other."""
    monkeypatch.setattr(neighbours_module, "NEIGHBOURS", 2)
    vectors = {2: [1.0, 0.1], 4: [1.0, 0.0], 5: [-1.0, 0.2], 7: [-1.0, -0.1]}
    shared = neighbours(Vectors({token_id: np.float32(vector) for token_id, vector in vectors.items()}, 2, []))
    features = Features.of(18, torch.ones(7), shared, torch.arange(7))
    frequency = torch.tensor([[0.0, 9], [0, 0], [0, 0], [9, 0], [0, 0], [0, 0], [0, 0]])
    ratios = features.shared_log_ratios(frequency)
    assert ratios[2, 1] > 0.2 > -0.2 > ratios[5, 1] and ratios[[1, 4, 6]].abs().sum() == 0


def test_the_nearest_neighbours_are_those_of_a_slow_search(monkeypatch):
    monkeypatch.setattr(neighbours_module, "NEIGHBOURS", 3)
    monkeypatch.setattr(neighbours_module, "MAX_CELLS", 100)  # several pieces
    monkeypatch.setattr(neighbours_module, "MAX_WORDS", 40)
    rows = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    shared = neighbours(Vectors(dict(zip(range(2, 52), rows, strict=True)), 4, []))
    unit = rows[:40] / np.linalg.norm(rows[:40], axis=1, keepdims=True)
    for word in range(40):
        expected = set(np.argsort(-(unit @ unit[word]))[:3].tolist())
        assert set(shared.feature_index[shared.word_index == word].tolist()) == expected and word in expected


def test_features_are_joined_side_by_side():
    joined = SPELLING.joined(WordFeatures(torch.tensor([6, 5]), torch.tensor([0, 1]), 2))
    assert joined.size == SPELLING.size + 2
    assert joined.feature_index[-2:].tolist() == [SPELLING.size, SPELLING.size + 1]


def test_the_regression_ends_where_the_gradient_is_zero(known, monkeypatch):
    """The loss with dense matrices, differentiated by autograd."""
    monkeypatch.setattr(linear, "ITERATIONS", 500)
    _, targets, _, _, features, matrix = known
    offset, penalty = torch.randn(matrix.texts, 2, generator=torch.Generator().manual_seed(0)), 0.5
    regression = Regression(features, Softmax(targets, 2), offset)
    parameters = regression.minimise(matrix, torch.arange(matrix.texts), penalty, regression.zeros())
    words, shared, bias = (parameter.clone().requires_grad_() for parameter in parameters)
    from_shared = features.contains.to_dense() @ (features.shared_idf[:, None] * shared)
    coefficients = features.ngram_idf[:, None] * words + from_shared
    logits = matrix.matrix.to_dense() @ coefficients + bias + offset
    cost = penalty / 2 / matrix.texts * (words.square().sum() + shared.square().sum())
    (F.cross_entropy(logits, targets) + cost).backward()
    assert all(float(parameter.grad.abs().max()) < 2e-3 for parameter in (words, shared, bias))
    assert float(words.detach().abs().max()) > 0.01


def squared(logits, targets):
    return ((logits - targets) ** 2).mean()


def test_each_output_has_the_penalty_of_its_lowest_held_out_loss():
    """Output k of three is right at the k-th penalty; all together are best at the second."""
    targets = torch.zeros(10, 3)
    choice = PenaltyChoice(Objective(targets, 3, squared), (torch.zeros(4, 3), torch.zeros(2, 3), torch.zeros(3)))
    errors = torch.tensor([[0.0, 1.0, 1.0], [0.5, 0.0, 0.5], [2.0, 2.0, 0.0]])
    improved = []
    for penalty, error in zip((10.0, 3.0, 1.0), errors, strict=True):
        parameters = tuple(torch.full_like(parameter, penalty) for parameter in choice.parameters)
        improved.append(choice.improved(penalty, parameters, targets + error))
    assert improved == [True, True, False]
    assert choice.penalties.tolist() == [10.0, 3.0, 1.0]
    assert all((parameter == choice.penalties).all() for parameter in choice.parameters)


def test_labels_that_exclude_one_another_have_one_penalty():
    targets = torch.tensor([0, 1, 2] * 4)
    choice = PenaltyChoice(Softmax(targets, 3), (torch.zeros(4, 3), torch.zeros(2, 3), torch.zeros(3)))
    right = F.one_hot(targets, 3).float()
    for penalty, sharpness in ((10.0, 1.0), (3.0, 2.0), (1.0, -1.0)):
        parameters = tuple(torch.full_like(parameter, penalty) for parameter in choice.parameters)
        choice.improved(penalty, parameters, sharpness * right)
    assert choice.penalties.tolist() == [3.0] * 3


def test_a_penalty_of_each_output_decays_its_coefficients(known):
    _, targets, _, _, features, matrix = known
    both = Objective(torch.stack([targets, targets], 1).float(), 2, F.binary_cross_entropy_with_logits)
    regression = Regression(features, both, torch.zeros(matrix.texts, 2))
    ngrams, *_ = regression.minimise(matrix, torch.arange(matrix.texts), torch.tensor([10.0, 0.1]), regression.zeros())
    assert float(ngrams[:, 0].norm()) < float(ngrams[:, 1].norm()) / 2


def test_a_bag_gives_the_logits_of_the_linear_model(known):
    inputs, targets, keys, *_ = known
    model = solve(inputs, Softmax(targets, 2), keys, 3, SPELLING, ngrams.unigram_index(keys, len(WORDS) + 2)[2:])
    layer, bag = NGrams(3, len(keys) + 1), Bag(len(keys) + 1, 2, static=True, unit=True)
    layer.keys.copy_(torch.from_numpy(keys))
    initialize.set_linear_model(bag, model)
    matrix = TextMatrix(ngrams.count_in_texts(inputs, keys, 3), model.weights)
    expected = matrix.logits(model.weights[:, None] * model.coefficients) + model.bias
    logits = bag(layer(inputs[:, None, None].float()))
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-4)
    assert float((logits.argmax(1) == targets).float().mean()) > 0.9


def test_random_labels_give_unconfident_predictions():
    inputs, _ = texts(400)
    targets = torch.randint(0, 2, (400,), generator=torch.Generator().manual_seed(0))
    keys = ngrams.select_ngrams(inputs, 2)
    model = solve(inputs, Softmax(targets, 2), keys, 3, SPELLING, ngrams.unigram_index(keys, len(WORDS) + 2)[2:])
    matrix = TextMatrix(ngrams.count_in_texts(inputs, keys, 3), model.weights)
    logits = matrix.logits(model.weights[:, None] * model.coefficients) + model.bias
    assert float(logits.softmax(1).amax(1).mean()) < 0.65


def test_large_sets_are_sampled(monkeypatch):
    inputs, _ = texts()
    assert linear.sample_texts(inputs, 2, 3).tolist() == list(range(60))
    monkeypatch.setattr(linear, "MAX_CELLS", 300)
    assert len(set(linear.sample_texts(inputs, 30, 3).tolist())) == 10


@pytest.mark.parametrize("count", [2, 3, 20])
def test_a_few_texts_without_spelling_are_enough(count):
    """Tokens that are characters have no spelling; of two texts one is held out."""
    inputs, targets = (tensor[:count] for tensor in texts())
    keys = ngrams.select_ngrams(inputs, 2)
    model = solve(inputs, Softmax(targets, 2), keys, 3, None, ngrams.unigram_index(keys, len(WORDS) + 2)[2:])
    assert all(bool(torch.isfinite(tensor).all()) for tensor in model) and model.coefficients.shape == (len(keys), 2)


def test_a_model_is_fitted_once_for_the_same_texts_targets_and_threads(monkeypatch):
    fits = []
    monkeypatch.setattr(solved, "solve", lambda *arguments: fits.append(1) or solve(*arguments))
    ids, targets = texts()
    inputs, keys = ids[:, None, None], ngrams.select_ngrams(ids, 2)
    features = (keys, 3, SPELLING, ngrams.unigram_index(keys, len(WORDS) + 2)[2:])
    first, again = (solved.solve_once(inputs, targets, 2, *features) for _ in range(2))
    assert len(fits) == 1
    for tensor, kept, expected in zip(first, again, solve(ids, Softmax(targets, 2), *features), strict=True):
        assert torch.equal(tensor, expected) and torch.equal(kept, expected)

    swapped = 1 - targets
    other = solved.solve_once(inputs, swapped, 2, *features)
    assert torch.equal(other.coefficients, solve(ids, Softmax(swapped, 2), *features).coefficients)
    assert len(fits) == 2
    solved.solve_once(inputs, swapped, 2, keys, 3, None, features[-1])
    solved.solve_once(inputs.clone(), swapped, 2, keys, 3, None, features[-1])
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        solved.solve_once(inputs, swapped, 2, keys, 3, None, features[-1])
    finally:
        torch.set_num_threads(threads)
    assert len(fits) == 5


def test_a_model_is_kept_no_longer_than_its_texts():
    ids, targets = texts(20)
    inputs, keys = ids[:, None, None], ngrams.select_ngrams(ids, 2)
    model = solved.solve_once(inputs, targets, 2, keys, 3, None, ngrams.unigram_index(keys, len(WORDS) + 2)[2:])
    coefficients = weakref.ref(model.coefficients)
    del model
    assert coefficients() is not None
    del inputs
    gc.collect()
    assert coefficients() is None
