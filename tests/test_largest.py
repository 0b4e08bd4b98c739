"""A fused convolution and global maximum, compared with the two steps."""

import pytest
import torch
from neocog.core.largest import Largest, fits, largest
from neocog.core.network import Network, parse
from torch import nn
from torch.nn import functional as F

SIZES = [
    ((3, 5, 1, 9), (4, 5, 1, 3)),
    ((2, 3, 6, 7), (5, 3, 3, 2)),
    ((1, 1, 4, 4), (2, 1, 4, 4)),
    ((4, 2, 5, 1), (3, 2, 2, 1)),
]


def drawn(size: tuple[int, ...], weights: tuple[int, ...]) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    shapes = (size, weights, weights[:1])
    return [torch.randn(shape, generator=rng, dtype=torch.float64).requires_grad_() for shape in shapes]


@pytest.mark.parametrize(("size", "weights"), SIZES, ids=str)
def test_values_and_gradients_equal_those_of_the_two_steps(size, weights):
    x, weight, bias = drawn(size, weights)
    slope = torch.randn(size[0], weights[0], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours, plain = Largest.apply(x, weight, bias), F.conv2d(x, weight, bias).amax((2, 3))
    torch.testing.assert_close(ours, plain)
    for a, b in zip(
        torch.autograd.grad(ours, (x, weight, bias), slope),
        torch.autograd.grad(plain, (x, weight, bias), slope),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(("size", "weights"), SIZES, ids=str)
def test_gradients_agree_with_finite_differences(size, weights):
    assert torch.autograd.gradcheck(Largest.apply, drawn(size, weights))


def test_a_convolution_without_a_bias_and_an_input_that_needs_no_gradient():
    conv = nn.Conv2d(2, 3, (1, 2), bias=False)
    largest(conv, x := torch.randn(4, 2, 1, 6)).sum().backward()
    ours, conv.weight.grad = conv.weight.grad, None
    conv(x).amax((2, 3)).sum().backward()
    torch.testing.assert_close(ours, conv.weight.grad)


def test_of_equal_windows_the_first_has_the_gradient():
    """The gradient of the input goes to one position and is not shared."""
    x = torch.ones(1, 1, 1, 4, requires_grad=True)
    Largest.apply(x, torch.ones(1, 1, 1, 2), None).sum().backward()
    assert x.grad.flatten().tolist() == [1, 1, 0, 0]


def test_it_saves_no_maps_for_the_backward_pass():
    x, weight, bias = drawn((2, 3, 1, 500), (40, 3, 1, 2))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        Largest.apply(x, weight, bias)
    assert sum(kept) == x.numel() + weight.numel() + 2 * 40 * 2  # where each of two weights lay in each winner


@pytest.mark.parametrize(
    "text", ["conv(2, 2, stride=2)", "conv(2, 3, pad=1)", "conv(2, 2, dilation=2)", "conv(2, 2, groups=2)"]
)
def test_other_windows_are_computed_by_torch(text):
    assert not fits(Network((2, 8, 8), parse(f"{text}, globalmax")).module()[0])
    assert fits(Network((2, 8, 8), parse("conv(2, 2), globalmax")).module()[0])
    assert not fits(nn.Linear(2, 2))
