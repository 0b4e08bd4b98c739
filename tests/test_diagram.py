"""The table and the drawing of a network."""

import os
import re
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from neocog.core import diagram
from neocog.core.network import Network, parse
from rich.console import Console

GOLDEN = Path(__file__).parent / "golden"

BOTTLENECK = "conv(64, 1, bias=False), batchnorm, relu, conv(64, 3, pad=1, bias=False), batchnorm, relu, conv(256, 1)"
NETWORKS = {
    "lecture": (
        (1, 28, 28),
        "conv(25, 3), relu, maxpool(2), conv(50, 3), relu, maxpool(2), flatten, dense(100), relu, dense(10)",
    ),
    "lenet5": (
        (1, 28, 28),
        "conv(20, 5), maxpool(2), conv(50, 5), maxpool(2), flatten, dense(500), relu, dense(10)",
    ),
    "residual": (
        (3, 224, 224),
        "conv(64, 7, stride=2, pad=3, bias=False), batchnorm, relu, maxpool(3, stride=2, pad=1), "
        f"residual({BOTTLENECK}, shortcut=(conv(256, 1, bias=False), batchnorm)), relu, "
        f"residual({BOTTLENECK}), relu, residual({BOTTLENECK}), relu, conv(512, 1, stride=2), globalavg, dense(1000)",
    ),
    "parallel": (
        (3, 64, 64),
        "parallel((conv(64, 1), relu), (conv(16, 1), relu, conv(32, 5, pad=2)), (maxpool(3, stride=1, pad=1),), ()), "
        "dropout, globalavg, dense(10)",
    ),
    "nested": (
        (3, 11, 11),
        "batchnorm, residual(batchnorm, residual(conv(3, 3, pad=1), relu), parallel((), (conv(4, 1), tanh)), "
        "shortcut=(parallel((), (conv(4, 1),)),)), maxout(7), local(4, 3), maxpool(2), flatten, dense(3), sigmoid",
    ),
    "deep": ((3, 32, 32), "conv(16, 3, pad=1), relu, " * 40 + "globalmax, dense(5)"),
    "text": ((1, 1, 50), "embed(1000, 20), conv(100, 3), relu, globalmax, dense(2)"),
    "row": ((7, 1, 1), "flatten, dense(1)"),
}


def network(name: str) -> Network:
    shape, text = NETWORKS[name]
    return Network(shape, parse(text))


def printed(name: str, width: int = 80) -> str:
    out = StringIO()
    Console(file=out, width=width).print(diagram.table(network(name)))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("name", ["lecture", "lenet5", "residual", "nested", "text"])
def test_the_table_equals_the_golden_file(name: str) -> None:
    """The files are renewed by running with NEOCOG_RENEW=1; read the difference before keeping it."""
    path, table = GOLDEN / f"{name}.txt", printed(name)
    if os.environ.get("NEOCOG_RENEW"):
        path.write_text(table, encoding="utf-8")
    assert table == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("width", [80, 200])
def test_the_table_fits_the_console_and_keeps_all_numbers(name: str, width: int) -> None:
    table = printed(name, width)
    assert max(map(len, table.splitlines())) <= width
    assert f"{network(name).parameters:,}" in table


def test_a_wide_table_has_full_numbers() -> None:
    assert "1,639,350" in printed("lecture", 120)
    assert "1.64 M" in printed("lecture", 80)


def test_inputs_unseen_because_of_a_stride_are_reported() -> None:
    (sentences,) = diagram.remarks(network("lecture"))
    assert sentences == "layer 5, maxpool(2): (11 − 2)/2 + 1 = 5.50 does not fit: 1 row and 1 column left unseen"


def test_strides_that_leave_only_padding_unseen_share_a_sentence() -> None:
    sentences = diagram.remarks(network("residual"))
    assert sentences[0].startswith("layer 10, conv(512, 1, stride=2): (56 − 1)/2 + 1 = 28.50 does not fit")
    assert sentences[1:] == ["layers 0, 3: the stride does not come out even, but leaves only padding unseen"]


def test_numbers_select_layers() -> None:
    """Without a dot a number is an index into the module; with dots, layer.branch.layer."""
    places = {place: row for place, _, row in diagram.numbered(network("residual").rows)}
    assert str(places["4.1.0"].layer) == "conv(256, 1, bias=False)"
    assert [str(places[str(i)].layer) for i in (1, 5, 12)] == ["batchnorm", "relu", "dense(1000)"]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        *((0, "0"), (999, "999"), (1000, "1.00 k"), (152_100, "152.1 k"), (999_960, "1.00 M"), (1_361_250, "1.36 M")),
        *((9_999_000, "10.0 M"), (15_470_264_320, "15.5 G")),
    ],
)
def test_short_counts(count: int, text: str) -> None:
    assert diagram.short(count) == text


def texts(svg: str) -> list[str]:
    return [expected.text or "" for expected in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_can_be_drawn(name: str) -> None:
    """The SVG is well-formed, within its frame and without external references."""
    svg = diagram.svg(network(name), name)
    root = ElementTree.fromstring(svg)
    width, height = (float(root.attrib[side]) for side in ("width", "height"))
    assert width <= 1200
    assert not re.search(r"href|<style|\b(nan|inf)\b", svg)
    for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
        x, y, w, h = (float(rect.attrib[side]) for side in ("x", "y", "width", "height"))
        assert -0.1 <= x <= x + w <= width + 0.1 and -0.1 <= y <= y + h <= height + 0.1


def test_the_drawing_names_shapes_and_layers() -> None:
    drawn = texts(diagram.svg(network("lecture"), "the lecture's network"))
    for expected in (
        "the lecture's network",
        "1×28×28",
        "25×26×26",
        "50×5×5",
        "1,250",
        "conv 3×3",
        "maxpool 2×2",
        "relu",
    ):
        assert expected in drawn
    assert "stride 2" in texts(diagram.svg(network("residual"), ""))


def test_a_window_on_a_text_is_one_high() -> None:
    assert "conv 1×3" in texts(diagram.svg(network("text"), "a text"))


def test_repeated_layers_are_drawn_once() -> None:
    drawn = texts(diagram.svg(network("deep"), "deep"))
    assert drawn.count("conv 3×3") == 1
    assert "×40" in drawn


def test_a_short_network_is_drawn_completely() -> None:
    two = Network((1, 8, 8), parse("conv(4, 3, pad=1), conv(4, 3, pad=1)"))
    assert texts(diagram.svg(two, "two")).count("conv 3×3") == 2


def test_titles_are_escaped() -> None:
    title = 'a <b> & "c" \x00\x1b \udcff 日本語'
    drawn = texts(diagram.svg(network("lecture"), title))
    assert drawn[0] == 'a <b> & "c" �� � 日本語'
