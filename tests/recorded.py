"""Recordings made for the tests: tones, chirps and noise, written by libsndfile."""

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

Sound = NDArray[np.float64]


def tone(hertz: float, seconds: float = 0.3, rate: int = 8000, loud: float = 0.5) -> Sound:
    return loud * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def hiss(seconds: float = 0.3, rate: int = 8000, seed: int = 0, loud: float = 0.1) -> Sound:
    return loud * np.random.default_rng(seed).standard_normal(round(seconds * rate))


def write(path: Path, sound: Sound, rate: int = 8000, subtype: str | None = None, form: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate, subtype, format=form)
    return path


def words(root: Path, count: int = 6, rate: int = 8000, labels: tuple[str, ...] = ("low", "high")) -> Path:
    """A folder per word, `count` recordings in each: tones in noise, no two the same."""
    for k, label in enumerate(labels):
        for i in range(count):
            sound = tone(300 * (k + 1), 0.3, rate) + hiss(0.3, rate, 100 * k + i)
            write(root / label / f"{i}.wav", sound / 2, rate)
    return root


def spoken(root: Path, speakers: tuple[str, ...] = ("ann", "bob", "cy"), takes: int = 3) -> Path:
    """A flat folder named {label}_{speaker}_{take}.wav."""
    for k, label in enumerate(("low", "high")):
        for s, speaker in enumerate(speakers):
            for take in range(takes):
                sound = tone(300 * (k + 1)) + hiss(seed=1000 * k + 100 * s + take)
                write(root / f"{label}_{speaker}_{take}.wav", sound / 2)
    return root
