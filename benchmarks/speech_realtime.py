"""Speed of predicting a long recording relative to real time, from the file to the labels of all windows.

    python benchmarks/speech_realtime.py MODEL [--minutes 10] [--rounds 3]

MODEL is a run folder. The recording is noise with pauses, at the model's rate, as 16-bit WAV; windows overlap by half.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import neocog
import numpy as np
import soundfile
from machine import machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model = neocog.load(options.model, "cpu")
    rate, seconds = model.card.preprocessing["rate"], 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.wav"
        rng, times = np.random.default_rng(0), np.arange(int(seconds * rate)) / rate
        soundfile.write(path, 0.1 * rng.standard_normal(len(times)) * (np.sin(times) > 0), rate)
        model.predict([path])  # a warm-up
        durations = []
        for _ in range(options.rounds):
            begin = time.perf_counter()
            (prediction,) = model.predict([path])
            durations.append(time.perf_counter() - begin)
    factors = sorted(seconds / duration for duration in durations)
    windows = len(prediction["windows"])
    print(
        f"{options.minutes:g} minutes in {windows:,} windows of {model.card.preprocessing['samples'] / rate:g} s: ",
        end="",
    )
    print(f"{statistics.median(factors):,.0f}× real time (from {factors[0]:,.0f} to {factors[-1]:,.0f}), {machine()}")


if __name__ == "__main__":
    main()
