"""Every model of every domain is exported with a free batch size, and gives the same numbers as the model itself."""

from collections.abc import Callable
from typing import Any

import neocog
import pytest
import torch
from neocog.core import modules
from neocog.core.checkpoint import Card
from neocog.core.constants import network_constants
from neocog.core.export import ExportModule, export, free_axes
from neocog.core.initialize import initialize
from neocog.core.model import Model
from neocog.core.network import Network, parse
from neocog.core.settings import Settings
from neocog.go.coords import vertex
from test_layers import each_row, network
from torch import Tensor

Shape = tuple[int, int, int]


def vision(input: Shape, options: dict[str, Any]) -> tuple[dict[str, Any], Callable[..., Tensor]]:
    channels, height, width = input
    preprocessing = {
        "size": [height, width], "colour": "rgb" if channels == 3 else "grey", "fit": "crop", "mean": [0.4] * channels,
        "std": [0.2] * channels,
    }  # fmt: skip
    return preprocessing, lambda count, length=0: torch.randint(0, 256, (count, *input)).byte()


def speech(input: Shape, options: dict[str, Any]) -> tuple[dict[str, Any], Callable[..., Tensor]]:
    frames, rate, frame, hop = input[2], 8000, 200, 80
    samples = frame + hop * (frames - 1)
    preprocessing = {
        "rate": rate, "samples": samples, "bands": 40, "frame": 25, "hop": 10, "normalise": "clip", "deltas": False,
    } | options  # fmt: skip
    return preprocessing, lambda count, length=0: torch.randint(-9000, 9000, (count, length or samples)).short()


def text(input: Shape, options: dict[str, Any]) -> tuple[dict[str, Any], Callable[..., Tensor]]:
    def sentences(count: int, length: int = 0) -> Tensor:
        ids = torch.randint(2, 60, (count, 1, 1, length or input[2])).int()
        ids[..., -ids.shape[-1] // 4 :] = 0  # padding
        return ids

    preprocessing = {"vocabulary": [], "tokens": "words", "lower": True, "longest": input[2], "length": input[2]}
    return preprocessing | options, sentences


def go(input: Shape, options: dict[str, Any]) -> tuple[dict[str, Any], Callable[..., Tensor]]:
    return {**options}, lambda count, length=0: torch.randint(0, 256, (count, 2166)).byte()


def playground(input: Shape, options: dict[str, Any]) -> tuple[dict[str, Any], Callable[..., Tensor]]:
    return {"inputs": ["x1", "sin(x2)"]}, lambda count, length=0: torch.randint(-9000, 9000, (count, 2)).short()


INPUTS = {"vision": vision, "speech": speech, "text": text, "go": go, "playground": playground}
LABELS = {"go": 361}
AUGMENT = {"vision": "flip, crop(4)", "go": "symmetries"}  # what gives predictions more than one view


def model_of(name: str, recipe_name: str, symmetries: int | None = None) -> tuple[Model, Callable[..., Tensor]]:
    """A model with random weights, and a function that draws inputs for it."""
    domain = neocog.domain(name)
    recipe = domain.recipes[recipe_name]
    preprocessing, inputs = INPUTS[name](recipe.input, dict(recipe.options))
    constants = {**network_constants(domain, {}), "tokens": 60} if name == "text" else network_constants(domain, {})
    labels = [str(index) for index in range(LABELS.get(name, 5))]
    if name == "go":
        labels = [vertex(point, 19) for point in range(361)]
    described = Network(recipe.input, recipe.layers(len(labels), **constants))
    module = described.module()
    torch.manual_seed(0)
    initialize(module, 0)
    for child in module.modules():
        if isinstance(child, modules.NGrams):
            runs = modules.hashed_runs(torch.randint(2, 60, (40, recipe.input[2])), child.longest).unique()
            child.keys[: len(runs) - 1] = runs[runs > 0][: len(child.keys)]
        if isinstance(child, modules.Bag):
            child.weigh.uniform_(0.5, 2)
            child.table.weight.data.normal_(0, 0.1)
    settings = {"augment": AUGMENT.get(name, Settings().changed(recipe.settings).augment)}
    card = Card(name, str(described), recipe.input, labels, preprocessing, recipe=recipe_name, settings=settings)
    return Model(domain, card, module.state_dict(), "cpu", symmetries), inputs


def check(model: Model, inputs: Callable[..., Tensor]) -> None:
    """Exports a model and compares: batches of 1, 2 and 5, and other lengths and sizes if they are free."""
    torch.manual_seed(1)
    program = export(model, inputs(1)).module()
    batches = [inputs(count) for count in (1, 2, 5)]
    free = [axis for axis in free_axes(model) if axis]
    if len(free) == 1:
        full = batches[0].shape[-1]
        batches += [inputs(3, length) for length in (full * 3 // 4, full * 3 // 4 + 1, full * 3 // 2, 2 * full)]
    if len(free) == 2:
        channels, height, width = batches[0].shape[1:]
        sizes = ((height * 3 // 4, width), (height + 5, width + 2), (2 * height, width * 3 // 2))
        batches += [torch.randint(0, 256, (3, channels, *size)).byte() for size in sizes]
    with torch.inference_mode():
        for x in batches:
            torch.testing.assert_close(program(x), model.task.link(model.module(x)), rtol=1e-4, atol=1e-5)


RECIPES = [
    (name, recipe)
    for name in neocog.DOMAINS
    for recipe, entry in neocog.domain(name).recipes.items()
    if entry.task is None
]
DEFAULTS = [(name, neocog.domain(name).default) for name in neocog.DOMAINS]


@pytest.mark.parametrize(("domain", "recipe"), DEFAULTS)
def test_a_domains_default_is_exported_with_a_free_batch_size(domain, recipe):
    check(*model_of(domain, recipe))


@pytest.mark.slow
@pytest.mark.parametrize(("domain", "recipe"), [pair for pair in RECIPES if pair not in DEFAULTS])
def test_every_recipe_is_exported_with_a_free_batch_size(domain, recipe):
    check(*model_of(domain, recipe))


POOLS = [
    "maxpool(2)",
    "maxpool(3, stride=2, pad=1)",
    "avgpool(3, stride=2, pad=1)",
    "avgpool(2)",
    "l2pool(3, stride=2)",
]


@pytest.mark.parametrize("pool", POOLS)
def test_pools_are_exported_with_a_free_length(pool):
    """torch would freeze the remainder of the length divided by the stride."""
    module = Network((1, 1, 32), parse(f"embed(60, 4), conv(3, 2), {pool}, conv(3, 2), globalavg")).module().eval()
    axes = {0: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    ids = torch.randint(0, 60, (2, 1, 1, 32)).float()
    program = torch.export.export(module, (ids,), dynamic_shapes=(axes,)).module()
    for length in range(20, 30):
        x = torch.randint(0, 60, (3, 1, 1, length)).float()
        torch.testing.assert_close(program(x), module(x))


@each_row
def test_every_layer_is_exported_with_a_free_batch_size(layer, shape, out):
    module = network(layer, shape).module().eval()
    x = torch.randint(0, 40, (2, *shape)).float().reshape(2, *(shape if len(shape) == 3 else (*shape, 1, 1)))
    program = torch.export.export(module, (x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)).module()
    for count in (1, 5):
        batch = x[:1].expand(count, -1, -1, -1) + torch.arange(count)[:, None, None, None]
        torch.testing.assert_close(program(batch), module(batch))


@pytest.mark.parametrize(("domain", "symmetries"), [("vision", 6), ("go", 8)])
def test_all_views_of_an_input_are_exported(domain, symmetries):
    model, inputs = model_of(domain, neocog.domain(domain).default, symmetries)
    assert len(model.module.views) == symmetries
    check(model, inputs)


@pytest.mark.parametrize(
    ("text", "free"),
    [
        ("embed(60, 4), conv(3, 3), relu, globalmax, dense(5)", True),
        ("embed(60, 4), conv(3, 3), maxpool(2), flatten, dense(5)", False),
        ("embed(60, 4), local(3, 3), globalmax, dense(5)", False),
        ("embed(60, 4), bias, globalavg, dense(5)", False),
        ("bag(60, 4), relu, dense(5)", True),
    ],
)
def test_a_length_is_free_if_no_layer_counts_positions(text, free):
    assert Network((1, 1, 32), parse(text)).any_width == free


@pytest.mark.parametrize(
    ("text", "free"),
    [
        ("conv(3, 3), relu, globalmax, dense(5)", True),
        ("conv(3, 3), maxpool(2), globalavg, dense(5)", True),
        ("conv(3, 3), maxpool(2), flatten, dense(5)", False),
        ("local(3, 3), globalmax, dense(5)", False),
    ],
)
def test_a_size_is_free_if_no_layer_counts_positions(text, free):
    assert Network((3, 16, 16), parse(text)).any_size == free


def test_the_export_module_computes_what_the_models_own_does():
    model, inputs = model_of("vision", "keras-digits", None)
    with torch.inference_mode():
        for count in (1, 70):
            x = inputs(count)
            torch.testing.assert_close(ExportModule(model)(x), model.module(x).softmax(1))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 100, 4097])
def test_the_binary_search_of_an_export_is_torchs(count):
    rng = torch.Generator().manual_seed(count)
    keys = torch.randint(1, 2**62, (count,), generator=rng).sort().values
    keys[count // 2 + 1 :] = 2**62  # the keys of unknown runs
    around = torch.cat((keys - 1, keys, keys + 1, torch.tensor([0, 1, 2**62 - 1])))
    assert torch.equal(modules.binary_search(keys, around), torch.searchsorted(keys, around))
