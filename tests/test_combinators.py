"""Properties of all combinators; a new one is a class and a row of this table."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import pytest
import torch
from neocog.core import layers, modules
from neocog.core.combinators import Combinator, concatenated
from neocog.core.diagram import numbered, svg, table
from neocog.core.explain import methods
from neocog.core.explain.places import last_maps, layer, places
from neocog.core.layer import Layer, Shape
from neocog.core.layers import (
    conv,
    dense,
    globalavg,
    globalmax,
    heads,
    maximum,
    maxpool,
    parallel,
    relu,
    residual,
    scales,
    vote,
)
from neocog.core.network import Network, parse
from neocog.core.sequential import Sequential
from neocog.core.transfer import parts
from rich.console import Console
from test_fusion import calls
from test_receptive_field import depends_on
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True, init=False)
class Densely(Combinator):
    """x and body(x), concatenated, as the blocks of DenseNet (Huang et al. 2017)."""

    merge = modules.Concatenate

    def __init__(self, *body: Layer) -> None:
        super().__init__((), body)

    def __str__(self) -> str:
        return f"densely({', '.join(map(str, self.branches[1]))})"

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        return concatenated(shapes)


@dataclass(frozen=True, init=False)
class Total(Combinator):
    """The sum of all branches; its text is the one that combinators have by default."""

    merge = modules.Sum

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        return shapes[0]


MAPS = (3, 9, 8)
COMBINATORS: list[tuple[Combinator, Shape, tuple[int, int]]] = [  # on MAPS: the output and the receptive field
    (residual(conv(3, 3, pad=1), relu), MAPS, (3, 3)),
    (residual(conv(4, 3, stride=2), relu, shortcut=conv(4, 3, stride=2)), (4, 4, 3), (3, 3)),
    (parallel((conv(4, 1), relu), conv(5, (5, 3), pad=(2, 1)), ()), (12, 9, 8), (5, 3)),
    (heads(type=(conv(4, 3), relu), size=conv(1, (3, 3))), (5, 7, 6), (3, 3)),
    (scales((conv(2, 3, pad=1), relu), conv(2, 3, stride=2)), (2, 1, 84), (11, 10)),
    (vote((conv(2, 3), relu), (maxpool(2, stride=1), conv(2, 2))), (2, 7, 6), (3, 3)),
    (maximum((conv(2, 3, pad=1), relu), conv(2, 5, pad=2)), (2, 9, 8), (5, 5)),
    (Densely(conv(2, 3, pad=1), relu, conv(2, 3, pad=1)), (5, 9, 8), (5, 5)),
    (Total((conv(2, 1),), (conv(2, 5, pad=2), relu), conv(2, 3, pad=1)), (2, 9, 8), (5, 5)),
]
each_combinator = pytest.mark.parametrize(
    ("combinator", "out", "field"), COMBINATORS, ids=[str(c) for c, _, _ in COMBINATORS]
)


@pytest.fixture(autouse=True)
def toy_layers(monkeypatch):
    for kind in (Densely, Total):
        monkeypatch.setitem(layers.KINDS, kind.name, kind)


def network(combinator: Combinator, shape: Shape = MAPS) -> Network:
    return Network(shape, (combinator, globalavg, dense(3)))


def images(count: int = 3, shape: Shape = MAPS) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(0))


def test_every_combinator_has_a_row():
    kinds = {kind for kind in layers.KINDS.values() if issubclass(kind, Combinator)}
    assert {type(combinator) for combinator, _, _ in COMBINATORS} == kinds


@each_combinator
def test_its_text_is_parsed_to_the_same_combinator(combinator, out, field):
    assert parse(str(combinator)) == (combinator,)


@each_combinator
def test_its_output_has_the_declared_shape(combinator, out, field):
    described = Network(MAPS, (combinator,))
    assert described.output == out and tuple(described.module().eval()(images()).shape) == (3, *out)


@each_combinator
def test_its_macs_and_parameters_are_those_of_its_branches(combinator, out, field):
    described = network(combinator)
    module = described.module().eval()
    with FlopCounterMode(display=False) as counter:
        module(images(1))
    assert counter.get_total_flops() == 2 * described.macs
    assert described.parameters == sum(weight.numel() for weight in module.parameters())
    row = described.rows[0]
    assert row.macs == sum(inner.macs for branch in row.branches for inner in branch)


@each_combinator
def test_its_receptive_field_is_the_union_of_its_branches(combinator, out, field):
    described = Network(MAPS, (combinator,))
    assert described.receptive_field == field
    torch.manual_seed(0)
    position = (4, 3) if out[1] > 4 else (1, 1) if out[1] > 1 else (0, 1)
    box = depends_on(described, described.module().double().eval(), position, 0)
    expected = described.rows[0].field.at(*position, MAPS)
    if isinstance(combinator, layers.Scales):  # whose field is that of all positions together
        assert all(
            inner.start >= outer.start and inner.stop <= outer.stop for inner, outer in zip(box, expected, strict=True)
        )
    else:
        assert box == expected


@each_combinator
def test_on_an_input_of_height_one_its_windows_have_height_one(combinator, out, field):
    flat = combinator.to_1d()
    assert type(flat) is type(combinator)
    convolutions = [inner for branch in flat.branches for inner in branch if isinstance(inner, type(conv(1, 1)))]
    originals = [inner for branch in combinator.branches for inner in branch if isinstance(inner, type(conv(1, 1)))]
    for convolution, original in zip(convolutions, originals, strict=True):
        assert convolution.size == (original.size if isinstance(original.size, tuple) else (1, original.size))


@each_combinator
def test_its_padding_effect_is_that_of_its_branches(combinator, out, field):
    padded = any(getattr(inner, "pad", 0) for branch in combinator.branches for inner in branch)
    assert combinator.padding_effect("zero") == (None if padded else "constant")
    ends = type(combinator).with_branches(combinator, [(globalmax,), (globalmax, relu)])
    assert ends.padding_effect("zero") == "removed"


@each_combinator
def test_its_layers_are_found_by_their_numbers(combinator, out, field):
    described = network(combinator)
    module = described.module()
    modules_by_number = {place.number: place.module(module) for place in places(described)}
    for branch, inner in enumerate(combinator.branches):
        assert [type(modules_by_number[f"0.{branch}.{index}"]) for index in range(len(inner))] == [
            type(child) for child in cast(modules.Combinator, module[0]).branches[branch]
        ]
    assert layer(described, "0").row.layer is combinator


@each_combinator
def test_it_is_drawn_and_described(combinator, out, field):
    described = network(combinator)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(table(described))
    text = console.export_text()
    assert f"{combinator.name}(…)" in text
    assert len([number for number, _, _ in numbered(described.rows) if number.startswith("0.")]) == sum(
        map(len, combinator.branches)
    )
    assert svg(described, "toy").startswith("<svg") and last_maps(described)


@each_combinator
@pytest.mark.parametrize("method", ["lrp", "deeplift"])
def test_relevance_propagates_through_it_and_is_conserved(combinator, out, field, method):
    assert_conserves(combinator, method)


def assert_conserves(combinator: Combinator, method: str) -> None:
    """LRP's relevance sums to the score, DeepLIFT's to the difference from the score of the baseline."""
    described = network(combinator)
    torch.manual_seed(1)
    module, x = described.module().eval(), images(2).abs()
    chosen = methods.METHODS[method]
    assert chosen.incompatibility(described, module) == ""
    baseline = torch.zeros_like(x)
    relevance = chosen.compute(methods.Subject(described, module, x, baseline), torch.tensor([0, 2]))
    with torch.no_grad():
        scores, of_baseline = (module(batch)[[0, 1], [0, 2]] for batch in (x, baseline))
    want = scores if method == "lrp" else scores - of_baseline
    torch.testing.assert_close(relevance.flatten(1).sum(1), want, rtol=1e-3, atol=1e-4)


@each_combinator
def test_pretrained_weights_are_copied_by_branch_or_completely(combinator, out, field):
    described = network(combinator)
    module = described.module()
    copied = parts(described.layers, module)
    weights = sum(weight.numel() for part in copied for weight in part.module.state_dict().values())
    assert weights == sum(weight.numel() for weight in module.state_dict().values())
    inner = [inner for branch in combinator.branches for inner in branch]
    assert [part.layer for part in copied] == ([combinator] if combinator.transferred_whole else inner) + [
        globalavg,
        dense(3),
    ]


@each_combinator
def test_it_is_exported_with_a_free_batch_size(combinator, out, field):
    module = network(combinator).module().eval()
    program = torch.export.export(module, (images(2),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    for count in (1, 5):
        torch.testing.assert_close(program.module()(images(count)), module(images(count)))


@each_combinator
def test_hooks_on_its_layers_fire_in_training_and_in_evaluation_alike(combinator, out, field):
    module = network(combinator).module()

    def listen(name: str) -> bool:
        return combinator.name != "vote" or name != "0.merge"  # in training a vote does not average

    evaluation = calls(module.eval(), images(6), listen)
    assert calls(module.train(), images(6), listen) == evaluation
    branches = sum(map(len, combinator.branches))
    assert len([name for name, _, _ in evaluation if name.count(".") >= 2]) >= branches


@each_combinator
def test_copies_with_other_branches_merge_in_the_same_way(combinator, out, field):
    module = cast(modules.Combinator, Network(MAPS, (combinator,)).module().eval()[0])
    copy = module.with_branches([Sequential(*branch) for branch in module.branches])
    torch.testing.assert_close(copy(images()), module(images()))


SHARED = maximum((conv(2, 3), relu), conv(2, 1, stride=2), shared=(conv(4, 2), relu, globalmax))


def test_shared_layers_are_measured_for_each_branch_and_have_one_set_of_weights():
    described = Network(MAPS, (SHARED, dense(3)))
    module = described.module().eval()
    with FlopCounterMode(display=False) as counter:
        module(images(1))
    assert counter.get_total_flops() == 2 * described.macs
    assert described.parameters == sum(weight.numel() for weight in module.parameters())
    assert parse(str(described)) == described.layers
    assert described.rows[0].receptive_field == (9, 8)
    assert places(described)[4].number == "0.2.0" and places(described)[4].module(module) is module[0].shared[0]
    assert svg(described, "toy").startswith("<svg")
    copy = Network(MAPS, (SHARED, dense(3))).module()
    copy.load_state_dict(module.state_dict())
    torch.testing.assert_close(copy.eval()(images()), module(images()))


@pytest.mark.parametrize("method", ["lrp", "deeplift"])
def test_relevance_propagates_through_shared_layers(method):
    same_sizes = maximum((conv(2, 3), relu), conv(2, 3), shared=(conv(4, 2), relu, maxpool(3)))
    assert_conserves(same_sizes, method)
