"""Training: learning, reproducibility, resuming, and recovery from errors."""

import hashlib
from itertools import pairwise

import pytest
import torch
import toy
from hypothesis import given
from hypothesis import strategies as st
from neocog.core import train as training
from neocog.core.checkpoint import read_tensors, write_tensors
from neocog.core.data import Data, Examples
from neocog.core.device import World
from neocog.core.domain import UNCHANGED
from neocog.core.feed import predict_proba
from neocog.core.initialize import initialize
from neocog.core.network import Network, parse
from neocog.core.optimise import MANY_ROWS
from neocog.core.problem import Problem
from neocog.core.settings import Settings
from neocog.core.tasks import Classify
from neocog.core.train import Trainer, batches, mixed
from torch import nn

MUON = {"optimiser": "muon", "lr": 0.1, "whiten": True, "average": 0.9}


def bits(trainer) -> str:
    """A hash of all weights: equal only if every bit is equal."""
    digest = hashlib.sha256()
    for name, value in sorted(trainer.tensors().items()):
        digest.update(name.encode() + value.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def finished(trainer, data=None, watch=lambda trainer: False):
    data = data or toy.data()
    return list(toy.train(trainer, data.train, data.valid, toy.augment(trainer.settings.augment, {}), watch))


def test_it_learns():
    trainer = toy.trainer(epochs=16)
    history = finished(trainer)
    assert history[-1].valid["accuracy"] == 1.0
    assert history[-1].train["loss"] < history[0].train["loss"] / 2


@pytest.mark.parametrize("changes", [{"optimiser": "sgd", "lr": 0.05}, {"optimiser": "adamw"}, MUON])
def test_every_optimiser_learns(changes):
    assert finished(toy.trainer(epochs=16, **changes))[-1].valid["accuracy"] == 1.0


def test_one_step_decreases_the_loss():
    trainer, data = toy.trainer(network="flatten, dense(3)", augment="none", warmup=0.0), toy.data(12)
    before = predict_proba(trainer, data.train)[range(12), data.train.targets.numpy()].mean()
    trainer.network.train()
    trainer.step(data.train, toy.augment("none", {}), torch.arange(12), 0.0)
    assert predict_proba(trainer, data.train)[range(12), data.train.targets.numpy()].mean() > before


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_two_identical_runs_give_bitwise_identical_weights(precision):
    first, second = toy.trainer(precision=precision), toy.trainer(precision=precision)
    finished(first), finished(second)
    assert bits(first) == bits(second)


def test_another_seed_gives_other_weights():
    first, second = toy.trainer(seed=1), toy.trainer(seed=2)
    finished(first), finished(second)
    assert bits(first) != bits(second)


@pytest.mark.parametrize("changes", [{}, {"optimiser": "sgd"}, MUON], ids=["adamw", "sgd", "muon"])
@pytest.mark.parametrize("stop", [1, 3, 4, 7, 11])
def test_a_run_resumed_after_any_step_equals_an_uninterrupted_one(stop, changes, tmp_path):
    """Bit for bit, history included, with the state saved to disk and loaded."""
    uninterrupted, first, second = (toy.trainer(**changes) for _ in range(3))
    finished(uninterrupted)
    finished(first, watch=lambda trainer: trainer.number == stop)
    assert first.number == stop
    write_tensors(tmp_path / "state.safetensors", first.tensors(), {})
    second.restore(read_tensors(tmp_path / "state.safetensors"), first.to_dict())
    finished(second)
    assert bits(second) == bits(uninterrupted)
    for a, b in zip(uninterrupted.history, second.history, strict=True):
        assert (a.train, a.valid) == (
            b.train,
            b.valid,
        )


def with_a_table() -> Trainer:
    """A trainer of a network with a large table of vectors."""
    settings = Settings(epochs=2, batch=16, lr=0.01, device="cpu")
    module = Network((1, 1, 12), parse(f"embed({MANY_ROWS}, 4), conv(6, 2), relu, globalmax, dense(3)")).module()
    initialize(module, 0)
    return Trainer(Classify([]), nn.Identity(), module, settings, torch.device("cpu"), World())


def rows_of_ids(count: int = 60) -> Data:
    inputs = torch.randint(1, MANY_ROWS, (count, 1, 1, 12), generator=torch.Generator().manual_seed(0)).int()
    examples = Examples(inputs, torch.arange(count) % 3, [str(i) for i in range(count)])
    return Data(examples, examples.subset(torch.arange(9)), examples.subset(torch.arange(0)), toy.LABELS, {})


def test_a_resumed_run_with_a_large_table_equals_an_uninterrupted_one(tmp_path):
    """The optimiser state of each row is saved and loaded, and the gradient is sparse."""
    uninterrupted, first, second = (with_a_table() for _ in range(3))
    assert uninterrupted.network[0].table.sparse
    data = rows_of_ids()
    finished(uninterrupted, data)
    finished(first, data, watch=lambda trainer: trainer.number == 3)
    write_tensors(tmp_path / "state.safetensors", first.tensors(), {})
    second.restore(read_tensors(tmp_path / "state.safetensors"), first.to_dict())
    finished(second, data)
    assert bits(second) == bits(uninterrupted)


def test_a_finished_run_does_nothing_when_resumed():
    trainer = toy.trainer()
    finished(trainer)
    before = bits(trainer)
    assert finished(trainer) == []
    assert bits(trainer) == before


@given(st.integers(2, 200), st.integers(1, 64), st.integers(0, 5), st.integers(0, 3))
def test_every_example_is_in_one_batch_of_an_epoch_and_never_alone(examples, size, seed, epoch):
    parts = batches(examples, size, seed, epoch)
    assert sorted(torch.cat(parts).tolist()) == list(range(examples))
    assert all(len(part) <= size + 1 for part in parts)
    if size > 1:
        assert all(len(part) > 1 for part in parts)


def test_epochs_have_different_orders():
    assert batches(100, 100, 0, 0)[0].tolist() != batches(100, 100, 0, 1)[0].tolist()


def test_seeds_mix_without_collisions():
    assert len({mixed(seed, "step", step) for seed in range(50) for step in range(200)}) == 10_000


def test_a_tail_of_one_example_trains_with_batch_normalisation():
    """A batch of 1 has no variance; torch refuses it."""
    trainer = toy.trainer(network="flatten, dense(5), batchnorm, dense(3)", batch=8)
    assert len(finished(trainer, toy.data(train=17))) == 3


def test_out_of_memory_halves_the_micro_batch(monkeypatch):
    """Gradients are those of the complete batch; without batch statistics and randomness, so are the weights."""
    quiet = {"network": "conv(4, 3), relu, flatten, dense(3)", "augment": "none", "precision": "float32"}
    unlimited, limited = toy.trainer(**quiet), toy.trainer(**quiet)
    finished(unlimited)
    real = training.fetch_batch

    def small(examples, indices, device):
        if len(indices) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(examples, indices, device)

    monkeypatch.setattr(training, "fetch_batch", small)
    finished(limited)
    assert limited.micro_batches == 4
    assert limited.remarks == [
        "out of memory: each batch of 16 is now processed in 2 parts",
        "out of memory: each batch of 16 is now processed in 4 parts",
    ]
    for a, b in zip(unlimited.network.parameters(), limited.network.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_no_memory_for_a_single_example_is_a_problem(monkeypatch):
    def none(examples, indices, device):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training, "fetch_batch", none)
    with pytest.raises(Problem, match="not even one example fits into memory"):
        finished(toy.trainer())


def test_an_error_that_is_not_about_memory_keeps_its_traceback(monkeypatch):
    def broken(examples, indices, device):
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(training, "fetch_batch", broken)
    with pytest.raises(RuntimeError, match="a bug of ours"):
        finished(toy.trainer())


def poisoned(when):
    """An augmentation that gives not-a-number in the steps that `when` names, counted over all tries."""
    calls = iter(range(10_000))

    def poison(x, targets, rng):
        return x * float("nan") if when(next(calls)) else x, targets

    return UNCHANGED._replace(maps=poison)


def test_a_loss_that_is_not_finite_restores_earlier_weights_with_a_lower_rate():
    trainer, data = toy.trainer(augment="none"), toy.data()
    history = list(toy.train(trainer, data.train, data.valid, poisoned(lambda call: call == 5)))
    assert len(history) == 3 and trainer.retries == 1 and trainer.lr_factor == pytest.approx(0.3)
    assert trainer.remarks == ["the loss was not finite at step 8: back to step 4, with the learning rate × 0.3"]
    assert all(bool(torch.isfinite(p).all()) for p in trainer.network.parameters())
    assert history[-1].lr == pytest.approx(0.3 * 0.01 / (0.8 * 12), rel=0.01)


def test_a_loss_that_is_never_finite_is_a_problem():
    trainer, data = toy.trainer(augment="none"), toy.data()
    with pytest.raises(Problem, match=r"not a finite number at step \d+, after 3 lower learning rates; .*--lr"):
        list(toy.train(trainer, data.train, data.valid, poisoned(lambda call: True)))


def test_the_learning_rate_falls_towards_zero():
    rates = []

    def watch(trainer):
        rates.append(trainer.optimiser.param_groups[0]["lr"])
        return False

    finished(toy.trainer(epochs=5), watch=watch)
    top = rates.index(max(rates))
    assert all(a < b for a, b in pairwise(rates[: top + 1])) and all(a > b for a, b in pairwise(rates[top:]))
    assert rates[-1] < 0.1 * max(rates)


def test_validation_uses_the_averaged_weights():
    trainer = toy.trainer(average=0.9)
    finished(trainer)
    weights = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    with trainer.ema.in_place():
        averaged = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    assert any(not torch.equal(weights[name], averaged[name]) for name in weights)
    assert all(torch.equal(weights[name], value) for name, value in trainer.network.state_dict().items())


def test_a_whitened_first_convolution_is_not_trained():
    from neocog.core.initialize import whiten

    trainer = toy.trainer(network="conv(8, 2), relu, conv(4, 3), relu, flatten, dense(3)", optimiser="muon", lr=0.1)
    whiten(trainer.network, trainer.frontend(toy.data().train.inputs))
    frozen = trainer.network[0].weight.clone()
    again = toy.trainer(network="conv(8, 2), relu, conv(4, 3), relu, flatten, dense(3)", optimiser="muon", lr=0.1)
    whiten(again.network, again.frontend(toy.data().train.inputs))
    again.optimiser = training.optimiser(again.network, again.settings)
    finished(again)
    torch.testing.assert_close(again.network[0].weight, frozen)


def test_a_validation_split_may_be_empty():
    history = finished(toy.trainer(), toy.data(valid=0))
    assert [epoch.valid for epoch in history] == [{}] * 3
