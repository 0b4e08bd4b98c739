"""Temperature, abstention and label sets: fitted on validation predictions, kept in the model file."""

import json

import neocog
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from neocog.core import checkpoint
from neocog.core.calibration import (
    AnsweredPoint,
    answered_curve,
    calibrate,
    fit_temperature,
    label_sets,
    set_quantiles,
    tempered,
    threshold_for,
)
from neocog.core.metrics import calibration_error, log_losses
from neocog.core.problem import Problem
from neocog.core.tasks import Classify, task_of
from test_contract import SMALL, pictures
from test_tasks import Ordinal


def drawn(count: int, sharpness: float = 1.0, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of logits that are `sharpness` times too large, and labels drawn from the right ones."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(count, classes))
    right = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (rng.random(count)[:, None] > right.cumsum(1)).sum(1)
    return tempered(right, 1 / sharpness), labels


# --- temperature


@pytest.mark.parametrize("sharpness", [0.5, 2.0, 4.0])
def test_the_temperature_is_the_one_that_was_planted(sharpness):
    assert fit_temperature(*drawn(20_000, sharpness)) == pytest.approx(sharpness, rel=0.05)


def test_the_temperature_is_that_of_scikit_learn():
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(3000, 5)), rng.integers(0, 3, 3000)
    labels = np.where(x[:, 0] > 0.3, 0, labels)
    classifier = LogisticRegression(C=1e3).fit(x[:40], labels[:40])  # few examples: too confident
    oracle = CalibratedClassifierCV(FrozenEstimator(classifier), method="temperature").fit(x[40:], labels[40:])
    probabilities = classifier.predict_proba(x[40:])
    mine = tempered(probabilities, fit_temperature(probabilities, labels[40:]))
    np.testing.assert_allclose(mine, oracle.predict_proba(x[40:]), atol=2e-3)


def test_a_temperature_of_one_changes_nothing_and_its_inverse_undoes_it():
    probabilities, _ = drawn(50)
    np.testing.assert_allclose(tempered(probabilities, 1.0), probabilities, atol=1e-12)
    np.testing.assert_allclose(tempered(tempered(probabilities, 3.0), 1 / 3.0), probabilities, atol=1e-9)


def test_predictions_that_are_all_correct_keep_a_temperature_near_one():
    probabilities = np.full((100, 3), 0.01)
    probabilities[:, 0] = 0.98
    assert 0.4 < calibrate(probabilities, np.zeros(100, dtype=int)).temperature <= 1


def test_probabilities_that_are_right_keep_a_temperature_of_one():
    temperatures = [calibrate(*drawn(300, seed=seed)).temperature for seed in range(20)]
    assert sum(temperature == 1 for temperature in temperatures) >= 14
    assert all(0.75 < temperature < 1.35 for temperature in temperatures)


def test_impossible_labels_stay_impossible():
    probabilities, labels = drawn(500, 2.0)
    probabilities[:, 3] = 0
    probabilities /= probabilities.sum(1, keepdims=True)
    keep = labels < 3
    fitted = fit_temperature(probabilities[keep], labels[keep])
    assert 1.5 < fitted < 2.5 and float(tempered(probabilities, fitted)[:, 3].max()) < 1e-4


def test_the_log_loss_and_the_calibration_error_fall():
    calibration = calibrate(*drawn(1000, 3.0, seed=1))
    probabilities, labels = drawn(5000, 3.0, seed=2)
    after = tempered(probabilities, calibration.temperature)
    assert log_losses(after, labels).mean() < log_losses(probabilities, labels).mean()
    assert calibration_error(after, labels) < calibration_error(probabilities, labels) / 4


def test_few_examples_fit_nothing():
    assert calibrate(*drawn(29, 3.0)) == (1.0, (), {})


# --- abstention


def test_the_curve_goes_from_the_most_confident_example_to_all():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.55, 0.45]])
    curve = answered_curve(probabilities, np.array([0, 1, 1, 0]))
    assert [tuple(point) for point in curve] == [
        (0.9, 0.25, 1.0), (0.8, 0.5, 1.0), (0.6, 0.75, 0.666667), (0.55, 1.0, 0.75),
    ]  # fmt: skip
    assert threshold_for(curve, 0.9) == AnsweredPoint(0.8, 0.5, 1.0)
    assert threshold_for(curve, 0.7) == AnsweredPoint(0.55, 1.0, 0.75)


def test_no_threshold_reaches_what_no_example_reaches():
    assert threshold_for(answered_curve(np.array([[0.9, 0.1]]), np.array([1])), 0.5) is None


def test_a_curve_of_many_examples_has_a_hundred_points_and_its_ends():
    curve = answered_curve(*drawn(5000))
    assert len(curve) == 100 and curve[-1].answered == 1 and curve[0].answered == pytest.approx(1 / 5000)


def test_the_target_accuracy_is_about_reached_on_new_examples():
    calibration = calibrate(*drawn(4000, 2.0, seed=3))
    point = threshold_for(calibration.curve, 0.9)
    probabilities, labels = drawn(20_000, 2.0, seed=4)
    probabilities = tempered(probabilities, calibration.temperature)
    answered = probabilities.max(1) >= point.threshold
    assert 0.05 < answered.mean() < 0.5
    assert (probabilities.argmax(1) == labels)[answered].mean() == pytest.approx(0.9, abs=0.03)


# --- label sets


@pytest.mark.parametrize("count", [100, 1000])
def test_label_sets_cover_as_promised_over_20_draws_of_the_calibration_examples(count):
    probabilities, labels = drawn(10_000, 2.0, seed=5)
    coverages = []
    for seed in range(20):
        calibration = calibrate(*drawn(count, 2.0, seed=100 + seed))
        members = label_sets(tempered(probabilities, calibration.temperature), calibration.quantiles["0.9"])
        coverages.append(members[np.arange(len(labels)), labels].mean())
    assert np.mean(coverages) == pytest.approx(0.9, abs=0.01)


@given(st.integers(30, 80), st.integers(0, 50))
def test_the_quantile_is_the_rank_of_split_conformal_prediction(count, seed):
    probabilities, labels = drawn(count, seed=seed)
    scores = np.sort(1 - probabilities[np.arange(count), labels])
    quantiles = set_quantiles(probabilities, labels)
    assert quantiles["0.9"] == scores[int(np.ceil((count + 1) * 0.9)) - 1]
    assert quantiles["0.99"] == 1.0  # fewer than 99 examples: only the set of all labels is sure


def test_a_set_is_never_empty():
    assert label_sets(np.array([[0.4, 0.35, 0.25]]), 0.1).tolist() == [[True, False, False]]


# --- the task and its card

CURVE = (AnsweredPoint(0.9, 0.5, 1.0), AnsweredPoint(0.4, 1.0, 0.8))
TASK = Classify(["a", "b", "c"], (3, 3, 3), 2.0, CURVE, {"0.9": 0.75, "0.99": 1.0})


def test_the_state_survives_a_card():
    state = json.loads(json.dumps(TASK.state()))
    assert task_of("classify", TASK.labels, state) == TASK
    assert task_of("classify", TASK.labels, {}) == Classify(TASK.labels)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"temperature": 0.0}, "temperature is from 0.05 to 20"),
        ({"curve": [[1, 2]]}, "curve"),
        ({"counts": "9"}, "counts"),
    ],
)
def test_a_damaged_state_is_a_problem(state, message):
    with pytest.raises(Problem, match=f"the state of the task classify cannot be read: {message}"):
        task_of("classify", ["a", "b"], state)


def test_the_temperature_divides_the_logits():
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    torch.testing.assert_close(TASK.link(logits), (logits / 2).softmax(1))


def test_rows_say_unsure_and_list_label_sets():
    task = TASK.deciding("0.8", 0.9)
    rows = task.rows(torch.tensor([[0.85, 0.1, 0.05], [0.5, 0.3, 0.2]]), 1)
    assert rows[0]["unsure"] is False and rows[0]["label_set"] == ["a"]
    assert rows[1]["unsure"] is True and rows[1]["label_set"] == ["a", "b"]
    assert task.row_text(rows[1]) == "unsure (a 50.0%)  {a, b}"
    assert task.csv_columns() == ["predicted", "probability", "unsure", "label_set"]
    assert task.csv_cells(rows[1]) == ["a", "0.5000", "true", "a|b"]
    assert task.window_rows(torch.tensor([[0.5, 0.3, 0.2]])) == [{"label": "a", "probability": 0.5}]


def test_metrics_say_what_is_answered_and_covered():
    probabilities = np.array([[0.85, 0.1, 0.05], [0.5, 0.3, 0.2]])
    metrics = TASK.deciding("0.8", 0.9).metrics(probabilities, np.array([0, 2]))
    assert metrics["abstention"] == {"threshold": 0.8, "answered": 0.5, "accuracy": 1.0}
    assert metrics["label_sets"] == {"coverage": 0.5, "mean_size": 1.5}
    assert metrics["uncalibrated"]["log_loss"] == pytest.approx(
        log_losses(tempered(probabilities, 0.5), np.array([0, 2])).mean()
    )


def test_an_accuracy_takes_the_threshold_of_the_validation_split():
    assert TASK.deciding("accuracy=0.95").threshold == 0.9 and TASK.deciding("accuracy=0.8").threshold == 0.4


@pytest.mark.parametrize(
    ("abstain", "coverage", "message"),
    [
        ("maybe", None, "--abstain is a probability, such as 0.8, or an accuracy to reach, accuracy=0.95; got maybe"),
        ("1.5", None, "--abstain is a probability"),
        ("recall=0.9", None, "--abstain is a probability"),
        (None, 0.999, "--label-sets is a coverage above 0 and up to 0.99; got 0.999"),
        (None, 0.0, "--label-sets is a coverage above 0 and up to 0.99; got 0"),
    ],
)
def test_decisions_that_are_refused(abstain, coverage, message):
    with pytest.raises(Problem, match=message):
        TASK.deciding(abstain, coverage)


def test_an_accuracy_that_was_not_reached_is_refused():
    task = Classify(["a", "b"], (3, 3), 1.0, (AnsweredPoint(0.9, 1.0, 0.8),), {"0.9": 1.0})
    with pytest.raises(Problem, match=r"no threshold reached an accuracy of 90.0% .* the highest is 80.0%"):
        task.deciding("accuracy=0.9")


@pytest.mark.parametrize(("abstain", "coverage"), [("accuracy=0.9", None), (None, 0.9)])
def test_a_model_without_calibration_refuses_what_needs_it(abstain, coverage):
    with pytest.raises(Problem, match="needs what a validation split of 30 examples or more gives in training"):
        Classify(["a", "b"]).deciding(abstain, coverage)


def test_another_task_has_no_decisions():
    with pytest.raises(Problem, match="--abstain and --label-sets are for classification"):
        Ordinal(["a", "b"]).deciding("0.9")


def test_training_fits_the_temperature_and_predict_uses_it(command, tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    files, run = pictures(tmp_path / "files"), tmp_path / "run"
    neocog.train(
        "vision", str(files), network=SMALL["vision"], out=str(run), epochs=1, batch=8, device="cpu",
        options={}, smoothing=0.3,
    )  # fmt: skip
    state = checkpoint.card(run / "model.safetensors").task_state
    assert sum(state["counts"]) == json.loads((run / "summary.json").read_text())["counts"]["train"]
    picture = next(files.rglob("*.png"))
    code, out, err = command("predict", run, picture, "--abstain", "0.99", "--json")
    assert code == 0 and json.loads(out)[0]["unsure"] is True
    code, out, _ = command("evaluate", run, files, "--abstain", "0.99", "--json", "--quiet")
    assert code == 0 and 0 <= json.loads(out)["abstention"]["answered"] <= 1
    code, _, err = command("predict", run, picture, "--label-sets", "0.9")
    assert code == 2 and "--label-sets needs what a validation split of 30 examples" in err
