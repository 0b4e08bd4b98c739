"""The layers that networks are made of.

A layer is a frozen dataclass that knows all about itself (core/layer.py). A layer that needs arguments is called,
`conv(25, 3)`; one that does not is a value, `relu`, and may be called to change its defaults: `leaky(0.2)`.
"""

from __future__ import annotations

from ..combinators import Heads, Maximum, Parallel, Residual, Scales, Vote
from ..layer import Layer
from .ancestors import BlurPool, Gabor, Patches, SCells
from .anchors import Regions
from .pointwise import BatchNorm, Bias, Dropout, Elu, Gelu, Leaky, Lrn, Maxout, Relu, Relu6, Scale, Sigmoid, Tanh
from .sizes import Pyramid, Upsample
from .whole import Dense, Flatten, GlobalAvg, GlobalBias, GlobalMax, SoftArgmax, Unit
from .windows import AvgPool, Conv, L2Pool, Local, MaxPool
from .words import Bag, Decoder, Embed, NGrams

KINDS: dict[str, type[Layer]] = {
    kind.name: kind
    for kind in (
        *(
            AvgPool,
            Bag,
            BatchNorm,
            Bias,
            BlurPool,
            Conv,
            Decoder,
            Dense,
            Dropout,
            Elu,
            Embed,
            Flatten,
            Gabor,
            Gelu,
            GlobalAvg,
        ),
        *(GlobalBias, GlobalMax, Heads, L2Pool, Leaky, Local, Lrn, MaxPool, Maximum, Maxout, NGrams, Parallel, Patches),
        *(Pyramid, Regions, Relu, Relu6, Residual, SCells, Scale, Scales, Sigmoid, SoftArgmax, Tanh, Unit, Upsample),
        Vote,
    )
}

avgpool, bag, conv, dense, embed, heads, l2pool, local = AvgPool, Bag, Conv, Dense, Embed, Heads, L2Pool, Local
blurpool, decoder, gabor, maximum, patches, scells = BlurPool, Decoder, Gabor, Maximum, Patches, SCells
maxout, maxpool, ngrams, parallel, pyramid, residual = Maxout, MaxPool, NGrams, Parallel, Pyramid, Residual
regions = Regions
scale, scales, upsample, vote = Scale, Scales, Upsample, Vote
batchnorm, bias, dropout, elu, flatten, gelu = BatchNorm(), Bias(), Dropout(), Elu(), Flatten(), Gelu()
globalavg, globalbias, globalmax = GlobalAvg(), GlobalBias(), GlobalMax()
leaky, lrn, relu, relu6 = Leaky(), Lrn(), Relu(), Relu6()
sigmoid, softargmax, tanh, unit = Sigmoid(), SoftArgmax(), Tanh(), Unit()
