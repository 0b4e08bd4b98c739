"""The recipes: what the papers say of their sizes, and that filters move where they should."""

import pytest
import torch
from neocog.core.initialize import initialize
from neocog.core.layers import Conv, Local
from neocog.core.network import Network
from neocog.speech.models import FRAMES, RECIPES, numbers


def network(name: str, classes: int, shape: tuple[int, int, int], **given: int) -> Network:
    return Network(shape, RECIPES[name].layers(classes, **given))


def weights(found: Network) -> int:
    """Weights of convolutions and dense layers, as the papers count: no biases, no normalisation."""
    return sum(p.numel() for p in found.module().parameters() if p.ndim > 1)


def test_cnn_trad_fpool3_is_the_papers() -> None:
    """Sainath and Parada 2015, table 1: 10.2K + 163.8K + 65.5K + 4.1K + 0.5K = 244.2K on 32 frames and 4 labels."""
    found = network("cnn-trad-fpool3", 4, (1, 40, 32))
    assert weights(found) == 10_240 + 163_840 + 65_536 + 4_096 + 512 == 244_224
    assert [row.macs for row in found.rows if isinstance(row.layer, Conv)] == [4_392_960, 5_242_880]  # 4.4M and 5.2M


def test_cnn_one_fstride4_is_the_papers() -> None:
    """Sainath and Parada 2015, table 3: 47.6K + 53.6K + 4.1K + 16.4K + 0.5K = 122.2K; 428.5K multiplications."""
    found = network("cnn-one-fstride4", 4, (1, 40, 32), frames=32)
    assert weights(found) == 47_616 + 53_568 + 4_096 + 16_384 + 512 == 122_176
    assert next(row.macs for row in found.rows) == 428_544


def test_res15_is_the_papers() -> None:
    """Tang and Lin 2018, table 1: 238K weights; 13 convolutions after the first, widening to 16."""
    found = network("res15", 12, (1, 40, 101))
    assert weights(found) == 405 + 13 * 18_225 + 540 == 237_870
    assert found.receptive_field[1] > 100


def test_cnn_trad_fpool3_on_a_second_is_as_large_as_tang_and_lin_count_it() -> None:
    """Their table 3: 1.37M parameters, 125M multiplications for 101 frames and 12 labels."""
    found = network("cnn-trad-fpool3", 12, (1, 40, 101))
    assert round(found.parameters / 1e6, 1) == 1.4 and round(found.macs / 1e6) == 125


@pytest.mark.parametrize("name", ["frequency-cnn", "cnn-one-fstride4"])
def test_filters_span_all_frames_and_move_along_frequency_only(name: str) -> None:
    found = network(name, 5, RECIPES[name].input)
    assert found.rows[0].output[2] == 1 and found.rows[0].output[1] > 1


def test_limited_sharing_has_a_filter_for_each_band() -> None:
    shared, limited = (network("frequency-cnn", 5, (3, 40, FRAMES), filters=8, limited=k) for k in (0, 1))
    assert isinstance(limited.layers[0], Local) and shared.rows[0].output == limited.rows[0].output
    assert limited.rows[0].parameters - 8 * 33 == 33 * (shared.rows[0].parameters - 8)


def test_with_full_sharing_a_pattern_some_bands_up_gives_the_same_numbers_some_bands_up() -> None:
    """The law that the lectures draw: move the input along frequency, and the first layer's answer moves with it."""
    module = network("frequency-cnn", 5, (3, 40, FRAMES)).module()
    initialize(module, 0)
    x = torch.zeros(1, 3, 40, FRAMES)
    x[:, :, 10:18] = torch.randn(1, 3, 8, FRAMES, generator=torch.Generator().manual_seed(0))
    here, there = module[0](x), module[0](x.roll(5, 2))
    torch.testing.assert_close(there[:, :, 10:28], here[:, :, 5:23])


def test_frames_in_a_networks_text_are_those_of_the_data() -> None:
    preprocessing = {"rate": 8000, "samples": 8000, "frame": 25.0, "hop": 10.0}
    assert numbers(preprocessing) == {"frames": 98} == numbers({})
