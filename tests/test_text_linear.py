"""The linear model: naive Bayes without the text it judges, a regression that adds to it, and both as one bag."""

import math

import numpy as np
import pytest
import torch
from neocog.core.modules import Bag, NGrams
from neocog.text import begin, linear, runs
from neocog.text.linear import Regression, Rows, Scales, solved
from neocog.text.spelling import Spelling
from torch.nn import functional as F

WORDS = ["good", "goods", "goodly", "bad", "badly", "the", "of"]
SPELT = Spelling(WORDS)


def texts(count: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, 8) ids of WORDS, of which the first three stand for label 1 and the next two for label 0, and targets."""
    rng = np.random.default_rng(0)
    targets = torch.arange(count) % 2
    inputs = torch.zeros(count, 8, dtype=torch.int32)
    for at in range(count):
        told = rng.choice([0, 1, 2] if at % 2 else [3, 4], 2)
        some = np.concatenate([told, rng.choice(7, rng.integers(1, 4))]) + 2
        inputs[at, : len(some)] = torch.from_numpy(some)
    return inputs, targets


@pytest.fixture
def known() -> tuple[torch.Tensor, torch.Tensor, np.ndarray, torch.Tensor, Scales, Rows]:
    inputs, targets = texts()
    keys = runs.known(inputs, 2)
    counts = runs.present(inputs, targets, keys, 2, 3)
    scales = Scales.of(len(inputs), counts.sum(1), SPELT, runs.places(keys, len(WORDS) + 2)[2:])
    return inputs, targets, keys, counts, scales, Rows(runs.occurrences(inputs, keys, 3), scales.weigh())


def test_every_place_of_a_known_run_is_found(known):
    inputs, _, keys, _, _, rows = known
    slow = np.zeros((len(inputs), len(keys)))
    place = {int(key): at for at, key in enumerate(keys)}
    indices, numbers = next(iter(runs.numbered(inputs)))
    for at, part in zip(indices.tolist(), numbers, strict=True):
        for key in part:
            if int(key) in place:
                slow[at, place[int(key)]] += 1
    found = np.zeros_like(slow)
    found[rows.found.texts(), rows.found.runs] = rows.found.often
    np.testing.assert_array_equal(found, slow)


def test_a_row_has_length_one(known):
    """Counted with what its letters add: Σ often · weigh² of a text is its length squared."""
    *_, scales, rows = known
    texts = rows.found.texts()
    squares = torch.zeros(rows.texts).index_add_(
        0, texts, rows.found.often * (scales.weigh()[rows.found.runs] / rows.length[texts]) ** 2
    )
    torch.testing.assert_close(squares, torch.ones(rows.texts))


def test_naive_bayes_judges_a_text_by_the_others(known):
    """A slow sum in plain Python, each count less the text itself."""
    _, targets, _, counts, _, rows = known
    told = rows.left_out(counts, targets)
    sums = [float((counts[:, k] + 1).sum()) for k in (0, 1)]
    slow, parts = torch.zeros(rows.texts, 2), (rows.found.texts(), rows.found.runs, rows.found.often)
    for text, run, often in zip(*(each.tolist() for each in parts), strict=True):
        for k in (0, 1):
            mine = int(targets[text]) == k
            own, other = float(counts[run, k]) + 1 - mine, float(counts[run, 1 - k]) + 1 - (not mine)
            ratio = math.log(own / sums[k]) - math.log(other / sums[1 - k])
            slow[text, k] += often * ratio / float(rows.length[text])
    torch.testing.assert_close(told, slow, rtol=1e-3, atol=1e-3)


def test_words_that_share_letters_share_what_is_known():
    scales = Scales.of(18, torch.ones(7), SPELT, torch.arange(7))
    told = scales.by_letters(torch.tensor([[0.0, 9], [0, 0], [0, 0], [9, 0], [0, 0], [0, 0], [0, 0]]))
    assert told[2, 1] > 0.2 > -0.2 > told[4, 1] and told[5:].abs().sum() == 0
    torch.testing.assert_close(told[:, 0], -told[:, 1])


def test_the_regression_ends_where_the_slope_is_nothing(known, monkeypatch):
    """The loss written out with whole matrices, and torch's own derivative of it."""
    monkeypatch.setattr(linear, "STEPS", 500)
    _, targets, _, _, scales, rows = known
    before, held = torch.randn(rows.texts, 2, generator=torch.Generator().manual_seed(0)), 0.5
    regression = Regression(scales, targets, before)
    weights = regression.fitted(rows, torch.arange(rows.texts), held, regression.nothing())
    words, letters, bias = (each.clone().requires_grad_() for each in weights)
    says = scales.runs[:, None] * words + scales.holds.to_dense() @ (scales.letters[:, None] * letters)
    scores = rows.counts.to_dense() @ says + bias + before
    cost = held / 2 / rows.texts * (words.square().sum() + letters.square().sum())
    (F.cross_entropy(scores, targets) + cost).backward()
    assert all(float(each.grad.abs().max()) < 2e-3 for each in (words, letters, bias))
    assert float(words.detach().abs().max()) > 0.01


def test_a_bag_says_what_was_solved(known):
    inputs, targets, keys, *_ = known
    said = solved(inputs, targets, 2, keys, 3, SPELT, runs.places(keys, len(WORDS) + 2)[2:])
    ngrams, bag = NGrams(3, len(keys) + 1), Bag(len(keys) + 1, 2, static=True, unit=True)
    ngrams.keys.copy_(torch.from_numpy(keys))
    begin.put(bag, said)
    rows = Rows(runs.occurrences(inputs, keys, 3), said.weigh)
    expected = rows.through(said.weigh[:, None] * said.rows) + said.bias
    answers = bag(ngrams(inputs[:, None, None].float()))
    torch.testing.assert_close(answers, expected, rtol=1e-3, atol=1e-4)
    assert float((answers.argmax(1) == targets).float().mean()) > 0.9


def test_labels_drawn_by_chance_are_not_believed():
    """Texts left out are not fooled: the scores stay near nothing, and none is sure."""
    inputs, _ = texts(400)
    targets = torch.randint(0, 2, (400,), generator=torch.Generator().manual_seed(0))
    keys = runs.known(inputs, 2)
    said = solved(inputs, targets, 2, keys, 3, SPELT, runs.places(keys, len(WORDS) + 2)[2:])
    rows = Rows(runs.occurrences(inputs, keys, 3), said.weigh)
    sure = (rows.through(said.weigh[:, None] * said.rows) + said.bias).softmax(1).amax(1)
    assert float(sure.mean()) < 0.65


def test_some_texts_stand_for_all_where_the_memory_holds_no_more(monkeypatch):
    inputs, _ = texts()
    assert linear.judged(inputs, 2, 3).tolist() == list(range(60))
    monkeypatch.setattr(linear, "MOST_CELLS", 300)
    assert len(set(linear.judged(inputs, 30, 3).tolist())) == 10


@pytest.mark.parametrize("count", [2, 3, 20])
def test_few_texts_and_no_letters_are_enough(count):
    """Characters have no spelling; of two texts one is left out."""
    inputs, targets = (each[:count] for each in texts())
    keys = runs.known(inputs, 2)
    said = solved(inputs, targets, 2, keys, 3, None, runs.places(keys, len(WORDS) + 2)[2:])
    assert all(bool(torch.isfinite(each).all()) for each in said) and said.rows.shape == (len(keys), 2)
