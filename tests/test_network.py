"""Networks compared with examples of the lectures, and the notation of networks."""

import re
import time
from contextlib import suppress

import pytest
import torch
from fresh import loaded_by
from hypothesis import given
from hypothesis import strategies as st
from neocog import DOMAINS, domain
from neocog.core.layer import Layer
from neocog.core.layers import KINDS, batchnorm, conv, dense, flatten, leaky, maxpool, parallel, relu, residual
from neocog.core.network import Network, call, check_names, parse
from neocog.core.problem import USAGE, Problem
from neocog.core.receptive_field import Window

LECTURE = "conv(25, 3), relu, maxpool(2), conv(50, 3), relu, maxpool(2), flatten, dense(100), relu, dense(classes)"


def measured(text: str, *shape: int) -> Network:
    return Network(shape, parse(text, classes=10))


def deeply_nested(times: int) -> tuple[Layer, ...]:
    """A layer inside so many combinators."""
    layers: tuple[Layer, ...] = (relu,)
    for _ in range(times):
        layers = (residual(*layers),)
    return layers


def filled(text: str, shape: tuple[int, ...], image: str, *filters: str) -> list[list[list[int]]]:
    """The output of the layers of `text` for a picture and filters given as numbers."""

    def numbers(drawn: str) -> torch.Tensor:
        return torch.tensor([[float(n) for n in row.split()] for row in drawn.strip().splitlines()])

    module = measured(text, *shape).module()
    if filters:
        module[0].weight.data = torch.stack([numbers(drawing) for drawing in filters])[:, None]
        module[0].bias.data.zero_()
    return module(numbers(image)[None, None]).int()[0].tolist()


IMAGE = "1 0 0 0 0 1\n0 1 0 0 1 0\n0 0 1 1 0 0\n1 0 0 0 1 0\n0 1 0 0 1 0\n0 0 1 0 1 0"
DIAGONAL, VERTICAL = "1 -1 -1\n-1 1 -1\n-1 -1 1", "-1 1 -1\n-1 1 -1\n-1 1 -1"


def test_the_digits_network_of_the_lectures():
    network = measured(LECTURE, 1, 28, 28)
    shapes = [row.output for row in network.rows]
    assert [shapes[i] for i in (0, 2, 3, 5, 6)] == [(25, 26, 26), (25, 13, 13), (50, 11, 11), (50, 5, 5), (1250,)]
    assert (network.rows[0].parameters, network.rows[3].parameters) == (25 * (9 + 1), 50 * (225 + 1))


def test_ten_filters_of_5x5_with_padding_2():
    network = measured("conv(10, 5, pad=2)", 3, 32, 32)
    assert (network.output, network.parameters) == ((10, 32, 32), 760)


@pytest.mark.parametrize(("stride", "side"), [(1, 5), (2, 3)])
def test_a_filter_of_3x3_on_7x7(stride, side):
    row = measured(f"conv(1, 3, stride={stride})", 1, 7, 7).rows[0]
    assert (row.output, row.unseen, row.misfit) == ((1, side, side), (0, 0), "")


def test_a_stride_of_3_leaves_a_row_and_a_column_of_7x7_unseen():
    row = measured("conv(1, 3, stride=3)", 1, 7, 7).rows[0]
    assert (row.output, row.unseen) == ((1, 2, 2), (1, 1))
    assert row.misfit == "(7 − 3)/3 + 1 = 2.33 does not fit: 1 row and 1 column left unseen"


def test_a_stride_beyond_the_window_leaves_gaps_unseen():
    assert measured("conv(1, 1, stride=3)", 1, 7, 7).rows[0].unseen == (4, 4)


@pytest.mark.parametrize("size", [3, 5, 7])
def test_half_the_filter_as_padding_keeps_the_size(size):
    assert measured(f"conv(4, {size}, pad={(size - 1) // 2})", 1, 20, 20).output == (4, 20, 20)
    assert measured(f'conv(4, {size}, pad="same")', 1, 20, 20).output == (4, 20, 20)


def test_repeated_5x5_filters_shrink_the_picture():
    assert [row.output[1] for row in measured("conv(1, 5), conv(1, 5)", 1, 32, 32).rows] == [28, 24]


def test_flattened():
    assert measured("flatten", 64, 8, 8).output == (4096,)


def test_fully_connected_locally_connected_and_convolutional():
    """A 200×200 picture and 40,000 hidden units: 1.6 billion, 4 million and 10,000 weights."""
    assert measured("flatten, dense(40000, bias=False)", 1, 200, 200).parameters == 1_600_000_000
    local = measured('local(1, 10, pad="same", bias=False)', 1, 200, 200)
    assert (local.output, local.parameters) == ((1, 200, 200), 4_000_000)
    assert measured("conv(100, 10, bias=False)", 1, 200, 200).parameters == 10_000


@given(m=st.integers(1, 8), n=st.integers(1, 8), k=st.integers(1, 7), d=st.integers(7, 20))
def test_the_cost_of_a_convolution(m, n, k, d):
    assert measured(f"conv({n}, {k})", m, d, d).macs == m * n * k**2 * (d - k + 1) ** 2


@given(p=st.integers(2, 4), k=st.integers(1, 7))
def test_a_pool_after_a_filter_sees_p_plus_k_minus_1(p, k):
    assert measured(f"conv(1, {k}), maxpool({p})", 1, 32, 32).receptive_field == (p + k - 1,) * 2


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3)), min_size=1, max_size=4))
def test_the_receptive_field_grows_by_f_minus_1_times_all_strides_before(windows):
    text = ", ".join(f"conv(1, {f}, stride={s})" for f, s in windows)
    field, steps = 1, 1
    for f, s in windows:
        field, steps = field + (f - 1) * steps, steps * s
    assert measured(text, 1, 200, 200).receptive_field == (field, field)


def test_the_receptive_field_excludes_pixels_unseen_by_pools():
    """The second pool leaves a row of 11 unseen, 2 pixels of the input each: 26 of 28 are seen."""
    network = measured(LECTURE, 1, 28, 28)
    assert network.rows[5].unseen == (1, 1)
    assert network.receptive_field == (26, 26)


def test_the_two_filters_of_the_lectures():
    first, second = filled("conv(2, 3)", (1, 6, 6), IMAGE, DIAGONAL, VERTICAL)
    assert first == [[3, -1, -3, -1], [-3, 1, 0, -3], [-3, -3, 0, 1], [3, -2, -2, -1]]
    assert second == [[-1, -1, -1, -1], [-1, -1, -2, 1], [-1, -1, -2, 1], [-1, 0, -4, 3]]
    assert filled("conv(1, 3, stride=3)", (1, 6, 6), IMAGE, DIAGONAL)[0] == [[3, -1], [3, -1]]
    assert filled("conv(1, 3, stride=2)", (1, 6, 6), IMAGE, DIAGONAL)[0] == [[3, -3], [-3, 0]]


def test_the_lectures_pool_and_flatten():
    assert filled("conv(2, 3), maxpool(2), flatten", (1, 6, 6), IMAGE, DIAGONAL, VERTICAL) == [3, 0, 3, 1, -1, 1, 0, 3]


def test_the_triangle_of_the_lectures():
    triangle = "1 1 1 1 1\n0 1 1 1 1\n0 0 1 1 1\n0 0 0 1 1\n0 0 0 0 1"
    heavy = "1 1 1\n1 4 1\n1 1 1"
    assert filled("conv(1, 3)", (1, 5, 5), triangle, heavy)[0] == [[9, 11, 12], [3, 9, 11], [1, 3, 9]]


def test_the_max_pool_exercise_of_the_lectures():
    board = "2 7 5 5 3 3\n6 3 0 3 4 0\n6 3 9 0 2 3\n0 1 6 2 6 6\n6 3 0 5 1 0\n7 3 6 4 0 5"
    assert filled("maxpool(2)", (1, 6, 6), board)[0] == [[7, 5, 4], [6, 9, 6], [7, 6, 5]]


def test_pooling_2x2_leaves_a_quarter():
    assert measured("maxpool(2)", 3, 32, 32).output == (3, 16, 16)


def test_alphagos_policy_network():
    layers = (conv(192, 5, pad=2), relu) + (conv(192, 3, pad=1), relu) * 11
    network = Network((48, 19, 19), layers + parse("conv(1, 1, bias=False), bias, flatten"))
    assert (network.parameters, network.receptive_field, network.output) == (3_882_793, (27, 27), (361,))


def test_macs_agree_with_torchs_own_counter():
    from torch.utils.flop_counter import FlopCounterMode

    text = (
        "conv(8, 3, groups=2), local(4, 3), residual(conv(4, 3, pad=1), relu), parallel((conv(2, 1),), (conv(3, 1),)), "
    )
    network = measured(text + "maxpool(2), flatten, dense(classes)", 2, 16, 16)
    with FlopCounterMode(display=False) as counter:
        network.module()(torch.randn(1, 2, 16, 16))
    assert counter.get_total_flops() == 2 * network.macs


def test_the_module_of_a_layer_stands_at_its_index():
    module = measured(LECTURE, 1, 28, 28).module()
    assert isinstance(module[3], torch.nn.Conv2d) and module[3].out_channels == 50


def test_no_module_is_shared():
    """Explanations by hooks are silently wrong on a module that runs twice."""
    module = Network((4, 8, 8), (relu, relu, residual(relu, relu), parallel((relu,), (relu,)))).module()
    relus = [id(m) for m in module.modules() if isinstance(m, torch.nn.ReLU)]
    assert len(set(relus)) == 6


# --- text ----------------------------------------------------------------------------------------------------------


small = st.integers(1, 9)
layers = st.one_of(
    st.builds(
        lambda n, k, s, b: conv(n, k, stride=s, bias=b), small, small | st.tuples(small, small), small, st.booleans()
    ),
    st.builds(maxpool, small, stride=st.none() | small),
    st.builds(leaky, st.floats(0, 1)),
    st.sampled_from([relu, flatten, batchnorm]),
    st.builds(dense, small),
)
nested = st.recursive(
    layers,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda body: residual(*body)),
        st.tuples(st.lists(inner, min_size=1, max_size=2), inner).map(lambda t: residual(*t[0], shortcut=t[1])),
        st.lists(st.lists(inner, max_size=2).map(tuple), min_size=1, max_size=3).map(lambda b: parallel(*b)),
    ),
    max_leaves=8,
)


@given(st.lists(nested, min_size=1, max_size=5))
def test_a_parsed_text_is_the_text_of_the_network(network):
    assert parse(", ".join(map(str, network))) == tuple(network)


@given(st.text(max_size=40) | st.text("conv(),123 relu=", max_size=40))
def test_any_text_is_layers_or_a_problem(text):
    try:
        assert isinstance(parse(text), tuple)
    except Problem as problem:
        assert problem.code == USAGE and str(problem)


def test_classes_stands_for_the_number_of_labels():
    assert parse("dense(classes)", classes=7) == (dense(7),)


WRONG = [
    ("cnov(8, 3)", "column 1, at 'cnov(8, 3)': cnov is not a layer (did you mean conv?); the layers are avgpool, "),
    (
        "relu, conv(8, 3, strid=2)",
        "column 7, at 'conv(8, 3, strid=2)': strid is unknown (did you mean stride?); conv takes",
    ),
    ("conv(8)", "missing a required argument: 'size'; conv takes filters, size, stride, pad, dilation, groups, bias"),
    ("conv(8, 3", "'(' was never closed"),
    ("conv(8.5, 3)", "conv: filters is a whole number, 1 or more; got 8.5"),
    ("conv(0, 3)", "conv: filters is a whole number, 1 or more; got 0"),
    ("conv(8, 3, pad='full')", 'conv: pad is a whole number or a pair of them, 0 or more; got "full"'),
    ("conv(8, (3, 3, 3))", "conv: size is a whole number or a pair of them, 1 or more; got (3, 3, 3)"),
    ("dropout(1.5)", "dropout: rate is from 0 to below 1; got 1.5"),
    ("leaky('a')", 'leaky: slope is a number; got "a"'),
    ("leaky(1e10)", "leaky: slope is a number from -1e+09 to 1e+09; got 10000000000.0"),
    ("scale(1e999)", "scale: by is a number from -1e+09 to 1e+09; got inf"),
    ("batchnorm(eps=-1)", "batchnorm: eps is a number from 1e-30 to 1; got -1"),
    ("batchnorm(momentum=2.0)", "batchnorm: momentum is a number from 0 to 1; got 2.0"),
    ("conv(8, 3, bias='no')", 'conv: bias is True or False; got "no"'),
    ("dense(99999999999)", "dense: units is at most 2,147,483,647; got 99999999999"),
    ("conv(8, 3, pad=(0, 1000001))", "conv: pad is at most 1,000,000; got (0, 1000001)"),
    ("dense(" + "9" * 5000 + ")", "Exceeds the limit"),
    ("relu, " * 10_000 + "relu", "a network has at most 2,000 layers; this one has 10,001"),
    ("relu" * 50_000, "the text of a network has at most 100,000 characters; this one has 200,000"),
    ("w" * 3000, "w… is not a layer; the layers are"),
    ("residual()", "residual: takes at least one layer"),
    ("residual(3)", "residual: takes layers, got 3"),
    ("dense(clases)", "column 7, at 'clases)': clases is not a number or a layer (did you mean classes?)"),
    ("relu.x", "column 1, at 'relu.x': expected a layer such as relu or conv(25, 3)"),
    ("[relu]", "expected a layer such as relu or conv(25, 3)"),
    ("relu; import os", "a network is layers separated by commas"),
    ("__import__('os')", "__import__ is not a layer"),
    ("", "the text is empty"),
    ("relu,\n  cnov(8, 3)", "line 2, column 3, at 'cnov(8, 3)': cnov is not a layer"),
    ("(" * 5000, "a network is layers separated by commas|nests too deeply"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[repr(row[0][:20]) for row in WRONG])
def test_an_error_in_a_text_is_reported_with_its_position(text, message):
    with pytest.raises(Problem) as caught:
        parse(text, classes=10)
    assert any(sentence in str(caught.value) for sentence in message.split("|"))
    assert caught.value.code == USAGE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cnov(8, 3)", "column 1, at 'cnov(8, 3)': cnov is not a layer"),
        ("residual(conv(classes, 3), rleu(1))", "rleu is not a layer"),
        ("heads(a=(dense(classes), sotfmax()))", "sotfmax is not a layer"),
        ("relu.x", "expected a layer such as relu"),
        ("conv(8, 3", "'(' was never closed"),
        ("", "the text is empty"),
    ],
)
def test_unknown_layers_are_reported_before_the_data_are_known(text, message):
    with pytest.raises(Problem, match=re.escape(message)):
        check_names(text)
    check_names("embed(words, 8), conv(4, 3), heads(kind=(dense(classes)), price=(dense(1)))")


def test_a_network_without_layers_is_refused():
    with pytest.raises(Problem, match="the network has no layers"):
        Network((1, 8, 8), ())


def test_a_layer_too_large_for_any_machine_is_refused():
    with pytest.raises(Problem, match="more numbers than a machine can hold"):
        measured("conv(2000000000, 1)", 1, 800, 800)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((residual(*(residual(relu),) * 1000),), "a network has at most 2,000 layers; this one has more"),
        (deeply_nested(20), "layers are nested at most 20 deep"),
    ],
)
def test_more_layers_than_are_measured_in_a_second_are_refused(layers, message):
    with pytest.raises(Problem, match=message):
        Network((1, 8, 8), layers)


def test_an_input_of_too_many_columns_is_refused():
    with pytest.raises(Problem, match="an input has at most 10,000,000 rows, columns or channels"):
        Network((1, 1, 10**8), (relu,))


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("flatten, dense(999999999)", (3, 64, 64)),
        ("conv(1, 20000)", (1, 60_000, 60_000)),
        ("conv(1, (1, 3), stride=(1, 7), dilation=(1, 999999), pad=(0, 5))", (1, 1, 10_000_000)),
        ("embed(2147483647, 99), bag(2147483647, 8)", (1, 1, 9)),
        (", ".join(["conv(8, 3, pad=1)"] * 2000), (8, 30, 30)),
    ],
)
def test_a_huge_network_is_measured_or_refused_in_a_second(text, shape):
    """Weights of many gigabytes are counted, not allocated: torch would take them from the machine."""
    start = time.process_time()
    with suppress(Problem):
        assert Network(shape, parse(text)).numbers > 0
    assert time.process_time() - start < 3  # of a shared machine


@given(*[st.integers(1, 9)] * 3, st.integers(0, 5), st.integers(0, 5), st.integers(1, 60))
def test_unseen_numbers_are_those_that_no_window_covers(size, stride, dilation, before, after, length):
    """The closed form counts what going through all windows counts."""
    window = Window((size, 1), (stride, 1), (dilation, 1), ((before, after), (0, 0)), ceil=False)
    if window.span(0) > length + before + after:
        return
    starts = [-before + index * stride for index in range(window.out(length, 0))]
    covered = {start + tap * dilation for start in starts for tap in range(size)}
    assert window.unseen(length, 0) == len(set(range(length)) - covered)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("alphago(depth=1000000000)", r"alphago\(depth=1000000000\): a number is at most 100,000 here"),
        ("alphago(filters=1e999)", "a number is at most 100,000 here"),
    ],
)
def test_the_numbers_of_a_recipe_are_bounded(recipe, message):
    with pytest.raises(Problem, match=message):
        call(recipe, {"alphago": 1}, "recipe")


def test_no_recipe_has_the_name_of_a_layer():
    """`dense(3)` would be Go's recipe or a layer."""
    for name in DOMAINS:
        assert not domain(name).recipes.keys() & KINDS.keys()


def test_a_recipe_is_called_in_the_same_notation():
    known = {"alphago": 1}
    assert call("alphago(filters=64)", known, "recipe") == ("alphago", [], {"filters": 64})
    assert call("alphago", known, "recipe") == ("alphago", [], {})
    with pytest.raises(Problem, match=r"alphgo is not a recipe \(did you mean alphago\?\); there are alphago"):
        call("alphgo", known, "recipe")


def test_measuring_does_not_import_torchs_compiler():
    """Importing it takes one to two seconds."""
    program = (
        "from neocog.core.network import Network, parse\n"
        "Network((1, 1, 9), parse('vote((embed(5, 4), globalmax, dense(3)), (ngrams(2, 9), bag(9, 3)))')).parameters\n"
        "Network((2, 9, 9), parse('conv(4, 3), batchnorm, relu, local(3, 3), bias, flatten, dense(3)')).parameters"
    )
    assert not {"torch._dynamo", "sympy"} & loaded_by(program)
