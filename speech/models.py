"""Recipes for speech: published networks with the settings that train them.

A spectrogram is an image, time across and frequency up: a kernel `(height, width)` is (bands, frames). The kernels of
`frequency-cnn` and `cnn-one-fstride4` span all frames and slide along frequency only: a vowel spoken by a higher voice
is the same pattern a few bands up. The other convolutional networks slide along both axes.

`frames` is the number of frames of an example; the papers classify some 30 frames of a stream, `frames=32`.
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
    sigmoid,
    softargmax,
    upsample,
)
from .frontend import frames_of

FRAMES = 98  # in one second: windows of 25 ms every 10 ms

# --- convolution along frequency only -------------------------------------------------------------------------------


def frequency_cnn(
    classes: int, filters: int = 150, units: int = 1000, limited: int = 0, frames: int = FRAMES
) -> Layers:
    """Abdel-Hamid et al. 2014 (IEEE/ACM TASLP 22:10, sections III and VI): filters over 8 bands and all frames that
    slide along frequency only; max pooling over 6 bands with stride 2; two hidden layers of 1,000.

    `limited=1` is limited weight sharing, with 80 filters in the paper. There the bands of a pooling window share
    weights; here, with `local`, every band has weights of its own, the limit of the paper's scheme. Unlike the paper,
    it uses relu and dropout instead of sigmoids, and sees a whole recording instead of 15 frames of a stream.
    """
    first = local(filters, (8, frames)) if limited else conv(filters, (8, frames))
    hidden = (dense(units), relu, dropout) * 2
    return (first, relu, maxpool((6, 1), stride=(2, 1)), flatten, *hidden, dense(classes))


def cnn_one_fstride4(classes: int, frames: int = FRAMES) -> Layers:
    """Sainath and Parada 2015 (Interspeech, table 3), with little memory and few multiplications: 186 filters over all
    frames and 8 bands with a stride of 4 bands, and no pooling.

    On 32 frames and 4 labels it has the paper's 122.2 thousand weights (122,240 without biases) and 428.5 thousand
    multiplications in the convolution.
    """
    return (conv(186, (8, frames), stride=(4, 1)), relu, flatten, *_low_rank(2), dense(classes))


def _low_rank(layers: int) -> Layers:
    return (dense(32, bias=False), *(dense(128), relu) * layers)


# --- along frequency and time ---------------------------------------------------------------------------------------


def cnn_trad_fpool3(classes: int, frames: int = FRAMES) -> Layers:
    """Sainath and Parada 2015 (Interspeech, table 1): two convolutions, pooling over 3 bands, a low-rank layer.

    On 32 frames and 4 labels it has the paper's 244.2 thousand weights (244,224 without biases). Longer recordings
    enlarge the low-rank layer: 1.37 million weights for 101 frames and 12 labels, as in Tang and Lin (2018, table 3).
    """
    features = (conv(64, (8, 20)), relu, maxpool((3, 1)), conv(64, (4, 10)), relu)
    return (*features, flatten, *_low_rank(1), dense(classes))


def res15(classes: int, filters: int = 45, frames: int = FRAMES) -> Layers:
    """Tang and Lin 2018 (arXiv:1710.10361, table 1): six residual blocks with dilations from 1 to 16.

    It has the paper's 238 thousand weights for 12 labels (237,870; the paper's batch normalisation has none).
    """
    blocks: list[Layer] = []
    for block in range(6):
        first, second = (_dilated(filters, 2 ** (index // 3)) for index in (2 * block, 2 * block + 1))
        blocks.append(residual(*(batchnorm,) * (block > 0), *first, batchnorm, *second))
    last = (batchnorm, *_dilated(filters, 16), batchnorm)
    return (conv(filters, 3, pad=1, bias=False), relu, *blocks, *last, globalavg, dense(classes))


def _dilated(filters: int, dilation: int) -> Layers:
    return (conv(filters, 3, pad=dilation, dilation=dilation, bias=False), relu)


def swift(classes: int, width: int = 32, frames: int = FRAMES) -> Layers:
    """Our own network, for voices not in the training set: whitening, five convolutions, global max pooling.

    Global max pooling is invariant to words spoken higher, lower, earlier or later. The first convolution whitens
    patches of 4×4 and is frozen, and Muon is the optimiser, as in vision's `swift` (after airbench94: Jordan 2024,
    arXiv:2404.00498).
    """
    first = (conv(24, 4, stride=2), relu)
    blocks = (*_normed(width), *_normed(width, 2), *_normed(2 * width), *_normed(2 * width, 2), *_normed(3 * width))
    return (*first, *blocks, globalmax, dense(classes), scale(1 / 9))


def _normed(filters: int, pool: int = 1) -> Layers:
    pooling = (maxpool(pool),) * (pool > 1)
    return (conv(filters, 3, pad=1, bias=False), *pooling, batchnorm(momentum=0.4), relu)


def pitch(classes: int, width: int = 16, frames: int = FRAMES) -> Layers:
    """Our own network for heights of notes: a pattern of overtones that moves along frequency, and where it lies.

    In octaves, overtones lie at the same distances above every note. The second convolution spans 4 octaves of 24 bands
    and can learn them once for all notes; the soft argmax says where they are. Augmentation must not move them.
    """
    overtones = (conv(width, (97, 1), pad=(48, 0), bias=False), batchnorm, relu)
    return (conv(width, (5, 3), pad=(2, 1), bias=False), batchnorm, relu, *overtones, conv(classes, 1), softargmax)


def mlp(classes: int, units: int = 512, depth: int = 2, frames: int = FRAMES) -> Layers:
    """Fully connected baseline: `depth` hidden layers of `units`."""
    return (flatten, *(dense(units), relu, dropout) * depth, dense(classes))


def dbn(
    classes: int, units: int = 256, depth: int = 3, context: int = 11, bands: int = 40, frames: int = FRAMES
) -> Layers:
    """A deep belief network (Mohamed, Dahl and Hinton 2012, IEEE TASLP 20(1)) on windows of `context` frames.

    Fully connected layers of sigmoids on every second window of log-mel frames, as convolutions that span all bands;
    --set rbm pre-trains them as restricted Boltzmann machines. The paper classifies the state of a phone in each window
    and decodes them with a hidden Markov model; here the mean of the last hidden units over all windows classifies the
    recording.
    """
    first = (conv(units, (bands, context), stride=(1, 2)), sigmoid)
    return (*first, *(conv(units, 1), sigmoid) * (depth - 1), globalavg, dense(classes))


# --- recipes --------------------------------------------------------------------------------------------------------

Values = dict[str, Any]

AUGMENT = "shift(0.1), background(5), vtlp(0.15), stretch(0.2), timemask(0.2), freqmask(0.2)"
PLAIN: Values = {
    "optimiser": "adamw",
    "lr": 0.001,
    "weight_decay": 0.01,
    "batch": 64,
    "epochs": 15,
    "augment": AUGMENT,
}
SWIFT: Values = {
    "optimiser": "muon", "lr": 0.08, "adam_lr": 0.01, "momentum": 0.6, "warmup": 0.0, "smoothing": 0.2, "batch": 64,
    "epochs": 5, "whiten": True, "dirac": True, "augment": AUGMENT,
}  # fmt: skip
DBN: Values = {**PLAIN, "lr": 0.003, "epochs": 8, "rbm": 10}
PITCH: Values = {
    "optimiser": "adamw", "lr": 0.01, "weight_decay": 0.01, "batch": 64, "epochs": 16,
    "augment": "shift(0.1), timemask(0.2)", "regression_loss": "absolute",
}  # fmt: skip
OCTAVES: Values = {"scale": "log", "bands": 190, "rate": 16_000, "frame": 128.0, "hop": 50.0}
SECOND = (1, 40, FRAMES)


def event_cnn(classes: int, width: int = 32, frames: int = 500) -> Layers:
    """Our own network for events: a label for each frame of 40 bands.

    Frames are pooled in fours, bands to one; then convolutions along time, dilated up to 8, see some 5 s around each
    frame, and the labels are enlarged to all frames again.
    """
    bands = (*_normed_map(width), maxpool(2), *_normed_map(2 * width), maxpool(2), *_normed_map(4 * width))
    time = tuple(_along_time(4 * width, dilation) for dilation in (1, 2, 4, 8))
    return (*bands, maxpool((10, 1)), *time, dropout(0.2), conv(classes, 1), upsample((1, 4)))


def _normed_map(filters: int) -> Layers:
    return (conv(filters, 3, pad=1, bias=False), batchnorm, relu)


def _along_time(filters: int, dilation: int) -> Layer:
    window = conv(filters, (1, 5), pad=(0, 2 * dilation), dilation=(1, dilation), bias=False)
    return residual(window, batchnorm, relu, conv(filters, 1, bias=False), batchnorm)


EVENTS = "event-cnn"
FRAMES_OF_EVENTS: dict[str, Any] = {
    "optimiser": "adamw", "lr": 2e-3, "weight_decay": 0.01, "schedule": "cosine", "warmup": 0.05, "batch": 16,
    "epochs": 20, "augment": "shift(0.1), speed(0.1), gain(6), vtlp(0.1), colour(0.5), freqmask(0.2)", "average": 0.99,
}  # fmt: skip

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
    "pitch": Recipe(pitch, "our own, for numbers that are pitches", PITCH, OCTAVES, (1, 190, 13)),
    "dbn": Recipe(
        dbn, "layers pre-trained without labels, on windows of 11 frames (Mohamed et al. 2012)", DBN, input=SECOND
    ),
    EVENTS: Recipe(
        event_cnn,
        "events: our own, a label for each frame",
        FRAMES_OF_EVENTS,
        {"hop": 20.0, "frame": 40.0},
        (1, 40, 500),
        task="events",
    ),
    "mlp": Recipe(mlp, "the fully connected baseline: two hidden layers of 512", PLAIN, input=SECOND),
}


def numbers(preprocessing: Preprocessing) -> dict[str, int]:
    """Returns the constants of a network's text: `frames`, the number of frames of an example."""
    return {"frames": frames_of(preprocessing) if preprocessing else FRAMES}
