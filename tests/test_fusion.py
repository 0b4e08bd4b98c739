"""Fusing for training: the same numbers and gradients for less work, and not while a hook listens."""

from typing import Any

import pytest
import torch
from neocog.core.fusion import Plan
from neocog.core.network import Network, parse
from neocog.core.receptive_field import needed
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

LECTURE = "conv(25, 3), relu, maxpool(2), conv(50, 3), relu, maxpool(2)"


class Flops(TorchDispatchMode):
    """Counts floating-point operations without the global hooks of torch's own counter."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func._overloadpacket):
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out


@pytest.mark.parametrize("activation", ["relu", "relu6", "leaky", "elu", "sigmoid", "tanh", "leaky(-0.2)", "gelu"])
@pytest.mark.parametrize("pool", ["maxpool(2)", "maxpool(3, stride=2, pad=1)", "globalmax, dense(2)", "flatten"])
def test_training_pools_first_and_gives_the_same_numbers_and_gradients(activation, pool):
    """A changed order of layers does not change the result."""
    check_training(f"conv(5, 3), {activation}, {pool}", (2, 9, 9))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    "text",
    [
        "conv(5, 3), relu, maxpool(2), conv(4, 3), relu, maxpool(2)",
        "conv(5, 3, pad=1), maxpool(2), relu",
        "conv(5, 3, pad=(0, 1)), maxpool((2, 3)), relu",
        "conv(5, 3, stride=2, pad=1), gelu, avgpool(2)",
        "conv(4, 3, dilation=2, groups=2), maxpool(3, stride=2)",
        'conv(5, 2, pad="same"), maxpool(2), relu',
        "conv(5, 3), batchnorm, maxpool(2)",
        "conv(5, 3), dropout(0), maxpool(2), flatten, dense(3)",
        "conv(5, 2), maxpool(2, ceil=True), relu",
        "maxpool(2), conv(5, 3), maxpool(5, stride=2), conv(3, 3, pad=1)",
        "residual(conv(4, 3, pad=1)), maxpool(2)",
    ],
)
def test_training_skips_only_values_that_no_layer_reads(text, layout):
    check_training(text, (4, 15, 14), layout)


def check_training(text: str, shape: tuple[int, int, int], layout: torch.memory_format = torch.contiguous_format):
    torch.manual_seed(0)
    module = Network(shape, parse(text)).module().train().to(memory_format=layout)
    x = torch.randn(4, *shape).contiguous(memory_format=layout).requires_grad_()
    fast = module(x)
    written = x
    for layer in module:
        written = layer(written)
    torch.testing.assert_close(fast, written)
    leaves = [x, *module.parameters()]
    for quick, plain in zip(
        torch.autograd.grad(fast.square().sum(), leaves),
        torch.autograd.grad(written.square().sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(quick, plain, rtol=0, atol=1e-5 * (1 + float(plain.abs().max())))


def test_inputs_unseen_by_pools_are_known_before_the_first_convolution():
    """Of 28 rows the lectures' network reads 26: its second pool reads 10 of 11, so its first gives 12 of 13."""
    windows = [row.window for row in Network((1, 28, 28), parse(LECTURE)).rows if row.window]
    lengths = ((0, 28), (1, 26), (2, 13), (3, 11))
    assert [needed(windows[index:], length, 0) for index, length in lengths] == [26, 24, 12, 10]
    assert needed(windows[:1], 28, 0) == 28


def test_training_multiplies_only_for_what_is_read():
    module = Network((1, 28, 28), parse(LECTURE)).module()
    counts = []
    for training in (True, False):
        with Flops() as counter:
            module.train(training)(torch.randn(1, 1, 28, 28))
        counts.append(counter.total // 2)
    assert counts == [25 * 9 * 24**2 + 50 * 225 * 10**2, 25 * 9 * 26**2 + 50 * 225 * 11**2]


HOOKED = [
    ("conv(3, 3), relu, maxpool(2), conv(4, 2), gelu, maxpool(2)", (1, 13, 13)),
    ("conv(3, 3), globalmax, dense(2)", (1, 8, 8)),
    ("parallel((conv(3, 3), relu, globalmax), (conv(4, 2), tanh, globalmax)), dense(2)", (1, 8, 8)),
    ("residual(conv(4, 3, pad=1), relu, conv(4, 3, pad=1), shortcut=conv(4, 1)), maxpool(2), globalavg", (2, 9, 9)),
    ("vote((embed(9, 4), conv(3, 2), relu, globalmax, dense(2)), (ngrams(2, 5), bag(5, 2, static=True)))", (1, 1, 9)),
    ("vote((flatten, dense(2)), (conv(3, 3), relu, globalmax, dense(2)))", (1, 8, 8)),
]


def calls(module: nn.Module, x: torch.Tensor, listen: Any) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """The layers whose forward hooks fire for x, each with the shapes of one example of its input and output."""
    log: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
    handles = [
        child.register_forward_hook(
            lambda _, inputs, output, name=name: log.append((name, inputs[0].shape[1:], output.shape[1:]))
        )
        for name, child in module.named_modules()
        if name and listen(name)
    ]
    module(x)
    for handle in handles:
        handle.remove()
    return sorted(log)


@pytest.mark.parametrize(("text", "shape"), HOOKED)
def test_a_forward_hook_on_any_layer_fires_in_training_and_in_evaluation_alike(text, shape):
    """For all layers at once, and for each alone: with the same shapes, also in the branches of combinators."""
    module = Network(shape, parse(text)).module()
    x = torch.randint(1, 9, (6, *shape)).float() if "embed" in text else torch.randn(6, *shape)
    calls_of_all = calls(module.eval(), x, lambda name: True)
    # In training a vote does not average: each example goes through one branch.
    layers = {name for name, _, _ in calls_of_all if not (text.startswith("vote") and name == "0.merge")}
    for listen in (layers.__contains__, *(only.__eq__ for only in sorted(layers))):
        evaluation = calls(module.eval(), x, listen)
        assert evaluation and calls(module.train(), x, listen) == evaluation


def test_global_hooks_fire():
    module = Network((1, 28, 28), parse(LECTURE)).module().train()
    shapes = []
    handle = nn.modules.module.register_module_forward_hook(lambda _, inputs, output: shapes.append(output.shape[2:]))
    try:
        module(torch.randn(1, 1, 28, 28))
    finally:
        handle.remove()
    assert shapes[:3] == [(26, 26), (26, 26), (13, 13)]


def test_hooks_get_the_output_of_the_previous_layer():
    module = Network((1, 8, 8), parse("conv(3, 3), relu, maxpool(2)")).module()
    shapes: list[tuple[int, ...]] = []
    for layer in module:
        layer.register_forward_hook(lambda _, inputs, output: shapes.append(tuple(inputs[0].shape[2:])))
    for training in (True, False):
        module.train(training)(torch.randn(1, 1, 8, 8))
    assert shapes == 2 * [(8, 8), (6, 6), (6, 6)]


def test_fusing_can_be_turned_off_and_is_off_where_a_layer_was_replaced():
    module = Network((1, 8, 8), parse("conv(3, 3), relu, maxpool(2)")).module().train()
    assert isinstance(module.fused, Plan) and module.fused.fits(list(module))
    plan, module.fused = module.fused, None
    shapes = []
    module[1] = nn.Hardtanh(-1, -0.5)
    module.fused = plan
    assert not plan.fits(list(module))
    module[1].forward = lambda x: shapes.append(x.shape[2:]) or x
    module(torch.randn(1, 1, 8, 8))
    assert shapes == [(6, 6)]


def test_a_network_without_savings_has_no_plan():
    assert Network((1, 8, 8), parse("conv(3, 3), batchnorm, relu, flatten, dense(2)")).module().fused is None
