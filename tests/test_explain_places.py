"""Layers and units of a network, their receptive fields, and sheets of figures."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from neocog.core import files
from neocog.core.explain import places, sheet
from neocog.core.explain.gradcam import default_layers, interpolate
from neocog.core.network import Network, parse
from neocog.core.problem import Problem
from neocog.core.receptive_field import ReceptiveField
from PIL import Image

DIGITS = Network((1, 28, 28), parse("conv(25, 3), relu, maxpool(2), conv(50, 3), relu, maxpool(2), flatten, dense(10)"))
TEXT = Network(
    (1, 1, 12),
    parse(
        "vote((embed(9, 4), parallel((conv(3, 2), relu, globalmax), (conv(3, 3), relu, globalmax)), dense(2)), "
        "(ngrams(2, 5), bag(5, 2)))"
    ),
)
RESIDUAL = Network((3, 8, 8), parse("residual(conv(4, 3, pad=1), relu, shortcut=conv(4, 1)), globalavg, dense(2)"))


@pytest.mark.parametrize("network", [DIGITS, TEXT, RESIDUAL])
def test_every_place_finds_the_module_of_its_layer(network):
    words = network.module()
    for place in places.places(network):
        layer = place.row.layer.to_1d() if network.input[1] == 1 else place.row.layer
        fresh = layer.module(place.row.input)
        assert type(place.module(words)) is type(fresh)


def test_a_layer_is_found_by_its_number_and_by_a_unique_name():
    assert places.layer(DIGITS, "3").row.layer.filters == 50
    assert places.layer(DIGITS, "dense").number == "7"
    assert places.layer(DIGITS, "conv(50, 3)").number == "3"
    assert places.layer(TEXT, "0.0.1.1.0").row.layer.size == 3


def test_a_missing_layer_is_reported_with_a_suggestion_and_the_list():
    with pytest.raises(Problem) as result:
        places.layer(DIGITS, "flaten")
    assert "no layer flaten (did you mean flatten?); it has 0 conv(25, 3), 1 relu" in str(result.value)
    assert result.value.code == 2


def test_an_ambiguous_layer_is_reported_with_the_numbers():
    with pytest.raises(Problem, match=r"conv is 2 layers; name one by its number: 0 conv\(25, 3\), 3 conv\(50, 3\)"):
        places.layer(DIGITS, "conv")


@pytest.mark.parametrize("unit", [-1, 50])
def test_a_missing_unit_is_reported_with_the_number_of_units(unit):
    with pytest.raises(Problem, match=rf"layer 3, conv\(50, 3\) gives 50×11×11: its maps are 0 to 49; got unit {unit}"):
        places.unit(places.layer(DIGITS, "3"), unit)


def test_a_model_without_convolutions_is_reported():
    with pytest.raises(Problem, match="the model has no convolution"):
        places.convolutions(Network((1, 4, 4), parse("flatten, dense(2)")))


def test_the_last_maps_are_those_before_the_pool_and_of_every_branch():
    assert [place.number for place in places.last_maps(DIGITS)] == ["4"]
    assert [place.number for place in places.last_maps(TEXT)] == ["0.0.1.0.1", "0.0.1.1.1"]
    assert [place.number for place in places.last_maps(RESIDUAL)] == ["0"]


def test_gradcam_uses_the_last_maps():
    swift = "conv(24, 2), relu" + ", conv(8, 3, pad=1), maxpool(2), relu" * 3 + ", globalmax, dense(2)"
    assert [place.row.output for place in default_layers(Network((3, 40, 40), parse(swift)))] == [(8, 4, 4)]
    assert [place.number for place in default_layers(TEXT)] == ["0.0.1.0.1", "0.0.1.1.1"]


def test_a_small_map_is_placed_by_its_receptive_fields():
    field = ReceptiveField(centre=(0, 1), step=(2, 2))  # of windows of 3: centres at rows 0, 2, 4 and columns 1, 3, 5
    small = torch.arange(9.0).view(1, 3, 3)
    large = interpolate(small, field, (5, 7))[0]
    assert torch.equal(large[::2, 1:6:2], small[0])
    assert large[0, 2] == 0.5 and large[1, 1] == 1.5  # straight between neighbours
    assert large[0, 0] == 0 and large[4, 6] == 8  # the border is repeated


# --- sheets ----------------------------------------------------------------------------------------------------------


def panels(count):
    return [sheet.Panel(Image.new("RGB", (40, 30), (i, 0, 0)), f"panel {i}") for i in range(count)]


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_the_suffix_selects_the_format_of_a_sheet(tmp_path, ending):
    path = tmp_path / f"sheet{ending}"
    sheet.write(sheet.Sheet("Title", panels(5), 3, sheet.SIGNED, "note"), path)
    if ending == ".png":
        with Image.open(path) as image:
            assert image.format == "PNG" and image.width > 120
    else:
        text = path.read_text()
        assert text.startswith("<?xml") and text.count("<image") == 6  # five panels and the colours of the scale


def test_drawing_a_sheet_is_deterministic(tmp_path):
    for name in ("a.png", "b.png"):
        sheet.write(sheet.Sheet("Title", panels(3)), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_pixels_of_a_panel_are_pixels_of_the_sheet(tmp_path):
    """Panels are not interpolated."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50, 60, 3), dtype=np.uint8)
    sheet.write(sheet.Sheet("Title", [sheet.Panel(Image.fromarray(pixels))]), tmp_path / "a.png")
    result = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    best = min(
        np.abs(result[y : y + 50, x : x + 60] - pixels).mean()
        for y in range(result.shape[0] - 50)
        for x in range(result.shape[1] - 60)
    )
    assert best < 1


def test_an_existing_file_is_kept_without_force(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")
    with pytest.raises(Problem, match=r"a\.png exists; name another file, or replace it with --force"):
        sheet.write(sheet.Sheet("Title", panels(1)), path)
    assert path.read_bytes() == b"mine"
    sheet.write(sheet.Sheet("Title", panels(1)), path, force=True)
    assert path.read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.jpg", "ends in none of .png, .svg"),
        ("nowhere/a.png", "nowhere does not exist; create it, or name another file"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_with_the_reason(tmp_path, name, words):
    with pytest.raises(Problem, match=words):
        files.check_output(tmp_path / name, False, sheet.ENDINGS)


def test_colours_follow_the_scale():
    low, middle, high = np.asarray(sheet.coloured(np.array([[-1.0, 0.0, 1.0]]), sheet.SIGNED))[0].astype(int)
    assert low[2] > low[0] + 80 and high[0] > high[2] + 80 and np.ptp(middle) < 10
    assert np.asarray(sheet.coloured(np.array([[np.nan]]), sheet.SIGNED)).tolist() == [[[200, 200, 200]]]


def test_painted_keeps_order_and_colour():
    greys = np.asarray(sheet.painted(np.arange(6.0).reshape(2, 3)))[..., 0].flatten().tolist()
    assert greys[0] == 0 and greys[-1] == 255 and all(a < b for a, b in pairwise(greys))
    red = np.asarray(sheet.painted(np.array([[[1.0]], [[0.0]], [[0.0]]])))
    assert red.tolist() == [[[255, 0, 0]]]
