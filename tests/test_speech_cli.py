"""Speech through the command line: train, evaluate, predict with labels in time, check."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from neocog import load
from neocog.cli import app
from neocog.core.problem import Problem
from neocog.core.stream import Tabular
from recorded import hiss, spoken, tone, words, write
from typer.testing import CliRunner

NETWORK = "conv(4, (8, frames)), relu, maxpool((3, 1)), flatten, dense(classes)"
PATTERN = "{label}_{speaker}_{take}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recordings, and a run on them with one speaker as test split."""
    root = tmp_path_factory.mktemp("speech")
    spoken(root / "set", takes=6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEOCOG_CACHE", str(root / "cache"))
        command = ["train", "speech", str(root / "set"), "--network", NETWORK, "--out", str(root / "run"), "--quiet"]
        more = ["--pattern", PATTERN, "--test-where", "speaker=cy", "--epochs", "20", "--batch", "8", "--lr", "0.01"]
        result = CliRunner().invoke(app, [*command, *more, "--json"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["examples"] == 12 and json.loads(result.stdout)["accuracy"] == 1.0
    return root


def run(*words: object, **more: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(word) for word in words], **more)  # type: ignore[arg-type]
    return result.exit_code, result.stdout, result.stderr


def test_evaluate_uses_the_pattern_of_the_training(trained: Path) -> None:
    """The command that train prints at its end gives the same accuracy as train."""
    code, out, _ = run("evaluate", trained / "run", trained / "set", "--json", "--quiet", "--cache", trained / "cache")
    metrics = json.loads(out)
    assert code == 0 and metrics["examples"] == 12 and metrics["scored_on"] == "test" and metrics["accuracy"] == 1.0


def test_evaluate_accepts_another_test_split(trained: Path) -> None:
    where = ("--pattern", PATTERN, "--test-where", "take<2", "--cache", trained / "cache")
    code, out, _ = run("evaluate", trained / "run", trained / "set", *where, "--json", "--quiet")
    assert code == 0 and json.loads(out)["examples"] == 12


def test_predictions_are_written_with_a_row_for_each_recording(trained: Path, tmp_path: Path) -> None:
    low, high = (write(tmp_path / f"{name}.wav", tone(pitch, 1.0) / 2) for name, pitch in (("low", 300), ("high", 600)))
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    code, out, err = run("predict", trained / "run", low, high, tmp_path / "bad.wav", "--out", tmp_path / "out.csv")
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert code == 3 and not out and "wrote" in err
    assert [row["input"] for row in rows] == [str(low), str(high), str(tmp_path / "bad.wav")]
    assert [row["predicted"] for row in rows] == ["low", "high", ""] and "holds text" in rows[2]["problem"]
    code, _, _ = run("predict", trained / "run", low, high, "--out", tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert code == 0 and [line["predictions"][0]["label"] for line in lines] == ["low", "high"]


def test_channels_in_opposite_phase_are_named_by_predict(trained: Path, tmp_path: Path) -> None:
    mono = tone(600, 1.0) / 2
    path = write(tmp_path / "stereo.wav", np.stack([mono, -mono], 1))
    code, out, err = run("predict", trained / "run", path, "--json")
    assert code == 0 and json.loads(out)[0]["predictions"][0]["label"] == "high"
    sentence = "has channels in opposite phase, whose average is silence: the loudest channel is used"
    assert err.count(f"{path} {sentence}") == 1


def test_a_table_of_recordings_is_predicted_row_by_row(trained: Path, tmp_path: Path) -> None:
    for name, pitch in (("a", 300), ("b", 600)):
        write(tmp_path / f"{name}.wav", tone(pitch, 1.0) / 2)
    (tmp_path / "list.csv").write_text("file,who\na.wav,x\nb.wav,y\n")
    code, out, err = run("predict", trained / "run", tmp_path / "list.csv")
    assert code == 0 and [row["predicted"] for row in csv.DictReader(out.splitlines())] == ["low", "high"], err
    (tmp_path / "parts.csv").write_text("file,start,end\na.wav,0,0.5\n")
    with pytest.raises(Problem, match="names parts of recordings by their start and end, which predict does not read"):
        load(str(trained / "run"), "cpu").domain.capability(Tabular).read(str(tmp_path / "parts.csv"), {}, {})


def test_a_long_recording_gives_a_timeline(trained: Path, tmp_path: Path) -> None:
    long = np.concatenate([tone(300, 1.2), tone(600, 1.2)]) + hiss(2.4)
    path = write(tmp_path / "long.flac", long / 2)
    code, out, err = run("predict", trained / "run", path, "--json", "--labels", tmp_path / "x.txt")
    (row,) = json.loads(out)
    assert code == 0 and "wrote" in err and row["windows"][0]["start"] == 0 and row["windows"][-1]["end"] == 2.4
    assert {"start", "end", "label", "probability"} == set(row["windows"][0])
    track = [line.split("\t") for line in (tmp_path / "x.txt").read_text().splitlines()]
    assert track[0][2] == "low" and track[-1][2] == "high" and float(track[-1][1]) == pytest.approx(2.4)
    assert abs(float(track[0][1]) - 1.2) < 0.3
    code, out, _ = run("predict", trained / "run", path)
    assert "low" in out and "0.00 to" in out.splitlines()[1]


def test_a_label_file_that_cannot_be_written_is_reported_before_predicting(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neocog.core.model import Model
    from neocog.core.problem import Problem

    monkeypatch.setattr(Model, "predict", lambda *args, **kwargs: pytest.fail("the model was used"))
    path = write(tmp_path / "a.wav", tone(300))
    (tmp_path / "mine.txt").write_text("corrected by hand")
    for name, message in (
        ("a.lab", "a.lab is neither a .TextGrid"),
        ("mine.txt", "mine.txt exists; name another file"),
    ):
        result = CliRunner().invoke(app, ["predict", str(trained / "run"), str(path), "--labels", str(tmp_path / name)])
        assert isinstance(result.exception, Problem) and message in str(result.exception)
    assert (tmp_path / "mine.txt").read_text() == "corrected by hand"


def test_predictions_do_not_depend_on_the_other_recordings(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the number of windows per batch, and with one long recording among them."""
    import neocog
    from neocog.core import feed

    sizes: list[int] = []
    predict = feed.predict_proba
    monkeypatch.setattr("neocog.core.model.WINDOWS_AT_ONCE", 4)
    monkeypatch.setattr(
        feed, "predict_proba", lambda model, inputs, size: sizes.append(len(inputs)) or predict(model, inputs, size)
    )
    model = neocog.load(trained / "run")
    lengths = (0.2, 2.0, 0.2, 0.3, 0.4, 0.5, 0.2)
    paths = [write(tmp_path / f"{k}.wav", tone(300 + 50 * k, seconds)) for k, seconds in enumerate(lengths)]
    paths.insert(3, tmp_path / "nothing.wav")
    together, single = model.predict(paths), [model.predict([path])[0] for path in paths]
    assert [row["input"] for row in together] == list(map(str, paths)) and "does not exist" in together[3]["problem"]
    assert max(sizes[:4]) == len(together[1]["windows"]) > 4 and sorted(sizes[:4])[-2] <= 4
    for row, expected in zip(together, single, strict=True):
        assert row.keys() == expected.keys() and len(row.get("windows", [])) == len(expected.get("windows", []))
        for prediction, exact in zip(row.get("predictions", []), expected.get("predictions", []), strict=True):
            assert prediction == {**exact, "probability": pytest.approx(exact["probability"], abs=1e-5)}


def test_labels_are_for_one_recording(trained: Path, tmp_path: Path) -> None:
    from neocog.core.problem import Problem

    result = CliRunner().invoke(app, ["predict", str(trained / "run"), str(trained / "set"), "--labels", "x.txt"])
    assert isinstance(result.exception, Problem) and str(result.exception) == "--labels is for one recording; got 36"
    path = write(tmp_path / "a.wav", tone(300))
    code, _, _ = run("predict", trained / "run", path, "--labels", tmp_path / "a.TextGrid")
    assert code == 0 and "intervals: size = 1" in (tmp_path / "a.TextGrid").read_text()


def test_a_recording_is_read_from_stdin(trained: Path, tmp_path: Path) -> None:
    content = write(tmp_path / "a.wav", tone(300) + hiss()).read_bytes()
    code, out, _ = run("predict", trained / "run", "-", "--json", input=content)
    assert code == 0 and json.loads(out)[0]["predictions"][0]["label"] == "low"


def test_a_bad_recording_is_reported_and_the_others_are_predicted(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    good = write(tmp_path / "good.wav", tone(600) + hiss())
    code, out, err = run("predict", trained / "run", good, tmp_path / "empty.wav")
    assert code == 3 and "high" in out and err.count("empty.wav") == 1 and "empty.wav is empty (0 bytes)" in err


def test_a_misspelt_name_after_set_gets_a_suggestion(trained: Path) -> None:
    from neocog.core.problem import Problem

    result = CliRunner().invoke(app, ["train", "speech", str(trained / "set"), "--set", "band=64"])
    assert isinstance(result.exception, Problem)
    message = str(result.exception)
    assert message.startswith(
        "band is not a setting (did you mean bands?); the settings are accumulate, adam_lr, adversarial, "
    )
    assert "; speech has bands, cache, deltas, encoding, frame, hop, normalise, path_column, " in message


def test_check_reports_rates_speakers_and_bad_files(trained: Path) -> None:
    code, out, _ = run("check", "speech", trained / "set", "--pattern", PATTERN, "--quiet")
    assert code == 0 and "rates: 8000 Hz 36" in out and "speakers: ann train+" in out
    (words(trained / "folders") / "low" / "empty.wav").touch()
    code, out, _ = run("check", "speech", trained / "folders", "--quiet")
    assert code == 0 and "speakers: none" in out and "low/empty.wav is empty (0 bytes)\n" in out
