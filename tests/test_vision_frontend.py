"""The frontend: pixels to what a network sees."""

import pytest
import torch
from neocog.core.domain import Facts
from neocog.vision.frontend import frontend

RGB = {"size": [4, 5], "colour": "rgb", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
GREY = {"size": [4, 5], "colour": "grey", "mean": [0.1307], "std": [0.3081]}
FACTS = pytest.mark.parametrize("facts", [RGB, GREY], ids=["rgb", "grey"])


def pixels(facts: Facts) -> torch.Tensor:
    return torch.randint(0, 256, (6, len(facts["mean"]), 4, 5), generator=torch.Generator().manual_seed(0)).byte()


@FACTS
def test_it_is_what_torchvision_computes(facts: Facts) -> None:
    """`to_tensor`, then `normalize`: x/255, less the mean, over the deviation, channel by channel."""
    functional = pytest.importorskip("torchvision.transforms.functional")
    x = pixels(facts)
    expected = functional.normalize(x.float() / 255, facts["mean"], facts["std"])
    assert (frontend(facts)(x) - expected).abs().max() < 1e-5


@FACTS
def test_whole_and_real_pixels_give_the_same_float32(facts: Facts) -> None:
    x, module = pixels(facts), frontend(facts)
    assert module(x).dtype == torch.float32
    assert torch.equal(module(x), module(x.float()))


@FACTS
def test_the_input_is_left_alone(facts: Facts) -> None:
    x = pixels(facts).float()
    kept = x.clone()
    frontend(facts)(x)
    assert torch.equal(x, kept)


@FACTS
def test_it_has_no_weights(facts: Facts) -> None:
    """Mean and deviation travel as facts, so a model's weights are the network's and nothing else."""
    module = frontend(facts)
    assert not module.state_dict() and not list(module.parameters()) and len(list(module.buffers())) == 2


def test_gradients_reach_the_pixels() -> None:
    """Saliency asks how the answer changes with a pixel: by 1/(255·std)."""
    x = pixels(GREY).float().requires_grad_()
    frontend(GREY)(x).sum().backward()
    assert x.grad is not None and torch.allclose(x.grad, torch.tensor(1 / (255 * 0.3081)))


@FACTS
def test_it_exports_as_one_graph(facts: Facts) -> None:
    x = pixels(facts)
    program = torch.export.export(frontend(facts), (x,))
    assert torch.equal(program.module()(x), frontend(facts)(x))
