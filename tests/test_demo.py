"""The demo's speech act: synthetic words, and it says so."""

from io import StringIO
from pathlib import Path

import pytest
from neocog.demo import speech_act
from rich.console import Console


@pytest.mark.slow
def test_the_speech_act_trains_on_synthetic_words_and_says_so(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    shown = StringIO()
    speech_act(True, str(tmp_path / "run"), Console(file=shown, width=80))
    told = shown.getvalue()
    assert "synthetic, spoken by eSpeak NG in 14 voices" in told and "Real voices are harder" in told
    assert "of 60 words in voices that it had not heard" in told and (tmp_path / "run" / "report.html").exists()


def test_without_the_synthesiser_the_act_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "espeakng_loader", None)
    shown = StringIO()
    speech_act(True, str(tmp_path / "run"), Console(file=shown, width=80))
    assert "pip install 'neocog[demo]'" in shown.getvalue() and not (tmp_path / "run").exists()
