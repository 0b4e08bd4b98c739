"""The demo: one act a domain, each trains and tells; what is missing is named, and the rest goes on."""

import sys
from io import StringIO
from pathlib import Path

import pytest
from neocog import demo
from neocog.core.problem import Problem
from rich.console import Console


@pytest.mark.slow
def test_the_speech_act_trains_on_synthetic_words_and_says_so(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    shown = StringIO()
    demo.speech_act(True, str(tmp_path / "run"), Console(file=shown, width=80))
    told = " ".join(shown.getvalue().split())
    assert "synthetic, spoken by eSpeak NG in 14 voices" in told and "real voices are harder" in told
    assert "of 60 words are understood" in told and (tmp_path / "run" / "report.html").exists()


@pytest.mark.slow
def test_the_text_act_tells_languages(tmp_path: Path) -> None:
    pytest.importorskip("babel")
    shown = StringIO()
    demo.text_act(True, str(tmp_path / "run"), Console(file=shown, width=80))
    assert "in 8 languages" in shown.getvalue() and "German" in shown.getvalue()


@pytest.mark.parametrize(("act", "module"), [(demo.speech_act, "espeakng_loader"), (demo.text_act, "babel")])
def test_an_act_without_its_extra_says_what_to_install(act, module, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Problem, match=r"pip install 'neocog\[demo\]'"):
        act(True, str(tmp_path / "run"), Console(file=StringIO(), width=80))
    assert not (tmp_path / "run").exists()


def test_a_missing_extra_does_not_end_the_demo(monkeypatch, capsys, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    monkeypatch.setattr(demo, "vision_act", lambda *_: print("pictures"))
    monkeypatch.setattr(demo, "text_act", lambda *_: print("texts"))
    demo.show_demo(True, str(tmp_path / "run"))
    told = capsys.readouterr().out
    assert told.index("pictures") < told.index("The speech act is left out") < told.index("texts")
