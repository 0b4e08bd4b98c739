"""Classifiers as fully convolutional networks."""

import json
from pathlib import Path

import neocog
import numpy as np
import pytest
import torch
from neocog.cli import app
from neocog.core.convolutional import coarse_map, difference, fully_convolutional
from neocog.core.initialize import initialize
from neocog.core.network import Network, parse
from neocog.core.problem import DATA, Problem
from neocog.vision.models import RECIPES
from PIL import Image
from torch import nn
from typer.testing import CliRunner

TEXTS = [
    ("conv(8, 3), relu, maxpool(2), flatten, dense(12), relu, dropout, dense(5)", (1, 12, 12)),
    ("conv(8, 3, pad=1), batchnorm, relu, globalavg, dense(12), batchnorm, relu, dense(5), scale(0.5)", (3, 9, 13)),
    ("conv(6, 3), maxpool(2), globalmax, dense(5)", (3, 10, 14)),
    ("flatten, relu, dense(8), relu, dense(5)", (2, 6, 7)),
    (
        "residual(conv(3, 3, pad=1), relu), parallel((conv(4, 1),), ()), flatten, dropout, dense(6), maxout(2)",
        (3, 8, 8),
    ),
]


def ready(text: str, shape: tuple[int, int, int]) -> tuple[Network, nn.Module]:
    network = Network(shape, parse(text))
    module = network.module()
    initialize(module, 0)
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):  # statistics as training leaves them
            layer.running_mean.normal_(0, 0.3, generator=torch.Generator().manual_seed(1))
            layer.running_var.uniform_(0.5, 2, generator=torch.Generator().manual_seed(2))
    return network, module.eval()


@pytest.mark.parametrize(("text", "shape"), TEXTS)
def test_the_outputs_at_the_training_size_are_those_of_the_classifier(text, shape) -> None:
    network, module = ready(text, shape)
    form = fully_convolutional(network, module)
    assert difference(network, module, form) < 1e-5
    described = form.network(shape)
    assert described.output == (*network.output, 1, 1) and described.parameters == network.parameters
    assert "dense" not in str(described) and "flatten" not in str(described) and "global" not in str(described)
    assert parse(str(described)) == form.layers


@pytest.mark.parametrize("name", ["keras-digits", "lenet5", "swift", "mlp", "resnet18"])
def test_recipes_become_convolutional(name: str) -> None:
    recipe = RECIPES[name]
    shape = (recipe.input[0], 64, 64) if name == "resnet18" else recipe.input
    network, module = ready(", ".join(map(str, recipe.layers(7))), shape)
    assert difference(network, module, fully_convolutional(network, module)) < 1e-4


def test_each_position_of_the_map_is_the_classifier_at_that_part_of_the_picture() -> None:
    """Without padding: the map of a larger picture is what the classifier gives for its parts, two pixels apart."""
    network, module = ready("conv(8, 3), relu, maxpool(2), conv(6, 3), relu, flatten, dense(5)", (1, 12, 12))
    form = fully_convolutional(network, module)
    x = torch.randn(1, 1, 20, 26, generator=torch.Generator().manual_seed(0))
    coarse = coarse_map(form, x)
    assert tuple(coarse.probabilities.shape) == (5, 5, 8) and coarse.field.step == (2, 2)
    with torch.inference_mode():
        for i, j in np.ndindex(5, 8):
            part = module(x[..., 2 * i : 2 * i + 12, 2 * j : 2 * j + 12]).softmax(1)[0]
            torch.testing.assert_close(coarse.probabilities[:, i, j], part, rtol=1e-4, atol=1e-5)


def test_the_labels_of_a_map_lie_where_the_classifier_looked() -> None:
    """A classifier of brightness on 8×8 pixels: the bright half of a picture is labelled as such."""
    network = Network((1, 8, 8), parse("globalavg, dense(2)"))
    module = network.module().eval()
    module[1].weight.data = torch.tensor([[-10.0], [10.0]])
    module[1].bias.data = torch.tensor([5.0, -5.0])
    picture = torch.zeros(1, 1, 24, 40)
    picture[..., 20:] = 1
    labels = coarse_map(fully_convolutional(network, module), picture).labels((24, 40), 0.9, 255)
    assert not labels[:, :16].any() and (labels[:, 24:] == 1).all() and 255 in labels[:, 16:24].unique().tolist()


REFUSED = [
    ("conv(4, 3), globalbias, globalavg, dense(3)", "layer 1, globalbias: globalbias depends on the position"),
    ("local(4, 3), flatten, dense(3)", "layer 0, local: local depends on the position"),
    ("vote((flatten, dense(3)), (globalmax, dense(3)))", "layer 0, vote: vote depends on the position"),
    ("parallel((globalavg,), (globalmax,)), dense(3)", "mixes all positions within a branch"),
    ("flatten, batchnorm, dense(3)", "layer 1, batchnorm: it mixes numbers of flattened maps"),
    ("conv(3, 8), flatten", "the network does not end with a number for each label"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_cannot_become_convolutional_is_named(text: str, message: str) -> None:
    network, module = ready(text, (3, 8, 8))
    with pytest.raises(Problem) as caught:
        fully_convolutional(network, module)
    assert message in str(caught.value)


def test_convert_writes_a_model_that_predicts_the_same_and_a_map(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for label, level in (("dark", 40), ("bright", 200)):
        (tmp_path / "files" / label).mkdir(parents=True)
        for k in range(12):
            pixels = rng.integers(level - 30, level + 30, (8, 8)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "files" / label / f"{k}.png")
    run = tmp_path / "run"
    model = neocog.train(
        "vision", str(tmp_path / "files"), network="conv(4, 3), relu, flatten, dense(classes)", out=str(run), epochs=15,
        batch=8, lr=0.02, device="cpu",
    )  # fmt: skip
    large = np.full((24, 40), 40, np.uint8)
    large[:, 20:] = 200
    Image.fromarray(large).save(tmp_path / "large.png")
    words = ["convert", str(run), str(tmp_path / "large.png"), "--out", str(tmp_path / "out"), "--json"]
    completed = CliRunner().invoke(app, words)
    assert completed.exit_code == 0, completed.exception
    result = json.loads(completed.stdout)
    (row,) = result["maps"]
    assert row["positions"] == [17, 33] and row["step"] == [1, 1] and row["size"] == [24, 40]
    assert {line[0] for line in row["labels"]} == {"dark"} and {line[-1] for line in row["labels"]} == {"bright"}
    with Image.open(row["overlay"]) as drawn:
        assert drawn.size == (40, 24)
    written = neocog.load(result["model"], "cpu")
    files = [str(path) for path in sorted((tmp_path / "files").rglob("*.png"))]
    for first, second in zip(model.predict(files), written.predict(files), strict=True):
        assert first["predictions"][0]["label"] == second["predictions"][0]["label"]
        assert first["predictions"][0]["probability"] == pytest.approx(
            second["predictions"][0]["probability"], abs=1e-5
        )
    small = tmp_path / "small.png"
    Image.fromarray(large[:5, :5]).save(small)
    problem = CliRunner().invoke(app, ["convert", str(run), str(small)]).exception
    assert isinstance(problem, Problem) and problem.code == DATA
    assert "a picture of 5×5 pixels is too small" in str(problem)
