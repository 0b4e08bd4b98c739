"""Early stopping, gradient accumulation, threads."""

import json

import neocog
import pytest
import torch
import toy
from neocog.core import fit as fitting
from neocog.core.data import DataSpec
from neocog.core.device import World
from neocog.core.fit import EpochEnded, Finished, Remark, Step, fit
from neocog.core.plan import Plan
from neocog.core.problem import Problem
from neocog.core.run import RunFolder, load_state, out_of_patience, resume, train
from test_contract import SMALL, pictures
from test_train import bits, finished

QUIET = {"network": "conv(4, 3), relu, flatten, dense(3)", "augment": "none", "precision": "float32"}


def plan(**changes):
    # The rate is so high that a later epoch is hardly ever better than the first.
    settings = {"epochs": 12, "batch": 16, "lr": 3.0, "optimiser": "sgd", "schedule": "constant", "device": "cpu"}
    return Plan.of(toy.DOMAIN, DataSpec("files"), network="flatten, dense(3)", changes=settings | changes)


# --- patience


def test_training_ends_after_so_many_epochs_without_a_better_one():
    *events, end = fit(plan(patience=2), toy.data())
    epochs = [event for event in events if isinstance(event, EpochEnded)]
    kept = max(event.epoch.epoch for event in epochs if event.kept)
    assert isinstance(end, Finished) and end.complete and len(epochs) == kept + 2 < 12
    assert Remark(f"stopped early: no epoch after epoch {kept} was better, for --patience 2") in events


def test_without_patience_all_epochs_are_trained():
    events = list(fit(plan(), toy.data()))
    assert sum(isinstance(event, EpochEnded) for event in events) == 12


def test_a_run_stopped_at_any_step_ends_early_at_the_same_epoch_with_the_same_weights(tmp_path):
    whole = RunFolder(tmp_path / "whole")
    train(plan(patience=2), whole, [], World(), torch.device("cpu"))
    for number in (2, whole.training.trainer.number - 1, whole.training.trainer.number):
        parts = RunFolder(tmp_path / f"stopped-{number}")

        def stop(event, number=number, parts=parts):
            if isinstance(event, Step) and event.number == number:
                parts.training.stop()

        train(plan(patience=2), parts, [stop], World(), torch.device("cpu"))
        again = resume(RunFolder(tmp_path / f"stopped-{number}", resumed=True), toy.DOMAIN, {}, [], World())
        assert again.training.trainer.number == whole.training.trainer.number
        assert bits(again.training.trainer) == bits(whole.training.trainer)
        assert again.training.selection.epoch == whole.training.selection.epoch


def test_patience_without_a_validation_split_is_refused():
    with pytest.raises(Problem, match="--patience compares epochs by the validation split, and there is none"):
        next(fit(plan(patience=2), toy.data(valid=0)))


def test_resume_says_that_an_early_end_is_the_end_and_trains_on_where_asked(command, tmp_path, monkeypatch):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    run = str(tmp_path / "run")
    neocog.train(
        "vision", str(pictures(tmp_path / "files")), network=SMALL["vision"], out=run, epochs=9, batch=8, device="cpu",
        lr=3.0, optimiser="sgd", schedule="constant", patience=1,
    )  # fmt: skip
    trained = json.loads((tmp_path / "run/summary.json").read_text())["epochs"]
    assert trained < 9 and out_of_patience(tmp_path / "run", 1) and not out_of_patience(tmp_path / "run", 9)
    code, _, err = command("resume", run, "--quiet")
    assert code == 0 and f"is finished: {trained} of 9 epochs" in err
    code, out, _ = command("resume", run, "--epochs", "10", "--quiet", "--json")
    assert code == 0 and json.loads(out)["epochs"] == 10


# --- accumulation


def test_batches_that_are_summed_up_are_one_larger_batch():
    """Without batch statistics and randomness, 4 batches of 4 give the weights of batches of 16."""
    large, small = toy.trainer(batch=16, **QUIET), toy.trainer(batch=4, accumulate=4, **QUIET)
    finished(large)
    finished(small)
    assert small.number == large.number
    for a, b in zip(large.network.parameters(), small.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("examples", [17, 20, 33, 61])
def test_no_part_of_a_step_is_a_single_example(examples, monkeypatch):
    sizes = []
    real = fitting.Trainer._gradients

    def gradients(self, data, augment, indices):
        sizes.extend((len(indices), len(part)) for part in self._cut(indices))
        real(self, data, augment, indices)

    monkeypatch.setattr(fitting.Trainer, "_gradients", gradients)
    network = "flatten, dense(5), batchnorm, dense(3)"
    finished(toy.trainer(network=network, batch=4, accumulate=4, epochs=1), toy.data(train=examples))
    assert min(part for _, part in sizes) >= 2 and max(part for _, part in sizes) <= 5


def test_resuming_with_accumulation_is_exact(tmp_path):
    whole = RunFolder(tmp_path / "whole")
    settings = {"accumulate": 3, "batch": 4, "lr": 0.01}
    train(plan(**settings, epochs=2), whole, [], World(), torch.device("cpu"))

    def stop(event):
        if isinstance(event, Step) and event.number == 4:
            parts.training.stop()

    parts = RunFolder(tmp_path / "parts")
    train(plan(**settings, epochs=2), parts, [stop], World(), torch.device("cpu"))
    assert load_state(tmp_path / "parts", plan(**settings), toy.data()).values["number"] == 4
    again = resume(RunFolder(tmp_path / "parts", resumed=True), toy.DOMAIN, {}, [], World())
    assert bits(again.training.trainer) == bits(whole.training.trainer)


# --- threads


def test_a_training_uses_the_threads_that_are_set():
    before = torch.get_num_threads()
    try:
        next(fit(plan(threads=before + 1), toy.data()))
        assert torch.get_num_threads() == before + 1
        next(fit(plan(threads=0), toy.data()))
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("option, value", [("--accumulate", "0"), ("--patience", "-1"), ("--threads", "5000")])
def test_numbers_out_of_range_are_refused(option, value, command, tmp_path):
    code, _, err = command("train", "vision", "digits", option, value, "--out", str(tmp_path / "run"))
    assert code == 2 and f"{option.removeprefix('--')} is from" in err
