"""Words spoken by eSpeak NG, a synthesiser with many voices: recordings for a demonstration, and plainly synthetic.

The library and its data come in the wheel `espeakng-loader` (the extra `[demo]`); it is called through ctypes, and
nothing is played.
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

SYNCHRONOUS, EXIT_NEVER, UTF8 = 2, 0x8000, 1  # of speak_lib.h
RATE, PITCH = 1, 3  # espeak_PARAMETER: words a minute; 0 to 100
Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """The synthesiser. Raises Problem where the wheel is not installed or its library does not start."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError:
            raise Problem("words are spoken by eSpeak NG: pip install 'neocog[demo]'", FAILED) from None
        data: str = espeakng_loader.get_data_path()
        self.library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        self.rate = int(self.library.espeak_Initialize(SYNCHRONOUS, 0, data.encode(), EXIT_NEVER))
        if self.rate <= 0:
            raise Problem(f"eSpeak NG does not start with its data in {data}; install espeakng-loader again", FAILED)
        self.heard: list[bytes] = []
        self.callback = Callback(self._hear)  # kept: the library calls it later
        self.library.espeak_SetSynthCallback(self.callback)

    def _hear(self, samples: int | None, count: int, events: object) -> int:
        if samples and count:
            self.heard.append(ctypes.string_at(samples, 2 * count))
        return 0

    def say(self, text: str, voice: str, pitch: int = 50, speed: int = 160) -> Samples:
        """A text in a voice such as `en-us+f2`, int16 at `rate` Hz; pitch from 0 to 100, speed in words a minute."""
        self.heard.clear()
        if self.library.espeak_SetVoiceByName(voice.encode()):
            raise Problem(f"eSpeak NG has no voice {voice}", FAILED)
        self.library.espeak_SetParameter(RATE, speed, 0)
        self.library.espeak_SetParameter(PITCH, pitch, 0)
        spoken = text.encode()
        self.library.espeak_Synth(spoken, len(spoken) + 1, 0, 0, 0, UTF8, None, None)
        self.library.espeak_Synchronize()
        return trimmed(np.frombuffer(b"".join(self.heard), np.int16))


def trimmed(samples: Samples) -> Samples:
    """Without the silence before and after."""
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 300)
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples


def speak(folder: Path, words: Sequence[str], voices: Sequence[str], speeds: Sequence[int]) -> None:
    """A recording of each word in each voice and speed, named {label}_{voice}_{speed}.wav; the pitch goes with the
    voice."""
    machine = Espeak()
    folder.mkdir(parents=True, exist_ok=True)
    for number, voice in enumerate(voices):
        name = voice.replace("+", "-").replace("_", "-")
        for word in words:
            for speed in speeds:
                sound = machine.say(word, voice, 30 + 40 * (number % 5) // 4, speed)
                soundfile.write(folder / f"{word}_{name}_{speed}.wav", sound, machine.rate)
