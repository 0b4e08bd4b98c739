"""Speech recipes: sizes published in the papers, and the axes along which filters slide."""

import pytest
import torch
from neocog.core.initialize import initialize
from neocog.core.layers.windows import Conv, Local
from neocog.core.network import Network
from neocog.speech.models import FRAMES, RECIPES, numbers


def network(name: str, classes: int, shape: tuple[int, int, int], **options: int) -> Network:
    return Network(shape, RECIPES[name].layers(classes, **options))


def weights(recipe: Network) -> int:
    """Number of weights of convolutions and dense layers, without biases and normalisation, as in the papers."""
    return sum(p.numel() for p in recipe.module().parameters() if p.ndim > 1)


def test_cnn_trad_fpool3_has_the_papers_size() -> None:
    """Sainath and Parada 2015, table 1: 10.2K + 163.8K + 65.5K + 4.1K + 0.5K = 244.2K on 32 frames and 4 labels."""
    recipe = network("cnn-trad-fpool3", 4, (1, 40, 32))
    assert weights(recipe) == 10_240 + 163_840 + 65_536 + 4_096 + 512 == 244_224
    assert [row.macs for row in recipe.rows if isinstance(row.layer, Conv)] == [4_392_960, 5_242_880]  # 4.4M and 5.2M


def test_cnn_one_fstride4_has_the_papers_size() -> None:
    """Sainath and Parada 2015, table 3: 47.6K + 53.6K + 4.1K + 16.4K + 0.5K = 122.2K; 428.5K multiplications."""
    recipe = network("cnn-one-fstride4", 4, (1, 40, 32), frames=32)
    assert weights(recipe) == 47_616 + 53_568 + 4_096 + 16_384 + 512 == 122_176
    assert next(row.macs for row in recipe.rows) == 428_544


def test_res15_has_the_papers_size() -> None:
    """Tang and Lin 2018, table 1: 238K weights; 13 convolutions after the first, dilations up to 16."""
    recipe = network("res15", 12, (1, 40, 101))
    assert weights(recipe) == 405 + 13 * 18_225 + 540 == 237_870
    assert recipe.receptive_field[1] > 100


def test_cnn_trad_fpool3_on_a_second_has_the_size_given_by_tang_and_lin() -> None:
    """Their table 3: 1.37M parameters, 125M multiplications for 101 frames and 12 labels."""
    recipe = network("cnn-trad-fpool3", 12, (1, 40, 101))
    assert round(recipe.parameters / 1e6, 1) == 1.4 and round(recipe.macs / 1e6) == 125


@pytest.mark.parametrize("name", ["frequency-cnn", "cnn-one-fstride4"])
def test_filters_span_all_frames_and_slide_along_frequency_only(name: str) -> None:
    recipe = network(name, 5, RECIPES[name].input)
    assert recipe.rows[0].output[2] == 1 and recipe.rows[0].output[1] > 1


def test_limited_weight_sharing_has_filters_for_each_band() -> None:
    shared, limited = (network("frequency-cnn", 5, (3, 40, FRAMES), filters=8, limited=k) for k in (0, 1))
    assert isinstance(limited.layers[0], Local) and shared.rows[0].output == limited.rows[0].output
    assert limited.rows[0].parameters - 8 * 33 == 33 * (shared.rows[0].parameters - 8)


def test_the_first_layer_is_equivariant_to_shifts_along_frequency() -> None:
    module = network("frequency-cnn", 5, (3, 40, FRAMES)).module()
    initialize(module, 0)
    x = torch.zeros(1, 3, 40, FRAMES)
    x[:, :, 10:18] = torch.randn(1, 3, 8, FRAMES, generator=torch.Generator().manual_seed(0))
    output, shifted = module[0](x), module[0](x.roll(5, 2))
    torch.testing.assert_close(shifted[:, :, 10:28], output[:, :, 5:23])


def test_the_constant_frames_is_that_of_the_data() -> None:
    preprocessing = {"rate": 8000, "samples": 8000, "frame": 25.0, "hop": 10.0}
    assert numbers(preprocessing) == {"frames": 98} == numbers({})
