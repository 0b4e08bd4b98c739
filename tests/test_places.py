"""Predictions that lie in an input: tiles, and windows brought back to the size of the input."""

from itertools import pairwise

import pytest
import torch
from neocog.core.places import Layout, tile_offsets, tile_weight
from neocog.vision.masks.placing import OVERLAP, tiles
from torch import Tensor
from torch.nn import functional as F


def one_hot(windows: Tensor) -> Tensor:
    """(B, 1, h, w) pixels that are class indices -> (B, 5, h, w) probabilities."""
    return F.one_hot(windows[:, 0].long(), 5).permute(0, 3, 1, 2).float()


@pytest.mark.parametrize("size", [(40, 64), (41, 65), (64, 40), (17, 100), (100, 17), (128, 96)])
def test_tiles_give_back_the_map_that_they_are_cut_from(size: tuple[int, int]) -> None:
    """Where each tile predicts what its pixels are, the joined map is the picture, however it is cut."""
    picture = torch.randint(0, 5, (1, *size), generator=torch.Generator().manual_seed(0)).byte()
    windows, layout = tiles(picture.numpy(), (32, 48))
    assert layout.size == size and tuple(windows.shape[1:]) == (1, 32, 48)
    joined = layout.labels(lambda indices: one_hot(windows[indices]))
    assert torch.equal(joined, picture[0])


@pytest.mark.parametrize(("length", "tile"), [(10, 32), (32, 32), (33, 32), (64, 32), (1000, 96)])
def test_tiles_cover_a_length_and_overlap(length: int, tile: int) -> None:
    offsets = tile_offsets(length, tile, OVERLAP)
    assert offsets[0] == 0 and offsets[-1] + tile >= length
    assert all(a < b <= a + tile * (1 - OVERLAP) + 1 for a, b in pairwise(offsets))
    assert offsets[-1] + tile == length or len(offsets) == 1


def test_a_tile_counts_least_at_its_border() -> None:
    weight = tile_weight(5, 4)
    assert weight.tolist()[0] == [1, 1, 1, 1] and weight[2].tolist() == [1, 2, 2, 1]


def test_where_tiles_disagree_the_one_that_sees_more_around_a_pixel_decides() -> None:
    """Two tiles of 8 overlap by 4; one predicts class 0 and the other class 1: they meet in the middle."""
    layout = Layout((8, 12), offsets=[(0, 0), (0, 4)])
    predicted = torch.zeros(2, 2, 8, 8)
    predicted[0, 0] = predicted[1, 1] = 1
    row = layout.labels(lambda indices: predicted[indices])[4].tolist()
    assert row[:4] == [0] * 4 and row[8:] == [1] * 4 and row == sorted(row)


def test_a_window_that_shows_the_input_smaller_is_enlarged() -> None:
    """The rows and columns that show the input are cut out and enlarged to its size."""
    window = torch.zeros(1, 2, 8, 8)
    window[:, 0] = 0.6
    window[:, 1, 2:6, 4:] = 1.0
    labels = Layout((8, 16), inside=(slice(2, 6), slice(0, 8))).labels(lambda indices: window[indices])
    assert tuple(labels.shape) == (8, 16) and labels[:, 9:].all() and not labels[:, :7].any()
