"""One table of layers with input and output shapes; every law runs over every row."""

import numpy as np
import pytest
import torch
from neocog.core.layer import Layer, Shape
from neocog.core.layers import (
    KINDS,
    avgpool,
    bag,
    batchnorm,
    bias,
    blurpool,
    conv,
    decoder,
    dense,
    dropout,
    elu,
    embed,
    flatten,
    gabor,
    gelu,
    globalavg,
    globalbias,
    globalmax,
    heads,
    l2pool,
    leaky,
    local,
    lrn,
    maximum,
    maxout,
    maxpool,
    ngrams,
    parallel,
    patches,
    pyramid,
    regions,
    relu,
    relu6,
    residual,
    scale,
    scales,
    scells,
    sigmoid,
    softargmax,
    tanh,
    unit,
    upsample,
    vote,
)
from neocog.core.network import Network, parse
from neocog.core.problem import Problem
from torch.nn import functional as F

MAPS = (6, 12, 10)
OF_IDS = (type(embed(1, 1)), type(bag(1, 1)), type(ngrams(1, 1)))  # their inputs are ids, which have no gradient
ROWS: list[tuple[Layer, Shape, Shape]] = [
    (conv(8, 3), MAPS, (8, 10, 8)),
    (conv(8, 3, stride=2, pad=1), MAPS, (8, 6, 5)),
    (conv(8, (3, 1), stride=(2, 1), pad=(1, 0)), MAPS, (8, 6, 10)),
    (conv(8, 4, pad="same"), MAPS, (8, 12, 10)),
    (conv(8, 3, stride=2, pad="same"), MAPS, (8, 6, 5)),
    (conv(8, 5, stride=(2, 3), pad="same"), MAPS, (8, 6, 4)),
    (conv(8, 1, stride=4, pad="same"), MAPS, (8, 3, 3)),
    (conv(8, 3, dilation=2), MAPS, (8, 8, 6)),
    (conv(12, 3, groups=3, bias=False), MAPS, (12, 10, 8)),
    (conv(100, 3), (20, 1, 50), (100, 1, 48)),
    (local(4, 3), MAPS, (4, 10, 8)),
    (local(4, 3, stride=2, pad=1, bias=False), MAPS, (4, 6, 5)),
    (local(2, 4, pad="same"), MAPS, (2, 12, 10)),
    (dense(7), (30,), (7,)),
    (dense(7, bias=False), (30,), (7,)),
    (flatten, MAPS, (720,)),
    (maxpool(2), MAPS, (6, 6, 5)),
    (maxpool(3, stride=2), MAPS, (6, 5, 4)),
    (maxpool(3, stride=2, pad=1, ceil=True), MAPS, (6, 7, 6)),
    (maxpool(2), (6, 1, 9), (6, 1, 4)),
    (avgpool(2), MAPS, (6, 6, 5)),
    (avgpool((3, 2), stride=1), MAPS, (6, 10, 9)),
    (l2pool(2), MAPS, (6, 6, 5)),
    (l2pool(3, stride=2, pad=1), MAPS, (6, 6, 5)),
    (blurpool(3), MAPS, (6, 5, 4)),
    (blurpool((4, 1), stride=1, pad="same"), MAPS, MAPS),
    (gabor(4, 7), (1, 12, 10), (4, 6, 4)),
    (gabor(8, 5, stride=2, pad="same", wavelength=3), (1, 12, 10), (8, 6, 5)),
    (patches(5, 4, pad=2), MAPS, (5, 13, 11)),
    (patches(5, 3, sigma=2.0), MAPS, (5, 10, 8)),
    (scells(5, 3), MAPS, (5, 10, 8)),
    (scells(5, (3, 2), stride=2, pad=1, threshold=0.2), MAPS, (5, 6, 6)),
    (maximum(conv(4, 3, pad=1), (conv(4, 5, pad=2), relu)), MAPS, (4, 12, 10)),
    (maximum((maxpool(2),), (maxpool(3),), shared=(scells(4, 2), globalmax)), MAPS, (4,)),
    (globalmax, MAPS, (6,)),
    (globalavg, MAPS, (6,)),
    (softargmax, MAPS, (6,)),
    (globalbias, MAPS, MAPS),
    (batchnorm, MAPS, MAPS),
    (batchnorm(eps=0.001), (30,), (30,)),
    (lrn, MAPS, MAPS),
    (lrn(3, beta=0.5), MAPS, MAPS),
    (dropout, MAPS, MAPS),
    (dropout(0.2), (30,), (30,)),
    (relu, MAPS, MAPS),
    (relu6, MAPS, MAPS),
    (leaky, MAPS, MAPS),
    (leaky(0.2), (30,), (30,)),
    (elu, MAPS, MAPS),
    (gelu, MAPS, MAPS),
    (sigmoid, MAPS, MAPS),
    (tanh, MAPS, MAPS),
    (maxout(2), MAPS, (3, 12, 10)),
    (maxout(3), (30,), (10,)),
    (embed(1000, 20), (1, 1, 50), (20, 1, 50)),
    (embed(1000, 20, static=True), (1, 1, 50), (20, 1, 50)),
    (vote((flatten, dense(4)), (globalmax, dense(4))), MAPS, (4,)),
    (ngrams(3, 500), (1, 1, 50), (3, 1, 50)),
    (bag(1000, 7), (1, 1, 50), (7,)),
    (bag(1000, 7, static=True, unit=True), (1, 1, 50), (7,)),
    (bias, MAPS, MAPS),
    (unit, (30,), (30,)),
    (decoder(9, 5, dim=8), (30,), (9, 1, 5)),
    (decoder(9, 5, dim=8, blocks=1, beam=3), (30,), (9, 1, 5)),
    (scale(0.125), (30,), (30,)),
    (upsample(2), MAPS, (6, 24, 20)),
    (upsample((3, 1), nearest=True), MAPS, (6, 36, 10)),
    (pyramid(3, conv(4, 3, pad=1), relu, maxpool(2)), (3, 16, 24), (12, 8, 12)),
    (pyramid(2, conv(4, 3, pad=1)), MAPS, (8, 12, 10)),
    (residual(conv(6, 3, pad=1), relu), MAPS, MAPS),
    (residual(conv(8, 3, stride=2, pad=1), shortcut=conv(8, 1, stride=2)), MAPS, (8, 6, 5)),
    (residual(conv(20, 3, pad=1), relu), (20, 1, 50), (20, 1, 50)),
    (parallel((conv(4, 1), relu), conv(5, 3, pad=1), ()), MAPS, (15, 12, 10)),
    (parallel((globalmax,), (globalavg,)), MAPS, (12,)),
    (scales((conv(4, 1), relu), conv(4, 3, stride=2, pad=1)), MAPS, (4, 1, 150)),
    (regions(conv(15, 1), (flatten, dense(7)), (2,), count=9), MAPS, (9 * (4 + 7) + 12 * 10 * 15,)),
    (heads(type=(globalmax, dense(4)), size=(flatten, dense(1))), MAPS, (5,)),
]
each_row = pytest.mark.parametrize(("layer", "shape", "out"), ROWS, ids=[f"{row[0]} of {row[1]}" for row in ROWS])


def examples(shape: Shape, count: int = 3) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(0)) * (1 if shape[0] > 1 else 3)


def network(layer: Layer, shape: Shape) -> Network:
    """Returns a network of a single layer; if it takes a row of numbers, flatten comes first."""
    return Network(shape if len(shape) == 3 else (shape[0], 1, 1), (layer,) if len(shape) == 3 else (flatten, layer))


def run(layer: Layer, shape: Shape, x: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(0)
    module = network(layer, shape).module().eval()
    return module(x.unflatten(1, (-1, 1, 1)) if len(shape) == 1 else x)


def test_every_layer_has_a_row():
    assert {type(layer).name for layer, _, _ in ROWS} == set(KINDS)


@each_row
def test_a_layer_has_the_declared_output_shape(layer, shape, out):
    x = examples(shape).abs()
    assert network(layer, shape).output == out
    assert tuple(run(layer, shape, x).shape) == (3, *out)


@each_row
def test_the_text_of_a_layer_is_parsed_to_the_same_layer(layer, shape, out):
    assert parse(str(layer)) == (layer,)


@each_row
def test_a_batch_gives_the_outputs_of_single_examples(layer, shape, out):
    x = examples(shape).abs()
    together, alone = run(layer, shape, x), torch.cat([run(layer, shape, x[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone)


@each_row
def test_a_layer_inside_a_combinator_gives_the_same_output(layer, shape, out):
    wrapped = parallel((layer,))
    assert network(wrapped, shape).output == out
    x = examples(shape).abs()
    torch.testing.assert_close(run(wrapped, shape, x), run(layer, shape, x))
    assert network(wrapped, shape).macs == network(layer, shape).macs
    assert network(wrapped, shape).receptive_field == network(layer, shape).receptive_field


@each_row
def test_parameters_are_those_of_the_module(layer, shape, out):
    described = network(layer, shape)
    assert described.parameters == sum(p.numel() for p in described.module().parameters())


@each_row
def test_every_parameter_gets_a_gradient_that_is_finite(layer, shape, out):
    module = network(layer, shape).module().train()
    x = examples(shape).abs()
    x = torch.zeros_like(x) if layer == l2pool(2) else x  # the slope of a root at 0 is where it would break
    x = x.unflatten(1, (-1, 1, 1)) if len(shape) == 1 else x
    x.requires_grad_(not isinstance(layer, OF_IDS))
    answer = module(x)
    leaves = [*filter(lambda p: p.requires_grad, module.parameters()), *([x] if x.requires_grad else [])]
    if not leaves:
        return
    answer.square().sum().backward()
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in leaves)


def test_maxpool_is_the_maximum_of_each_window():
    x = examples(MAPS)
    slow = np.zeros((3, 6, 5, 4))
    for i, j in np.ndindex(5, 4):
        slow[:, :, i, j] = x.numpy()[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((2, 3))
    np.testing.assert_allclose(run(maxpool(3, stride=2), MAPS, x), slow)


def test_l2pool_is_the_root_of_the_sum_of_squares_of_each_window():
    x = examples(MAPS)
    slow = np.zeros((3, 6, 6, 5))
    for i, j in np.ndindex(6, 5):
        slow[:, :, i, j] = np.sqrt((x.numpy()[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] ** 2).sum((2, 3)))
    np.testing.assert_allclose(run(l2pool(2), MAPS, x), slow, rtol=1e-5)


def test_local_with_one_filter_everywhere_is_a_convolution():
    """Locally connected is convolutional where all positions are given the same weights."""
    x, layer = examples(MAPS), local(4, 3, stride=2, pad=1)
    module = layer.module(MAPS)
    module.weight.data[:] = module.weight.data[:1]
    shared = module.weight.data[0].view(4, 6, 3, 3)
    torch.testing.assert_close(module(x), F.conv2d(x, shared, stride=2, padding=1), rtol=1e-4, atol=1e-5)


def test_maxout_is_the_largest_of_neighbouring_channels():
    x = examples(MAPS)
    torch.testing.assert_close(run(maxout(2), MAPS, x), torch.maximum(x[:, 0::2], x[:, 1::2]))


def test_lrn_is_the_formula_of_the_alexnet_paper():
    """b = a / (k + α Σ a²)^β over n neighbouring maps, with α spread over the window as torch does."""
    x = examples(MAPS, 1)
    for channel in range(6):
        near = x[:, max(0, channel - 2) : channel + 3]
        want = x[:, channel] / (2 + 1e-4 / 5 * near.square().sum(1)) ** 0.75
        torch.testing.assert_close(run(lrn, MAPS, x)[:, channel], want)


def test_an_average_pool_counts_its_padding_as_zeros():
    assert run(avgpool(2, pad=1), (1, 2, 2), torch.ones(1, 1, 2, 2))[0, 0, 0, 0] == 0.25


def test_a_window_on_a_picture_of_height_one_is_one_high():
    module = Network((20, 1, 50), (conv(100, 3), relu, maxpool(2))).module()
    assert tuple(module[0].weight.shape) == (100, 20, 1, 3)


def test_maps_that_shrink_to_height_one_keep_square_windows():
    """A network for pictures has the same weights at every picture size."""
    small = Network((3, 4, 4), (maxpool(4), conv(8, 3, pad=1))).module()
    assert tuple(small[1].weight.shape) == (8, 3, 3, 3)


def test_upsample_is_bilinear_with_every_number_at_the_middle_of_its_square():
    """Twice a row of a, b: a, ¾a + ¼b, ¼a + ¾b, b; the nearest: a, a, b, b."""
    x = torch.tensor([[[[0.0, 8.0]]]])
    assert upsample((1, 2)).module((1, 1, 2))(x).flatten().tolist() == [0, 2, 6, 8]
    assert upsample((1, 2), nearest=True).module((1, 1, 2))(x).flatten().tolist() == [0, 0, 8, 8]
    assert Network((1, 1, 2), (upsample(2),)).output == (1, 1, 4)  # of a row, along its length


def test_the_mean_of_an_upsampled_map_is_that_of_the_map():
    x = examples(MAPS)
    torch.testing.assert_close(run(upsample(3), MAPS, x).mean((2, 3)), x.mean((2, 3)), rtol=1e-4, atol=1e-5)


def test_the_levels_of_a_pyramid_add_up_to_its_input():
    """Each level enlarged to the size of the next finer one and added gives the input back (Burt and Adelson 1983)."""
    x = examples((3, 16, 24))
    levels = pyramid(4, conv(1, 1)).module((3, 16, 24)).split(x)
    assert [tuple(level.shape[2:]) for level in levels] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    total = levels[-1]
    for level in reversed(levels[:-1]):
        total = level + F.interpolate(total, size=level.shape[2:], mode="bilinear")
    torch.testing.assert_close(total, x)


def test_a_pyramid_shares_its_weights_between_scales():
    """As many parameters as one scale; a flat picture is 0 on all levels but the last, which gives it back."""
    body = (conv(4, 3, pad=1), relu)
    assert Network(MAPS, (pyramid(3, *body),)).parameters == Network(MAPS, body).parameters
    assert Network(MAPS, (pyramid(1, *body),)).macs == Network(MAPS, body).macs
    module, x = pyramid(3, conv(2, 1, bias=False)).module((3, 8, 8)), torch.ones(1, 3, 8, 8)
    y, flat = module(x), module.body(x)
    torch.testing.assert_close(y[:, 4:], flat)
    assert y[:, :4].abs().max() < 1e-6


MISFITS = [
    ((8, 28, 28), dense(10), "layer 0, dense(10): takes a row of numbers, got (8, 28, 28); put flatten before it"),
    ((1, 5, 5), conv(1, 7), "layer 0, conv(1, 7): its window is 7 high, but its input is 5 high"),
    ((6, 5, 5), conv(8, 3, groups=4), "layer 0, conv(8, 3, groups=4): 6 input channels do not divide into 4 groups"),
    ((4, 5, 5), conv(6, 3, groups=4), "6 filters do not divide into 4 groups"),
    ((5, 5, 5), maxout(2), "layer 0, maxout(2): 5 channels do not divide into groups of 2"),
    ((1, 8, 8), maxpool(2, pad=2), "a pool's pad is at most half its window; got 2 for 2"),
    ((1, 8, 8), maxpool(2, stride=1, pad="same"), 'a pool pads both sides alike, which pad="same" does not here'),
    ((3, 8, 8), vote((flatten, dense(3)), (flatten, dense(2))), "its branches give (3,), (2,), and only equal shapes"),
    ((3, 8, 8), pyramid(5, conv(4, 1)), "5 levels halve 8×8 too often; take fewer, or a larger input"),
    ((3, 8, 8), pyramid(2, globalmax), "takes maps of (channels, height, width), got a row of 3 numbers"),
    ((3, 8, 8), embed(10, 2), "takes a row of token ids, (1, 1, length), got (3, 8, 8)"),
    ((3, 8, 8), gabor(4, 7), "takes a single channel, got 3; read the pictures as grey ones"),
    ((1, 1, 50), gabor(4, 7), "gabor: has orientations, and an input of height 1 has none"),
    ((1, 28, 28), patches(8, 40), "layer 0, patches(8, 40): its window is 40 high, but its input is 28 high; take a"),
    (
        (3, 8, 8),
        maximum(conv(4, 3), conv(4, 1)),
        "its branches give (4, 6, 6), (4, 8, 8), and only equal shapes have a",
    ),
    (
        (3, 8, 8),
        maximum((maxpool(2),), (maxpool(4),), shared=(flatten, dense(3))),
        "its shared layers have other weights for each of (3, 4, 4), (3, 2, 2)",
    ),
    ((3, 8, 8), residual(conv(4, 3)), "its body gives (4, 6, 6), its shortcut (3, 8, 8), and only equal shapes add up"),
    ((3, 8, 8), parallel(conv(4, 3), conv(4, 1)), "its branches give (4, 6, 6), (4, 8, 8)"),
]


@pytest.mark.parametrize(("shape", "layer", "message"), MISFITS, ids=[str(row[1]) for row in MISFITS])
def test_a_layer_with_an_unsuitable_input_names_it_and_the_remedy(shape, layer, message):
    with pytest.raises(Problem) as caught:
        Network(shape, (layer,))
    assert message in str(caught.value)


def test_a_row_of_numbers_has_no_windows():
    with pytest.raises(
        Problem, match=r"layer 1, maxpool\(2\): takes maps of \(channels, height, width\), got a row of 64"
    ):
        Network((1, 8, 8), (flatten, maxpool(2)))


def test_a_vote_is_the_mean_of_its_branches_and_lets_one_of_them_learn_from_each_example():
    module = Network(MAPS, (vote((flatten, dense(4)), (globalmax, dense(4))),)).module()
    x = examples(MAPS, 10)
    first, second = (branch(x) for branch in module[0].branches)
    torch.testing.assert_close(module.eval()(x), (first + second) / 2)
    learned = module.train()(x)
    alone = torch.stack([torch.isclose(learned, output).all(1) for output in (first, second)])
    assert bool(alone.any(0).all()) and alone.sum(1).tolist() == [5, 5]


def test_a_branch_of_a_vote_without_parameters_gets_no_examples():
    ids = torch.randint(0, 50, (10, 1, 1, 8)).float()
    module = Network((1, 1, 8), (vote((embed(50, 4), globalmax, dense(2)), bag(50, 2, static=True)),)).module()
    learns, stays = (branch(ids) for branch in module[0].branches)
    torch.testing.assert_close(module.train()(ids), learns)
    torch.testing.assert_close(module.eval()(ids), (learns + stays) / 2)


def test_softargmax_is_the_row_of_the_maximum_and_moves_with_it():
    """Rows lie evenly from −1 to 1, times the gain of 2; a map as sharp as 8 · 5 has its weight in one row."""
    module = softargmax.module((3, 11, 4))
    maps = torch.zeros(1, 3, 11, 4)
    for channel, row in enumerate((0, 5, 7)):
        maps[0, channel, row, channel] = 5
    torch.testing.assert_close(module(maps)[0], torch.tensor([-2.0, 0.0, 0.8]), atol=1e-4, rtol=0)
    moved = module(maps.roll(3, 2))[0] - module(maps)[0]
    torch.testing.assert_close(moved, torch.full((3,), 1.2), atol=1e-4, rtol=0)
    torch.testing.assert_close(module(torch.ones(2, 3, 11, 4)), torch.zeros(2, 3), atol=1e-6, rtol=0)
