"""Recipes for images: well-known networks with the settings that train them.

The five networks for photos compute the same as torchvision's models with the same weights (loaded by
vision/weights.py), on 224×224 pixels. For other sizes torchvision's `alexnet` and `vgg16` pool to the size that their
first dense layer expects; here the dense layer is built for the size at hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..core.domain import Recipe
from ..core.layer import Layer, Layers
from ..core.layers import (
    batchnorm,
    blurpool,
    conv,
    dense,
    dropout,
    flatten,
    gabor,
    globalavg,
    globalmax,
    maximum,
    maxpool,
    parallel,
    patches,
    relu,
    relu6,
    residual,
    scale,
    scells,
)

# --- digits and other small images ----------------------------------------------------------------------------------


def keras_digits(classes: int) -> Layers:
    """The Keras network for handwritten digits of the lectures: 25×26×26, …, 1,250 from 1×28×28."""
    features = (conv(25, 3), relu, maxpool(2), conv(50, 3), relu, maxpool(2))
    return (*features, flatten, dense(100), relu, dense(classes))


def lenet5(classes: int) -> Layers:
    """LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998, section II.B) as in Caffe: 431,080 parameters on 1×28×28.

    The paper's has 6 and 16 maps, partially connected, trainable subsampling, sigmoids and Gaussian outputs on 32×32,
    and some 60,000 parameters. Caffe's, the variant most often cited, has 20 and 50 maps and one relu.
    """
    return (conv(20, 5), maxpool(2), conv(50, 5), maxpool(2), flatten, dense(500), relu, dense(classes))


def mlp(classes: int, units: int = 512, depth: int = 2) -> Layers:
    """Fully connected baseline: `depth` hidden layers of `units`."""
    return (flatten, *(dense(units), relu) * depth, dense(classes))


def swift(classes: int, width: int = 64) -> Layers:
    """Our own network, for accuracy per second of training: whitening, three blocks, global max pooling.

    After airbench94 (Jordan 2024, arXiv:2404.00498): the first convolution whitens patches of 2×2 and is frozen; each
    block halves the image and has two normalised convolutions. With Muon as optimiser, a few epochs are enough.
    """
    blocks = [_block(filters, batchnorm(momentum=0.4)) for filters in (width, 2 * width, 4 * width)]
    return (conv(24, 2), relu, *(layer for block in blocks for layer in block), globalmax, dense(classes), scale(1 / 9))


def _block(filters: int, norm: Layer) -> Layers:
    second = (conv(filters, 3, pad=1, bias=False), norm, relu)
    return (conv(filters, 3, pad=1, bias=False), maxpool(2), norm, relu, *second)


def counting(classes: int, width: int = 24) -> Layers:
    """Our own network for how many there are: maps of what is where, and their averages, which add up.

    A maximum, as in `swift`, says whether something is there. The average of maps that are high at each object grows
    with the number of objects, as in counting by density maps (Lempitsky and Zisserman 2010, section 2).
    """
    blocks = [_block(filters, batchnorm) for filters in (width, 4 * width // 3, 2 * width)]
    return (conv(24, 2), relu, *(layer for block in blocks for layer in block), globalavg, dense(classes))


# --- ancestors ------------------------------------------------------------------------------------------------------


def hmax(classes: int, bands: int = 8, stored: int = 250, sigma: float = 0.0) -> Layers:
    """HMAX (Serre et al. 2007, IEEE TPAMI 29(3), section 2): Gabor filters, maxima, stored patches, a linear layer.

    S1: Gabor filters of 4 orientations, two sizes in each of `bands`, 7 and 9 pixels in the first, 4 more in each
    further one. C1: the maximum over both sizes and over places. S2: the negative distance to `stored` patches of C1 of
    each of four sizes, drawn from training examples; with `sigma`, a Gaussian of it. C2: the maximum over places and
    bands. Paddings are those of the port to PyTorch in Brain-Score.
    """
    scales = [
        (
            maximum(gabor(4, size, pad="same"), gabor(4, size + 2, pad="same")),
            maxpool(pool, stride=pool // 2, pad=pool // 2),
        )
        for size, pool in zip(range(7, 7 + 4 * bands, 4), range(8, 8 + 2 * bands, 2), strict=True)
    ]
    s2 = [(patches(stored, size, pad=size // 2, sigma=sigma), globalmax) for size in (4, 8, 12, 16)]
    return (maximum(*scales, shared=parallel(*s2)), batchnorm, dense(classes))


def neocognitron(classes: int, cells: int = 128, threshold: float = 0.6) -> Layers:
    """After the Neocognitron (Fukushima 1980, Biological Cybernetics 36(4)): S cells, C cells, a linear layer.

    S cells respond above a threshold to templates that competition has learned, C cells blur what S cells give. The
    Neocognitron has more layers, learns from inputs one after the other, and its C cells saturate; here windows of some
    hundred inputs compete at once.
    """
    first = (scells(cells // 4, 5, threshold=threshold), blurpool(5, pad=2))
    second = (scells(cells, 5, threshold=threshold), blurpool(3, pad=1))
    return (*first, *second, flatten, batchnorm, dense(classes))


# --- photos ---------------------------------------------------------------------------------------------------------


def alexnet(classes: int) -> Layers:
    """AlexNet in one column (Krizhevsky 2014, arXiv:1404.5997, section 4), as in torchvision.

    The paper of 2012 (section 3.5) has 96, 256, 384, 384 and 256 filters in two columns, and local response
    normalisation, which torchvision leaves out too.
    """
    first = (conv(64, 11, stride=4, pad=2), relu, maxpool(3, stride=2), conv(192, 5, pad=2), relu, maxpool(3, stride=2))
    last = (conv(384, 3, pad=1), relu, conv(256, 3, pad=1), relu, conv(256, 3, pad=1), relu, maxpool(3, stride=2))
    hidden = (dropout, dense(4096), relu, dropout, dense(4096), relu)
    return (*first, *last, flatten, *hidden, dense(classes))


def vgg16(classes: int) -> Layers:
    """VGG-16 (Simonyan and Zisserman 2015, arXiv:1409.1556, table 1, configuration D)."""
    stages = [(conv(filters, 3, pad=1), relu) * count for filters, count in VGG16]
    features = [layer for stage in stages for layer in (*stage, maxpool(2))]
    return (*features, flatten, *(dense(4096), relu, dropout) * 2, dense(classes))


VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # filters and number of convolutions of each stage


def googlenet(classes: int) -> Layers:
    """GoogLeNet (Szegedy et al. 2015, arXiv:1409.4842, table 1) as in torchvision, without the auxiliary heads.

    torchvision's differs from the paper: batch normalisation after each convolution instead of local response
    normalisation, 3×3 convolutions instead of 5×5 (pytorch/vision issue 906), and a fourth pool of 2×2.
    Its published weights expect pixels from −1 to 1 (mean and std of 0.5), not ImageNet's mean and std.
    """
    stem = (*_unit(64, 7, stride=2, pad=3), _half(3), *_unit(64, 1), *_unit(192, 3, pad=1), _half(3))
    stage3, stage4, stage5 = ([_inception(*row) for row in stage] for stage in GOOGLENET)
    return (*stem, *stage3, _half(3), *stage4, _half(2), *stage5, globalavg, dropout(0.2), dense(classes))


GOOGLENET = (  # modules of each stage: 1×1, 3×3 reduced, 3×3, 5×5 reduced, 5×5, pool projection (table 1)
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)


def _inception(conv1: int, reduce3: int, conv3: int, reduce5: int, conv5: int, pool: int) -> Layer:
    return parallel(
        _unit(conv1, 1),
        (*_unit(reduce3, 1), *_unit(conv3, 3, pad=1)),
        (*_unit(reduce5, 1), *_unit(conv5, 3, pad=1)),
        (maxpool(3, stride=1, pad=1, ceil=True), *_unit(pool, 1)),
    )


def _unit(filters: int, size: int, stride: int = 1, pad: int = 0) -> Layers:
    return (conv(filters, size, stride=stride, pad=pad, bias=False), batchnorm(eps=0.001), relu)


def _half(size: int) -> Layer:
    return maxpool(size, stride=2, ceil=True)


def resnet18(classes: int) -> Layers:
    """ResNet-18 (He et al. 2016, arXiv:1512.03385, table 1), with shortcuts of option B."""
    return _resnet(_basic, (2, 2, 2, 2), classes)


def resnet50(classes: int) -> Layers:
    """ResNet-50 (He et al. 2016, arXiv:1512.03385, table 1) as in torchvision.

    The stride of a bottleneck is in its 3×3 convolution; in the paper it is in the first 1×1 ("ResNet V1.5").
    """
    return _resnet(_bottleneck, (3, 4, 6, 3), classes)


def _resnet(block: Callable[[int, int, bool], Layer], counts: Sequence[int], classes: int) -> Layers:
    """A ResNet with `counts` blocks a stage; each stage but the first doubles the filters and halves the image."""
    layers: list[Layer] = [*_normed(64, 7, stride=2, pad=3), relu, maxpool(3, stride=2, pad=1)]
    for stage, count in enumerate(counts):
        for index in range(count):
            stride = 2 if stage > 0 and index == 0 else 1
            layers += [block(64 * 2**stage, stride, index == 0), relu]
    return (*layers, globalavg, dense(classes))


def _basic(filters: int, stride: int, first: bool) -> Layer:
    shortcut = _normed(filters, 1, stride) if stride > 1 else ()
    return residual(*_normed(filters, 3, stride, pad=1), relu, *_normed(filters, 3, pad=1), shortcut=shortcut)


def _bottleneck(filters: int, stride: int, first: bool) -> Layer:
    shortcut = _normed(4 * filters, 1, stride) if first else ()
    reduced = (*_normed(filters, 1), relu, *_normed(filters, 3, stride, pad=1), relu)
    return residual(*reduced, *_normed(4 * filters, 1), shortcut=shortcut)


def _normed(filters: int, size: int, stride: int = 1, pad: int = 0) -> Layers:
    return (conv(filters, size, stride=stride, pad=pad, bias=False), batchnorm)


def efficientnet_lite0(classes: int) -> Layers:
    """EfficientNet-B0 (Tan and Le 2019, arXiv:1905.11946, table 1) in Google's variant EfficientNet-Lite0.

    It has no squeeze and excitation, and relu6 instead of swish. Its published weights expect pixels from −1 to 1.
    """
    return _efficientnet_lite(classes, width=1.0, depth=1.0, drop=0.2)


def efficientnet_lite1(classes: int) -> Layers:
    """EfficientNet-Lite1: a tenth deeper than Lite0, for 240×240 pixels."""
    return _efficientnet_lite(classes, width=1.0, depth=1.1, drop=0.2)


def efficientnet_lite2(classes: int) -> Layers:
    """EfficientNet-Lite2: a tenth wider and a fifth deeper than Lite0, for 260×260 pixels."""
    return _efficientnet_lite(classes, width=1.1, depth=1.2, drop=0.3)


def _efficientnet_lite(classes: int, width: float, depth: float, drop: float) -> Layers:
    """The stem and the head do not scale, as in Google's code."""
    stages = [layer for stage in lite_stages(width, depth) for layer in stage]
    return (*LITE_STEM, *stages, *relu6_unit(1280, 1), globalavg, dropout(drop), dense(classes))


def lite_stages(width: float = 1.0, depth: float = 1.0) -> list[Layers]:
    """The stages behind the stem; the number of blocks in the first and the last one does not scale."""
    stages, channels = [], 32
    for stage, (filters, count, size, stride, expansion) in enumerate(LITE0):
        filters = 8 * round(filters * width / 8 + 1e-9)
        count = count if stage in (0, len(LITE0) - 1) else math.ceil(count * depth)
        layers: list[Layer] = []
        for index in range(count):
            layers += inverted(channels, filters, size, stride if index == 0 else 1, expansion)
            channels = filters
        stages.append(tuple(layers))
    return stages


def lite0_by_stride() -> tuple[Layers, Layers, Layers, Layers, Layers]:
    """The stem and the stages of EfficientNet-Lite0, up to the last maps of strides 2, 4, 8, 16 and 32."""
    first, quarter, eighth, *rest = lite_stages()
    return (*LITE_STEM, *first), quarter, eighth, (*rest[0], *rest[1]), (*rest[2], *rest[3])


LITE0 = (  # filters, blocks, kernel size, stride of the first block and expansion of each stage
    (16, 1, 3, 1, 1), (24, 2, 3, 2, 6), (40, 2, 5, 2, 6), (80, 3, 3, 2, 6), (112, 3, 5, 1, 6), (192, 4, 5, 2, 6),
    (320, 1, 3, 1, 6),
)  # fmt: skip
LITE_NORM = batchnorm(eps=0.001, momentum=0.01)


def inverted(channels: int, filters: int, size: int, stride: int, expansion: int) -> Layers:
    """An inverted residual block (Sandler et al. 2018, arXiv:1801.04381, section 3.3)."""
    width = expansion * channels
    expand = relu6_unit(width, 1) if expansion > 1 else ()
    project = (conv(filters, 1, bias=False), LITE_NORM)
    body = (*expand, *relu6_unit(width, size, stride, groups=width), *project)
    return (residual(*body),) if stride == 1 and channels == filters else body


def relu6_unit(filters: int, size: int, stride: int = 1, groups: int = 1) -> Layers:
    return (conv(filters, size, stride=stride, pad="same", groups=groups, bias=False), LITE_NORM, relu6)


LITE0_NAME = "efficientnet-lite0"  # of the recipe, and of the model with its weights
LITE_STEM = relu6_unit(32, 3, stride=2)


# --- recipes --------------------------------------------------------------------------------------------------------

Values = dict[str, Any]

DIGITS: Values = {
    "optimiser": "adamw", "lr": 0.002, "weight_decay": 0.01, "batch": 128, "epochs": 10, "augment": "crop(2)",
}  # fmt: skip
PHOTOS: Values = {
    "optimiser": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 1e-4, "schedule": "cosine", "warmup": 0.05,
    "smoothing": 0.1, "batch": 128, "epochs": 90, "augment": "flip, crop(16), light(0.2, 0.2)",
}  # fmt: skip
PLAIN: Values = {
    **PHOTOS,
    "lr": 0.01,
    "weight_decay": 5e-4,
}  # without batch normalisation, larger learning rates diverge

SWIFT: Values = {
    "optimiser": "muon", "lr": 0.08, "adam_lr": 0.01, "momentum": 0.6, "warmup": 0.0, "smoothing": 0.2, "batch": 500,
    "epochs": 8, "whiten": True, "dirac": True, "augment": "flip, crop(2)",
}  # fmt: skip

COUNTING: Values = {
    "optimiser": "adamw", "lr": 0.003, "weight_decay": 0.05, "batch": 64, "epochs": 12, "whiten": True,
    "augment": "flip, flipud, crop(6)",
}  # fmt: skip

# Only what stands behind the fixed layers is trained, on what these give, which is computed once.
LINEAR: Values = {
    "optimiser": "adamw", "lr": 0.01, "weight_decay": 0.05, "batch": 128, "epochs": 20, "warmup": 0.0,
}  # fmt: skip

GREY: Values = {"colour": "grey", "mean": [0.0], "std": [1.0]}  # black is 0, as around the picture
SMALL: Values = {"size": 28}  # side in pixels
LARGE: Values = {"size": 224}
DIGIT, PHOTO = (1, 28, 28), (3, 224, 224)  # input shapes that `describe` uses by default

RECIPES: dict[str, Recipe] = {
    "swift": Recipe(swift, "our own: as accurate as possible per second of training", SWIFT),
    "counting": Recipe(
        counting, "our own, for numbers that say how many: averages of maps", COUNTING, {"size": 96}, (3, 96, 96)
    ),
    "keras-digits": Recipe(keras_digits, "the lectures' network: two convolutions, two pools", DIGITS, SMALL, DIGIT),
    "lenet5": Recipe(lenet5, "LeNet-5 (LeCun et al. 1998), Caffe's sizes: 431,080 parameters", DIGITS, SMALL, DIGIT),
    "hmax": Recipe(
        hmax,
        "HMAX (Serre et al. 2007): Gabor filters, stored patches, a linear layer",
        LINEAR | {"frozen": 1},
        GREY | {"size": 128},
        (1, 128, 128),
    ),
    "neocognitron": Recipe(
        neocognitron,
        "after the Neocognitron (Fukushima 1980): S and C cells, a linear layer",
        LINEAR | {"frozen": 5},
        GREY | SMALL,
        DIGIT,
    ),
    "alexnet": Recipe(alexnet, "AlexNet in one column (Krizhevsky 2014), as in torchvision", PLAIN, LARGE, PHOTO),
    "vgg16": Recipe(vgg16, "VGG-16 (Simonyan and Zisserman 2015), as in torchvision", PLAIN, LARGE, PHOTO),
    "googlenet": Recipe(googlenet, "GoogLeNet (Szegedy et al. 2015), as in torchvision", PHOTOS, LARGE, PHOTO),
    "resnet18": Recipe(resnet18, "ResNet-18 (He et al. 2016), as in torchvision", PHOTOS, LARGE, PHOTO),
    "resnet50": Recipe(resnet50, "ResNet-50 (He et al. 2016), as in torchvision", PHOTOS, LARGE, PHOTO),
    LITE0_NAME: Recipe(
        efficientnet_lite0,
        "EfficientNet-Lite0 (Tan and Le 2019): 4.7 M, for small devices",
        PHOTOS,
        LARGE,
        PHOTO,
        trunk=LITE0_NAME,
    ),
    "efficientnet-lite1": Recipe(
        efficientnet_lite1,
        "EfficientNet-Lite1: 5.4 M, 240×240 pixels",
        PHOTOS,
        {"size": 240},
        (3, 240, 240),
        trunk="efficientnet-lite1",
    ),
    "efficientnet-lite2": Recipe(
        efficientnet_lite2,
        "EfficientNet-Lite2: 6.1 M, 260×260 pixels",
        PHOTOS,
        {"size": 260},
        (3, 260, 260),
        trunk="efficientnet-lite2",
    ),
    "mlp": Recipe(mlp, "the fully connected baseline: two hidden layers of 512", {**DIGITS, "lr": 0.001}, input=DIGIT),
}
