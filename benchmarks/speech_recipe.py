"""Features and one training epoch compared with a standard PyTorch pipeline of the same network, optimiser and batch.

    python benchmarks/speech_recipe.py FSDD-RECORDINGS [--recipe swift] [--batch 64] [--rounds 3] [--workers 0]

The standard pipeline, as in the tutorials of PyTorch and torchaudio: a Dataset that opens files with soundfile, pads
them and applies torchaudio's MelSpectrogram and AmplitudeToDB, a DataLoader and a plain loop. Neocog: arrays decoded
once, the frontend on batches, and the loop of `neocog train`. Neither augments. The first decoding is reported
separately. Prints examples per CPU second of all threads, which depends little on other load, and the ratio of each
pair.

Both include the steps of the network, whose time bounds the ratio (Amdahl 1967). The bound, and the time of an epoch
relative to those steps alone, are printed too.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import soundfile
import torch
from machine import machine
from neocog.core import device as devices
from neocog.core.data import DataSpec, Examples
from neocog.core.initialize import initialize
from neocog.core.network import Network
from neocog.core.plan import find_recipe
from neocog.core.settings import Settings
from neocog.core.tasks import Classify
from neocog.core.train import Trainer, batches, steps
from neocog.speech import DOMAIN
from neocog.speech.spectrogram import n_fft_for
from step import bare
from torch.nn import functional as F
from torchaudio import transforms

PATTERN = "{label}_{speaker}_{take}"


class Recordings(torch.utils.data.Dataset):
    """The Dataset of the standard pipeline."""

    def __init__(self, names, targets, preprocessing) -> None:
        self.names, self.targets, self.samples = names, targets, preprocessing["samples"]
        frame, hop = (
            round(preprocessing["frame"] * preprocessing["rate"] / 1000),
            round(preprocessing["hop"] * preprocessing["rate"] / 1000),
        )
        points = n_fft_for(preprocessing["bands"], preprocessing["rate"], frame)
        mel = transforms.MelSpectrogram(
            preprocessing["rate"], points, frame, hop, n_mels=preprocessing["bands"], center=False
        )
        self.features = torch.nn.Sequential(mel, transforms.AmplitudeToDB(top_db=60))

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int):
        sound, _ = soundfile.read(self.names[index], dtype="float32")
        sound = torch.from_numpy(sound)[: self.samples]
        left = (self.samples - len(sound)) // 2
        maps = self.features(F.pad(sound, (left, self.samples - len(sound) - left)))
        return ((maps - maps.mean()) / (maps.std() + 0.1))[None], self.targets[index]


def network(recipe: str, shape, classes: int) -> torch.nn.Module:
    recipe_entry, args, kwargs = find_recipe(DOMAIN, recipe)
    module = Network(tuple(shape), recipe_entry.layers(classes, *args, **{"frames": shape[2], **kwargs})).module()
    initialize(module, 0)
    return module


def usual(examples: Examples, preprocessing: dict, options, classes: int) -> float:
    """Returns the seconds of one epoch."""
    data = Recordings(examples.names, examples.targets, preprocessing)
    loader = torch.utils.data.DataLoader(data, batch_size=options.batch, shuffle=True, num_workers=options.workers)
    module = network(options.recipe, data[0][0].shape, classes)
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.002)
    module.train()
    begin = time.process_time()
    for maps, targets in loader:
        optimiser.zero_grad()
        F.cross_entropy(module(maps), targets).backward()
        optimiser.step()
    return time.process_time() - begin


def trainer_for(examples: Examples, preprocessing: dict, options, classes: int) -> Trainer:
    frontend = DOMAIN.frontend(preprocessing)
    module = network(options.recipe, frontend(examples.inputs[:1]).shape[1:], classes)
    settings = Settings(epochs=1, batch=options.batch, lr=0.002)
    return Trainer(Classify([]), frontend, module, settings, torch.device("cpu"), devices.World())


def ours(examples: Examples, preprocessing: dict, options, classes: int) -> float:
    """Returns the seconds of one epoch."""
    trainer = trainer_for(examples, preprocessing, options, classes)
    begin = time.process_time()
    for _ in steps(trainer, examples, examples.subset(torch.arange(0)), DOMAIN.augment("none", {})):
        pass
    return time.process_time() - begin


def alone(examples: Examples, preprocessing: dict, options, classes: int) -> float:
    """Returns the seconds of an epoch's bare steps on precomputed maps."""
    trainer = trainer_for(examples, preprocessing, options, classes)
    inputs = examples[torch.arange(len(examples))][0]
    maps = torch.cat([trainer.frontend(part) for part in inputs.split(500)]).contiguous(memory_format=trainer.layout)
    trainer.network.train()
    begin = time.process_time()
    for indices in batches(len(examples), options.batch, 0, 0):
        bare(trainer, maps[indices], examples.targets[indices], 1)
    return time.process_time() - begin


def features(examples: Examples, preprocessing: dict, options) -> tuple[float, float]:
    """Returns the seconds for the features of all recordings: of the standard pipeline, and of Neocog."""
    begin = time.process_time()
    data = Recordings(examples.names, examples.targets, preprocessing)
    for _ in torch.utils.data.DataLoader(data, batch_size=options.batch, num_workers=options.workers):
        pass
    middle = time.process_time()
    frontend = DOMAIN.frontend(preprocessing)
    with torch.inference_mode():
        for indices in torch.arange(len(examples)).split(options.batch):
            frontend(examples[indices][0])
    return middle - begin, time.process_time() - middle


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings")
    parser.add_argument("--recipe", default="swift")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        source = DataSpec(str(Path(options.recordings)), options={"pattern": PATTERN, "cache": cache})
        begin = time.process_time()
        data = DOMAIN.load(source, None, None)
        print(f"decoding {sum(data.counts.values()):,} recordings once: {time.process_time() - begin:.1f} s")
        examples, classes = data.train, len(data.labels)
        ours(examples.subset(torch.arange(256)), data.preprocessing, options, classes)  # a warm-up
        rounds = [measure_round(examples, data.preprocessing, options, classes) for _ in range(options.rounds)]
    ratios, bounds, overheads, feature_ratios = zip(*rounds, strict=True)
    print(
        f"{options.recipe}, batch {options.batch}: an epoch {summary(ratios)}, "
        f"at most {summary(bounds)} with this network "
        f"(ours is {summary(overheads, 2)} its steps alone); features alone {summary(feature_ratios)}; {machine()}"
    )


def measure_round(examples: Examples, preprocessing: dict, options, classes: int) -> tuple[float, float, float, float]:
    """Returns the ratios usual/ours, usual/network alone, ours/network alone, and that of features."""
    usual_seconds, ours_seconds, alone_seconds = (
        measure(examples, preprocessing, options, classes) for measure in (usual, ours, alone)
    )
    slow, fast = features(examples, preprocessing, options)
    speeds = {
        "usual": usual_seconds,
        "neocog": ours_seconds,
        "the network alone": alone_seconds,
        "usual features": slow,
        "ours": fast,
    }
    print(", ".join(f"{name} {len(examples) / seconds:,.0f}/s" for name, seconds in speeds.items()), flush=True)
    return usual_seconds / ours_seconds, usual_seconds / alone_seconds, ours_seconds / alone_seconds, slow / fast


def summary(values, digits: int = 1) -> str:
    """Returns the median and the range."""
    return f"{statistics.median(values):.{digits}f}× ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
