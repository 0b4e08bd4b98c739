"""Metrics compared with scikit-learn, torchmetrics, SciPy and a bootstrap."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from neocog.core.metrics import (
    MANY,
    calibration_error,
    calibration_interval,
    classes,
    classification_metrics,
    confusion,
    interval,
    log_loss,
    top,
)
from scipy.stats import binomtest
from sklearn import metrics
from torchmetrics.functional.classification import multiclass_calibration_error

LABELS = list("abcdefg")
K = len(LABELS)


def drawn(seed: int, examples: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Random probabilities that favour the targets, and the targets."""
    rng = np.random.default_rng(seed)
    targets = np.concatenate((np.arange(K), rng.choice(K, examples - K, p=rng.dirichlet(np.ones(K)))))
    logits = rng.normal(0, 2, (examples, K)) + 3 * np.eye(K)[targets]
    odds = np.exp(logits)
    return (odds / odds.sum(1, keepdims=True)).astype(np.float32), targets


@pytest.mark.parametrize("seed", range(5))
def test_metrics_agree_with_scikit_learn(seed):
    probabilities, targets = drawn(seed)
    predicted, labels = probabilities.argmax(1), np.arange(K)
    result = classification_metrics(probabilities, targets, LABELS)
    assert result["accuracy"] == pytest.approx(metrics.accuracy_score(targets, predicted))
    assert result["confusion"] == metrics.confusion_matrix(targets, predicted, labels=labels).tolist()
    assert result["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(targets, predicted))
    assert result["top5"] == pytest.approx(metrics.top_k_accuracy_score(targets, probabilities, k=5, labels=labels))
    assert result["log_loss"] == pytest.approx(metrics.log_loss(targets, probabilities, labels=labels), 1e-5)
    columns = metrics.precision_recall_fscore_support(targets, predicted, labels=labels)
    for name, column in zip(("precision", "recall", "f1", "examples"), columns, strict=True):
        assert [row[name] for row in result["classes"]] == pytest.approx(column.tolist())
    assert [row["label"] for row in result["classes"]] == LABELS
    assert result["examples"] == len(targets)


@pytest.mark.parametrize("seed", range(5))
def test_the_calibration_error_agrees_with_torchmetrics(seed):
    probabilities, targets = drawn(seed)
    theirs = multiclass_calibration_error(
        torch.from_numpy(probabilities), torch.from_numpy(targets), num_classes=K, n_bins=15, norm="l1"
    )
    assert calibration_error(probabilities, targets) == pytest.approx(theirs.item(), abs=1e-6)


def calibrated(rng: np.random.Generator, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of two labels that are right as often as they say."""
    confidence = rng.uniform(0.5, 1, examples)
    return np.stack((confidence, 1 - confidence), 1), (rng.uniform(size=examples) > confidence).astype(int)


def test_the_interval_of_the_calibration_error_of_few_examples_nearly_reaches_zero():
    """The error of 40 examples is large though their probabilities are right, and the interval says so."""
    rng = np.random.default_rng(0)
    lowest, errors = [], []
    for _ in range(20):
        probabilities, targets = calibrated(rng, 40)
        low, high = calibration_interval(probabilities, targets)
        error = calibration_error(probabilities, targets)
        assert 0 <= low <= error <= high <= 1
        lowest.append(low)
        errors.append(error)
    assert np.mean(errors) > 0.1 and np.mean(lowest) < 0.05


def test_the_interval_of_the_calibration_error_narrows_and_ends():
    rng = np.random.default_rng(1)
    few, many = (calibration_interval(*calibrated(rng, count)) for count in (100, 5000))
    assert many[1] - many[0] < (few[1] - few[0]) / 2
    assert calibration_interval(*calibrated(rng, MANY)) is None
    assert calibration_interval(*calibrated(np.random.default_rng(2), 50)) == calibration_interval(
        *calibrated(np.random.default_rng(2), 50)
    )


def test_predictions_as_confident_as_accurate_are_calibrated():
    """With 8 of 10 correct, a confidence of 0.8 has an error of 0, and one of 1 an error of 0.2."""
    targets = np.array([0] * 8 + [1] * 2)
    assert calibration_error(np.tile([0.8, 0.2], (10, 1)), targets) == pytest.approx(0)
    assert calibration_error(np.tile([1.0, 0.0], (10, 1)), targets) == pytest.approx(0.2)


def test_metrics_are_json():
    result = classification_metrics(*drawn(0), LABELS)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_a_row_of_the_confusion_is_a_true_label():
    assert confusion(np.array([1, 1, 2]), np.array([0, 0, 2]), 3).tolist() == [[0, 2, 0], [0, 0, 0], [0, 0, 1]]


def test_a_class_without_examples_has_no_recall_and_is_left_out_of_means():
    """A class that is never predicted has no precision, and one without either no F1."""
    probabilities = np.eye(4)[[0, 0, 1, 1]]
    result = classification_metrics(probabilities, np.array([0, 0, 1, 0]), ["a", "b", "c", "d"])
    assert result["classes"][2] == {"label": "c", "precision": None, "recall": None, "f1": None, "examples": 0}
    assert result["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    answered = classes(np.array([[1, 1], [0, 0]]), ["a", "b"])
    assert answered[1] == {"label": "b", "precision": 0.0, "recall": None, "f1": 0.0, "examples": 0}
    unanswered = classes(np.array([[1, 0], [1, 0]]), ["a", "b"])
    assert unanswered[1] == {"label": "b", "precision": None, "recall": 0.0, "f1": 0.0, "examples": 1}


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_contains_the_accuracy(counts):
    right, examples = counts
    low, high = interval(right, examples)
    assert 0 <= low <= right / examples <= high <= 1


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_the_wilson_interval_of_scipy(counts):
    right, examples = counts
    expected = binomtest(right, examples).proportion_ci(method="wilson")
    assert interval(right, examples) == pytest.approx(tuple(expected), abs=1e-6)


@pytest.mark.parametrize(("right", "examples"), [(150, 200), (190, 200), (30, 40), (480, 1000)])
def test_the_interval_agrees_with_the_bootstrap(right, examples):
    """Within two examples, or a tenth of its width."""
    correct = np.arange(examples) < right
    indices = np.random.default_rng(1).integers(0, examples, (4000, examples))
    resampled = np.quantile(correct[indices].mean(1), [0.025, 0.975])
    low, high = interval(right, examples)
    assert (low, high) == pytest.approx(tuple(resampled), abs=max(2 / examples, (high - low) / 10))


def test_the_interval_narrows_with_the_root_of_the_examples():
    def width(examples):
        low, high = interval(examples * 8 // 10, examples)
        return high - low

    assert width(100) / width(10_000) == pytest.approx(10, rel=0.1)
    assert width(400) == pytest.approx(2 * 1.96 * math.sqrt(0.8 * 0.2 / 400), rel=0.1)


def test_a_tie_counts_against_the_network():
    """Equal probabilities for all labels are counted as wrong."""
    equal = np.full((3, 6), 1 / 6)
    assert [top(equal, np.array([0, 3, 5]), k) for k in (1, 5, 6)] == [0, 0, 1]
    assert top(np.array([[0.4, 0.4, 0.2]]), np.array([0]), 1) == 0
    assert top(np.array([[0.4, 0.4, 0.2]]), np.array([0]), 2) == 1


@pytest.mark.parametrize("seed", range(3))
def test_top_k_is_the_accuracy_for_k_of_1_and_increases_with_k(seed):
    probabilities, targets = drawn(seed)
    shares = [top(probabilities, targets, k) for k in range(1, K + 1)]
    assert shares[0] == pytest.approx((probabilities.argmax(1) == targets).mean())
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_top_5_of_fewer_than_five_labels_is_1():
    assert classification_metrics(np.eye(2)[[0, 1]], np.array([1, 0]), ["a", "b"])["top5"] == 1


def test_a_certain_mistake_costs_27_6_and_not_infinitely_much():
    assert log_loss(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-math.log(1e-12))
    assert log_loss(np.array([[1.0, 0.0]]), np.array([0])) == 0
