"""Receptive fields compared with known values and with dependencies found by gradients."""

from math import inf

import pytest
import torch
from neocog.core.combinators import Scales
from neocog.core.explain.gradcam import interpolate
from neocog.core.explain.places import layer as place_of
from neocog.core.layer import Layer, Shape
from neocog.core.layers import conv, flatten, ngrams, parallel, relu, residual
from neocog.core.layers.anchors import Regions
from neocog.core.layers.sizes import Pyramid, Upsample
from neocog.core.modules import Bag, NGrams, SCells, hashed_runs
from neocog.core.network import Network, Row, parse
from neocog.core.receptive_field import ReceptiveField, Window, union
from test_layers import OF_IDS, ROWS
from torch import Tensor, nn

LECTURE = "conv(25, 3), relu, maxpool(2), conv(50, 3), relu, maxpool(2), flatten, dense(10)"
Box = tuple[slice, slice]


def measured(text: str, *shape: int) -> tuple[Row, ...]:
    return Network(shape, parse(text)).rows


# --- known values ----------------------------------------------------------------------------------------------------


def test_the_fields_of_the_lectures_network():
    """r_k = r_{k−1} + (f_k − 1)·∏ s_i: 3, 4, 8, 10; the dense layer sees all that its pool reads, 26 of 28."""
    rows = measured(LECTURE, 1, 28, 28)
    sizes = [row.receptive_field[0] for row in rows]
    assert sizes == [3, 3, 4, 8, 8, 10, 10, 26]
    assert [row.field.stride[0] for row in rows[:6]] == [1, 1, 2, 2, 2, 4]


def test_the_fields_of_lenet():
    rows = measured("conv(20, 5), maxpool(2), conv(50, 5), maxpool(2), flatten, dense(500), relu, dense(10)", 1, 28, 28)
    assert [row.receptive_field[0] for row in rows] == [5, 6, 14, 16, 16, 28, 28, 28]


def test_each_point_of_alphagos_policy_sees_27_by_27_around_it():
    text = "conv(8, 5, pad=2), relu, " + "conv(8, 3, pad=1), relu, " * 11 + "conv(1, 1, bias=False), bias, flatten"
    field = measured(text, 48, 19, 19)[-1].field
    assert (field.size, field.start, field.positions) == ((27, 27), (-13, -13), (19, 19))
    assert field.position(361 - 1) == (18, 18) and field.position(20) == (1, 1)
    assert field.at(*field.position(0), (48, 19, 19)) == (slice(0, 14), slice(0, 14))


def test_after_a_global_bias_every_receptive_field_is_the_input():
    rows = measured("conv(4, 3), globalbias, conv(4, 3, pad=1), maxpool(2)", 3, 11, 11)
    assert [row.receptive_field for row in rows] == [(3, 3), (11, 11), (11, 11), (11, 11)]
    assert [row.field.stride for row in rows] == [(1, 1), (0, 0), (0, 0), (0, 0)]
    assert rows[2].field.at(8, 8, (11, 11)) == rows[2].field.at(0, 0, (11, 11)) == (slice(0, 11), slice(0, 11))


def test_a_global_bias_does_not_move_the_centres_of_receptive_fields():
    """Overlays put each number of a map at its centre, with or without a global bias before it."""
    with_bias, without = (
        measured(f"conv(4, 3), {bias}conv(4, 3, stride=2)", 3, 11, 11)[-1].field for bias in ("globalbias, ", "")
    )
    assert (with_bias.centre, with_bias.step) == (without.centre, without.step) == ((2, 2), (2, 2))
    small = torch.rand(1, 4, 4)
    torch.testing.assert_close(interpolate(small, with_bias, (11, 11)), interpolate(small, without, (11, 11)))


def test_the_receptive_field_of_an_ngram_includes_the_following_tokens():
    network = Network((1, 1, 9), (ngrams(3, 50),))
    assert network.receptive_field == (1, 3)
    assert network.rows[0].field.at(0, 4, network.input) == (slice(0, 1), slice(4, 7))
    assert network.rows[0].field.at(0, 8, network.input) == (slice(0, 1), slice(8, 9))


def test_a_layer_in_a_branch_has_the_receptive_field_of_the_network():
    network = Network((1, 12, 12), parse("conv(4, 3), maxpool(2), residual(conv(4, 3, pad=1), conv(4, 3, pad=1))"))
    assert place_of(network, "2.0.0").row.field == ReceptiveField((8, 8), (2, 2), (-2, -2), (1.5, 1.5), (2, 2))
    assert place_of(network, "2.0.1").row.receptive_field == (12, 12)
    assert network.rows[2].receptive_field == (12, 12)


def test_the_union_covers_branches_that_start_at_different_pixels():
    left, right = ReceptiveField(size=(3, 3), start=(-2, 0)), ReceptiveField(size=(3, 5), start=(1, 1))
    assert union([left, right], (4, 4))[:3] == ((6, 6), (1, 1), (-2, 0))


def test_the_union_covers_branches_of_different_strides():
    """A stride of 2 and an unpadded window both make 4 of 8."""
    row = measured("parallel((conv(2, 1, stride=2),), (conv(2, 5),))", 1, 8, 8)[0]
    for i in range(4):
        rows, _ = row.field.at(i, 0, (8, 8))
        assert rows.start <= min(2 * i, i) and rows.stop >= min(8, max(2 * i + 1, i + 5))


def test_asymmetric_padding_does_not_move_the_start_of_a_window():
    row = measured('conv(1, 4, pad="same")', 1, 12, 12)[0]
    assert row.field.start == (-1, -1) and row.field.at(11, 11, (12, 12)) == (slice(10, 12), slice(10, 12))


def test_unpadded_rows_are_counted_from_their_window():
    window = Window((3, 3), (2, 2), (1, 1), ((0, 0), (0, 0)), ceil=False)
    assert (window.out(8, 0), window.covered(3, 0), window.unseen(8, 0)) == (3, 7, 1)


# --- compared with gradients -----------------------------------------------------------------------------------------


def depends_on(network: Network, module: nn.Module, position: tuple[int, int], index: int) -> Box:
    """The smallest box of input pixels whose change changes the numbers at a position, or number `index` of a row.

    Found by gradients over many random inputs, because a pool or a rectifier hides the others; by replacing one id
    after the other if the input is ids.
    """
    rng = torch.Generator().manual_seed(0)
    height, width = network.input[1:]
    touched = torch.zeros(height, width, dtype=torch.bool)

    def outputs(x: Tensor) -> Tensor:
        y = module(x)
        return y[:, :, position[0], position[1]] if y.ndim == 4 else y[:, index : index + 1]

    if any(isinstance(child, nn.Embedding | NGrams) for child in module.modules()):
        x = torch.randint(1, 40, (64, *network.input), generator=rng).double()
        before = outputs(x)
        for column in range(width):
            changed = x.clone()
            changed[..., column] = torch.randint(1, 40, (64, 1, 1), generator=rng).double()
            touched[:, column] = bool((outputs(changed) != before).any())
    else:
        x = torch.randn(250, *network.input, dtype=torch.float64, generator=rng).requires_grad_()
        y = outputs(x)
        (gradient,) = torch.autograd.grad((y * torch.rand(y.shape[1], generator=rng)).sum(), x)
        touched = (gradient.abs() > 1e-12).any(0).any(0)
    rows, columns = touched.any(1).nonzero().flatten(), touched.any(0).nonzero().flatten()
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def ready(network: Network) -> nn.Module:
    torch.manual_seed(0)
    module = network.module().double().eval()
    for child in module.modules():
        if isinstance(child, NGrams):  # knows every run of one or three tokens, and some of two
            singles = hashed_runs(torch.arange(1, 40)[:, None], 1).flatten()
            pairs = hashed_runs(torch.cartesian_prod(torch.arange(1, 11), torch.arange(1, 40)), 2)[:, 1, 0]
            triples = hashed_runs(torch.cartesian_prod(*[torch.arange(1, 40)] * 3), 3)[:, 2, 0]
            child.keys = torch.cat((singles, pairs, triples)).unique().sort().values
        if isinstance(child, SCells):  # whose templates are zeros at first; few windows are as alike as 0.5
            child.weight.normal_()
            child.weight /= child.weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
            child.threshold = 0.05
        if isinstance(child, Bag):
            child.table.weight = nn.Parameter(torch.randn(70_000, child.table.weight.shape[1], dtype=torch.float64))
            child.weigh = torch.ones(70_000, dtype=torch.float64)
    return module


def wrapped(layer: Layer, shape: Shape, out: Shape) -> list[tuple[str, Network]]:
    """A layer alone, in combinators, and between two convolutions."""
    alone = (layer,) if len(shape) == 3 else (flatten, layer)
    maps = shape if len(shape) == 3 else (shape[0], 1, 1)
    networks = [("alone", Network(maps, alone)), ("in parallel", Network(maps, (parallel(alone),)))]
    if not isinstance(layer, OF_IDS):
        networks.append(("in residual", Network(maps, (residual(*alone, shortcut=alone),))))
    if len(shape) == len(out) == 3 and min(out[1:]) >= 3 and not isinstance(layer, OF_IDS):
        around = (conv(shape[0], 3, pad=1), *alone, conv(4, 3, stride=2), relu)
        networks.append(("between convolutions", Network(maps, around)))
    return networks


@pytest.mark.parametrize(("layer", "shape", "out"), ROWS, ids=[f"{row[0]} of {row[1]}" for row in ROWS])
def test_a_value_depends_exactly_on_its_receptive_field(layer, shape, out):
    """At the first, a middle and the last position: the box that changes it is the field, cut at the border."""
    for name, network in wrapped(layer, shape, out):
        module, row = ready(network), network.rows[-1]
        positions = [(0, 0)]
        if len(row.output) == 3:
            positions += [(row.output[1] // 2, row.output[2] // 2), (row.output[1] - 1, row.output[2] - 1)]
        for position in positions:
            index = row.output[0] // 2 if len(row.output) == 1 else 0
            place = position if len(row.output) == 3 else row.field.position(index)
            box, field = depends_on(network, module, position, index), row.field.at(*place, network.input)
            if isinstance(layer, Scales | Regions):  # its field is that of all positions together
                holds = is_within(box, field)
            elif isinstance(layer, Upsample | Pyramid):
                holds = is_within(box, field, max(4, max(row.field.pixels) // 2))
            else:
                holds = box == field
            assert holds, f"{name}, at {position}: depends on {box}, described as {field}"


def is_within(box: Box, described: Box, slack: float = inf) -> bool:
    """Whether a box lies in the described one, which is wider by at most `slack`.

    Behind an enlargement the fields of neighbours differ in size by up to four numbers of the coarsest map, and one
    size stands for all of them.
    """
    return all(
        outer.start <= inner.start
        and inner.stop <= outer.stop
        and (outer.stop - outer.start) - (inner.stop - inner.start) <= slack
        for inner, outer in zip(box, described, strict=True)
    )


def test_the_field_behind_an_enlargement():
    """Number i of a map enlarged twice mixes numbers ⌊(i − ½)/2⌋ and the next: from −1 to 0, 0 to 1, 0 to 1, 1 to 2."""
    row = measured("maxpool(4), upsample(2)", 1, 32, 32)[-1]
    assert row.receptive_field == (10, 10) and row.field.stride == (2, 2) and row.field.start == (-4, -4)
    for i in range(1, 16):
        first = (2 * i - 1) // 4
        rows, _ = row.field.at(i, 0, (32, 32))
        assert rows.start <= 4 * first and min(32, 4 * first + 8) <= rows.stop
    rows, _ = measured("upsample(4, nearest=True)", 1, 8, 8)[0].field.at(5, 5, (8, 8))
    assert (rows.start, rows.stop) in ((0, 2), (0, 3), (1, 2), (1, 3))  # number 5 repeats number 1
    assert [type(number) for number in row.field.size + row.field.stride + row.field.start] == [int] * 6


def test_an_enlarged_map_lies_on_the_input_as_before():
    """Pooled and enlarged again, numbers stand on the pixels that they stood on."""
    assert measured("maxpool(2), upsample(2)", 1, 8, 8)[-1].field.centre == (0, 0)
    assert measured("avgpool(4), upsample(4)", 1, 8, 8)[-1].field.step == (1, 1)
