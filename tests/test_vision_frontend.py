"""The frontend: pixels to normalised maps."""

import pytest
import torch
from neocog.core.data import Preprocessing
from neocog.vision.frontend import frontend

RGB = {"size": [4, 5], "colour": "rgb", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
GREY = {"size": [4, 5], "colour": "grey", "mean": [0.1307], "std": [0.3081]}
FACTS = pytest.mark.parametrize("preprocessing", [RGB, GREY], ids=["rgb", "grey"])


def pixels(preprocessing: Preprocessing) -> torch.Tensor:
    return torch.randint(
        0, 256, (6, len(preprocessing["mean"]), 4, 5), generator=torch.Generator().manual_seed(0)
    ).byte()


@FACTS
def test_the_frontend_agrees_with_torchvision(preprocessing: Preprocessing) -> None:
    """`to_tensor`, then `normalize`: (x/255 − mean)/std of each channel."""
    functional = pytest.importorskip("torchvision.transforms.functional")
    x = pixels(preprocessing)
    expected = functional.normalize(x.float() / 255, preprocessing["mean"], preprocessing["std"])
    assert (frontend(preprocessing)(x) - expected).abs().max() < 1e-5


@FACTS
def test_uint8_and_float_pixels_give_the_same_float32(preprocessing: Preprocessing) -> None:
    x, module = pixels(preprocessing), frontend(preprocessing)
    assert module(x).dtype == torch.float32
    assert torch.equal(module(x), module(x.float()))


@FACTS
def test_the_input_is_not_changed(preprocessing: Preprocessing) -> None:
    x = pixels(preprocessing).float()
    kept = x.clone()
    frontend(preprocessing)(x)
    assert torch.equal(x, kept)


@FACTS
def test_it_has_no_weights(preprocessing: Preprocessing) -> None:
    """The mean and standard deviation are in the preprocessing; a model file has only weights of the network."""
    module = frontend(preprocessing)
    assert not module.state_dict() and not list(module.parameters()) and len(list(module.buffers())) == 2


def test_gradients_reach_the_pixels() -> None:
    """The gradient is 1/(255·std)."""
    x = pixels(GREY).float().requires_grad_()
    frontend(GREY)(x).sum().backward()
    assert x.grad is not None and torch.allclose(x.grad, torch.tensor(1 / (255 * 0.3081)))


@FACTS
def test_it_exports_as_one_graph(preprocessing: Preprocessing) -> None:
    x = pixels(preprocessing)
    program = torch.export.export(frontend(preprocessing), (x,))
    assert torch.equal(program.module()(x), frontend(preprocessing)(x))
