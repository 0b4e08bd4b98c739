"""Uneven classes: weights, priors, sampling, and what is reported first."""

import numpy as np
import pytest
import torch
import toy
from hypothesis import given
from hypothesis import strategies as st
from neocog.core.balance import are_uneven, class_counts, class_weights, log_prior, ratio
from neocog.core.data import Data, DataSpec, Examples
from neocog.core.fit import EpochEnded, fit
from neocog.core.metrics import classification_metrics, interval, mean_interval
from neocog.core.plan import Plan
from neocog.core.problem import Problem
from neocog.core.settings import Settings
from neocog.core.tasks import Classify
from neocog.core.train import balanced_order, batches
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.utils.class_weight import compute_class_weight
from test_tasks import Ordinal
from torch.nn import functional as F

COUNTS = [120, 30, 6]


def targets(counts=COUNTS) -> torch.Tensor:
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


def task(how: str) -> Classify:
    return Classify(["a", "b", "c"], tuple(COUNTS)).configured(Settings(balance=how))


def uneven_data(counts=COUNTS) -> Data:
    """The toy pictures with uneven labels."""
    pool = toy.examples(3 * max(counts), 0)
    rows = torch.cat([(pool.targets == label).nonzero()[:count, 0] for label, count in enumerate(counts)])
    train = Examples(pool.inputs[rows], pool.targets[rows], [pool.names[i] for i in rows.tolist()])
    return Data(train, toy.examples(30, 1), toy.examples(30, 2), toy.LABELS, {"scale": 255})


# --- weights and priors


def test_weights_are_those_of_scikit_learn():
    weights = class_weights(class_counts(targets(), 3))
    expected = compute_class_weight("balanced", classes=np.arange(3), y=targets().numpy())
    np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-6)
    assert float(weights[targets()].mean()) == pytest.approx(1)


def test_a_label_without_examples_has_finite_weight_and_prior():
    assert bool(torch.isfinite(class_weights([5, 0])).all() and torch.isfinite(log_prior([5, 0])).all())


def test_weighted_loss_is_the_mean_of_weighted_losses():
    logits, labels = torch.randn(156, 3, generator=torch.Generator().manual_seed(0)), targets()
    losses = F.cross_entropy(logits, labels, reduction="none")
    expected = sum(float(losses[labels == k].mean()) for k in range(3)) / 3  # every class counts alike
    assert float(task("loss").loss(logits, labels)) == pytest.approx(expected, rel=1e-5)


def test_logit_adjustment_adds_the_log_prior_in_the_loss_and_nowhere_else():
    logits, labels = torch.zeros(156, 3), targets()
    prior = np.array(COUNTS) / 156
    entropy = -(prior * np.log(prior)).sum()  # constant logits are the best: the loss is that of the prior
    assert float(task("logit").loss(logits, labels)) == pytest.approx(entropy, rel=1e-5)
    torch.testing.assert_close(task("logit").link(logits[:1]), torch.full((1, 3), 1 / 3))


def test_the_criterion_of_a_balanced_training_counts_every_class_alike():
    probabilities = np.full((156, 3), 0.05)
    probabilities[:, 0] = 0.9  # always the frequent label
    plain = task("none").example_losses(probabilities, targets().numpy()).mean()
    balanced = task("logit").example_losses(probabilities, targets().numpy()).mean()
    assert plain < 0.8 and balanced == pytest.approx((2 * -np.log(0.05) - np.log(0.9)) / 3)


def test_another_task_refuses():
    with pytest.raises(Problem, match="--balance is for classification, and this task is"):
        Ordinal(["a", "b"]).configured(Settings(balance="loss"))


# --- sampling


@given(st.lists(st.integers(1, 40), min_size=2, max_size=6), st.integers(0, 5), st.integers(0, 3))
def test_every_class_is_drawn_equally_often(counts, seed, epoch):
    labels = targets(counts)
    order = balanced_order(labels, seed, epoch, len(labels))
    drawn = torch.bincount(labels[order], minlength=len(counts))
    assert len(order) == len(labels) and int(drawn.max() - drawn.min()) <= 1


def test_all_examples_of_a_class_are_used_before_one_is_used_again():
    labels = targets()
    order = torch.cat([balanced_order(labels, 0, epoch, len(labels)) for epoch in range(3)])  # 156 of each class
    used = torch.bincount(order, minlength=len(labels))
    for label in range(3):
        assert int(used[labels == label].max() - used[labels == label].min()) <= 1


def test_batches_of_balanced_sampling_are_reproducible_and_of_all_classes():
    first = batches(156, 16, 3, 1, balanced=targets())
    again = batches(156, 16, 3, 1, balanced=targets())
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert min(len(targets()[part].unique()) for part in first) >= 2


@pytest.mark.parametrize("how", ["loss", "sample", "logit"])
def test_balance_raises_the_recall_of_the_rare_label(how):
    """A linear network on few steps: the rare label is hardly learnt without balance."""

    def recall(balance: str) -> float:
        settings = {"epochs": 2, "batch": 16, "lr": 0.003, "device": "cpu", "balance": balance, "warmup": 0.0}
        plan = Plan.of(toy.DOMAIN, DataSpec("files"), network="flatten, dense(3)", changes=settings)
        *_, end = fit(plan, uneven_data())
        trainer = end.training.trainer
        with trainer.inference():
            logits = trainer.logits(toy.examples(90, 7).inputs)
        return float((logits[2::3].argmax(1) == 2).float().mean())

    assert recall(how) > recall("none") + 0.2


def test_the_reason_of_the_kept_epoch_says_that_labels_weigh_the_same():
    settings = {"epochs": 1, "batch": 16, "device": "cpu", "balance": "loss"}
    plan = Plan.of(toy.DOMAIN, DataSpec("files"), network="flatten, dense(3)", changes=settings)
    events = list(fit(plan, uneven_data()))
    assert any(isinstance(event, EpochEnded) for event in events)
    assert "each label weighing the same" in events[-1].training.selection.reason


# --- what is reported first


@pytest.mark.parametrize(("counts", "uneven"), [(COUNTS, True), ([10, 4], False), ([30, 10], True), ([9] * 200, False)])
def test_labels_are_uneven_from_a_ratio_of_three_on(counts, uneven):
    assert are_uneven(counts) is uneven


def test_hundreds_of_labels_are_never_called_uneven():
    assert not are_uneven([1000, *[1] * 100]) and ratio([1000, 0, 1]) == 1000


def test_uneven_labels_report_balanced_accuracy_first():
    probabilities = np.eye(3)[[0, 0, 0, 0, 1, 0]]
    labels = np.array([0, 0, 0, 0, 1, 2])
    metrics = task("none").metrics(probabilities, labels)
    assert metrics["metric"] == "balanced_accuracy" and metrics["value"] == pytest.approx(2 / 3)
    assert metrics["interval"] == metrics["balanced_accuracy_interval"] and metrics["accuracy"] == pytest.approx(5 / 6)
    assert metrics["worst_class"] == {"label": "c", "recall": 0.0, "examples": 1}
    names = [name for name, _ in task("none").details(metrics)]
    assert names[:4] == ["balanced accuracy", "worst recall", "macro-F1", "accuracy"]
    assert task("none").headline(metrics).startswith("balanced accuracy 66.67% (")
    assert task("none").headline(metrics).endswith(", accuracy 83.33%")


def test_even_labels_report_accuracy_first():
    even = Classify(["a", "b"], (50, 40))
    metrics = even.metrics(np.eye(2)[[0, 1, 1]], np.array([0, 1, 0]))
    assert metrics["metric"] == "accuracy" and metrics["interval"] == metrics["accuracy_interval"]
    assert even.headline(metrics).startswith("accuracy 66.67% (")


@given(st.integers(0, 1000))
def test_balanced_accuracy_and_macro_f1_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    labels, predicted = rng.integers(0, 4, 40), rng.integers(0, 4, 40)
    metrics = classification_metrics(np.eye(4)[predicted], labels, list("abcd"))
    assert metrics["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predicted), abs=1e-9)
    assert metrics["macro_f1"] == pytest.approx(f1_score(labels, predicted, average="macro"), abs=1e-9)


def test_the_interval_of_a_single_share_is_its_score_interval():
    assert mean_interval([(0.8, 50)]) == pytest.approx(interval(40, 50))


def test_the_interval_of_a_mean_of_shares_covers_it():
    """95% in simulation, of recalls of uneven classes."""
    rng = np.random.default_rng(0)
    recalls, sizes = np.array([0.95, 0.8, 0.6]), np.array([300, 60, 15])
    hits = 0
    for _ in range(1000):
        low, high = mean_interval(list(zip(rng.binomial(sizes, recalls) / sizes, sizes.tolist(), strict=True)))
        hits += low <= recalls.mean() <= high
    assert 930 <= hits <= 975
