"""Directions in which filters slide over a spectrogram: four networks with equally many parameters on unseen speakers.

    python benchmarks/speech_directions.py DATA [--epochs 8] [--parameters 120000] [--speakers NAME ...] [--seeds 1]

Three networks have one convolution, pooling along its direction, and a dense layer: the filters slide along frequency
(spanning all frames), along time (spanning all bands), or along both. The fourth is fully connected. The number of
filters is the one whose parameters come closest to --parameters. Each network is trained on all speakers but one, for
each speaker in turn; the interval is that of the share of correct recordings of all speakers.
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

UNITS = 64  # of the hidden layer after the convolution
NETWORKS = {
    "frequency": "conv({n}, (8, {frames})), batchnorm, relu, maxpool((6, 1), stride=(3, 1)), flatten, {head}",
    "time": "conv({n}, (40, 8)), batchnorm, relu, maxpool((1, 12), stride=(1, 8)), flatten, {head}",
    "both": "conv({n}, (8, 8)), batchnorm, relu, maxpool((6, 12), stride=(4, 8)), flatten, {head}",
    "dense": "flatten, dense({n}), batchnorm, relu, dense({units}), relu, dropout(0.3), dense({classes})",
}
HEAD = "dense({units}), relu, dropout(0.3), dense({classes})"
SETTINGS = {
    "optimiser": "adamw",
    "lr": 0.002,
    "batch": 64,
    "smoothing": 0.1,
    "augment": "shift(0.1), vtlp(0.15), stretch(0.2)",
}


def network(direction: str, units: int, shape: tuple[int, int, int], classes: int) -> Network:
    numbers = {"frames": shape[2], "units": UNITS, "classes": classes}
    text = NETWORKS[direction].replace("{head}", HEAD).format(n=units, **numbers)
    return Network(shape, parse(text))


def network_of_size(direction: str, parameters: int, shape: tuple[int, int, int], classes: int) -> Network:
    """Returns the network of a direction whose number of parameters is closest to `parameters`."""
    candidates = (network(direction, units, shape, classes) for units in range(2, 400))
    return min(candidates, key=lambda candidate: abs(candidate.parameters - parameters))


def correct_predictions(direction: str, data, options, seed: int) -> tuple[int, Network]:
    """Returns the number of correctly predicted test recordings after the last epoch, and the network."""
    settings = Settings().changed(SETTINGS, {"epochs": options.epochs, "seed": seed})
    frontend = DOMAIN.frontend(data.preprocessing)
    channels, bands, frames = frontend(data.train.inputs[:1]).shape[1:]
    model = network_of_size(direction, options.parameters, (channels, bands, frames), len(data.labels))
    module = model.module()
    initialize(module, seed)
    trainer = Trainer(Classify(data.labels), frontend, module, settings, torch.device("cpu"), devices.World())
    for _ in steps(trainer, data.train, data.valid, DOMAIN.augment(settings.augment, data.extras)):
        pass
    probabilities = feed.predict_proba(trainer, data.test)
    return int((probabilities.argmax(1) == data.test.targets.numpy()).sum()), model


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
    correct = {direction: dict.fromkeys(speakers, 0) for direction in NETWORKS}
    total = dict.fromkeys(speakers, 0)
    sizes = {}
    for name in speakers:
        where = {"pattern": options.pattern, "test_where": f"speaker={name}"}
        data = DOMAIN.load(DataSpec(options.data, options=where), None, None)
        total[name] = len(data.test) * options.seeds
        for direction in NETWORKS:
            for seed in range(options.seeds):
                count, model = correct_predictions(direction, data, options, seed)
                correct[direction][name] += count
                sizes[direction] = model
            print(f"{direction}, {name} left out: {correct[direction][name] / total[name]:.1%}", flush=True)
    for direction in NETWORKS:
        count, examples = sum(correct[direction].values()), sum(total.values())
        low, high = interval(count, examples)
        by_speaker = ", ".join(f"{name} {correct[direction][name] / total[name]:.1%}" for name in speakers)
        print(
            f"{direction}: {count / examples:.1%} ({low:.1%} to {high:.1%}) of {examples:,}; "
            f"{sizes[direction].parameters:,} parameters, {sizes[direction].macs / 1e6:.1f} M multiply-accumulates; "
            f"{by_speaker}"
        )
    print(machine())


if __name__ == "__main__":
    main()
