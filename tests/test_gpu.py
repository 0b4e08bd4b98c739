"""Training and prediction on an accelerator, compared with the CPU."""

import copy

import pytest
import torch
import toy
from neocog.core import device as devices
from neocog.core.domain import UNCHANGED
from neocog.core.feed import fetch_batch, predict_proba, prefetcher, to_device_if_fits
from neocog.core.initialize import initialize
from neocog.core.network import Network
from neocog.core.optimise import MANY_ROWS, optimiser
from neocog.core.settings import Settings
from neocog.go import DOMAIN as GO
from neocog.go import augment as go_augment
from neocog.vision import DOMAIN as VISION
from torch import nn
from toy import lazy

GPU = devices.choose("auto")
NUMBERS = torch.float32 if GPU.type == "mps" else torch.float64
pytestmark = pytest.mark.skipif(GPU.type == "cpu", reason="needs an accelerator")


@pytest.mark.parametrize(
    ("domain", "recipe", "shape", "labels"),
    [
        (GO, "swift", (48, 19, 19), 361),
        (GO, "alphago", (48, 19, 19), 361),
        (VISION, "swift", (3, 32, 32), 10),
        (VISION, "keras-digits", (1, 28, 28), 10),
    ],
)
def test_logits_equal_those_of_the_cpu(domain, recipe, shape, labels):
    module = Network(shape, domain.recipes[recipe].layers(labels)).module().eval()
    initialize(module, 0)
    x = torch.rand(6, *shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = module(x)
        actual = devices.lay_out(copy.deepcopy(module).to(GPU), devices.memory_format(module, GPU))(x.to(GPU)).cpu()
        spread = expected.std()
        assert (actual - expected).abs().max() < 0.02 * spread  # convolutions are in TF32 on newer GPUs
        if devices.number_format(GPU, "auto") == torch.bfloat16:
            with torch.autocast(GPU.type, torch.bfloat16):
                assert (module.to(GPU)(x.to(GPU)).float().cpu() - expected).abs().max() < 0.2 * spread


def network_with_a_table() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Embedding(MANY_ROWS, 6), nn.Unflatten(1, (2, 1)), nn.Conv2d(2, 3, (1, 3), bias=False), nn.BatchNorm2d(3),
        nn.Flatten(), nn.Linear(12, 4),
    ).to(NUMBERS)  # fmt: skip


@pytest.mark.parametrize("name", ["adamw", "sgd", "muon"])
def test_training_steps_equal_those_of_the_cpu(name):
    """In float64 if the device has it; the tolerance is wider for Muon, which may multiply in bfloat16."""
    settings = Settings(optimiser=name, lr=0.02, adam_lr=0.01, weight_decay=0.1)
    on_cpu = network_with_a_table()
    before = copy.deepcopy(on_cpu)
    on_gpu = copy.deepcopy(on_cpu).to(GPU)
    pairs = [(module, optimiser(module, settings)) for module in (on_cpu, on_gpu)]
    ids = torch.randint(0, MANY_ROWS, (5, 8, 2), generator=torch.Generator().manual_seed(0))
    for batch in ids:
        for module, step in pairs:
            step.zero_grad()
            module(batch.to(next(module.parameters()).device)).square().sum().backward()
            step.step()
    tolerance = 0.1 if name == "muon" or GPU.type == "mps" else 1e-6
    for (parameter, a), b, initial in zip(
        on_cpu.named_parameters(), on_gpu.parameters(), before.parameters(), strict=True
    ):
        moved = (a - initial).norm()
        assert (b.cpu() - a).norm() <= tolerance * moved, parameter
    kept = pairs[1][1].state_dict()
    restored = optimiser(on_gpu, settings)
    restored.load_state_dict({index: {n: v.cpu() for n, v in values.items()} for index, values in kept.items()})
    for index, values in restored.state_dict().items():
        for key, value in values.items():
            assert torch.equal(value, kept[index][key]) and value.device == kept[index][key].device


def test_training_on_lazy_examples_learns_and_resumes():
    examples = toy.examples(120)
    first = toy.trainer(epochs=6, lr=0.02, device=str(GPU), augment="none")
    for epoch in toy.train(first, lazy(examples), toy.examples(30, 1), UNCHANGED):
        if epoch.epoch == 2:
            state = {name: value.cpu() for name, value in first.copy()[0].items()}, first.to_dict()
    assert first.history[-1].valid["accuracy"] > 0.9
    second = toy.trainer(epochs=6, lr=0.02, device=str(GPU), augment="none")
    second.restore(*state)
    assert len(list(toy.train(second, lazy(examples), toy.examples(30, 1), UNCHANGED))) == 4
    assert abs(second.history[-1].train["loss"] - first.history[-1].train["loss"]) < 0.1


def test_predictions_of_stored_and_lazy_examples_are_equal():
    trainer = toy.trainer(device=str(GPU), precision="float32")
    examples = toy.examples(70)
    assert to_device_if_fits(examples, GPU).targets.device == GPU
    for stored in (examples, lazy(examples), to_device_if_fits(examples, GPU)):
        assert torch.allclose(
            torch.from_numpy(predict_proba(trainer, stored, 16)),
            torch.from_numpy(predict_proba(trainer, examples, 70)),
            atol=1e-5,
        )


def test_lazy_batches_are_prefetched_to_the_device():
    examples = toy.examples(40)
    feed = prefetcher(lazy(examples), GPU)
    assert feed is not None
    order = torch.arange(40).split(8)
    feed.prefetch(order)
    for indices in order:
        inputs, targets = feed(indices)
        assert inputs.device.type == targets.device.type == GPU.type
        assert torch.equal(inputs.cpu(), examples.inputs[indices])
    feed.close()
    assert fetch_batch(examples, order[0], GPU)[0].device.type == GPU.type


def test_symmetries_transform_positions_and_targets_alike():
    maps = torch.rand(20, 3, 19, 19, generator=torch.Generator().manual_seed(0))
    targets = torch.arange(20) * 18
    turned, moved = go_augment.symmetries(maps.to(GPU), targets.to(GPU), torch.Generator(GPU).manual_seed(1))
    for board, original, target_after, target in zip(turned.cpu(), maps, moved.cpu(), targets, strict=True):
        assert board.flatten(1)[:, target_after].equal(original.flatten(1)[:, target])
        assert any(view.transform(original[None])[0].equal(board) for view in go_augment.views("symmetries"))
