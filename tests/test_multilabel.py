"""Several labels for an example: reading them, thresholds, and metrics against scikit-learn."""

import json
import warnings

import numpy as np
import pytest
import torch
from neocog.commands import parsing
from neocog.core.calibration import label_temperatures, tempered_labels
from neocog.core.data import Data, DataSpec, Examples
from neocog.core.metrics import decision_calibration_error
from neocog.core.problem import Problem
from neocog.core.targets import TargetSpec, joined
from neocog.core.tasks import Multilabel, task_of
from neocog.core.tasks.multilabel import missed_and_invented, together
from neocog.core.tasks.multilabel_metrics import (
    SHARED,
    Decisions,
    average_precisions,
    best_threshold,
    label_thresholds,
    multilabel_metrics,
)
from neocog.text import DOMAIN as TEXT
from sklearn import metrics as oracle
from torch.nn import functional as F

# --- metrics


@pytest.mark.parametrize("seed", range(20))
def test_metrics_equal_scikit_learn(seed):
    """On random cases with ties, labels that no example has, and a single label."""
    rng = np.random.default_rng(seed)
    count, labels = int(rng.integers(1, 60)), int(rng.integers(1, 7))
    scores = rng.integers(0, 6, (count, labels)) / 5.0  # with ties
    true = rng.random((count, labels)) < rng.random(labels) * 0.6
    thresholds = rng.choice([0.2, 0.5, 0.9], labels)
    names = [f"l{k}" for k in range(labels)]
    metrics = multilabel_metrics(scores, true.astype(np.float32), names, thresholds.tolist())
    predicted = scores >= thresholds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        each = [oracle.f1_score(true[:, k], predicted[:, k], zero_division=np.nan) for k in range(labels)]
        each = [score if true[:, k].any() or predicted[:, k].any() else np.nan for k, score in enumerate(each)]
        macro = float(np.nanmean(each)) if np.isfinite(each).any() else None
        flat = true.ravel(), predicted.ravel()
        micro = oracle.f1_score(*flat, zero_division=0)
    assert metrics["macro_f1"] == (None if macro is None else pytest.approx(macro, abs=1e-9))
    assert metrics["micro_f1"] == pytest.approx(micro, abs=1e-9)
    assert metrics["hamming_loss"] == pytest.approx(np.mean(true != predicted), abs=1e-9)
    assert metrics["subset_accuracy"] == pytest.approx(np.mean((true == predicted).all(1)), abs=1e-9)
    for k, row in enumerate(metrics["classes"]):
        if true[:, k].any():
            expected = oracle.average_precision_score(true[:, k], scores[:, k])
            assert row["average_precision"] == pytest.approx(expected, abs=1e-9)
        else:
            assert row["average_precision"] is None
        assert row["f1"] == (None if np.isnan(each[k]) else pytest.approx(each[k], abs=1e-9))
        assert (row["examples"], row["predicted"]) == (true[:, k].sum(), predicted[:, k].sum())


def test_the_interval_of_the_average_precision_is_that_of_resampled_examples():
    """The weighted average precision of a resample equals scikit-learn's on the examples drawn."""
    rng = np.random.default_rng(0)
    scores, true = rng.integers(0, 8, (40, 1)) / 7.0, rng.random((40, 1)) < 0.4
    from neocog.core.tasks.multilabel_metrics import _average_precision

    weights = rng.multinomial(40, np.full(40, 1 / 40), size=20).astype(float)
    ours = _average_precision(scores[:, 0], true[:, 0], weights)
    expected = [oracle.average_precision_score(true[:, 0], scores[:, 0], sample_weight=row) for row in weights]
    np.testing.assert_allclose(ours, expected, atol=1e-9)
    assert np.isnan(average_precisions(scores, np.zeros_like(true))[0])


def test_the_threshold_has_the_highest_f1_of_all():
    rng = np.random.default_rng(0)
    for _ in range(50):
        scores, true = rng.integers(0, 10, 30) / 9.0, rng.random(30) < 0.3
        if not true.any():
            continue
        threshold, f1 = best_threshold(scores, true)
        candidates = [oracle.f1_score(true, scores >= cut, zero_division=0) for cut in np.linspace(-0.01, 1.01, 200)]
        assert f1 == pytest.approx(max(candidates)) == oracle.f1_score(true, scores >= threshold)


# --- thresholds and rows


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_of_a_label_has_the_highest_f1_of_its_examples_and_a_share_of_all(seed):
    """Of all midpoints between two scores."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 12, (20, 3)) / 12
    true = rng.random((20, 3)) < scores
    weight = SHARED / true.sum()

    def smoothed_f1(k: int, threshold: float) -> float:
        own, pooled = scores[:, k] >= threshold, scores >= threshold
        correct = (own & true[:, k]).sum() + weight * (pooled & true).sum()
        return 2 * correct / (own.sum() + true[:, k].sum() + weight * (pooled.sum() + true.sum()))

    for k, threshold in enumerate(label_thresholds(scores, true)):
        midpoints = (np.arange(12) - 0.5) / 12
        assert smoothed_f1(k, threshold) == pytest.approx(max(smoothed_f1(k, point) for point in midpoints))


def test_one_example_does_not_decide_the_threshold_of_its_label():
    """The rare label's only example has a low score; its own best threshold would be below that of 40 others."""
    rng = np.random.default_rng(0)
    true = np.zeros((400, 5), bool)
    true[:, :4] = rng.random((400, 4)) < 0.3
    scores = np.where(true, rng.uniform(0.4, 1, (400, 5)), rng.uniform(0, 0.5, (400, 5)))
    true[0, 4], scores[:, 4] = True, rng.uniform(0, 0.3, 400)
    scores[0, 4] = 0.25
    assert best_threshold(scores[:, 4], true[:, 4])[0] < 0.3 < 0.4 < label_thresholds(scores, true)[4]


def test_a_label_without_a_validation_example_takes_the_common_threshold():
    rng = np.random.default_rng(0)
    targets = (rng.random((60, 3)) < 0.4).astype(np.float32)
    targets[:, 2] = 0
    predictions = (0.2 * targets + 0.6 * rng.random((60, 3))).astype(np.float32)
    task = Multilabel(["a", "b", "c"]).calibrated(predictions, targets)
    assert task.thresholds[2] == task.threshold == best_threshold(predictions.ravel(), targets.ravel() > 0.5)[0]
    assert (
        task.thresholds[:2] == label_thresholds(predictions, targets > 0.5)[:2] and task.thresholds[1] < task.threshold
    )
    (remark,) = task.calibration_remarks
    assert remark.startswith("no validation example has the label c: predicted from the common threshold, ")
    assert Multilabel.from_state(task.labels, json.loads(json.dumps(task.state()))) == task


def test_without_validation_labels_are_predicted_from_one_half_on():
    task = Multilabel(["a", "b"])
    (row,) = task.rows(torch.tensor([[0.5, 0.49]]), 5)
    assert row == {
        "labels": ["a"],
        "predictions": [{"label": "a", "probability": 0.5}, {"label": "b", "probability": pytest.approx(0.49)}],
    }
    assert task.calibration_remarks == [
        "there is no validation split to find thresholds on: labels are predicted from 50% on"
    ]


def test_the_labels_of_a_row_are_those_above_their_thresholds_the_most_probable_first():
    task = Multilabel(["a", "b", "c"], [0.1, 0.9, 0.3], 0.5)
    none, both = task.rows(torch.tensor([[0.05, 0.8, 0.2], [0.2, 0.1, 0.7]]), 1)
    assert none["labels"] == [] and both["labels"] == ["c", "a"] and len(both["predictions"]) == 1
    assert task.row_text(none) == "no label  (b 80.0%)" and task.row_text(both) == "c, a  (c 70.0%)"
    assert task.csv_cells(both) == ["c|a", "c", "0.7000"]
    assert task.default_outputs(torch.tensor([0.05, 0.8, 0.2])) == [1]
    assert task.default_outputs(torch.tensor([0.2, 0.1, 0.7])) == [2, 0]


def test_the_loss_is_torchs_and_that_of_the_examples():
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.standard_normal((20, 4)))
    targets = torch.from_numpy((rng.random((20, 4)) < 0.3).astype(np.float64))
    task = Multilabel(list("abcd"))
    loss = float(task.loss(logits, targets, 0.2))
    assert loss == pytest.approx(float(F.binary_cross_entropy_with_logits(logits, targets)))
    assert task.example_losses(task.link(logits).numpy(), targets.numpy()).mean() == pytest.approx(loss)


def test_missed_and_invented_labels_are_counted_with_each_other():
    true = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]], bool)
    predicted = np.array([[0, 1, 1], [1, 1, 0], [0, 0, 0]], bool)
    probabilities = np.array([[0.1, 0.6, 0.9], [0.9, 0.9, 0.1], [0.1, 0.1, 0.2]])
    assert missed_and_invented(Decisions(true, predicted), probabilities) == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert together(Decisions(true, predicted)) == [[0, 1, 1, 1]]


@pytest.mark.parametrize("state", [{"thresholds": [0.5]}, {"thresholds": [0.5, float("nan")]}, {"thresholds": 1}])
def test_a_damaged_state_is_a_problem(state):
    with pytest.raises(Problem, match="the state of the task multilabel cannot be read: thresholds are not"):
        task_of("multilabel", ["a", "b"], {"threshold": 0.5, "without_own": [], **state})


# --- targets


WORDS = ("purring", "barking", "singing", "sleeping")


def lists(separator):
    """42 texts about one or two animals, with their labels."""
    names = [("cat",), ("dog",), ("bird",), ("cat", "dog"), ("dog", "bird"), ("cat", "bird")]
    rows = [names[k % len(names)] for k in range(42)]
    return [
        (f"the {' and '.join(row)} number {k} is {WORDS[k % 4]}", separator.join(row)) for k, row in enumerate(rows)
    ]


def saved(folder, rows, header=("text", "animals"), name="t.tsv"):
    lines = ["\t".join(header), *("\t".join(row) for row in rows)]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


def load(path, unknown="stop", **targets):
    options = {"cache": path.parent / "cache"}
    return TEXT.load(DataSpec(str(path), targets=TargetSpec(**targets), options=options, unknown=unknown), None, None)


def encoded(data):
    task = Multilabel.from_data(data)
    return task, task.encode(data)


@pytest.mark.parametrize("separator", ["|", ",", ";", " "])
def test_lists_in_cells_are_several_labels(tmp_path, separator):
    rows = lists(separator)
    data = load(saved(tmp_path, rows), columns=("animals",))
    assert data.target_spec == TargetSpec("multilabel", ("animals",), separator)
    assert any("taken as multilabel; --task classify says each is one class" in remark for remark in data.remarks)
    task, data = encoded(data)
    assert task.labels == ["bird", "cat", "dog"]
    sets = dict(rows)
    for examples in data.splits.values():
        for text, target in zip(examples.originals, examples.targets, strict=True):
            assert {task.labels[k] for k in target.nonzero()[:, 0]} == set(sets[text].split(separator))


def test_columns_of_0_and_1_are_several_labels(tmp_path):
    rows = [(f"text number {k}", str(k % 2), str(int(k % 3 == 0))) for k in range(40)]
    data = load(saved(tmp_path, rows, ("text", "odd", "third")))
    assert data.target_spec == TargetSpec("multilabel", ("odd", "third"))
    assert "columns odd and third: only 0 and 1, taken as multilabel; --task says something else" in data.remarks
    task, data = encoded(data)
    assert task.labels == ["odd", "third"] and sum(len(split) for split in data.splits.values()) == 40
    assert data.train.targets.unique().tolist() == [0.0, 1.0]


def test_a_cell_of_such_a_column_that_is_neither_is_a_bad_row(tmp_path):
    rows = [(f"text number {k}", "2" if k == 7 else str(k % 2), str(int(k % 3 == 0))) for k in range(40)]
    (bad,) = load(saved(tmp_path, rows, ("text", "odd", "third")), task="multilabel", columns=("odd", "third")).bad
    assert bad.file.endswith("t.tsv:9") and bad.reason == "has '2' in the column odd; expected 0 or 1"


def test_a_file_names_labels_that_are_numbers(tmp_path):
    numbers = {"cat": "0", "dog": "1", "bird": "2"}
    rows = [(text, ",".join(numbers[name] for name in cell.split(","))) for text, cell in lists(",")]
    (tmp_path / "names.txt").write_text("Cat\nDog\nBird\n")
    spec = parsing.targets(label_names=tmp_path / "names.txt", columns=["animals"])
    data = load(saved(tmp_path, rows), **spec.to_dict())
    task, _ = encoded(data)
    assert task.labels == ["Cat", "Dog", "Bird"]
    rows[5] = rows[5][0], "3"
    (bad,) = load(saved(tmp_path, rows, name="u.tsv"), **spec.to_dict()).bad
    assert bad.reason == "has the label '3'; --label-names has names for 0 to 2"


def test_a_file_of_names_that_are_alike_is_refused(tmp_path):
    (tmp_path / "names.txt").write_text("cat\n\ncat\n")
    with pytest.raises(Problem, match="holds 3 lines, some empty or alike; expected a different name in each"):
        parsing.targets(label_names=tmp_path / "names.txt")


def test_a_label_that_no_training_example_has_is_refused_or_left_out(tmp_path):
    rows = [(text, cell, "test" if k % 5 == 0 else "train") for k, (text, cell) in enumerate(lists("|"))]
    rows[0] = rows[0][0], "cat|fish", "test"
    path = saved(tmp_path, rows, ("text", "animals", "split"))
    with pytest.raises(Problem, match=r"training does not know the label fish \(1 text\); it knows bird, cat, dog"):
        load(path, columns=("animals",))
    data = load(path, "skip", columns=("animals",))
    assert "left labels that are not known out of texts with others: fish" in data.remarks
    task, data = encoded(data)
    assert task.labels == ["bird", "cat", "dog"] and sum(data.counts.values()) == 42


def test_a_label_that_all_examples_have_is_pointed_out(tmp_path):
    rows = [(text, f"animal|{cell}") for text, cell in lists("|")]
    path = saved(tmp_path, rows)
    remark = "all examples have the label animal: there is nothing to learn about it"
    assert remark in load(path, columns=("animals",)).remarks
    findings = TEXT.check(DataSpec(str(path), targets=TargetSpec(columns=("animals",))))
    assert remark in findings["problems"] and findings["task"] == "multilabel"
    assert findings["labels"]["dog"] == 21 and findings["labels_per_example"] == {"2": 21, "3": 21}


def data_of(texts, spec):
    labels = sorted(set(texts))
    targets = torch.tensor([labels.index(text) for text in texts])
    empty = Examples(torch.zeros(0, 1), targets[:0], [])
    return Data(Examples(torch.zeros(len(texts), 1), targets, texts), empty, empty, labels, {}, target_spec=spec)


def test_data_without_anything_to_learn_are_refused():
    spec = TargetSpec("multilabel", ("a", "b"))
    with pytest.raises(Problem, match="no training example has a label"):
        Multilabel.from_data(data_of([joined(("0", "0"))] * 3, spec))
    with pytest.raises(Problem, match="all training examples have the same labels, a, b; expected some that differ"):
        Multilabel.from_data(data_of(["a|b"] * 3, TargetSpec("multilabel")))


def test_more_labels_than_a_model_can_have_are_refused():
    texts = [f"l{k}|l{k + 1}" for k in range(0, 10_000, 2)]
    with pytest.raises(Problem, match="the data have 10,000 different labels; at most 5,000 are possible"):
        Multilabel.from_data(data_of(texts, TargetSpec("multilabel")))


def test_strata_are_the_rarest_labels():
    texts = ["a", "a", "a|b", "a|c", "c", ""]
    assert Multilabel.strata(texts, TargetSpec("multilabel")) == ["a", "a", "b", "c", "c", ""]


# --- temperatures


def drawn(count, sharpness, seed=0):
    """Probabilities of logits that are `sharpness` times too large, a factor for each label, and drawn labels."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.standard_normal((count, len(sharpness))) - 0.5
    true = rng.random(logits.shape) < 1 / (1 + np.exp(-logits))
    return 1 / (1 + np.exp(-logits * np.array(sharpness))), true


def test_each_label_gets_the_temperature_that_was_planted_and_a_rare_one_none():
    probabilities, true = drawn(20_000, [0.5, 1.0, 3.0, 3.0])
    true[:, 3] = np.arange(len(true)) < 9
    temperatures = label_temperatures(probabilities, true)
    assert temperatures[0] == pytest.approx(0.5, rel=0.05) and temperatures[2] == pytest.approx(3.0, rel=0.05)
    assert temperatures[1] == pytest.approx(1.0, rel=0.05) and temperatures[3] == 1.0
    again = tempered_labels(tempered_labels(probabilities, temperatures), 1 / np.array(temperatures))
    np.testing.assert_allclose(again, probabilities, atol=1e-9)


def test_temperatures_move_probabilities_and_thresholds_alike():
    labels = ["a", "b"]
    probabilities, true = drawn(3000, [3.0, 0.4])
    logits = torch.from_numpy(np.log(probabilities) - np.log1p(-probabilities))
    plain = Multilabel(labels).calibrated(probabilities, true.astype(np.float32))
    assert len(plain.temperatures) == 2
    before = Multilabel(labels, [best_threshold(probabilities[:, k], true[:, k])[0] for k in range(2)])
    predictions = plain.link(logits).numpy()
    assert ((predictions >= plain.thresholds) == (before.link(logits).numpy() >= before.thresholds)).all()
    unseen, labels_of_unseen = drawn(3000, [3.0, 0.4], seed=1)
    logits = torch.from_numpy(np.log(unseen) - np.log1p(-unseen))
    metrics = plain.metrics(plain.link(logits).numpy(), labels_of_unseen.astype(np.float32))
    assert metrics["log_loss"] < metrics["uncalibrated"]["log_loss"]
    assert metrics["calibration_error"] < 0.5 * metrics["uncalibrated"]["calibration_error"]
    expected = Multilabel(labels).metrics(unseen, labels_of_unseen.astype(np.float32))
    assert metrics["uncalibrated"]["log_loss"] == pytest.approx(expected["log_loss"], rel=1e-6)
    assert ("before temperature" in dict(plain.details(metrics))) and "uncalibrated" not in expected
    assert task_of("multilabel", labels, json.loads(json.dumps(plain.state()))) == plain


def test_the_calibration_error_of_decisions_is_the_mean_gap_of_equal_bins():
    p, true = np.array([[0.1, 0.9], [0.1, 0.9]]), np.array([[False, True], [True, True]])
    assert decision_calibration_error(p, true) == pytest.approx((2 * abs(0.1 - 0.5) + 2 * abs(0.9 - 1)) / 4)


@pytest.mark.parametrize(
    ("temperatures", "message"),
    [([1.0], "temperatures are not 2 numbers"), ([1.0, 1e9], "temperatures are not from 0.05 to 20"), (3, "are not 2")],
)
def test_damaged_temperatures(temperatures, message):
    with pytest.raises(Problem, match=message):
        task_of("multilabel", ["a", "b"], {"temperatures": temperatures})
