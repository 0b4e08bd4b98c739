"""Events in made scenes: clips of ESC-10 at random moments of a quiet background, and what a network finds of them.

    python benchmarks/sound_scenes.py FOLDER [--clips ../shared/data/sound/esc10] [--scenes 400] [--seed 0]

A scene lasts 10 s and holds 2 to 4 events of 0.7 to 2 s that do not overlap, the loudest stretches of clips at random
levels, on noise 30 dB below. Scenes for testing are made of the clips of fold 4, which no scene for training holds.
FOLDER gets train/ and test/ with label tracks of Audacity, and the run; scenes that are there already are used.
"""

import argparse
import json
import time
from pathlib import Path

import neocog
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

RATE, SECONDS = 16_000, 10.0
TEST_FOLD = "4"
SHORTEST, LONGEST, GAP = 0.7, 2.0, 0.3  # seconds of an event, and between two
Samples = NDArray[np.float32]


def clip(path: Path) -> Samples:
    """A recording at RATE, of one channel."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    resampled: Samples = soxr.resample(samples.mean(1), rate, RATE)
    return resampled


def stretch(samples: Samples, length: int) -> Samples:
    """The loudest stretch of a clip, at a root mean square of 0.1, with a short fade at both ends."""
    power = np.cumsum(np.concatenate(([0.0], samples.astype(np.float64) ** 2)))
    width = min(length, len(samples))
    start = int((power[width:] - power[:-width]).argmax())
    part = samples[start : start + length].copy()
    part *= 0.1 / max(1e-4, float(np.sqrt((part**2).mean())))
    fade = np.minimum(1, np.arange(1, len(part) + 1) / (0.02 * RATE))
    return (part * fade * fade[::-1]).astype(np.float32)


def scene(clips: dict[str, list[Samples]], rng: np.random.Generator) -> tuple[Samples, list[tuple[float, float, str]]]:
    """The samples of a scene and its events."""
    mixed = (rng.standard_normal(int(SECONDS * RATE)) * 0.003).astype(np.float32)
    events: list[tuple[float, float, str]] = []
    for _ in range(int(rng.integers(2, 5))):
        seconds = float(rng.uniform(SHORTEST, LONGEST))
        start = float(rng.uniform(0, SECONDS - seconds))
        if any(start < end + GAP and begin < start + seconds + GAP for begin, end, _ in events):
            continue
        label = str(rng.choice(sorted(clips)))
        part = stretch(clips[label][int(rng.integers(len(clips[label])))], int(seconds * RATE))
        first = int(start * RATE)
        mixed[first : first + len(part)] += part * float(rng.uniform(0.5, 1.5))
        events.append((start, start + len(part) / RATE, label))
    return mixed.clip(-1, 1), sorted(events)


def make(folder: Path, clips: Path, scenes: int, seed: int) -> None:
    """Writes the scenes of both splits; a fifth as many for testing as for training."""
    for split, count in (("train", scenes), ("test", scenes // 5)):
        if (folder / split).exists():
            continue
        (folder / split).mkdir(parents=True)
        rng = np.random.default_rng((seed, split == "test"))
        pool = {
            label.name: [clip(p) for p in sorted(label.iterdir()) if (p.name[0] == TEST_FOLD) == (split == "test")]
            for label in sorted(clips.iterdir())
            if label.is_dir()
        }
        for index in range(count):
            samples, events = scene(pool, rng)
            soundfile.write(folder / split / f"{index:03d}.flac", samples, RATE)
            lines = (f"{start:.4f}\t{end:.4f}\t{label}\n" for start, end, label in events)
            (folder / split / f"{index:03d}.txt").write_text("".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=Path, default=Path("../shared/data/sound/esc10"))
    for name, value in (("scenes", 400), ("seed", 0), ("epochs", 0)):
        parser.add_argument(f"--{name}", type=int, default=value)
    chosen = parser.parse_args()
    make(chosen.folder, chosen.clips, chosen.scenes, chosen.seed)
    start = time.process_time()
    out = chosen.folder / f"run-{chosen.seed}"
    neocog.train(
        "speech", str(chosen.folder), out=str(out), seed=chosen.seed, options={"cache": str(chosen.folder / "cache")},
        **({"epochs": chosen.epochs} if chosen.epochs else {}),
    )  # fmt: skip
    summary = json.loads((out / "summary.json").read_text())
    figures = {name: summary[name] for name in ("event_f1", "interval", "onset_f1", "frame_f1")}
    print(json.dumps({"cpu_seconds": round(time.process_time() - start), **figures}))


if __name__ == "__main__":
    main()
