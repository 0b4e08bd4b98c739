"""load, read and windows of recordings."""

import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from neocog.core.data import Data, DataSpec
from neocog.core.inputs import BytesInput, FileInput
from neocog.core.problem import Problem
from neocog.core.sources import decoded_rows
from neocog.speech import build
from neocog.speech.audio import fit, sound
from neocog.speech.data import expand_paths, load, read, windows
from recorded import hiss, spoken, tone, words, write

PATTERN = "{label}_{speaker}_{take}"


def loaded(path: Path, labels: list[str] | None = None, preprocessing: dict | None = None, **more: object) -> Data:
    of_source = {name: more.pop(name) for name in ("group_by", "test", "valid", "max_bad", "unknown") if name in more}
    options = {"cache": str(path.parent / "cache"), **more}
    return load(DataSpec(str(path), options=options, **of_source), labels, preprocessing)  # type: ignore[arg-type]


def names(data: Data, split: str) -> set[str]:
    return {Path(name).name for name in data.splits[split].names}


# --- kinds of data --------------------------------------------------------------------------------------------------


def test_a_folder_per_word(tmp_path: Path) -> None:
    data = loaded(words(tmp_path / "set"))
    assert data.labels == ["high", "low"] and sum(data.counts.values()) == 12
    assert (
        data.train.inputs.dtype == torch.int16 and data.train.inputs.shape[1] == data.preprocessing["samples"] == 2400
    )


def test_names_that_follow_a_pattern(tmp_path: Path) -> None:
    data = loaded(spoken(tmp_path / "set"), pattern=PATTERN)
    assert data.labels == ["high", "low"] and sum(data.counts.values()) == 18
    for split in data.splits.values():
        assert all(Path(n).name.startswith(data.labels[t]) for n, t in zip(split.names, split.targets, strict=True))


def test_all_recordings_of_a_speaker_are_in_one_split(tmp_path: Path) -> None:
    data = loaded(spoken(tmp_path / "set", ("ann", "bob", "cy", "di", "ed")), pattern=PATTERN, group_by="speaker")
    speakers = [{name.split("_")[1] for name in names(data, split)} for split in ("train", "valid", "test")]
    assert all(speakers) and len(set.union(*speakers)) == sum(map(len, speakers)) == 5


def test_a_speaker_or_takes_can_be_the_test_split(tmp_path: Path) -> None:
    root = spoken(tmp_path / "set")
    data = loaded(root, pattern=PATTERN, test_where="speaker=bob", valid_where="take=2")
    assert names(data, "test") == {f"{label}_bob_{k}.wav" for label in ("low", "high") for k in range(3)}
    held_out = {f"{label}_{speaker}_2.wav" for label in ("low", "high") for speaker in ("ann", "cy")}
    assert names(data, "valid") == held_out
    assert data.given_splits == {"test", "valid"}
    assert all(int(Path(n).stem[-1]) < 1 for n in loaded(root, pattern=PATTERN, test_where="take<1").test.names)


def test_the_lists_of_speech_commands_decide_the_splits_and_noise_is_no_word(tmp_path: Path) -> None:
    root = words(tmp_path / "set")
    (root / "testing_list.txt").write_text("low/0.wav\nhigh/1.wav\n")
    (root / "validation_list.txt").write_text("low/2.wav\nhigh/2.wav\n\n")
    write(root / "_background_noise_" / "fan.wav", hiss(3))
    data = loaded(root)
    assert data.labels == ["high", "low"] and data.counts == {"train": 8, "valid": 2, "test": 2}
    assert {str(Path(n).relative_to(root)) for n in data.test.names} == {"low/0.wav", "high/1.wav"}
    assert data.extras["background"].dtype == torch.int16 and len(data.extras["background"]) == 24000
    assert len(loaded(root).extras["background"]) == 24000  # from the cache too
    assert data.remarks == [
        "label: the names of the folders, 2 values",
        "split: testing_list.txt for testing, validation_list.txt for validation",
        "background noise: 1 recording, 3.0 s",
    ]


@pytest.mark.parametrize(("ending", "form"), [("sph", "NIST"), ("nist", "NIST"), ("rf64", "RF64"), ("au", "AU")])
def test_less_common_endings_are_those_of_recordings(tmp_path: Path, ending: str, form: str) -> None:
    root = words(tmp_path / "set")
    for k in range(6):
        soundfile.write(root / "low" / f"{k}.{ending}", tone(300 + k, 0.3), 8000, format=form)
        (root / "low" / f"{k}.wav").unlink()
    data = loaded(root)
    assert sum(data.counts.values()) == 12 and data.remarks == ["label: the names of the folders, 2 values"]


def test_a_word_of_one_speaker_has_more_than_a_single_recording(tmp_path: Path) -> None:
    words(tmp_path / "set", 12)
    rows = [f"set/low/{k}.wav,low,ann" for k in range(9)] + [f"set/high/{k}.wav,high,{'bc'[k % 2]}" for k in range(9)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,speaker", *rows, "set/high/11.wav,rest,d"]))
    data = loaded(tmp_path / "list.csv", group_by="speaker")
    assert "classes of one group or one content, which stay in training: low" in data.remarks
    assert "classes with a single recording, which stays in training: rest" in data.remarks


def test_too_little_background_noise_is_reported_and_not_used(tmp_path: Path) -> None:
    root = words(tmp_path / "set")
    write(root / "_background_noise_" / "fan.wav", hiss(0.2))
    data = loaded(root)
    reasons = "background noise: 1 recording, 0.2 s, which is not used: a window has 0.3 s"
    assert "background" not in data.extras and reasons in data.remarks


def test_a_changed_list_changes_the_splits(tmp_path: Path) -> None:
    root = words(tmp_path / "set")
    (root / "testing_list.txt").write_text("low/0.wav\nhigh/1.wav\n")
    assert loaded(root).counts["test"] == 2
    (root / "testing_list.txt").write_text("low/0.wav\nhigh/1.wav\nhigh/2.wav\n")
    assert loaded(root).counts["test"] == 3


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_archives_and_folders_give_the_same_data(tmp_path: Path, ending: str) -> None:
    root = words(tmp_path / "set")
    (root / "testing_list.txt").write_text("low/0.wav\nhigh/1.wav\n")
    write(root / "_background_noise_" / "fan.wav", hiss(3))
    path = tmp_path / f"set{ending}"
    files = sorted(p for p in root.rglob("*") if p.is_file())
    if ending == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in files:
                archive.write(file, file.relative_to(tmp_path))
    else:
        with tarfile.open(path, "w:gz") as tar:
            for file in files:
                tar.add(file, file.relative_to(tmp_path))
    packed, open_ = loaded(path), loaded(root)
    assert packed.counts == open_.counts and packed.labels == open_.labels and packed.counts["test"] == 2
    assert torch.equal(packed.test.inputs, open_.test.inputs) and len(packed.extras["background"]) == 24000


def test_a_table_names_segments_of_recordings(tmp_path: Path) -> None:
    """Columns start and end in seconds; other columns are fields; segments of one recording are in one split."""
    rows = ["path,label,speaker,start,end"]
    for k in range(12):
        long = np.concatenate([tone(300, 0.4), np.zeros(800), tone(900, 0.5)]) + hiss(1.0, seed=k, loud=0.01)
        write(tmp_path / f"{k}.wav", long)
        rows += [f"{k}.wav,low,s{k % 3},0,0.4", f"{k}.wav,high,s{k % 3},0.5,1.0"]
    (tmp_path / "set.csv").write_text("\n".join(rows) + "\n")
    data = loaded(tmp_path / "set.csv")
    assert sum(data.counts.values()) == 24 and data.labels == ["high", "low"]
    sides = [names(data, split) for split in data.splits]
    assert all(sides) and sum(map(len, sides)) == 12
    held = loaded(tmp_path / "set.csv", test_where="speaker=s1")
    assert names(held, "test") == {"1.wav", "4.wav", "7.wav", "10.wav"} and held.counts["test"] == 8
    complete = sound((tmp_path / "1.wav").read_bytes(), 8000, (0.5, 1.0))[1]
    high = int((held.test.targets == held.labels.index("high")).nonzero()[0])
    assert np.array_equal(held.test.inputs[high].numpy(), fit(complete, held.preprocessing["samples"]))


def test_a_table_packed_with_its_recordings_is_read(tmp_path: Path) -> None:
    """Segments of a recording too; a table without paths and labels is ignored."""
    rows = ["path,label,start,end"]
    for k in range(10):
        write(tmp_path / f"clips/{k}.wav", np.concatenate([tone(300, 0.3), tone(900, 0.3)]) + hiss(0.6, seed=k))
        rows += [f"clips/{k}.wav,low,0,0.3", f"clips/{k}.wav,high,0.3,0.6"]
    (tmp_path / "set.csv").write_text("\n".join([*rows, "clips/x.wav,low,,"]))
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("set.csv", *(f"clips/{k}.wav" for k in range(10))):
            archive.write(tmp_path / name, f"corpus/{name}")
    packed, open_ = loaded(tmp_path / "set.zip"), loaded(tmp_path / "set.csv")
    assert sum(packed.counts.values()) == sum(open_.counts.values()) == 20
    assert [bad.reason for bad in packed.bad] == ["names clips/x.wav, which does not exist"]
    rows_of = [sorted(map(tuple, torch.cat([p.inputs for p in d.splits.values()]).tolist())) for d in (packed, open_)]
    assert rows_of[0] == rows_of[1]
    words(tmp_path / "plain", 3)
    (tmp_path / "plain" / "notes.csv").write_text("who,what\nann,yes\n")
    shutil.make_archive(str(tmp_path / "plain"), "zip", tmp_path / "plain")
    assert sum(loaded(tmp_path / "plain.zip").counts.values()) == 6


# --- rate and window ------------------------------------------------------------------------------------------------


def test_rates_above_16_khz_are_reduced_to_it(tmp_path: Path) -> None:
    assert loaded(words(tmp_path / "slow", rate=8000)).preprocessing["rate"] == 8000
    fast = loaded(words(tmp_path / "fast", rate=44100))
    assert fast.preprocessing["rate"] == 16000 and "recordings at 44,100 Hz are resampled to 16,000 Hz" in fast.remarks
    write(words(tmp_path / "both") / "low" / "x.wav", tone(300, 0.3, 11025) + hiss(0.3, 11025), 11025)
    both = loaded(tmp_path / "both")
    assert (
        both.preprocessing["rate"] == 11025
        and "recordings at 8,000 to 11,025 Hz are resampled to 11,025 Hz" in both.remarks
    )
    assert loaded(tmp_path / "both", rate=4000).preprocessing["rate"] == 4000


def test_the_window_holds_most_recordings_and_cuts_are_reported(tmp_path: Path) -> None:
    root = words(tmp_path / "set", 20)
    write(
        root / "low" / "long.wav",
        np.concatenate([hiss(3, seed=9, loud=0.01), tone(300, 0.3), hiss(3, seed=8, loud=0.01)]),
    )
    data = loaded(root)
    assert data.preprocessing["samples"] == 2400
    assert any(
        "1 of 41 recordings are longer than 0.3 s and cut to their loudest stretch: 32.8% of all sound" in remark
        for remark in data.remarks
    )
    long = read(FileInput(str(root / "low" / "long.wav")), data.preprocessing)
    assert int(long.abs().max()) > 15000
    assert loaded(root, seconds=0.5).preprocessing["samples"] == 4000


def test_a_window_shorter_than_a_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"a window of 0.1 s is shorter than one frame of 200 ms; give more --seconds"):
        loaded(words(tmp_path / "set"), seconds=0.1, frame=200)


def test_a_clip_shorter_than_one_frame_is_trained_on(tmp_path: Path) -> None:
    root = words(tmp_path / "set")
    path = write(root / "low" / "short.wav", tone(300, 0.012))
    data = loaded(root)
    assert not data.bad and sum(data.counts.values()) == 13
    assert int((read(FileInput(str(path)), data.preprocessing) != 0).sum()) <= 96


def test_normalisation_can_use_statistics_of_the_training_split(tmp_path: Path) -> None:
    from neocog.speech.frontend import frontend

    data = loaded(words(tmp_path / "set"), normalise="set")
    maps = frontend(data.preprocessing)(data.train.inputs)[:, 0]
    assert len(data.preprocessing["mean"]) == 40
    assert maps.mean((0, 2)).abs().max() < 0.01 and float((maps.std((0, 2)) - 1).abs().max()) < 0.1


# --- one recording --------------------------------------------------------------------------------------------------


def test_a_long_recording_is_read_in_windows(tmp_path: Path) -> None:
    preprocessing = {"rate": 8000, "samples": 8000}
    recording_windows = windows(FileInput(str(write(tmp_path / "long.wav", tone(300, 2.75)))), preprocessing)
    assert recording_windows.inputs[:].shape == (5, 8000) and torch.equal(
        recording_windows.inputs[:][1, :4000], recording_windows.inputs[:][0, 4000:]
    )
    assert list(recording_windows.spans) == [(0, 1), (0.5, 1.5), (1, 2), (1.5, 2.5), (1.75, 2.75)]
    short = windows(BytesInput(write(tmp_path / "short.wav", tone(300, 0.5)).read_bytes()), preprocessing)
    assert list(short.spans) == [(0, 0.5)] and torch.equal(
        short.inputs[0], read(FileInput(str(tmp_path / "short.wav")), preprocessing)
    )


def test_three_hours_are_read_block_by_block(tmp_path: Path) -> None:
    """At 1 kHz, so that the test is quick: 10.8 million samples, more than ten blocks."""
    import soundfile

    path = tmp_path / "three-hours.flac"
    with soundfile.SoundFile(path, "w", 1000, 1, "PCM_16") as file:
        for _ in range(180):
            file.write(np.zeros(60_000, np.int16))
    recording_windows = windows(FileInput(str(path)), {"rate": 1000, "samples": 60_000})
    assert recording_windows.spans[-1] == (10_740.0, 10_800.0) and len(recording_windows.inputs) == 359


def test_an_unreadable_recording_is_named(tmp_path: Path) -> None:
    preprocessing = {"rate": 8000, "samples": 8000}
    (tmp_path / "empty.wav").touch()
    with pytest.raises(Problem, match=r"empty.wav is empty \(0 bytes\)"):
        read(FileInput(str(tmp_path / "empty.wav")), preprocessing)
    with pytest.raises(Problem, match="the recording is empty"):
        read(BytesInput(b""), preprocessing)
    with pytest.raises(Problem, match=r"emtpy.wav does not exist \(did you mean empty.wav\?\)"):
        read(FileInput(str(tmp_path / "emtpy.wav")), preprocessing)


def test_expand_paths_finds_recordings_only(tmp_path: Path) -> None:
    root = words(tmp_path / "set")
    (root / "notes.txt").touch()
    assert len(expand_paths([str(root)])) == 12 and expand_paths([str(root / "low" / "*.wav")]) == expand_paths(
        [str(root / "low")]
    )


# --- bad input ------------------------------------------------------------------------------------------------------


def test_bad_files_are_named_with_their_reason_and_the_rest_is_trained(tmp_path: Path) -> None:
    root = words(tmp_path / "set", 20)
    (root / "low" / "empty.wav").touch()
    (root / "low" / "talk.m4a").write_bytes(b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(200))
    write(root / "low" / "one.wav", np.array([0.5]))
    nan = tone(300)
    nan[100] = np.nan
    write(root / "high" / "nan.wav", nan, subtype="FLOAT")
    data = loaded(root, max_bad=0.2)
    reasons = {Path(bad.file).name: bad.reason for bad in data.bad}
    assert set(reasons) == {"empty.wav", "talk.m4a", "one.wav", "nan.wav"} and sum(data.counts.values()) == 40
    assert reasons["empty.wav"] == "is empty (0 bytes)" and "ffmpeg -i x.m4a x.flac" in reasons["talk.m4a"]
    assert reasons["one.wav"].startswith("has 1 sample;") and "no numbers (NaN" in reasons["nan.wav"]
    with pytest.raises(Problem, match=r"4 of 44 files cannot be used, more than --max-bad 5%: .*empty.wav is empty"):
        loaded(root)


def test_the_damaged_files_are_left_out_and_named(tmp_path: Path, shared: Path) -> None:
    root = words(tmp_path / "set", 20, 16000)
    for name in ("alexa_34.flac", "alexa_129.flac"):
        shutil.copy(shared / "speech/damaged" / name, root / "low" / name)
    data = loaded(root)
    assert {Path(bad.file).name for bad in data.bad} == {"alexa_34.flac", "alexa_129.flac"}
    assert all("is damaged: the decoder fails after" in bad.reason for bad in data.bad)


def test_silence_192_khz_six_channels_and_a_misnamed_mp3_are_trained_on(tmp_path: Path) -> None:
    root = words(tmp_path / "set")
    write(root / "low" / "silent.wav", np.zeros(2400))
    write(root / "low" / "fast.wav", tone(300, 0.3, 192_000), 192_000)
    write(root / "low" / "six.wav", np.stack([tone(300)] * 6, 1))
    mp3 = write(tmp_path / "x.mp3", tone(300, 0.3, 16000), 16000)
    mp3.rename(root / "low" / "mp3.wav")
    data = loaded(root)
    assert not data.bad and sum(data.counts.values()) == 16
    assert "1 of 16 recordings are silent; check lists them" in data.remarks


def test_times_outside_the_file_are_named_by_the_recording(tmp_path: Path) -> None:
    words(tmp_path / "a", 12)
    rows = ["path\tlabel\tstart\tend", "a/low/0.wav\tlow\t0.1\t9", "a/low/1.wav\tlow\t-1\t0.2"]
    rows += [f"a/{label}/{k}.wav\t{label}\t\t" for label in ("low", "high") for k in range(2, 12)]
    (tmp_path / "set.tsv").write_text("\n".join(rows))
    data = loaded(tmp_path / "set.tsv", max_bad=0.2)
    reasons = sorted((Path(bad.file).name, bad.reason) for bad in data.bad)
    assert reasons[0] == ("0.wav", "lasts 0.30 s; the table asks for 0.1 to 9 s, which is no part of that")
    assert reasons[1][1].startswith("lasts 0.30 s; the table asks for -1 to 0.2 s") and sum(data.counts.values()) == 20


def test_times_that_are_not_numbers_are_reported_with_their_line(tmp_path: Path) -> None:
    words(tmp_path / "a")
    (tmp_path / "set.csv").write_text("path,label,start,end\na/low/0.wav,low,0,0.1\na/high/0.wav,high,0:01,0:02\n")
    with pytest.raises(Problem, match=r"set.csv:3 has the times '0:01 to 0:02'; expected seconds, as in 1.5"):
        loaded(tmp_path / "set.csv")


def test_speakers_that_differ_only_in_case_are_one(tmp_path: Path) -> None:
    root = spoken(tmp_path / "set", ("Theo", "ann", "bob", "cy"))
    for path in sorted(root.glob("*_ann_*")):
        path.rename(path.with_name(path.name.replace("ann", "theo")))
    data = loaded(root, pattern=PATTERN, group_by="speaker")
    assert "Theo and theo differ only in case and count as one group" in data.remarks
    sides = [split for split in data.splits if any("theo" in name.lower() for name in names(data, split))]
    assert len(sides) == 1


def test_labels_that_differ_only_in_case_are_reported(tmp_path: Path) -> None:
    data = loaded(words(tmp_path / "set", labels=("yes", "Yes", "no")))
    assert data.labels == ["Yes", "no", "yes"]
    assert any(remark.startswith("the labels 'Yes' and 'yes' differ only in case") for remark in data.remarks)


def test_names_that_do_not_follow_the_pattern_are_bad(tmp_path: Path) -> None:
    root = spoken(tmp_path / "set", takes=8)
    write(root / "readme.wav", tone(300))
    data = loaded(root, pattern=PATTERN)
    assert [(Path(bad.file).name, bad.reason) for bad in data.bad] == [
        ("readme.wav", "does not match --pattern {label}_{speaker}_{take}")
    ]
    with pytest.raises(Problem, match=r"no recording in .*set matches --pattern {label}-{take}: high_ann_0.wav"):
        loaded(root, pattern="{label}-{take}")


@pytest.mark.parametrize(
    ("options", "reasons"),
    [
        ({"colour": "grey"}, "colour is not an option of speech; the options are rate, seconds, bands"),
        ({"rate": 100}, "rate is a whole number from 1,000 to 192,000; got 100"),
        ({"rate": 8000.5}, "rate is a whole number from 1,000 to 192,000; got 8000.5"),
        ({"seconds": "long"}, "seconds is a number from 0.05 to 600; got long"),
        ({"bands": 2}, "bands is a whole number from 4 to 256; got 2"),
        ({"deltas": "yes"}, "deltas is true or false; got yes"),
        ({"normalise": "clips"}, r"normalise clips is not known; it can be clip, set, none \(did you mean clip\?\)"),
        ({"pattern": "{speaker}"}, "--pattern {speaker} has no {label}"),
        ({"test_where": "theo"}, "--test-where theo is not a condition"),
        ({"test_where": "speaker=theo"}, "--test-where speaker=theo: there is no speaker; there is label"),
    ],
)
def test_an_invalid_option_is_refused(tmp_path: Path, options: dict, reasons: str) -> None:
    with pytest.raises(Problem, match=reasons):
        loaded(words(tmp_path / "set"), **options)


def test_a_path_without_recordings_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "one.wav", tone(300))
    with pytest.raises(Problem, match=r"one.wav is one recording; expected a folder with one folder per word"):
        loaded(file)
    with pytest.raises(Problem, match=r"nowhere does not exist"):
        loaded(tmp_path / "nowhere")
    (tmp_path / "x.bin").touch()
    with pytest.raises(Problem, match="not a kind of data that speech knows"):
        loaded(tmp_path / "x.bin")


# --- with a model ---------------------------------------------------------------------------------------------------


def test_a_model_keeps_the_options_of_its_data(tmp_path: Path) -> None:
    """Evaluation of the same data without options uses the same test split; other data use all recordings."""
    root = spoken(tmp_path / "set")
    data = loaded(root, pattern=PATTERN, test_where="speaker=bob")
    again = loaded(root, data.labels, data.preprocessing)
    assert again.fingerprint() == data.fingerprint() and torch.equal(again.test.inputs, data.test.inputs)
    second = loaded(words(tmp_path / "other"), data.labels, data.preprocessing)
    assert sum(second.counts.values()) == 12 and second.train.inputs.shape[1] == data.preprocessing["samples"]


def test_a_models_rate_and_window_apply_to_other_recordings(tmp_path: Path) -> None:
    data = loaded(words(tmp_path / "slow"))
    fast = loaded(words(tmp_path / "fast", rate=22050), data.labels, data.preprocessing)
    assert fast.train.inputs.shape[1] == 2400 and fast.preprocessing == data.preprocessing


# --- cache ----------------------------------------------------------------------------------------------------------


def test_every_recording_is_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second time only if it was decoded at a rate that is not that of the set, or is too long to be kept."""
    opened: list[bytes] = []
    open_recording = build.open_recording
    monkeypatch.setattr(build, "open_recording", lambda content: opened.append(content) or open_recording(content))
    root = words(tmp_path / "set", 20)
    loaded(root)
    assert len(opened) == 40 and len(set(opened)) == 40
    write(root / "low" / "fast.wav", tone(300, 0.3, 11025), 11025)
    assert loaded(root).preprocessing["rate"] == 11025
    assert len(opened) == 40 + 41  # sound() opens the slow ones again, to resample them


def test_load_and_read_agree_on_other_rates_and_long_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "STORED", 1.0)
    root = words(tmp_path / "set", 20)
    write(root / "low" / "fast.wav", tone(300, 0.3, 44100) + hiss(0.3, 44100, loud=0.01), 44100)
    write(root / "low" / "slow.wav", tone(300, 0.3, 11025) + hiss(0.3, 11025, loud=0.01), 11025)
    write(root / "high" / "long.wav", np.concatenate([hiss(3, loud=0.01), tone(300, 0.3)]))
    data = loaded(root)
    assert data.preprocessing["rate"] == 16000 and sum(data.counts.values()) == 43
    for split in data.splits.values():
        for inputs, name in zip(split.inputs, split.names, strict=True):
            assert torch.equal(inputs, read(FileInput(name), data.preprocessing))


def test_rows_that_exceed_memory_are_stored_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = words(tmp_path / "set")
    expected = loaded(root)
    monkeypatch.setattr(decoded_rows, "IN_MEMORY", 5000)
    spilled = loaded(root, seconds=0.3, cache=tmp_path / "other")
    for name, split in expected.splits.items():
        assert torch.equal(split.inputs, spilled.splits[name].inputs)


def test_loading_with_a_models_labels_uses_the_cache_of_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = spoken(tmp_path / "set")
    data = loaded(root, pattern=PATTERN, test_where="speaker=bob")
    monkeypatch.setattr(build, "open_recording", lambda content: pytest.fail("decoded again"))
    again = loaded(root, data.labels, data.preprocessing)
    assert again.fingerprint() == data.fingerprint() and torch.equal(again.train.inputs, data.train.inputs)
