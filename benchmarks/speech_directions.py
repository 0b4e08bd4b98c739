"""Which way should filters move over a spectrogram? Four networks of as many parameters, on unseen speakers.

    python benchmarks/speech_directions.py DATA [--epochs 8] [--parameters 120000] [--speakers NAME ...] [--seeds 1]

One convolution, a pool along the way it moves, and a dense layer; its filters span all frames and move along frequency,
span all bands and move along time, or move along both; and a fully connected network. Each has as many units as come
nearest to the wanted parameters. Each is trained on all speakers but one, for each speaker in turn; the interval is
that of the mean over all recordings (bootstrap), the speakers' own figures stand beside it.
"""

import argparse

import torch
from machine import machine
from neocog.core import device as devices
from neocog.core import feed
from neocog.core.data import DataSpec
from neocog.core.initialize import initialize
from neocog.core.metrics import interval
from neocog.core.network import Network, parse
from neocog.core.settings import Settings
from neocog.core.tasks import Classify
from neocog.core.train import Trainer, steps
from neocog.speech import DOMAIN
from speech_unseen import values_of

UNITS = 64  # of the hidden layer behind the convolution
WRITTEN = {
    "frequency": "conv({n}, (8, {frames})), batchnorm, relu, maxpool((6, 1), stride=(3, 1)), flatten, {head}",
    "time": "conv({n}, (40, 8)), batchnorm, relu, maxpool((1, 12), stride=(1, 8)), flatten, {head}",
    "both": "conv({n}, (8, 8)), batchnorm, relu, maxpool((6, 12), stride=(4, 8)), flatten, {head}",
    "dense": "flatten, dense({n}), batchnorm, relu, dense({units}), relu, dropout(0.3), dense({classes})",
}
HEAD = "dense({units}), relu, dropout(0.3), dense({classes})"
LEARNING = {
    "optimiser": "adamw",
    "lr": 0.002,
    "batch": 64,
    "smoothing": 0.1,
    "augment": "shift(0.1), vtlp(0.15), stretch(0.2)",
}


def network(way: str, units: int, shape: tuple[int, int, int], classes: int) -> Network:
    numbers = {"frames": shape[2], "units": UNITS, "classes": classes}
    text = WRITTEN[way].replace("{head}", HEAD).format(n=units, **numbers)
    return Network(shape, parse(text))


def sized(way: str, parameters: int, shape: tuple[int, int, int], classes: int) -> Network:
    """The network of this way with the number of filters that comes nearest to so many parameters."""
    found = (network(way, units, shape, classes) for units in range(2, 400))
    return min(found, key=lambda each: abs(each.parameters - parameters))


def right_answers(way: str, data, options, seed: int) -> tuple[int, Network]:
    """How many test recordings the trained network names rightly, after the last epoch."""
    settings = Settings().changed(LEARNING, {"epochs": options.epochs, "seed": seed})
    frontend = DOMAIN.frontend(data.preprocessing)
    channels, bands, frames = frontend(data.train.inputs[:1]).shape[1:]
    found = sized(way, options.parameters, (channels, bands, frames), len(data.labels))
    module = found.module()
    initialize(module, seed)
    trainer = Trainer(Classify(data.labels), frontend, module, settings, torch.device("cpu"), devices.World())
    for _ in steps(trainer, data.train, data.valid, DOMAIN.augment(settings.augment, data.extras)):
        pass
    answers = feed.predict_proba(trainer, data.test)
    return int((answers.argmax(1) == data.test.targets.numpy()).sum()), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--pattern", default="{label}_{speaker}_{take}")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--parameters", type=int, default=120_000)
    parser.add_argument("--speakers", nargs="*")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    speakers = options.speakers or values_of(options.data, options.pattern, "speaker")
    right = {way: dict.fromkeys(speakers, 0) for way in WRITTEN}
    total = dict.fromkeys(speakers, 0)
    sizes = {}
    for name in speakers:
        where = {"pattern": options.pattern, "test_where": f"speaker={name}"}
        data = DOMAIN.load(DataSpec(options.data, options=where), None, None)
        total[name] = len(data.test) * options.seeds
        for way in WRITTEN:
            for seed in range(options.seeds):
                count, found = right_answers(way, data, options, seed)
                right[way][name] += count
                sizes[way] = found
            print(f"{way}, {name} left out: {right[way][name] / total[name]:.1%}", flush=True)
    for way in WRITTEN:
        count, of = sum(right[way].values()), sum(total.values())
        low, high = interval(count, of)
        each = ", ".join(f"{name} {right[way][name] / total[name]:.1%}" for name in speakers)
        print(
            f"{way}: {count / of:.1%} ({low:.1%} to {high:.1%}) of {of:,}; "
            f"{sizes[way].parameters:,} parameters, {sizes[way].macs / 1e6:.1f} M multiply-accumulates; {each}"
        )
    print(machine())


if __name__ == "__main__":
    main()
