"""Events in recordings: label files, labels of frames, metrics, and a model from its data to label files."""

import csv
import itertools
import json
import shutil
from pathlib import Path

import neocog
import numpy as np
import pytest
import soundfile
import torch
from neocog.core.data import DataSpec
from neocog.core.network import Network, parse
from neocog.core.problem import Problem
from neocog.core.sources.content import Unreadable
from neocog.core.targets import TargetSpec
from neocog.core.tasks import Events, events, task_of
from neocog.core.tasks.event_metrics import counts_of, event_metrics, f1, pairs, runs
from neocog.core.tasks.events import Event, most_probable
from neocog.speech.augment import augment
from neocog.speech.events import labels as label_files
from neocog.speech.events.frames import labels_of_frames, placed, times_of
from neocog.speech.events.source import holds_events, windows_of
from neocog.speech.models import RECIPES
from neocog.speech.timeline import timeline
from test_detect import run

FORMATS = Path(__file__).parents[2] / "shared" / "data" / "formats"
RATE = 8000


# --- label files ----------------------------------------------------------------------------------------------------


def test_labels_of_audacity_are_events_and_lines_of_frequencies_are_not():
    text = "0.5\t1.25\tdog\n\\\t100.0\t2000.0\n\n2\t2\tclick\n3.0\t4.5\t big  dog \n"
    read = label_files.read("a.txt", text.encode())
    assert read.events == [Event(0.5, 1.25, "dog"), Event(3.0, 4.5, "big dog")] and read.points == 1
    assert label_files.read("a.txt", b"").events == []


LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 2
        points: size = 1
        points [1]:
            number = 0.5
            mark = "x"
    item [2]:
        class = "IntervalTier"
        name = "word"
        xmin = 0
        xmax = 2
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 1
            text = "say ""3"" ! <p>"
        intervals [3]:
            xmin = 1
            xmax = 2
            text = "two
lines"
    item [3]:
        class = "IntervalTier"
        name = "empty"
        xmin = 0
        xmax = 2
        intervals: size = 0
"""
SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
2 ! seconds
<exists>
1
"IntervalTier" "word" 0 2 2
0 0.5 ""
0.5 1 "say ""3"" ! <p>"
"""


def test_textgrids_are_read_in_the_long_and_the_short_form():
    words = [Event(0.5, 1.0, 'say "3" ! <p>'), Event(1.0, 2.0, "two lines")]
    for encoding in ("utf-8", "utf-16"):
        read = label_files.read("a.TextGrid", LONG.encode(encoding))
        assert read.events == words and read.tiers == ("word", "empty")
    assert label_files.read("a.TextGrid", SHORT.encode()).events == words[:1]
    assert label_files.read("a.TextGrid", LONG.encode(), "empty").events == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "hello\n", "holds 'hello' in line 1; expected a start, an end and a label between tabs"),
        ("a.txt", "1\t2\ta\n0,5\t0,7\tb\n", "holds '0,5' in line 2; expected seconds from 0 on; write decimal points"),
        ("a.txt", "nan\t2\ta\n", "holds 'nan' in line 1; expected seconds"),
        ("a.txt", "-1\t2\ta\n", "holds '-1' in line 1"),
        ("a.txt", "2\t1\ta\n", "holds an end before its start in line 1: 2 to 1 s"),
        ("a.TextGrid", "hello", "does not begin with File type"),
        ("a.TextGrid", SHORT.replace("IntervalTier", "TextTier"), "holds"),
        ("a.TextGrid", SHORT[:-20], "ends before its last interval"),
        ("a.TextGrid", SHORT.replace("0.5 1", "1.5 1"), "an end before its start in interval 2 of the tier word"),
        ("a.TextGrid", LONG.replace("IntervalTier", "OtherTier"), "holds no tier with intervals"),
    ],
)
def test_a_label_file_that_cannot_be_read_is_refused_with_its_place(name, content, message):
    with pytest.raises(Unreadable) as refusal:
        label_files.read(name, content.encode())
    assert message in str(refusal.value)


def test_a_tier_that_is_not_there_is_refused():
    with pytest.raises(Unreadable, match="has no tier phone; it has word, empty"):
        label_files.read("a.TextGrid", LONG.encode(), "phone")


@pytest.mark.skipif(not FORMATS.exists(), reason="the shared files are not here")
def test_files_of_other_programs_are_read():
    spinetail = label_files.read("s.txt", (FORMATS / "audacity" / "spinetail.txt").read_bytes())
    assert spinetail.events[0] == Event(0.101385, 0.367520, "SP") and len(spinetail.events) == 18
    elan = label_files.read("b.TextGrid", (FORMATS / "praat" / "bobby_phones_elan.TextGrid").read_bytes())
    phones = label_files.read("b.TextGrid", (FORMATS / "praat" / "bobby_phones.TextGrid").read_bytes())
    assert [e.label for e in elan.events] == [e.label for e in phones.events] and elan.events[0].label == "B"
    content = (FORMATS / "praat" / "bobby_words_with_newlines_longfile.TextGrid").read_bytes()
    lines = label_files.read("b.TextGrid", content)
    assert lines.events[1].label == "RIPPED Verb"


def test_label_files_that_are_written_are_read_again():
    row = {
        "seconds": 3.0,
        "events": [
            {"start": 0.5, "end": 1.0, "label": 'a "dog"', "probability": 0.9},
            {"start": 1.5, "end": 3.0, "label": "rain", "probability": 0.8},
        ],
    }
    for name in ("a.txt", "a.TextGrid"):
        read = label_files.read(name, timeline(row, Path(name)).encode())
        assert read.events == [Event(0.5, 1.0, 'a "dog"'), Event(1.5, 3.0, "rain")]
    assert timeline({"seconds": 2.0, "events": []}, Path("a.txt")) == ""
    assert (
        label_files.read("a.TextGrid", timeline({"seconds": 2.0, "events": []}, Path("a.TextGrid")).encode()).events
        == []
    )


# --- frames ---------------------------------------------------------------------------------------------------------

FORM = {"rate": 8000, "samples": 8000, "frame": 20.0, "hop": 10.0, "bands": 40, "deltas": False, "normalise": "clip"}


def test_a_frame_has_the_label_at_its_middle_and_of_two_that_of_the_shorter_event():
    target = events.read(events.write([Event(0.2, 0.8, "long"), Event(0.4, 0.5, "short")], (0.0, 1.0)))
    frames = labels_of_frames(target, ["background", "long", "short"], FORM)
    assert len(frames) == 99 and times_of(FORM) == (0.01, 0.01)
    middles = 0.01 + 0.01 * np.arange(99)
    expected = np.where((middles >= 0.4) & (middles < 0.5), 2, np.where((middles >= 0.2) & (middles < 0.8), 1, 0))
    assert np.array_equal(frames, expected)


def test_frames_outside_what_is_known_are_ignored_and_short_recordings_are_centred():
    target = events.read(events.write([Event(0.1, 0.3, "a")], (0.0, 0.5)))
    frames = labels_of_frames(target, ["background", "a"], FORM)
    assert (frames[:24] == 255).all() and (frames[75:] == 255).all()
    assert runs(frames[24:74].astype(np.int64)) == [(0, 0, 10), (1, 10, 30), (0, 30, 50)]
    late = events.read(events.write([Event(0.1, 0.9, "a")], (0.5, 1.0)))
    assert (labels_of_frames(late, ["background", "a"], FORM)[:49] == 255).all()


def test_windows_cover_a_recording_once():
    assert windows_of(2.0, 10.0) == [(0.0, 2.0, 0.0)] and windows_of(10.0, 10.0) == [(0.0, 10.0, 0.0)]
    assert windows_of(25.0, 10.0) == [(0.0, 10.0, 0.0), (10.0, 20.0, 10.0), (15.0, 25.0, 20.0)]


def test_labels_move_with_the_samples_of_an_augmentation():
    """A tone in silence, moved and played faster: the frames with sound are those with the label."""
    time = torch.arange(8000) / 8000
    tone = torch.where((time > 0.3) & (time < 0.6), (torch.sin(time * 2000) * 9000), torch.zeros(())).short()
    x = tone.expand(16, -1)
    masks = torch.from_numpy(
        labels_of_frames(events.read(events.write([Event(0.3, 0.6, "a")], (0, 1))), ["b", "a"], FORM)
    )
    moved_inputs = augment("shift(0.4), speed(0.3)", {}).moved_inputs
    assert moved_inputs is not None
    y, movement = moved_inputs(x, torch.Generator().manual_seed(0))
    plain = augment("shift(0.4), speed(0.3)", {}).inputs(x, x, torch.Generator().manual_seed(0))[0]
    assert torch.equal(y, plain)
    moved = movement.masks(masks.expand(16, 1, -1), 255)[:, 0]
    loud = y.float().unfold(1, 160, 80).abs().amax(2) > 3000  # (16, 99)
    starts = set()
    for row, sound in zip(moved, loud, strict=True):
        differing = ((row == 1) != sound).sum()
        assert differing <= 6  # frames that the tone begins or ends in
        starts.add(int((row == 1).float().argmax()))
    assert len(starts) > 8 and (moved == 255).any()


def test_what_moves_frames_alone_is_refused():
    from neocog.core.augmentation import augmentation
    from neocog.speech import DOMAIN

    task = Events(["background", "a"], times=(0.01, 0.01))
    with pytest.raises(Problem, match="leave out stretch of recordings"):
        augmentation(DOMAIN, task, "stretch(0.1)", {})
    assert augmentation(DOMAIN, task, "shift, gain", {}).inputs is not None


@pytest.mark.parametrize("samples", [3000, 8000, 8001, 20_000, 25_123])
def test_windows_of_a_recording_give_each_of_its_frames_once(samples):
    """Maps that tell where a window's samples come from are put together to the frames of the recording."""
    sound = np.arange(samples, dtype=np.int64).astype(np.int16)
    windows, layout = placed(sound, FORM)
    inputs = windows[:]
    assert inputs.shape[1] == 8000

    def maps(indices: slice) -> torch.Tensor:
        first = inputs[indices].unfold(1, 160, 80)[:, :, 80].float()  # (B, F) the sample in the middle of each frame
        return torch.stack((first, 70_000 - first), 1)[:, :, None]

    blended = layout.map(maps)
    scale = 1 if len(layout.offsets) == 1 else 70_000
    middle = blended[0, 0] * scale
    expected = torch.from_numpy(sound.astype(np.float32))
    first = 80 if samples >= 8000 else int(middle[0])
    assert layout.seconds == samples / 8000 and first <= 160
    assert torch.allclose(middle, expected[first::80][: len(middle)], atol=1.0)
    assert len(middle) >= (samples - 160) // 80 - 1


# --- the task -------------------------------------------------------------------------------------------------------


def brute_force(true: list[tuple[float, float]], predicted: list[tuple[float, float]]) -> int:
    """The most pairs of events that agree, by trying all."""
    best = 0
    for order in itertools.permutations(range(max(len(true), len(predicted)))):
        count = 0
        for index, other in enumerate(order):
            if index < len(true) and other < len(predicted):
                (start, end), (begin, stop) = true[index], predicted[other]
                near = abs(end - stop) <= max(0.2, 0.5 * (end - start)) + 1e-9
                count += abs(start - begin) <= 0.2 + 1e-9 and near
        best = max(best, count)
    return best


def test_the_most_pairs_that_agree_are_counted():
    rng = np.random.default_rng(0)
    for _ in range(100):
        sides = []
        for _ in range(2):
            starts = rng.random(rng.integers(0, 6)) * 1.5
            sides.append([(float(s), float(s + rng.random())) for s in starts])
        assert pairs(sides[0], sides[1], True) == brute_force(sides[0], sides[1])


def test_known_counts_of_events_and_frames():
    """One event found with a late end, one of another label, one invented; 10 frames a second."""
    true = np.zeros((1, 100), np.int64)
    predicted = true.copy()
    true[0, 10:30], predicted[0, 11:40] = 1, 1  # starts 0.1 s late, ends 1 s late, as half of its length allows
    true[0, 50:60], predicted[0, 50:60] = 2, 1
    predicted[0, 80:90] = 2
    counts = counts_of(predicted, true, 3, (0.1, 0.05))
    assert counts.events[0].tolist() == [[1, 2, 1], [0, 1, 1]]
    assert counts.frames[0].tolist() == [[19, 39, 20], [0, 10, 10]]
    metrics = event_metrics(counts, ["background", "a", "b"])
    assert metrics["event_f1"] == metrics["value"] == pytest.approx(2 / 5) and metrics["events"] == 2
    assert [row["event_f1"] for row in metrics["classes"]] == [pytest.approx(2 / 3), 0]
    assert metrics["frame_accuracy"] == pytest.approx((100 - 1 - 10 - 10 - 10) / 100)
    assert np.isnan(f1(np.zeros(3)))


def test_frames_without_a_known_label_count_neither_way():
    true = np.full((1, 50), 255)
    assert counts_of(np.ones((1, 50), np.int64), true, 2, (0.1, 0.05)).frames.sum() == 0


def test_the_labels_of_frames_are_the_sequence_of_most_probability():
    """All sequences of 6 frames of 3 labels are tried."""
    rng = np.random.default_rng(0)
    for penalty in (0.0, 0.5, 2.0, 50.0):
        logs = np.log(rng.dirichlet(np.ones(3), (4, 6))).transpose(0, 2, 1)
        found = most_probable(logs, penalty)
        for example, labels in zip(logs, found, strict=True):
            values = {
                sequence: example[list(sequence), range(6)].sum() - penalty * (np.diff(sequence) != 0).sum()
                for sequence in itertools.product(range(3), repeat=6)
            }
            assert values[tuple(labels.tolist())] == pytest.approx(max(values.values()))
    assert len(set(most_probable(logs, 50.0)[0].tolist())) == 1


def test_a_prediction_is_a_list_of_events_in_seconds():
    task = Events(["background", "a", "b"], times=(0.1, 0.05))
    labels = torch.tensor([1] * 10 + [0] * 10 + [2] * 10)
    prediction = torch.nn.functional.one_hot(labels, 3).T[:, None].float() * 0.8 + 0.0667
    (row,) = task.rows(prediction[None], 1)
    assert [(e["label"], e["start"], e["end"]) for e in row["events"]] == [("a", 0, 1.0), ("b", 2.0, 3.0)]
    assert row["seconds"] == 3.0 and row["events"][0]["probability"] == pytest.approx(0.867, abs=1e-3)
    assert task.row_text(row) == "1 a, 1 b" and task.default_outputs(prediction) == [1]
    kept = task.measured(prediction[None], torch.zeros(1, 1, 30))
    assert task.measured_rows(kept.numpy(), 1)[0]["events"][1]["end"] == 3.0


def test_calibration_chooses_the_penalty_with_the_most_events_found():
    truth = np.zeros((4, 1, 100), np.int64)
    truth[:, 0, 20:60] = 1
    noisy = truth[:, 0].copy()
    noisy[:, 25:60:6] = 0
    logs = np.log(np.stack((0.8 - 0.6 * noisy, 0.2 + 0.6 * noisy), 1))  # 1.39 between the labels of a frame
    rows = np.concatenate((logs.reshape(4, -1), np.zeros((4, 1))), 1).astype(np.float32)
    task = Events(["background", "a"], times=(0.05, 0.02))
    assert task.epoch_metrics(rows, truth)["event_f1"] < 0.5
    assert task.calibrated(rows, truth).penalty == 1
    assert task.calibrated(rows, truth).epoch_metrics(rows, truth)["event_f1"] == 1


def test_a_state_is_read_back_and_a_damaged_one_refused():
    task = Events(["background", "a"], [0, 1], events.colours_of(2), times=(0.02, 0.02), penalty=2.0)
    assert task_of("events", ["background", "a"], task.state()) == task
    for change in ({"times": [0.1]}, {"times": ["a", 1]}, {"penalty": -1}, {"times": [0, 0]}):
        with pytest.raises(Problem, match="the state of the task events cannot be read"):
            task_of("events", ["background", "a"], task.state() | change)


def test_a_network_that_gives_no_label_for_each_frame_is_refused():
    with pytest.raises(Problem, match=r"a label for each frame of 2 is \(2, 1, 100\)"):
        Events(["background", "a"]).check_network(Network((1, 40, 100), parse("conv(2, 1)")))
    recipe = RECIPES["event-cnn"]
    network = Network(recipe.input, recipe.layers(2))
    assert network.parameters == 488_418 and parse(str(network)) == network.layers
    Events(["background", "a"]).check_network(network)


# --- data -----------------------------------------------------------------------------------------------------------


def tones(folder: Path, count: int, seconds: float = 2.0, seed: int = 0) -> Path:
    """Recordings of noise with a low and a high tone each, and their labels."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for index in range(count):
        samples = rng.standard_normal(int(seconds * RATE)) * 0.01
        lines = []
        for label, pitch, begin in (("low", 400, 0.2), ("high", 1800, seconds / 2)):
            start = begin + float(rng.random()) * 0.3
            first, last = int(start * RATE), int((start + 0.4) * RATE)
            samples[first:last] += 0.3 * np.sin(np.arange(last - first) * 2 * np.pi * pitch / RATE)
            lines.append(f"{start:.4f}\t{start + 0.4:.4f}\t{label}\n")
        soundfile.write(folder / f"{index:02d}.wav", samples.astype(np.float32), RATE)
        (folder / f"{index:02d}.txt").write_text("".join(lines))
    return folder


def load(path: Path, tmp_path: Path, **options: object):
    from neocog.speech import DOMAIN

    options |= {"cache": str(tmp_path / "cache")}
    return DOMAIN.load(DataSpec(str(path), targets=TargetSpec("events"), options=options), None, None)


def test_recordings_with_label_files_are_recognised(tmp_path):
    folder = tones(tmp_path / "tones", 4)
    assert holds_events(str(folder))
    (folder / "00.txt").write_text("what is said\n")  # a transcript
    assert not holds_events(str(folder))
    classes = tmp_path / "classes"
    for name in ("a", "b"):
        tones(classes / name, 2)
    assert not holds_events(str(classes))
    shutil.move(classes / "a", classes / "train")
    shutil.move(classes / "b", classes / "test")
    assert holds_events(str(classes))


def test_what_has_no_partner_or_cannot_be_used_is_named(tmp_path):
    folder = tones(tmp_path / "tones", 6)
    (folder / "00.txt").unlink()
    (folder / "lost.TextGrid").write_text(SHORT)
    (folder / "01.txt").write_text("0.1\t0.2\tlow\n5.0\t6.0\tlow\n")
    (folder / "02.txt").write_text("0.1\t0.2\n")
    (folder / "03.txt").write_text("0.1\t0.1\tlow\n0.5\t9\thigh\n0.6\t0.7\tlow\n")
    report = json.loads(run("check", "speech", folder, "--task", "events", "--json").stdout)
    reasons = {Path(bad["file"]).name: bad["reason"] for bad in report["bad"]}
    assert reasons == {
        "00.wav": "has no label file; expected one beside it, such as 00.txt or 00.TextGrid",
        "lost.TextGrid": "is a label file without a recording",
        "01.wav": "lasts 2.00 s, and low is labelled from 5.00 s on",
        "02.txt": "holds '0.1\\t0.2' in line 1; expected a start, an end and a label between tabs",
    }
    remarks = " ".join(report["remarks"])
    assert "1 labels of no length" in remarks and "1 events beyond the end of their recording" in remarks
    assert "1 events under a shorter one" in remarks
    assert report["events"]["high"]["events"] == 3


def test_only_recordings_without_events_are_refused(tmp_path):
    folder = tones(tmp_path / "tones", 4)
    for file in folder.glob("*.txt"):
        file.write_text("")
    with pytest.raises(Problem, match="no recording for training has an event"):
        load(folder, tmp_path)


def test_a_table_of_events_and_a_tier_give_the_same_targets(tmp_path):
    folder = tones(tmp_path / "tones", 4)
    rows = [("file", "start", "end", "label")]
    for file in sorted(folder.glob("*.txt")):
        rows += [(f"{file.stem}.wav", *line.split("\t")) for line in file.read_text().splitlines()]
        found = label_files.read(file.name, file.read_bytes()).events
        row = {"seconds": 2.0, "events": [event._asdict() | {"probability": 1.0} for event in found]}
        (folder / f"{file.stem}.TextGrid").write_text(timeline(row, Path("a.TextGrid")))
    by_files = load(folder, tmp_path, tier="neocog")
    for file in folder.glob("*.TextGrid"):
        file.unlink()
    by_audacity = load(folder, tmp_path)
    (folder / "events.csv").write_text("".join(f"{','.join(row)}\n" for row in rows))
    by_table = load(folder / "events.csv", tmp_path)
    for data in (by_files, by_table):
        assert data.labels == by_audacity.labels == ["background", "high", "low"]
        assert torch.equal(data.train.targets, by_audacity.train.targets)
        assert data.train.inputs.shape == by_audacity.train.inputs.shape
    assert by_table.target_spec.frame_times == pytest.approx((0.01, 0.0125))


def test_a_table_without_times_and_a_missing_path_are_refused(tmp_path):
    folder = tones(tmp_path / "tones", 2)
    (folder / "events.csv").write_text("file,label\n00.wav,low\n01.wav,high\n")
    with pytest.raises(Problem, match="has no columns start and end"):
        load(folder / "events.csv", tmp_path)
    with pytest.raises(Problem, match="holds no recordings with events"):
        load(folder / "00.wav", tmp_path)


# --- from data to label files ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("events")
    folder = tones(root / "tones", 40)
    result = run(
        *("train", "speech", folder, "--recipe", "event-cnn(width=8)", "--epochs", 12, "--batch", 8),
        *("--augment", "shift(0.1), gain(6)"),
        *("--out", root / "run", "--set", f"cache={root / 'cache'}", "--json"),
    )
    assert result.exit_code == 0, result.output
    return folder, root / "run"


def test_tones_are_found_and_reported(trained):
    _, folder = trained
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["task"] == "events" and summary["metric"] == "event_f1"
    assert summary["event_f1"] > 0.9 and summary["frame_f1"] > 0.8
    assert "for --task events" in summary["remarks"][0]
    report = (folder / "report.html").read_text()
    assert "event F1 on" in report and "Windows with the highest loss" in report


def test_an_evaluation_gives_the_figures_of_the_run(trained, tmp_path):
    folder, path = trained
    metrics = json.loads(run("evaluate", path, folder, "--json").stdout)
    summary = json.loads((path / "summary.json").read_text())
    assert metrics["value"] == pytest.approx(summary["value"], abs=1e-6)
    assert "F1 of events, start and end" in run("evaluate", path, folder).stdout
    assert run("evaluate", path, folder, "--predictions", tmp_path / "p.csv").exit_code == 0
    rows = list(csv.DictReader((tmp_path / "p.csv").read_text().splitlines()))
    assert list(rows[0]) == ["input", "start", "end", "label", "probability"]
    assert {row["label"] for row in rows} <= {"high", "low", ""} and len(rows) >= len(
        {row["input"] for row in rows}
    ) > 3


def test_predictions_of_a_long_recording_are_written_in_all_forms(trained, tmp_path):
    folder, path = trained
    parts = [soundfile.read(folder / f"{index:02d}.wav")[0] for index in range(4)]
    soundfile.write(tmp_path / "long.wav", np.concatenate(parts), RATE)
    row = json.loads(run("predict", path, tmp_path / "long.wav", "--json").stdout)[0]
    assert row["seconds"] == 8.0 and 5 <= len(row["events"]) <= 11
    true = label_files.read("a.txt", (folder / "02.txt").read_bytes()).events
    for event in true:
        near = [e for e in row["events"] if abs(e["start"] - event.start - 4.0) < 0.2]
        assert [e["label"] for e in near] == [event.label]
    for name in ("long.txt", "long.TextGrid"):
        assert run("predict", path, tmp_path / "long.wav", "--labels", tmp_path / name).exit_code == 0
        read = label_files.read(name, (tmp_path / name).read_bytes()).events
        assert [event.label for event in read] == [event["label"] for event in row["events"]]
    assert run("predict", path, tmp_path / "long.wav", "--out", tmp_path / "long.csv").exit_code == 0
    table = list(csv.DictReader((tmp_path / "long.csv").read_text().splitlines()))
    assert list(table[0]) == ["input", "start", "end", "label", "probability"] and len(table) == len(row["events"])
    assert " s  low " in run("predict", path, tmp_path / "long.wav").stdout


def test_such_a_model_is_explained_attacked_and_exported(trained, tmp_path):
    folder, path = trained
    rows = json.loads(run("explain", path, folder / "00.wav", "--label", "high", "--json").stdout)
    assert rows[0]["label"] == "high" and max(map(max, rows[0]["relevance"])) > 0
    curve = json.loads(run("attack", path, folder, "--epsilon", "0.05", "--json").stdout)["rows"]
    assert curve[1]["accuracy"] <= curve[0]["accuracy"]
    pytest.importorskip("onnx")
    result = run("export", path, "--out", tmp_path / "model.onnx", "--parity", folder, "--json")
    assert result.exit_code == 0, result.output
    model = neocog.load(str(path))
    assert model.predict([str(folder / "00.wav")])[0]["events"]
