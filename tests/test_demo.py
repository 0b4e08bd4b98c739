"""The demo: a part per domain; a part whose data are not installed is named and skipped."""

import sys
from io import StringIO
from pathlib import Path

import pytest
from neocog import demo
from neocog.core.problem import Problem
from rich.console import Console


@pytest.mark.slow
def test_the_speech_part_trains_on_synthetic_words(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    shown = StringIO()
    demo.speech_part(True, str(tmp_path / "run"), Console(file=shown, width=80))
    output = " ".join(shown.getvalue().split())
    assert "synthetic, spoken by eSpeak NG in 14 voices" in output and "real voices are harder" in output
    assert (
        "of 60 words in new voices are classified correctly" in output and (tmp_path / "run" / "report.html").exists()
    )


@pytest.mark.slow
def test_the_text_part_predicts_languages(tmp_path: Path) -> None:
    pytest.importorskip("babel")
    shown = StringIO()
    demo.text_part(True, str(tmp_path / "run"), Console(file=shown, width=80))
    assert "in 8 languages" in shown.getvalue() and "German" in shown.getvalue()


@pytest.mark.parametrize(("act", "module"), [(demo.speech_part, "espeakng_loader"), (demo.text_part, "babel")])
def test_a_part_without_its_extra_says_what_to_install(act, module, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Problem, match=r"pip install 'neocog\[demo\]'"):
        act(True, str(tmp_path / "run"), Console(file=StringIO(), width=80))
    assert not (tmp_path / "run").exists()


def test_a_missing_extra_does_not_end_the_demo(monkeypatch, capsys, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    monkeypatch.setattr(demo, "vision_part", lambda *_: print("pictures"))
    monkeypatch.setattr(demo, "text_part", lambda *_: print("texts"))
    monkeypatch.setattr(demo, "go_part", lambda *_: print("boards"))
    demo.show_demo(True, str(tmp_path / "run"))
    output = capsys.readouterr().out
    places = [output.index(words) for words in ("pictures", "The speech part is skipped", "texts", "boards")]
    assert places == sorted(places)


def test_the_go_part_plays_with_the_included_network(capsys, tmp_path: Path) -> None:
    shown = StringIO()
    demo.go_part(True, str(tmp_path / "run"), Console(file=shown, width=80))
    output = capsys.readouterr().out
    assert "of the moves in 201,090 test positions" in " ".join(shown.getvalue().split())
    assert "move 16 of 16" in output and "A B C D E F G H J K L M N O P Q R S T" in output
    assert (tmp_path / "run" / "opening.sgf").read_bytes().startswith(b"(;GM[1]")


def test_a_long_part_names_the_quick_demo() -> None:
    assert demo.long_training(100) == ""
    assert "takes about 5 min" in demo.long_training(300) and "neocog demo --quick" in demo.long_training(300)


def test_a_wrong_prediction_is_marked() -> None:
    assert demo.marked("true label 7", True) == "true label 7"
    assert demo.marked("true label 7", False) == "true label 7: wrong"
