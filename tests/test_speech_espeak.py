"""Speech synthesis by eSpeak NG, if its wheel is installed."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from neocog.core.problem import Problem
from neocog.speech.espeak import Espeak, speak, trim


def test_words_are_spoken_and_unknown_voices_are_refused() -> None:
    pytest.importorskip("espeakng_loader")
    synthesiser = Espeak()
    short, long = synthesiser.say("yes", "en-us+m1"), synthesiser.say("yesterday", "en-us+m1")
    assert 0.1 < len(short) / synthesiser.rate < len(long) / synthesiser.rate < 2
    assert not np.array_equal(synthesiser.say("yes", "en-us+f2"), short)
    assert abs(len(synthesiser.say("yes", "en-us+m1")) - len(short)) < 0.02 * len(short)  # speech varies slightly
    with pytest.raises(Problem, match="eSpeak NG has no voice xx-yy"):
        synthesiser.say("yes", "xx-yy")


def test_recordings_are_named_by_label_voice_and_speed(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    speak(tmp_path, ["yes", "no"], ["en-us+m1"], [150])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["no_en-us-m1_150.wav", "yes_en-us-m1_150.wav"]
    assert soundfile.info(tmp_path / "no_en-us-m1_150.wav").samplerate == 22050


def test_a_missing_wheel_is_reported_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "espeakng_loader", None)
    with pytest.raises(Problem, match=r"speech synthesis needs eSpeak NG: pip install 'neocog\[demo\]'"):
        Espeak()


def test_silence_is_trimmed_at_both_ends() -> None:
    assert trim(np.array([0, 10, 900, 0, -900, 5], np.int16)).tolist() == [900, 0, -900]
    assert trim(np.zeros(3, np.int16)).tolist() == [0, 0, 0]
