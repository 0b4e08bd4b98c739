"""How close data are to those of a pretrained model, and what of its training follows from that."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import toy
from neocog.core import closeness
from neocog.core.data import DataSpec, Examples
from neocog.core.device import World
from neocog.core.fit import Training, build
from neocog.core.head import FOLDS, PENALTIES
from neocog.core.plan import Plan
from neocog.core.tasks import Classify
from neocog.core.transfer import Far, Transferable
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from test_keep import source
from torch import Tensor, nn

CPU = torch.device("cpu")


def planes(count: int = 90) -> Examples:
    """Two planes of 2×2: the mean of the first says the target faintly, the square of the second says it well."""
    rng = torch.Generator().manual_seed(0)
    targets = torch.arange(count) % 3
    first = targets[:, None, None] / 2 + torch.randn(count, 2, 2, generator=rng)
    second = (1 + targets[:, None, None]).sqrt() + 0.1 * torch.randn(count, 2, 2, generator=rng)
    return Examples(torch.stack((first, second), 1), targets, [str(index) for index in range(count)])


class Squares(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat((maps, maps.square()), 1).mean((2, 3))


def losses_of_scikit_learn(features: np.ndarray, targets: np.ndarray) -> float:
    """The mean log loss of logistic regression on the same folds, with the best of the same penalties."""
    scaled = (features - features.mean(0)) / features.std(ddof=1)  # one scale for all, as in core/head.py
    order = torch.randperm(len(scaled), generator=torch.Generator().manual_seed(0)).numpy()
    means = []
    for penalty in PENALTIES:
        total = 0.0
        for fold in np.array_split(order, FOLDS):
            rest = np.setdiff1d(order, fold)
            model = LogisticRegression(C=1 / (2 * penalty * len(rest)), max_iter=1000).fit(scaled[rest], targets[rest])
            total += log_loss(targets[fold], model.predict_proba(scaled[fold]), normalize=False)
        means.append(total / len(order))
    return min(means)


def test_losses_are_those_of_logistic_regression_on_held_out_examples():
    examples, identity = planes(), nn.Identity()
    network = nn.Sequential(nn.Identity(), Squares(), nn.Linear(4, 3))
    losses = closeness.measure(1, Classify(toy.LABELS), identity, network, examples, CPU)
    maps, targets = examples.inputs.numpy(), examples.targets.numpy()
    whole = np.concatenate((maps, maps**2), 1).mean((2, 3))
    assert losses.early == pytest.approx(losses_of_scikit_learn(maps.mean((2, 3)), targets), rel=0.01)
    assert losses.whole == pytest.approx(losses_of_scikit_learn(whole, targets), rel=0.01)
    assert closeness.measure(1, Classify(toy.LABELS), identity, network, planes(5), CPU) == (1.0, 0.0)  # no folds


def begun(folder: Path, early: int, **changes: object) -> Training:
    """A training from a named model whose data count as far where they do not need the layers behind the first."""
    named = replace(source(folder), named=lambda: (source(folder).card, source(folder).weights()))
    far = {named.name: Far(early, {"frozen": 2, "epochs": 5})}
    domain = toy.with_capability(Transferable(lambda preprocessing: {}, tuning={named.name: {"epochs": 2}}, far=far))
    plan = Plan.of(domain, DataSpec("files"), changes={"device": "cpu"} | changes, weights=named)
    return build(plan, toy.data(), World(), CPU, None)


def test_more_layers_are_trained_where_the_last_ones_are_of_little_use(tmp_path):
    """A head on the maps before the last average is one on that average."""
    training = begun(tmp_path, early=5)
    assert (training.plan.settings.frozen, training.plan.settings.epochs) == (2, 5)
    assert training.remarks[-1].startswith("these examples are far from those of ")
    assert training.remarks[-1].endswith("so more layers are trained: frozen 2, epochs 5")


def test_close_data_and_settings_of_the_user_stay_as_they_are(tmp_path, monkeypatch):
    chosen = begun(tmp_path, 5, epochs=1)
    assert (chosen.plan.settings.frozen, chosen.plan.settings.epochs) == (2, 1)
    assert begun(tmp_path, 5, frozen=3).plan.settings.epochs == 2
    monkeypatch.setattr(closeness, "CLOSE", 1.01)
    close = begun(tmp_path, early=5)
    assert (close.plan.settings.frozen, close.plan.settings.epochs) == (0, 2)
    assert not any("far from those" in remark for remark in close.remarks)
