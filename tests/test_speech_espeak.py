"""Words from a synthesiser, where the wheel with it is installed."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from neocog.core.problem import Problem
from neocog.speech.espeak import Espeak, speak, trimmed


def test_it_speaks_and_an_unknown_voice_is_said() -> None:
    pytest.importorskip("espeakng_loader")
    machine = Espeak()
    short, long = machine.say("yes", "en-us+m1"), machine.say("yesterday", "en-us+m1")
    assert 0.1 < len(short) / machine.rate < len(long) / machine.rate < 2
    assert not np.array_equal(machine.say("yes", "en-us+f2"), short)
    assert abs(len(machine.say("yes", "en-us+m1")) - len(short)) < 0.02 * len(short)  # it is never quite the same
    with pytest.raises(Problem, match="eSpeak NG has no voice xx-yy"):
        machine.say("yes", "xx-yy")


def test_recordings_are_named_as_the_demos_pattern_says(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    speak(tmp_path, ["yes", "no"], ["en-us+m1"], [150])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["no_en-us-m1_150.wav", "yes_en-us-m1_150.wav"]
    assert soundfile.info(tmp_path / "no_en-us-m1_150.wav").samplerate == 22050


def test_without_the_wheel_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "espeakng_loader", None)
    with pytest.raises(Problem, match=r"words are spoken by eSpeak NG: pip install 'neocog\[demo\]'"):
        Espeak()


def test_silence_at_both_ends_goes() -> None:
    assert trimmed(np.array([0, 10, 900, 0, -900, 5], np.int16)).tolist() == [900, 0, -900]
    assert trimmed(np.zeros(3, np.int16)).tolist() == [0, 0, 0]
