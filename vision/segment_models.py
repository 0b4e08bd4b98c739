"""Recipes for masks: networks that give a map for each label, as large as the picture."""

from __future__ import annotations

from typing import Any

from ..core.domain import Recipe
from ..core.layer import Layer, Layers
from ..core.layers import (
    batchnorm,
    conv,
    dropout,
    maxpool,
    parallel,
    pyramid,
    relu,
    residual,
    upsample,
)
from .models import LITE0_NAME, lite0_by_stride

TASK = "segment"


def unet(classes: int, width: int = 16, depth: int = 4) -> Layers:
    """U-Net (Ronneberger et al. 2015, arXiv:1505.04597, figure 1) with padding, batch normalisation and fewer filters.

    `width` filters at full size (the paper's 64), twice as many behind each of `depth` halvings. The paper's maps are
    cropped where they join; here all convolutions are padded, and 1×1 convolutions and bilinear enlargement stand for
    its up-convolutions. Sides are multiples of 2^depth.
    """
    return (*_double(width), _u(width, depth), *_double(width), conv(classes, 1))


def _u(filters: int, depth: int) -> Layer:
    """The maps beside those of the half size, which come back enlarged."""
    inner: Layers = _double(2 * filters)
    if depth > 1:
        inner = (*inner, _u(2 * filters, depth - 1), *_double(2 * filters))
    return parallel((), (maxpool(2), *inner, conv(filters, 1), upsample(2)))


def _double(filters: int) -> Layers:
    return (*_unit(filters), *_unit(filters))


def _unit(filters: int, size: int = 3) -> Layers:
    return (conv(filters, size, pad=size // 2, bias=False), batchnorm, relu)


def farabet(classes: int, levels: int = 3, width: int = 16, hidden: int = 128) -> Layers:
    """Scene labelling over several scales with shared weights (Farabet et al. 2013, section 3.1).

    Three stages of `width`, 4·`width` and 16·`width` filters of 7×7 on `levels` scales of a Laplacian pyramid, then a
    classifier with `hidden` units at every fourth pixel. The paper has tanh, no normalisation of batches, 1,024 hidden
    units, and smooths its labels over superpixels. Sides are multiples of 4 · 2^(levels − 1).
    """
    stages = (*_unit(width, 7), maxpool(2), *_unit(4 * width, 7), maxpool(2), *_unit(16 * width, 7))
    return (pyramid(levels, *stages), *_unit(hidden, 1), dropout, conv(classes, 1), upsample(4))


def fcn(classes: int, width: int = 32) -> Layers:
    """Fully convolutional network with the scores of three strides added up, FCN-8s (Long et al. 2015, section 4.2).

    The paper's trunk is VGG-16; here each stage has two convolutions, from `width` filters on. Sides are multiples
    of 32.
    """

    def stage(filters: int) -> Layers:
        return (*_double(filters), maxpool(2))

    def scores(*body: Layer) -> Layer:
        return residual(*body, upsample(2), shortcut=conv(classes, 1))

    deepest = scores(*stage(8 * width), conv(classes, 1))
    return (*stage(width), *stage(2 * width), *stage(4 * width), scores(*stage(8 * width), deepest), upsample(8))


def lite0_unet(classes: int, width: int = 32) -> Layers:
    """A U-Net whose contracting half is EfficientNet-Lite0, for --weights efficientnet-lite0.

    The maps of strides 2, 4, 8 and 16 join those that come back enlarged; `width` filters at stride 2, twice as many
    at each smaller scale up to four times. Sides are multiples of 32.
    """
    half, quarter, eighth, sixteenth, last = lite0_by_stride()
    maps: Layers = ()
    for contracting, filters in ((last, 4), (sixteenth, 4), (eighth, 2), (quarter, 1)):
        # From the smallest scale outwards: what comes back from the next smaller one joins these maps.
        joined = (parallel((), maps), *_unit(2 * filters * width)) if maps else ()
        maps = (*contracting, *joined, conv(filters * width, 1, bias=False), batchnorm, relu, upsample(2))
    return (*half, parallel((), maps), *_unit(width), conv(classes, 1), upsample(2))


Values = dict[str, Any]

MASKS: Values = {
    "optimiser": "adamw", "lr": 2e-3, "weight_decay": 0.01, "schedule": "cosine", "warmup": 0.05, "batch": 8,
    "epochs": 30, "augment": "flip, scale(0.25), light(0.2, 0.2)",
}  # fmt: skip
FORM = frozenset({"size", "fit"})  # the pictures decide, whatever weights were trained on
PICTURE = (3, 192, 256)  # channels, height and width that `describe` uses by default


def _recipe(layers: Any, about: str, trunk: str | None = None) -> Recipe:
    return Recipe(layers, about, MASKS, input=PICTURE, task=TASK, free_options=FORM, trunk=trunk)


RECIPES: dict[str, Recipe] = {
    "unet": _recipe(unet, "a mask: U-Net (Ronneberger et al. 2015), padded, with 16 filters at full size"),
    "farabet": _recipe(farabet, "a mask: one network over three scales, shared weights (Farabet et al. 2013)"),
    "fcn": _recipe(fcn, "a mask: scores of three strides added up, FCN-8s (Long et al. 2015), a smaller trunk"),
    "lite0-unet": _recipe(lite0_unet, "a mask: U-Net on EfficientNet-Lite0", LITE0_NAME),
}
DEFAULT = "unet"
