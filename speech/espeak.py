"""Synthetic speech by eSpeak NG, for demonstrations.

The library and its data come in the wheel `espeakng-loader` (the extra `[demo]`); it is called through ctypes, and
nothing is played aloud.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ..core.problem import FAILED, Problem
from .audio import Samples

SYNCHRONOUS, EXIT_NEVER, UTF8 = 2, 0x8000, 1  # constants of speak_lib.h
RATE, PITCH = 1, 3  # espeak_PARAMETER: words per minute; 0 to 100
Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """The synthesiser. Raises Problem if the wheel is not installed or its library does not start."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError:
            raise Problem("speech synthesis needs eSpeak NG: pip install 'neocog[demo]'", FAILED) from None
        data: str = espeakng_loader.get_data_path()
        self.library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        self.rate = int(self.library.espeak_Initialize(SYNCHRONOUS, 0, data.encode(), EXIT_NEVER))
        if self.rate <= 0:
            raise Problem(f"eSpeak NG does not start with its data in {data}; install espeakng-loader again", FAILED)
        self.chunks: list[bytes] = []
        self.callback = Callback(self._receive)  # referenced here, since the library calls it later
        self.library.espeak_SetSynthCallback(self.callback)

    def _receive(self, samples: int | None, count: int, events: object) -> int:
        if samples and count:
            self.chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    def say(self, text: str, voice: str, pitch: int = 50, speed: int = 160) -> Samples:
        """Speaks a text in a voice such as `en-us+f2`: int16 at `rate` Hz.

        Pitch is from 0 to 100, speed in words per minute. Raises Problem for an unknown voice.
        """
        self.chunks.clear()
        if self.library.espeak_SetVoiceByName(voice.encode()):
            raise Problem(f"eSpeak NG has no voice {voice}", FAILED)
        self.library.espeak_SetParameter(RATE, speed, 0)
        self.library.espeak_SetParameter(PITCH, pitch, 0)
        encoded = text.encode()
        self.library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, UTF8, None, None)
        self.library.espeak_Synchronize()
        return trim(np.frombuffer(b"".join(self.chunks), np.int16))


def trim(samples: Samples) -> Samples:
    """Removes the silence before and after."""
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 300)  # indices
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples


def speak(folder: Path, words: Sequence[str], voices: Sequence[str], speeds: Sequence[int]) -> None:
    """Writes a recording of each word in each voice and speed, named {label}_{voice}_{speed}.wav.

    The pitch depends on the voice. Raises Problem if eSpeak NG is missing or lacks a voice.
    """
    synthesiser = Espeak()
    folder.mkdir(parents=True, exist_ok=True)
    for number, voice in enumerate(voices):
        name = voice.replace("+", "-").replace("_", "-")
        for word in words:
            for speed in speeds:
                sound = synthesiser.say(word, voice, 30 + 40 * (number % 5) // 4, speed)
                soundfile.write(folder / f"{word}_{name}_{speed}.wav", sound, synthesiser.rate)
