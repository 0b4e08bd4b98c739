"""Lazily computed inputs, prefetching threads, and epochs that are a subset of a large data set."""

import threading

import pytest
import torch
import toy
from neocog.core.data import Examples, concatenate
from neocog.core.domain import UNCHANGED
from neocog.core.feed import COPY_THREADS, predict_proba, prefetcher, to_device_if_fits
from neocog.core.lazy import Prefetcher
from neocog.core.train import batches
from toy import lazy

CPU = torch.device("cpu")


def test_lazy_inputs_are_indexed_like_an_array():
    resident, indices = toy.examples(20), torch.tensor([3, 19, 0, 7])
    computed = lazy(resident, indices)
    assert len(computed.inputs) == 4 and torch.equal(computed.inputs[1], resident.inputs[19])
    assert torch.equal(computed.inputs[1:3], resident.inputs[[19, 0]])
    inputs, targets = computed[torch.tensor([3, 0])]
    assert torch.equal(inputs, resident.inputs[[7, 3]]) and torch.equal(targets, resident.targets[[7, 3]])


def test_subsets_and_concatenations_of_lazy_inputs():
    resident = toy.examples(9)
    assert torch.equal(lazy(resident).subset(torch.tensor([2, 5])).inputs, resident.inputs[[2, 5]])
    both = concatenate([lazy(resident), lazy(resident)])
    assert torch.equal(both.inputs, torch.cat([resident.inputs] * 2)) and both.names[9] == resident.names[0]


def test_a_subsample_is_spread_over_the_set():
    thin = toy.examples(100).subsample(5)
    assert [name.split("/")[1] for name in thin.names] == ["0.png", "24.png", "49.png", "74.png", "99.png"]
    assert len(toy.examples(10).subsample(0)) == len(toy.examples(10).subsample(50)) == 10


def test_batches_are_prefetched_and_unused_ones_are_dropped():
    fetched, allowed = [], threading.Event()

    def fetch(indices):
        fetched.append((indices.tolist(), threading.current_thread().name))
        allowed.wait(5)
        return indices, indices

    order = list(torch.arange(40).split(4))
    feed = Prefetcher(fetch, 1)
    feed.prefetch(order[:6])
    assert len(feed.waiting) == feed.depth == 4
    allowed.set()
    assert torch.equal(feed(order[0])[0], order[0]) and fetched[0][1].startswith("neocog-batch")
    feed.prefetch(order[5:7])
    assert set(feed.waiting) == {(20, 23, 4), (24, 27, 4)}
    assert torch.equal(feed(order[9])[0], order[9]) and fetched[-1][1] == "MainThread"
    feed.close()


def test_an_exception_of_a_thread_is_raised_in_the_step():
    def fetch(indices):
        raise OSError("gone")

    feed = Prefetcher(fetch, 1)
    feed.prefetch([torch.arange(3)])
    with pytest.raises(OSError, match="gone"):
        feed(torch.arange(3))


def test_only_lazy_inputs_are_prefetched():
    assert prefetcher(toy.examples(5), CPU) is None and prefetcher(lazy(toy.examples(5)), CPU) is not None
    assert to_device_if_fits(computed := lazy(toy.examples(5)), CPU) is computed


@pytest.mark.parametrize(("processors", "processes", "threads"), [(16, 1, 15), (16, 4, 3), (2, 4, 1), (1, 1, 1)])
def test_a_gpu_is_fed_by_all_cores_but_one(processors, processes, threads, monkeypatch):
    monkeypatch.setattr("neocog.core.feed.processors", lambda: processors)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    gpu = torch.device("cuda:0")
    assert prefetcher(lazy(toy.examples(5)), gpu).pool._max_workers == threads
    assert prefetcher(toy.examples(5), gpu).pool._max_workers == COPY_THREADS  # copied from host memory
    assert prefetcher(lazy(toy.examples(5)), CPU).pool._max_workers == 1


def test_predictions_for_lazy_inputs_equal_those_for_an_array():
    trainer, resident, sizes = toy.trainer(), toy.examples(53), []
    expected = predict_proba(trainer, resident, 53)
    logits = trainer.logits

    def tight(inputs: torch.Tensor) -> torch.Tensor:
        sizes.append(len(inputs))
        if len(inputs) > 6:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return logits(inputs)

    trainer.logits = tight
    probabilities = predict_proba(trainer, lazy(resident), 20)
    assert sizes == [20, 10, *[5] * 10, 3]
    torch.testing.assert_close(torch.from_numpy(probabilities), torch.from_numpy(expected))


def weights(examples: Examples, **settings: object) -> torch.Tensor:
    trainer = toy.trainer(epochs=2, batch=16, **settings)
    assert len(list(toy.train(trainer, examples, toy.examples(6, 1), UNCHANGED))) == 2
    return torch.cat([p.detach().flatten() for p in trainer.network.parameters()])


def test_training_on_lazy_inputs_equals_training_on_an_array():
    """Bit for bit, whichever thread fetched a batch."""
    assert torch.equal(weights(lazy(toy.examples(50))), weights(toy.examples(50)))


def test_an_epoch_may_be_a_subset_of_the_data():
    """Every example occurs before any is repeated, across epochs."""
    order = torch.cat([torch.cat(batches(100, 8, 0, epoch, most=30)) for epoch in range(10)])
    assert len(order) == 300
    for lap in range(3):
        assert sorted(order[lap * 100 : lap * 100 + 100].tolist()) == list(range(100))
    assert not torch.equal(order[:100], order[100:200])
    assert len(batches(100, 8, 0, 0)) == len(batches(100, 8, 0, 0, most=100)) == 13


def test_the_settings_give_the_size_of_an_epoch():
    trainer = toy.trainer(epochs=1, batch=10, examples=20, checked=3)
    list(toy.train(trainer, toy.examples(60), toy.examples(9, 1), UNCHANGED))
    assert trainer.number == 2
