"""Regression: metrics against scikit-learn, intervals by the bootstrap and by conformal prediction, its state."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from neocog.core import bootstrap
from neocog.core.data import Data, Examples
from neocog.core.problem import Problem
from neocog.core.targets import TargetSpec, column_of, joined
from neocog.core.tasks import Regress, task_of
from neocog.core.tasks.regress import conformal_quantile
from neocog.core.tasks.regress_metrics import regression_metrics
from sklearn import metrics as oracle
from torch.nn import functional as F

# --- metrics


@pytest.mark.parametrize("seed", range(20))
def test_metrics_equal_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    count, offset = int(rng.integers(2, 60)), float(rng.choice([0, 1e6]))
    targets = np.round(rng.standard_normal((count, 2)) * rng.choice([0.01, 1, 1000]), 1) + offset  # with ties
    targets[0] += 5.0
    predictions = targets + rng.standard_normal((count, 2)) * rng.choice([0, 1, 10])
    metrics = regression_metrics(predictions, targets, ["a", "b"])
    for index, value in enumerate(metrics["values"]):
        y, p = targets[:, index], predictions[:, index]
        assert value["mae"] == pytest.approx(oracle.mean_absolute_error(y, p), rel=1e-9, abs=1e-12)
        assert value["rmse"] == pytest.approx(oracle.root_mean_squared_error(y, p), rel=1e-9, abs=1e-12)
        assert value["r2"] == pytest.approx(oracle.r2_score(y, p), rel=1e-9, abs=1e-9)
        assert value["pearson"] == pytest.approx(np.corrcoef(y, p)[0, 1], rel=1e-9, abs=1e-9)
    assert metrics["value"] == pytest.approx(oracle.r2_score(targets, predictions), rel=1e-9, abs=1e-9)


def test_missing_targets_are_left_out_of_the_metrics():
    rng = np.random.default_rng(0)
    targets, predictions = rng.standard_normal((2, 40, 2))
    targets[::4, 1] = np.nan
    known = ~np.isnan(targets[:, 1])
    values = regression_metrics(predictions, targets, ["a", "b"])["values"]
    alone = regression_metrics(predictions[known, 1:], targets[known, 1:], ["b"])["values"][0]
    assert values[1] == alone and values[0]["examples"] == 40 and values[1]["examples"] == 30


def test_metrics_that_are_not_defined_are_none():
    constant = regression_metrics(np.array([[1.0], [2.0]]), np.array([[3.0], [3.0]]), ["a"])["values"][0]
    assert constant["r2"] is None and constant["pearson"] is None and constant["mae"] == 1.5
    single = regression_metrics(np.array([[1.0]]), np.array([[3.0]]), ["a"])["values"][0]
    assert single["r2"] is None and single["rmse"] == 2.0
    missing = regression_metrics(np.zeros((2, 1)), np.full((2, 1), np.nan), ["a"])["values"][0]
    assert missing["examples"] == 0 and missing["mae"] is None


def test_predictions_that_are_not_finite_are_a_problem():
    with pytest.raises(Problem, match="predictions are not finite numbers"):
        regression_metrics(np.array([[np.nan]]), np.array([[1.0]]), ["a"])


# --- intervals


def test_a_bootstrap_interval_covers_the_mean_as_often_as_it_says():
    """Of 200 samples of 60 exponential numbers, 95% of the intervals hold the mean, within 3 standard errors."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        values = rng.exponential(size=60)
        low, high = bootstrap.interval(lambda weights, values=values: weights @ values / weights.sum(1), 60, 300)
        covered += low <= 1.0 <= high
    assert 0.95 - 0.07 < covered / 200 < 0.95 + 0.046


def test_a_bootstrap_interval_is_the_same_twice_and_leaves_undefined_values_out():
    def statistic(weights):
        return np.where(weights[:, 0] > 0, weights[:, 0], np.nan)

    first, again = bootstrap.interval(statistic, 5), bootstrap.interval(statistic, 5)
    assert first.tolist() == again.tolist() and first[0] == 1.0


@pytest.mark.parametrize(("count", "level", "rank"), [(9, 0.9, 9), (19, 0.9, 18), (100, 0.9, 91), (8, 0.9, None)])
def test_the_conformal_quantile_is_the_ranked_error(count, level, rank):
    errors = np.random.default_rng(0).permutation(count) + 1.0
    assert conformal_quantile(errors, level) == rank


def test_conformal_intervals_cover_nine_tenths_of_new_examples():
    """The mean coverage over 200 calibration sets is 90% within a point, whatever the distribution of the errors."""
    rng = np.random.default_rng(1)
    task = Regress(["a"], [10.0], [2.0])
    shares = []
    for _ in range(200):
        errors = rng.exponential(size=(1100, 1)) * rng.choice([-1, 1], (1100, 1))
        targets = rng.standard_normal((1100, 1))
        predictions = task.in_units(targets) + errors
        calibrated = task.calibrated(predictions[:100], targets[:100])
        assert not calibrated.calibration_remarks
        shares.append(calibrated.metrics(predictions[100:], targets[100:])["values"][0]["coverage"])
    assert np.mean(shares) == pytest.approx(0.9, abs=0.01)


def test_too_few_validation_examples_give_no_intervals():
    task = Regress(["a"], [0.0], [1.0]).calibrated(np.zeros((8, 1)), np.ones((8, 1)))
    assert task.half_widths == [] and task.calibration_remarks == [
        "predictions have no intervals: 90% need 9 validation examples with each number"
    ]
    assert task.rows(torch.zeros(1, 1), 1) == [{"values": [{"name": "a", "value": 0.0}]}]


# --- targets, state, loss


def data_of(texts, columns=("a",)):
    """Data whose training examples have these texts as targets."""
    labels = sorted(set(texts))
    targets = torch.tensor([labels.index(text) for text in texts])
    train = Examples(torch.zeros(len(texts), 1), targets, [str(k) for k in range(len(texts))])
    empty = Examples(torch.zeros(0, 1), targets[:0], [])
    return Data(train, empty, empty, labels, {}, target_spec=TargetSpec("regress", columns))


def test_targets_are_standardised_and_go_back():
    data = data_of(["1", "2.5", "1e2", "-3"])
    task = Regress.from_data(data)
    encoded = task.encode(data).train.targets.numpy()
    numbers = np.array([[1.0], [2.5], [100.0], [-3.0]])
    np.testing.assert_allclose(encoded, (numbers - numbers.mean()) / numbers.std(), rtol=1e-6)
    np.testing.assert_allclose(task.in_units(encoded), numbers, rtol=1e-5)
    np.testing.assert_allclose(task.link(torch.from_numpy(encoded)).numpy(), numbers, rtol=1e-4)


def test_missing_cells_are_nan_and_count_neither_in_the_scale_nor_in_the_loss():
    data = data_of([joined(cells) for cells in (("1", "10"), ("3", ""), ("", "30"))], ("a", "b"))
    task = Regress.from_data(data)
    assert task.labels == ["a", "b"] and task.means == [2.0, 20.0] and task.stds == [1.0, 10.0]
    targets = task.encode(data).train.targets
    expected = torch.tensor([[-1.0, -1.0], [1.0, float("nan")], [float("nan"), 1.0]])
    assert torch.equal(targets.isnan(), expected.isnan()) and torch.equal(targets.nan_to_num(), expected.nan_to_num())
    logits = torch.zeros(3, 2, requires_grad=True)
    task.loss(logits, targets).backward()
    assert float(task.loss(logits.detach(), targets)) == pytest.approx(0.5)
    assert torch.equal(logits.grad == 0, targets.isnan())


def test_the_loss_of_a_batch_is_the_mean_of_those_of_its_parts():
    """Where numbers are missing too: then processes, and batches that are summed up, train alike."""
    rng = torch.Generator().manual_seed(0)
    data = data_of([joined(cells) for cells in (("1", "10"), ("3", ""), ("", "30"), ("4", ""))], ("a", "b"))
    task = Regress.from_data(data)
    assert task.known == [0.75, 0.5]
    targets = task.encode(data).train.targets
    logits = torch.randn(4, 2, generator=rng)
    parts = [float(task.loss(logits[rows], targets[rows])) * len(rows) / 4 for rows in ([0], [1, 2, 3])]
    assert float(task.loss(logits, targets)) == pytest.approx(sum(parts))
    errors = F.huber_loss(logits, targets.nan_to_num(), reduction="none") * ~targets.isnan()
    assert float(task.loss(logits, targets)) == pytest.approx(float((errors.sum(0) / torch.tensor([3, 2])).mean()))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [("squared", [0.0004, 0.25, 4.0]), ("huber", [0.0002, 0.125, 1.5]), ("absolute", [0.004, 0.475, 1.975])],
)
def test_known_losses(loss, expected):
    """Of errors of 0.02, 0.5 and 2 standard deviations, as tensors and as arrays."""
    task = replace(Regress(["a"], [0.0], [1.0]), regression_loss=loss)
    errors = torch.tensor([[0.02], [0.5], [2.0]])
    losses = [float(task.loss(error[None], torch.zeros(1, 1))) for error in errors]
    assert losses == pytest.approx(expected)
    assert task.example_losses(errors.numpy(), np.zeros((3, 1))).tolist() == pytest.approx(expected)


def test_the_loss_is_hubers_and_that_of_the_examples():
    rng = np.random.default_rng(0)
    task = Regress(["a", "b"], [5.0, -1.0], [2.0, 0.1])
    logits, targets = torch.from_numpy(rng.standard_normal((2, 50, 2)) * 2)
    loss = task.loss(logits, targets)
    assert float(loss) == pytest.approx(float(F.huber_loss(logits, targets)))
    losses = task.example_losses(task.link(logits).numpy(), targets.numpy())
    assert losses.mean() == pytest.approx(float(loss))


def test_numbers_in_words_have_their_interval():
    task = Regress(["price"], [0.0], [1.0], [2.5])
    (row,) = task.rows(torch.tensor([[12.0]]), 3)
    assert row == {"values": [{"name": "price", "value": 12.0, "interval": [9.5, 14.5]}]}
    assert task.row_text(row) == "price 12 (9.5 to 14.5)"
    assert task.csv_columns() == ["predicted", "predicted low", "predicted high"]
    assert task.csv_cells(row) == ["12", "9.5", "14.5"]


@pytest.mark.parametrize(
    "state",
    [{"means": [0.0], "stds": [1.0, 1.0]}, {"means": [float("nan")], "stds": [1.0]}, {"means": 3, "stds": [1.0]}],
)
def test_a_damaged_state_is_a_problem(state):
    with pytest.raises(Problem, match=r"the state of the task regress cannot be read: .* are not 1 finite numbers"):
        task_of("regress", ["a"], {"half_widths": [], **state})


def test_a_model_refuses_data_with_another_count_of_numbers():
    data = data_of([joined(("1", "2")), joined(("2", "3"))], ("a", "b"))
    with pytest.raises(Problem, match="the data have 2 numbers for each example, the model predicts 1: a; name"):
        Regress(["a"], [0.0], [1.0]).encode(data)


def test_labels_that_are_no_numbers_are_refused():
    with pytest.raises(Problem, match="an example has 'cat', which is not a number"):
        Regress.from_data(data_of(["cat", "dog"]))


# --- columns


@pytest.mark.parametrize(
    ("text", "name", "task"),
    [
        ("price", "price", None),
        ("price:regress", "price", "regress"),
        ("a:b", "a:b", None),
        ("a:b:regress", "a:b", "regress"),
    ],
)
def test_a_column_may_name_its_task(text, name, task):
    assert column_of(text) == (name, task) and str(column_of(text)) == text


def test_the_fields_of_targets_survive_toml_and_json():
    spec = TargetSpec("regress", ("a", "b:regress"))
    assert TargetSpec(**spec.to_dict()) == spec and TargetSpec().to_dict() == {}
