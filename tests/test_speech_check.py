"""The command check: it decodes every recording completely and reports what training would find."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from neocog.core.data import DataSpec
from neocog.core.problem import Problem
from neocog.speech.check import check
from neocog.speech.data import load
from recorded import hiss, spoken, tone, words, write

PATTERN = "{label}_{speaker}_{take}"


def checked(root: Path, **more: object) -> dict:
    group_by = more.pop("group_by", None)
    options = {"cache": str(root.parent / "cache"), **more}
    report = check(DataSpec(str(root), group_by=group_by, options=options))  # type: ignore[arg-type]
    assert json.loads(json.dumps(report)) == report
    return report


def test_counts_and_preprocessing_equal_those_of_training(tmp_path: Path) -> None:
    root = words(tmp_path / "set", 20)
    report, data = checked(root), load(DataSpec(str(root), options={"cache": str(tmp_path / "cache")}), None, None)
    assert report["examples"] == 40 and report["labels"] == {"high": 20, "low": 20} and report["problems"] == []
    assert report["splits"] == data.counts
    assert report["training"] == {"rate": 8000, "seconds": 0.3, "bands": 40}


def test_rates_channels_lengths_and_formats(tmp_path: Path) -> None:
    root = words(tmp_path / "set", 20)
    write(root / "low" / "stereo.flac", np.stack([tone(300, 2, 44100)] * 2, 1), 44100)
    report = checked(root)
    assert report["rates"] == {"8000 Hz": 40, "44100 Hz": 1} and report["channels"] == {"1": 40, "2": 1}
    assert report["seconds"] == {"shortest": 0.3, "median": 0.3, "longest": 2.0, "together": 14.0}
    assert report["formats"] == {"WAV PCM_16": 40, "FLAC PCM_16": 1}


def test_clipped_and_silent_recordings_are_named(tmp_path: Path) -> None:
    root = words(tmp_path / "set", 20)
    write(root / "low" / "loud.wav", np.clip(4 * tone(300), -1, 1))
    write(root / "low" / "silent.wav", hiss(loud=0.0001))
    report = checked(root)
    assert [Path(name).name for name in report["clipped"]] == ["loud.wav"]
    assert [Path(name).name for name in report["silent"]] == ["silent.wav"]
    warnings = " ".join(report["problems"])
    assert "1 recording clipped: more than 0.1% of the samples are at full scale (first: " in warnings
    assert "1 recording silent: nothing in them is above −60 dB (first: " in warnings


def test_channels_in_opposite_phase_are_named(tmp_path: Path) -> None:
    root = words(tmp_path / "set", 20)
    write(root / "low" / "stereo.wav", np.stack([tone(300), -tone(300)], 1))
    report = checked(root)
    assert [Path(name).name for name in report["opposite_phase"]] == ["stereo.wav"] and report["silent"] == []
    sentence = "have channels in opposite phase, whose average is silence: the loudest channel is used"
    assert f"1 recording {sentence} (first: {report['opposite_phase'][0]})" in report["problems"]
    data = load(DataSpec(str(root), options={"cache": str(tmp_path / "cache")}), None, None)
    assert f"1 of 41 recordings {sentence}; check lists them" in data.remarks


def test_bad_files_and_duplicates_are_listed(tmp_path: Path) -> None:
    root = words(tmp_path / "set", 20)
    (root / "low" / "empty.wav").touch()
    shutil.copy(root / "low" / "3.wav", root / "high" / "same.wav")
    report = checked(root)
    assert [(Path(bad["file"]).name, bad["reason"]) for bad in report["bad"]] == [("empty.wav", "is empty (0 bytes)")]
    assert report["duplicates"][0]["labels"] == ["high", "low"]
    assert any("more than one label" in problem for problem in report["problems"])


def test_speakers_in_several_splits_are_reported_and_grouping_separates_them(tmp_path: Path) -> None:
    root = spoken(tmp_path / "set", ("ann", "bob", "cy", "di"), 6)
    mixed = checked(root, pattern=PATTERN)
    warnings = [problem for problem in mixed["problems"] if "more than one split" in problem]
    assert (
        warnings
        and "the metrics are those of known voices; --group-by speaker keeps each speaker in one split" in warnings[0]
    )
    apart = checked(root, pattern=PATTERN, group_by="speaker")
    assert all(len(splits) == 1 for splits in apart["speakers"].values()) and set(apart["speakers"]) == {
        "ann",
        "bob",
        "cy",
        "di",
    }
    assert not [problem for problem in apart["problems"] if "more than one split" in problem]


def test_a_rate_per_label_is_a_warning(tmp_path: Path) -> None:
    words(tmp_path / "set", labels=("low",))
    words(tmp_path / "set", labels=("high",), rate=16000)
    assert (
        "each label has a sampling rate of its own: a network may learn the rate instead of the word"
        in checked(tmp_path / "set")["problems"]
    )


def test_check_raises_only_without_any_data(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(Problem, match="holds nothing"):
        checked(tmp_path / "empty")
    assert any("one class, low" in entry for entry in checked(words(tmp_path / "one", labels=("low",)))["problems"])


def test_background_noise_is_listed_and_not_a_label(tmp_path: Path) -> None:
    root = words(tmp_path / "set")
    write(root / "_background_noise_" / "fan.wav", hiss(3))
    warnings = check(DataSpec(str(root)))
    assert warnings["noise"] == ["_background_noise_/fan.wav"] and set(warnings["labels"]) == {"high", "low"}
