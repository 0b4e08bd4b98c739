"""Rendering of images: sizes, pixels and relevance overlays."""

from io import BytesIO

import numpy as np
import pytest
import torch
from neocog.vision.show import png, show
from PIL import Image


def pixels(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1, 28, 28), (168, 168)),
        ((3, 32, 32), (160, 160)),
        ((3, 224, 224), (224, 224)),
        ((3, 20, 50), (200, 80)),
        ((1, 1, 1), (160, 160)),
    ],
)
def test_pixels_are_enlarged_by_a_whole_factor(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    """The longer side is at least 160 pixels; each pixel is a square of its colour."""
    x = pixels(*shape)
    image = show(x)
    assert image.mode == "RGB" and image.size == size
    factor = size[0] // shape[2]
    assert np.array_equal(np.array(image)[::factor, ::factor], x.expand(3, -1, -1).permute(1, 2, 0).numpy())
    assert np.array_equal(
        np.array(image)[factor - 1 :: factor, factor - 1 :: factor], np.array(image)[::factor, ::factor]
    )


def test_zero_relevance_gives_a_grey_image() -> None:
    x = pixels(3, 40, 40)
    array = np.array(show(x, torch.zeros(40, 40)))[::4, ::4].astype(int)
    assert (array == array[..., :1]).all()
    assert np.abs(array[..., 0] - x.float().mean(0).numpy()).max() <= 0.5


def test_the_strongest_relevance_has_the_strongest_colour() -> None:
    """Red for positive relevance, blue for negative, no colour for zero."""
    relevance = torch.zeros(40, 40)
    relevance[5:8, 5:8], relevance[30:33, 30:33] = 2, -2
    red, _, blue = np.array(show(torch.full((3, 40, 40), 128, dtype=torch.uint8), relevance))[::4, ::4].T.astype(int)
    assert (red - blue)[6, 6] > 80 and (blue - red)[31, 31] > 80 and (red - blue)[20, 20] == 0


def test_nonnegative_relevance_goes_from_black_to_bright() -> None:
    relevance = torch.linspace(0, 1, 40).expand(40, 40)
    array = np.array(show(torch.zeros(3, 40, 40, dtype=torch.uint8), relevance))[0, ::4].astype(int).sum(1)
    assert array[0] == 0 and (np.diff(array) >= 0).all() and array[-1] > 350


def test_a_single_outlier_does_not_pale_the_rest() -> None:
    relevance = torch.full((40, 40), 0.5)
    relevance[0, 0] = 1e6
    array = np.array(show(torch.zeros(3, 40, 40, dtype=torch.uint8), relevance))
    assert np.array_equal(array[0, 0], array[-1, -1])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, 1e-38])
def test_nan_infinite_and_tiny_relevance_is_rendered(value: float) -> None:
    relevance = torch.full((8, 8), value)
    assert show(pixels(1, 8, 8), relevance).size == (160, 160)


def test_png_decodes_to_the_image() -> None:
    image = show(pixels(3, 32, 32))
    data = png(image)
    assert data.startswith(b"\x89PNG")
    assert np.array_equal(np.array(Image.open(BytesIO(data))), np.array(image))
