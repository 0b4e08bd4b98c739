"""Recipes for masks: sizes, costs and the weights that they take from classifiers."""

import pytest
import torch
from neocog.core.network import Network, parse
from neocog.core.problem import Problem
from neocog.core.settings import Settings
from neocog.core.transfer import parts
from neocog.vision.augment import compose
from neocog.vision.models import RECIPES as CLASSIFIERS
from neocog.vision.segment_models import RECIPES, farabet, unet
from torch.utils.flop_counter import FlopCounterMode

PARAMETERS = {"unet": 1_812_187, "farabet": 955_995, "fcn": 2_360_961, "lite0-unet": 3_855_851}
each_recipe = pytest.mark.parametrize("name", RECIPES)


def network(name: str, classes: int = 11) -> Network:
    return Network(RECIPES[name].input, RECIPES[name].layers(classes))


@each_recipe
def test_there_is_a_map_for_each_label_as_large_as_the_picture(name: str) -> None:
    described = network(name, 7)
    assert described.output == (7, *described.input[1:])
    with torch.inference_mode():
        y = described.module().eval()(torch.randn(1, *described.input))
    assert y.shape == (1, 7, *described.input[1:]) and bool(torch.isfinite(y).all())


@each_recipe
def test_a_recipe_is_one_line_of_text(name: str) -> None:
    described = network(name)
    assert parse(str(described)) == described.layers
    assert described.parameters == PARAMETERS[name]


@each_recipe
def test_macs_agree_with_torchs_flop_counter(name: str) -> None:
    described = network(name)
    with torch.device("meta"):
        module, x = described.module().eval(), torch.empty(1, *described.input)
    with FlopCounterMode(display=False) as counter:
        module(x)
    assert described.macs == counter.get_total_flops() / 2


@each_recipe
def test_settings_and_augmentation_are_valid(name: str) -> None:
    assert RECIPES[name].task == "segment"
    compose(Settings().changed(RECIPES[name].settings).augment)


def test_the_maps_of_a_unet_join_those_of_their_own_scale() -> None:
    """Three depths double the filters three times; half the width is a quarter of the weights, about."""
    assert str(parse("parallel((), (maxpool(2), conv(8, 1), upsample(2)))")[0]) in str(
        Network((1, 8, 8), (unet(2, width=8, depth=1)[6],))
    ).replace("conv(16, 3, pad=1, bias=False), batchnorm, relu, ", "")
    small, large = (Network((3, 32, 32), unet(2, width=width)).parameters for width in (8, 16))
    assert 3.8 < large / small < 4.1


def test_scales_of_farabet_share_their_weights() -> None:
    """Three scales differ from one only in the inputs of the classifier."""
    one, three = (Network((3, 64, 64), farabet(4, levels=levels)) for levels in (1, 3))
    assert three.rows[0].parameters == one.rows[0].parameters
    assert three.parameters - one.parameters == 2 * 256 * 128


def test_a_side_that_does_not_halve_is_named_with_the_layer() -> None:
    with pytest.raises(Problem, match="heights and widths must be equal to concatenate"):
        Network((3, 180, 240), unet(11))


def test_the_trunk_of_lite0_unet_is_that_of_the_classifier() -> None:
    """Its layers with weights up to the last convolution of 1280 filters are those of EfficientNet-Lite0, in order."""
    source = Network((3, 64, 64), CLASSIFIERS["efficientnet-lite0"].layers(10))
    target = Network((3, 64, 64), RECIPES["lite0-unet"].layers(3))
    trunk = [part.signature for part in parts(source.layers, source.module()) if part.has_weights][:-3]
    signatures = [part.signature for part in parts(target.layers, target.module()) if part.has_weights]
    assert signatures[: len(trunk)] == trunk and len(trunk) > 50
