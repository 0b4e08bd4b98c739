"""Epochs for a budget of time."""

import time
from dataclasses import replace

import pytest
import torch
import toy
from neocog.core import budget
from neocog.core.data import DataSpec
from neocog.core.fit import Begun, EpochEnded, Finished, fit
from neocog.core.plan import Plan
from test_keep import plan, source


def scratch(**changes: object) -> Plan:
    changes = {"epochs": 3, "batch": 16, "lr": 0.01, "device": "cpu"} | changes
    return Plan.of(toy.DOMAIN, DataSpec("files"), network=toy.NETWORK, changes=changes)


def test_trial_steps_change_nothing():
    """A training whose epochs were found by time has the weights of one that was given them."""
    *_, timed = fit(replace(scratch(), minutes=0.01), toy.data())
    epochs = timed.training.plan.settings.epochs
    *_, given = fit(scratch(epochs=epochs), toy.data())
    ours, theirs = (finished.training.trainer.network.state_dict() for finished in (timed, given))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert len(timed.training.trainer.history) == epochs and timed.training.trainer.settings.epochs == epochs


def test_more_minutes_give_more_epochs(monkeypatch):
    """One second a step, four steps an epoch: 60 examples in batches of 16."""
    monkeypatch.setattr(budget, "_seconds_of_a_step", lambda training, sample: 1.0)
    monkeypatch.setattr(budget, "_seconds_of_validation", lambda training, sample: 2.0)
    for minutes, epochs in ((0.01, 1), (1, 10), (10, 100)):
        begun = next(iter(fit(replace(scratch(), minutes=minutes), toy.data())))
        assert isinstance(begun, Begun) and begun.training.plan.settings.epochs == epochs
        assert begun.training.remarks[-1].startswith(f"--minutes {minutes}: {epochs} epoch")


def test_a_budget_counts_the_features_of_frozen_layers(tmp_path):
    chosen = replace(plan(source(tmp_path), "5", freeze=True), minutes=0.01)
    events = list(fit(chosen, toy.data()))
    assert isinstance(events[-1], Finished) and events[-1].complete
    epochs = events[0].training.plan.settings.epochs
    assert sum(isinstance(event, EpochEnded) for event in events) == epochs
    assert events[0].training.trainer.has_features


@pytest.mark.slow
def test_a_training_takes_about_the_time_it_was_given():
    start = time.perf_counter()
    list(fit(replace(scratch(), minutes=0.1), toy.data()))
    assert 2 < time.perf_counter() - start < 15
