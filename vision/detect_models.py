"""Recipes for boxes: a trunk, a neck that joins its scales, and a head at two strides (core/tasks/box_grid.py)."""

from __future__ import annotations

from typing import Any

from ..core.domain import Recipe
from ..core.layer import Layer, Layers
from ..core.layers import batchnorm, conv, dense, flatten, parallel, regions, relu, residual, scales, upsample
from .models import LITE0_NAME, lite0_by_stride

TASK = "detect"


def detector(classes: int, width: int = 32) -> Layers:
    """Our own small detector, at strides of 4 and 8: a trunk of four stages, from `width` filters on.

    The maps of stride 4 are joined by those of stride 16, which come back enlarged (Lin et al. 2017, arXiv:1612.03144);
    those of stride 8 follow from them by another convolution.
    """
    stem = (*_unit(width, stride=2), *_unit(2 * width, stride=2), _block(2 * width))
    deeper = (*_unit(4 * width, stride=2), _block(4 * width), *_unit(4 * width, stride=2), _block(4 * width))
    return (*stem, parallel((), (*deeper, *_unit(2 * width, 1), upsample(4))), *head(classes, 2 * width))


def lite0_detector(classes: int, width: int = 96) -> Layers:
    """A detector on EfficientNet-Lite0, at strides of 8 and 16, for --weights efficientnet-lite0.

    The maps of strides 16 and 32 come back enlarged and join those of stride 8. Sides are multiples of 32.
    """
    return (*_lite0(width), *head(classes, width))


def faster_rcnn(classes: int, width: int = 96, units: int = 256) -> Layers:
    """Faster R-CNN (Ren et al. 2015, arXiv:1506.01497) on the maps of stride 8 of EfficientNet-Lite0.

    Anchors of 16 to 256 pixels, 128 regions in training and in prediction, and two dense layers of `units` for each of
    them. The paper has VGG-16 at a stride of 16, anchors from 128 pixels on, 300 regions and 4,096 units.
    """
    sizes = (2.0, 4.0, 8.0, 16.0, 32.0)
    proposer = (conv(width, 3, pad=1), relu, conv(5 * 3 * len(sizes), 1))
    of_region = (flatten, dense(units), relu, dense(units), relu, parallel((dense(classes),), (dense(5),)))
    return (*_lite0(width), *_unit(width), regions(proposer, of_region, sizes))


def _lite0(width: int) -> Layers:
    """EfficientNet-Lite0 up to its maps of stride 8, joined by those of strides 16 and 32, which come back enlarged."""
    half, quarter, eighth, sixteenth, last = lite0_by_stride()
    deepest = (*last, *_unit(width, 1), upsample(2))
    deeper = (*sixteenth, parallel((), deepest), *_unit(width, 1), upsample(2))
    return (*half, *quarter, *eighth, parallel((), deeper))


def head(classes: int, width: int) -> Layers:
    """The joined maps, and predictions at their stride and at twice the stride."""
    coarser = (*_unit(width, stride=2), _block(width), *_towers(classes, width))
    return (*_unit(width), scales((_block(width), *_towers(classes, width)), coarser))


def _towers(classes: int, width: int) -> Layers:
    """Scores of the labels beside distances and centre-ness, each behind a convolution of its own."""
    return (parallel((*_unit(width), conv(classes, 1)), (*_unit(width), conv(5, 1))),)


def _block(filters: int) -> Layer:
    return residual(*_unit(filters), conv(filters, 3, pad=1, bias=False), batchnorm)


def _unit(filters: int, size: int = 3, stride: int = 1) -> Layers:
    return (conv(filters, size, stride=stride, pad=size // 2, bias=False), batchnorm, relu)


Values = dict[str, Any]

BOXES: Values = {
    "optimiser": "adamw", "lr": 2e-3, "weight_decay": 0.05, "schedule": "cosine", "warmup": 0.05, "batch": 16,
    "epochs": 30, "clip": 10.0, "average": 0.99, "augment": "flip, scale(0.25), translate(0.1), light(0.2, 0.2)",
}  # fmt: skip

LITE0_BOXES: Values = BOXES | {"lr": 1e-3, "batch": 8, "lr_first": 0.1}

RECIPES: dict[str, Recipe] = {
    "detector": Recipe(
        detector, "boxes: our own small network, at strides of 4 and 8", BOXES, {"size": 192, "fit": "pad"},
        (3, 192, 192), TASK,
    ),
    "lite0-detector": Recipe(
        lite0_detector, "boxes: EfficientNet-Lite0 and a head at strides of 8 and 16", LITE0_BOXES,
        {"size": 320, "fit": "pad"}, (3, 320, 320), TASK, trunk=LITE0_NAME,
    ),
    "faster-rcnn": Recipe(
        faster_rcnn, "boxes: Faster R-CNN (Ren et al. 2015) on EfficientNet-Lite0", LITE0_BOXES,
        {"size": 320, "fit": "pad"}, (3, 320, 320), TASK, trunk=LITE0_NAME,
    ),
}  # fmt: skip
DEFAULT = "lite0-detector"
