"""The networks of the field by name, each beside the settings that train it.

A spectrogram is an image, time across and frequency up: a window `(height, width)` is (bands, frames). The filters of
`frequency-cnn` and `cnn-one-fstride4` span all frames and move along frequency only: a vowel said by a higher voice is
the same pattern a few bands up. The other convolutional networks move along both.

`frames` is the number of frames of the data at hand; the papers' own sizes are some 30 frames of a stream, `frames=32`.
"""

from __future__ import annotations

from typing import Any

from ..core.data import Preprocessing
from ..core.domain import Recipe
from ..core.layer import Layer, Layers
from ..core.layers import (
    batchnorm,
    conv,
    dense,
    dropout,
    flatten,
    globalavg,
    globalmax,
    local,
    maxpool,
    relu,
    residual,
    scale,
)
from .frontend import frames_of

FRAMES = 98  # of one second, a frame of 25 ms every 10 ms

# --- filters that move along frequency ------------------------------------------------------------------------------


def frequency_cnn(
    classes: int, filters: int = 150, units: int = 1000, limited: int = 0, frames: int = FRAMES
) -> Layers:
    """Abdel-Hamid et al. 2014 (IEEE/ACM TASLP 22:10, sections III and VI): filters over 8 bands and all frames, moved
    along frequency only; the largest of 6 neighbouring bands, every second one; two hidden layers of 1,000.

    `limited=1` is limited weight sharing, with 80 filters in the paper. There the bands of one pooling window share
    their weights; here, with `local`, every band has its own, which is the paper's scheme at its limit. The paper's
    sigmoids are relus here, with dropout, and it classifies 15 frames of a stream where this sees a whole recording.
    """
    look = local(filters, (8, frames)) if limited else conv(filters, (8, frames))
    hidden = (dense(units), relu, dropout) * 2
    return (look, relu, maxpool((6, 1), stride=(2, 1)), flatten, *hidden, dense(classes))


def cnn_one_fstride4(classes: int, frames: int = FRAMES) -> Layers:
    """Sainath and Parada 2015 (Interspeech, table 3), for little memory and few multiplications: 186 filters over all
    frames and 8 bands, every fourth band, and no pool.

    On the paper's 32 frames and 4 labels its weights are the paper's 122.2 thousand (122,240; biases are not counted
    there), and its convolution the paper's 428.5 thousand multiplications.
    """
    return (conv(186, (8, frames), stride=(4, 1)), relu, flatten, *_low_rank(2), dense(classes))


def _low_rank(layers: int) -> Layers:
    return (dense(32, bias=False), *(dense(128), relu) * layers)


# --- along frequency and time ---------------------------------------------------------------------------------------


def cnn_trad_fpool3(classes: int, frames: int = FRAMES) -> Layers:
    """Sainath and Parada 2015 (Interspeech, table 1): two convolutions, a pool over 3 bands, a layer of low rank.

    On the paper's 32 frames and 4 labels its weights are the paper's 244.2 thousand (244,224; biases not counted). A
    longer recording makes the layer of low rank larger: 1.37 million for 101 frames and 12 labels, as Tang and Lin
    (2018, table 3) count it.
    """
    features = (conv(64, (8, 20)), relu, maxpool((3, 1)), conv(64, (4, 10)), relu)
    return (*features, flatten, *_low_rank(1), dense(classes))


def res15(classes: int, filters: int = 45, frames: int = FRAMES) -> Layers:
    """Tang and Lin 2018 (arXiv:1710.10361, table 1): six residual blocks whose windows widen from 1 to 16.

    Its weights are the paper's 238 thousand for 12 labels (237,870; the paper's batch normalisation has none).
    """
    blocks: list[Layer] = []
    for block in range(6):
        one, two = (_widened(filters, 2 ** (index // 3)) for index in (2 * block, 2 * block + 1))
        blocks.append(residual(*(batchnorm,) * (block > 0), *one, batchnorm, *two))
    last = (batchnorm, *_widened(filters, 16), batchnorm)
    return (conv(filters, 3, pad=1, bias=False), relu, *blocks, *last, globalavg, dense(classes))


def _widened(filters: int, dilation: int) -> Layers:
    return (conv(filters, 3, pad=dilation, dilation=dilation, bias=False), relu)


def swift(classes: int, width: int = 32, frames: int = FRAMES) -> Layers:
    """Our own, for voices that training has not heard: whitening, five convolutions, the largest answer of each map.

    The largest answer anywhere, in band or frame, is what a word said higher, lower, earlier or later leaves alone.
    The first convolution whitens patches of 4×4 and stays fixed, the filters move by Muon, as in vision's `swift`
    (after airbench94: Jordan 2024, arXiv:2404.00498).
    """
    first = (conv(24, 4, stride=2), relu)
    blocks = (*_normed(width), *_normed(width, 2), *_normed(2 * width), *_normed(2 * width, 2), *_normed(3 * width))
    return (*first, *blocks, globalmax, dense(classes), scale(1 / 9))


def _normed(filters: int, pool: int = 1) -> Layers:
    smaller = (maxpool(pool),) * (pool > 1)
    return (conv(filters, 3, pad=1, bias=False), *smaller, batchnorm(momentum=0.4), relu)


def mlp(classes: int, units: int = 512, depth: int = 2, frames: int = FRAMES) -> Layers:
    """The fully connected baseline: blind to which bands and frames are neighbours."""
    return (flatten, *(dense(units), relu, dropout) * depth, dense(classes))


# --- the table ------------------------------------------------------------------------------------------------------

Numbers = dict[str, Any]

WORDS = "shift(0.1), background(5), vtlp(0.15), stretch(0.2), timemask(0.2), freqmask(0.2)"
PLAIN: Numbers = {"optimiser": "adamw", "lr": 0.001, "weight_decay": 0.01, "batch": 64, "epochs": 15, "augment": WORDS}
SWIFT: Numbers = {
    "optimiser": "muon", "lr": 0.08, "adam_lr": 0.01, "momentum": 0.6, "warmup": 0.0, "smoothing": 0.2, "batch": 64,
    "epochs": 5, "whiten": True, "dirac": True, "augment": WORDS,
}  # fmt: skip
SECOND = (1, 40, FRAMES)

RECIPES: dict[str, Recipe] = {
    "swift": Recipe(swift, "our own: for voices that training has not heard", SWIFT, input=SECOND),
    "frequency-cnn": Recipe(
        frequency_cnn,
        "filters along frequency only (Abdel-Hamid et al. 2014)",
        PLAIN,
        {"deltas": True},
        (3, 40, FRAMES),
    ),
    "cnn-trad-fpool3": Recipe(cnn_trad_fpool3, "two convolutions (Sainath and Parada 2015)", PLAIN, input=SECOND),
    "cnn-one-fstride4": Recipe(
        cnn_one_fstride4, "along frequency, little memory (Sainath and Parada 2015)", PLAIN, input=SECOND
    ),
    "res15": Recipe(res15, "residual, windows that widen (Tang and Lin 2018): 238 thousand", PLAIN, input=SECOND),
    "mlp": Recipe(mlp, "the fully connected baseline: two hidden layers of 512", PLAIN, input=SECOND),
}


def numbers(preprocessing: Preprocessing) -> dict[str, int]:
    """`frames` in a network's text: those of an example."""
    return {"frames": frames_of(preprocessing) if preprocessing else FRAMES}
