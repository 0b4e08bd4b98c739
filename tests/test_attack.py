"""Adversarial attacks and adversarial training."""

import numpy as np
import pytest
import torch
import toy
from neocog.core.checkpoint import Card
from neocog.core.data import DataSpec
from neocog.core.model import Model
from neocog.core.plan import Plan
from neocog.core.problem import Problem
from neocog.core.robust import adversary
from neocog.core.robust.attack import Attack, curve, sizes
from neocog.core.robust.capability import Attackable, PerturbationSpace
from neocog.core.robust.examples import adversarial_examples, chosen
from neocog.core.robust.training import FastAdversary, adversary_of
from neocog.core.tasks.classify import Classify
from test_train import bits, finished
from torch.nn import functional as F

PIXELS = PerturbationSpace("pixels", "inputs", "shares of a pixel's range", (0.05, 0.1), 255, 0, 255)
SAMPLES = PerturbationSpace("samples", "inputs", "shares of full scale", (0.01,), 32768, -32768, 32767)
MAPS = PerturbationSpace("maps", "maps", "units", (0.1,))
DOMAIN = toy.with_capability(Attackable((PIXELS, MAPS)))
TASK = Classify(toy.LABELS)
TOY = "conv(4, 3), batchnorm, relu, conv(5, 2), relu, maxpool(2), flatten, dense(3)"


def against(logits, targets):
    """Returns the objective of an attack, as a function of the inputs."""
    return lambda x: TASK.attack_loss(logits(x), targets)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear(seed: int = 0):
    """A linear network as a function, and its matrix (3, 64)."""
    weight = torch.randn(3, 64, generator=rng(seed))
    return (lambda x: x.flatten(1) @ weight.T), weight


def batch(count: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    examples = toy.examples(count)
    return examples.inputs.float(), examples.targets


@pytest.fixture(scope="module")
def model() -> Model:
    trainer = toy.trainer(network=TOY, epochs=16, augment="none")
    finished(trainer)
    card = Card("toy", TOY, (1, 8, 8), toy.LABELS, {"scale": 255})
    return Model(DOMAIN, card, trainer.network.state_dict(), "cpu")


# --- the gradient, and one step along its sign -----------------------------------------------------------------------


def test_fgsm_is_the_lectures_formula_on_a_linear_network():
    """x + ε·sign ∇J, with ∇J = Wᵀ(p − y) written out by hand: no autograd."""
    score, weight = linear()
    x, targets = batch()
    p = score(x / 255).softmax(1)
    by_hand = (p - F.one_hot(targets, 3)) @ weight
    expected = (x + 0.1 * 255 * by_hand.sign().view_as(x)).clamp(0, 255)
    result = adversary.fgsm(against(lambda x: score(x / 255), targets), x, 0.1, PIXELS)
    torch.testing.assert_close(result, expected)


def test_the_margin_is_the_log_odds_against_the_true_label():
    scores, targets = torch.randn(20, 5, generator=rng()), torch.arange(20) % 5
    p = scores.softmax(1).gather(1, targets[:, None]).squeeze(1)
    torch.testing.assert_close(TASK.attack_loss(scores, targets), (1 / p - 1).log())


def test_a_network_that_is_certain_still_has_a_gradient():
    """The log loss of a probability that rounds to 1 has a gradient of zero."""
    score, _ = linear()
    x, _ = batch()
    targets = score(x).argmax(1)
    leaf = x.clone().requires_grad_()
    (of_loss,) = torch.autograd.grad(F.cross_entropy(score(leaf), targets), leaf)
    blind = (of_loss == 0).flatten(1).all(1)
    assert blind.any() and (adversary.gradient(against(score, targets), x) != 0).flatten(1).all(1).all()


# --- limits of perturbations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", [PIXELS, SAMPLES, MAPS], ids=lambda space: space.name)
@pytest.mark.parametrize("way", ["fgsm", "pgd", "fast", "random_start", "random_sign_noise"])
def test_perturbations_stay_within_epsilon_and_the_range(way, space):
    score, _ = linear()
    x = torch.randint(-300, 300, (12, 1, 8, 8), generator=rng()).float() * (space.full / 255)
    x.clamp_(space.least, space.most)
    targets, epsilon = torch.arange(12) % 3, 0.2
    far = epsilon * space.full
    point = {
        "fgsm": lambda: adversary.fgsm(against(score, targets), x, epsilon, space),
        "pgd": lambda: adversary.pgd(against(score, targets), x, epsilon, space, 7, rng()),
        "fast": lambda: adversary.fast(against(score, targets), x, epsilon, space, rng()),
        "random_start": lambda: adversary.random_start(x, epsilon, space, rng()),
        "random_sign_noise": lambda: adversary.random_sign_noise(x, epsilon, space, rng()),
    }[way]()
    assert not torch.equal(point, x)
    assert float((point - x).abs().max()) <= far * (1 + 1e-5)
    assert space.least <= float(point.min()) and float(point.max()) <= space.most


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_an_epsilon_of_zero_changes_nothing(method, model):
    x, targets = batch()
    (same,) = Attack(PIXELS, method).adversarial_examples(TASK, model.logits, x, targets, [0.0], rng())
    assert torch.equal(same, x)


@pytest.mark.parametrize("epsilon", [0.02, 0.1, 0.3])
def test_pgd_is_never_weaker_than_fgsm_for_any_example(epsilon, model):
    x, targets = batch(60)
    margins = []
    for steps in (1, 10):
        point = adversary.pgd(against(model.logits, targets), x, epsilon, PIXELS, steps, rng())
        margins.append(TASK.attack_loss(model.logits(point), targets).detach())
    first = adversary.fgsm(against(model.logits, targets), x, epsilon, PIXELS)
    torch.testing.assert_close(margins[0], TASK.attack_loss(model.logits(first), targets).detach())
    assert (margins[1] >= margins[0] - 1e-6).all() and (margins[1] > margins[0]).any()


def test_an_attack_is_determined_by_its_seed(model):
    x, targets = batch()
    first, same, second = (
        adversary.pgd(against(model.logits, targets), x, 0.2, PIXELS, 3, rng(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, same) and not torch.equal(first, second)


# --- accuracy against epsilon -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", [PIXELS, MAPS], ids=lambda space: space.name)
def test_accuracy_decreases_with_epsilon_and_random_signs_do_less(space, model):
    result = curve(model, toy.examples(60, 3), Attack(space), sizes([0.05, 0.1, 0.2, 0.4]))
    rows = result.to_dict()["rows"]
    accuracies = [row["accuracy"] for row in rows]
    assert accuracies[0] == 1.0 and accuracies == sorted(accuracies, reverse=True) and accuracies[-1] < 0.4
    assert all(row["random"] >= row["accuracy"] for row in rows) and rows[2]["random"] > rows[2]["accuracy"]
    assert all(row["interval"][0] <= row["accuracy"] <= row["interval"][1] for row in rows)


def test_the_curve_without_an_attack_equals_evaluate(model):
    examples = toy.examples(33, 3)
    scores = model.evaluate(toy.data(), "test")
    (row,) = curve(model, toy.data().test, Attack(PIXELS), [0.0]).to_dict()["rows"]
    assert row["accuracy"] == row["random"] == scores["accuracy"] and row["interval"] == scores["interval"]
    assert len(curve(model, examples, Attack(PIXELS), [0.0]).targets) == 33


def test_batches_halved_for_lack_of_memory_give_the_same_curve(model, monkeypatch):
    from neocog.core import feed

    sample, attack = toy.examples(40, 3), Attack(PIXELS)
    full = curve(model, sample, attack, [0.0, 0.1])
    real = feed.fetch_batch

    def small(examples, indices, device):
        if len(indices) > 7:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(examples, indices, device)

    monkeypatch.setattr(feed, "fetch_batch", small)
    assert np.array_equal(curve(model, sample, attack, [0.0, 0.1]).predicted, full.predicted)


def test_the_examples_shown_agree_with_the_curve(model):
    examples = toy.examples(60, 3)
    result = curve(model, examples, Attack(PIXELS), [0.0, 0.1, 0.4])
    cases = adversarial_examples(model, examples, result)
    assert len(cases) == 5 and {case.label for case in cases} == set(toy.LABELS)
    for case, index in zip(cases, chosen(result), strict=True):
        assert case.predicted == [toy.LABELS[k] for k in result.predicted[index]]
        assert case.predicted[0] == case.label and case.name == examples.names[index]
        np.testing.assert_allclose(case.confidence, result.confidence[index], rtol=1e-5)
        assert torch.equal(case.perturbed[0], case.original.float())


def test_weights_that_are_not_finite_are_reported(model):
    broken = Model(DOMAIN, model.card, model.network.module().state_dict(), "cpu")
    with torch.no_grad():
        next(broken.words.parameters()).fill_(float("nan"))
    with pytest.raises(Problem, match="not finite numbers: its weights are damaged; train it again"):
        curve(broken, toy.examples(6), Attack(PIXELS), [0.0, 0.1])


# --- adversarial training ---------------------------------------------------------------------------------------------


def hardened(**changes):
    trainer = toy.trainer(**{"network": TOY, "augment": "none", "adversarial": 0.1} | changes)
    trainer.adversary = FastAdversary(trainer.task, PIXELS, 0.1)
    return trainer


def robust_accuracy(trainer) -> float:
    card = Card("toy", TOY, (1, 8, 8), toy.LABELS, {"scale": 255})
    result = Model(DOMAIN, card, trainer.network.state_dict(), "cpu")
    return curve(result, toy.examples(150, 3), Attack(PIXELS), [0.1]).to_dict()["rows"][0]["accuracy"]


def test_adversarial_training_increases_robust_accuracy():
    plain, hard = toy.trainer(network=TOY, augment="none", epochs=20), hardened(epochs=20)
    assert finished(plain)[-1].valid["accuracy"] == 1.0 and finished(hard)[-1].valid["accuracy"] > 0.9
    assert robust_accuracy(hard) > robust_accuracy(plain) + 0.15


@pytest.mark.parametrize("space", [PIXELS, MAPS], ids=lambda space: space.name)
def test_a_stopped_adversarial_training_resumes_to_the_same_weights(space):
    full, first, second = (hardened(network=toy.NETWORK, augment="noise") for _ in range(3))
    for entry in (full, first, second):
        entry.adversary = FastAdversary(entry.task, space, 0.1)
    finished(full)
    finished(first, watch=lambda trainer: trainer.number == 5)
    second.restore(*first.copy())
    finished(second)
    assert bits(second) == bits(full)


def test_training_has_an_adversary_only_if_requested():
    plan = Plan.of(DOMAIN, DataSpec(""), "small")
    assert adversary_of(plan, toy.trainer().task) is None
    hard = Plan.of(DOMAIN, DataSpec(""), "small", changes={"adversarial": 0.1})
    assert adversary_of(hard, toy.trainer().task).space == PIXELS
