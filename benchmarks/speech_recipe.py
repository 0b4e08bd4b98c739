"""Features and one training epoch against the usual recipe, with the same network, optimiser and batch.

    python benchmarks/speech_recipe.py FSDD-RECORDINGS [--recipe swift] [--batch 64] [--rounds 3] [--workers 0]

The usual recipe, as in PyTorch's and torchaudio's tutorials: a Dataset that opens a file with soundfile, pads it to one
length and puts torchaudio's MelSpectrogram and AmplitudeToDB over it, a DataLoader around that, and a plain loop. Ours:
the arrays of a set that has been decoded once, the frontend over the batch, and the loop of `neocog train`. Neither
augments. Reading the set for the first time is told apart. Examples a second of processor time (of all threads), which
other work on the machine does not change much, and the ratio of each pair.

The same network's own steps, on maps that lie ready, are in both: what they take bounds the ratio (Amdahl 1967),
whatever is done about the rest. That bound, and our epoch against those steps alone, stand beside it.
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
from neocog.speech.spectrogram import points_for
from step import bare
from torch.nn import functional as F
from torchaudio import transforms

PATTERN = "{label}_{speaker}_{take}"


class Recordings(torch.utils.data.Dataset):
    """The usual one."""

    def __init__(self, names, targets, preprocessing) -> None:
        self.names, self.targets, self.samples = names, targets, preprocessing["samples"]
        frame, hop = (
            round(preprocessing["frame"] * preprocessing["rate"] / 1000),
            round(preprocessing["hop"] * preprocessing["rate"] / 1000),
        )
        points = points_for(preprocessing["bands"], preprocessing["rate"], frame)
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
    found, given, named = find_recipe(DOMAIN, recipe)
    module = Network(tuple(shape), found.layers(classes, *given, **{"frames": shape[2], **named})).module()
    initialize(module, 0)
    return module


def usual(examples: Examples, preprocessing: dict, options, classes: int) -> float:
    """Seconds of one epoch."""
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
    """Seconds of one epoch."""
    trainer = trainer_for(examples, preprocessing, options, classes)
    begin = time.process_time()
    for _ in steps(trainer, examples, examples.subset(torch.arange(0)), DOMAIN.augment("none", {})):
        pass
    return time.process_time() - begin


def alone(examples: Examples, preprocessing: dict, options, classes: int) -> float:
    """Seconds of an epoch's bare steps, in our layout and with our optimiser, on maps that lie ready."""
    trainer = trainer_for(examples, preprocessing, options, classes)
    inputs = examples[torch.arange(len(examples))][0]
    maps = torch.cat([trainer.frontend(part) for part in inputs.split(500)]).contiguous(memory_format=trainer.layout)
    trainer.network.train()
    begin = time.process_time()
    for indices in batches(len(examples), options.batch, 0, 0):
        bare(trainer, maps[indices], examples.targets[indices], 1)
    return time.process_time() - begin


def features(examples: Examples, preprocessing: dict, options) -> tuple[float, float]:
    """Seconds for the features of all recordings alone: the usual way, and ours."""
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
        rounds = [measured(examples, data.preprocessing, options, classes) for _ in range(options.rounds)]
    ratios, bounds, overs, sounds = zip(*rounds, strict=True)
    print(
        f"{options.recipe}, batch {options.batch}: an epoch {told(ratios)}, at most {told(bounds)} with this network "
        f"(ours is {told(overs, 2)} its steps alone); features alone {told(sounds)}; {machine()}"
    )


def measured(examples: Examples, preprocessing: dict, options, classes: int) -> tuple[float, float, float, float]:
    """One round: usual/ours, usual/the network alone, ours/the network alone, and the ratio of features alone."""
    theirs, own, least = (each(examples, preprocessing, options, classes) for each in (usual, ours, alone))
    slow, fast = features(examples, preprocessing, options)
    speeds = {"usual": theirs, "neocog": own, "the network alone": least, "usual features": slow, "ours": fast}
    print(", ".join(f"{name} {len(examples) / each:,.0f}/s" for name, each in speeds.items()), flush=True)
    return theirs / own, theirs / least, own / least, slow / fast


def told(values, digits: int = 1) -> str:
    """The median and the range."""
    return f"{statistics.median(values):.{digits}f}× ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
