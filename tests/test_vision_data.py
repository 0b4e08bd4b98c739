"""load of pictures: splits, labels, cache; unusable files are named with their reason."""

import errno
import io
import json
import multiprocessing
import os
import shutil
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import photos
import pytest
import torch
from neocog.core.data import Data, DataSpec
from neocog.core.inputs import BytesInput, FileInput
from neocog.core.problem import DATA, FAILED, USAGE, Problem
from neocog.core.sources import cache, manifest
from neocog.vision import build, data
from neocog.vision.data import load, read
from neocog.vision.options import form
from photos import png
from PIL import Image

files = partial(photos.files, count=20)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return files(tmp_path / "set", "a", "b")


def loaded(path: Path, labels: list[str] | None = None, preprocessing: dict | None = None, **options: object) -> Data:
    fields = {
        key: options.pop(key)
        for key in ("test", "valid", "group_by", "unknown", "max_bad", "progress")
        if key in options
    }
    options = {"cache": path.parent / "cache", **options}
    return load(DataSpec(str(path), options=options, **fields), labels, preprocessing)  # type: ignore[arg-type]


def refused(path: Path, code: int = DATA, labels: list[str] | None = None, **options: object) -> str:
    preprocessing = (
        None if labels is None else {"size": [6, 6], "colour": "rgb", "fit": "crop", "mean": [0.5] * 3, "std": [1] * 3}
    )
    with pytest.raises(Problem) as caught:
        loaded(path, labels, preprocessing, **options)
    assert caught.value.code == code
    return str(caught.value)


def splits(data: Data) -> dict[str, list[str]]:
    return {split: list(getattr(data, split).names) for split in ("train", "valid", "test")}


def same(first: Data, second: Data) -> bool:
    pairs = [(getattr(first, split), getattr(second, split)) for split in ("train", "valid", "test")]
    return all(torch.equal(a.inputs, b.inputs) and torch.equal(a.targets, b.targets) for a, b in pairs)


# What load gives


def test_examples_are_the_pixels_of_their_files_with_their_labels(root: Path) -> None:
    """read and load agree, and the preprocessing is that of training."""
    dataset = loaded(root)
    for split in (dataset.train, dataset.valid, dataset.test):
        assert split.inputs.dtype == torch.uint8 and split.targets.dtype == torch.int64
        for pixels, target, name in zip(split.inputs, split.targets, split.names, strict=True):
            assert (
                torch.equal(pixels, read(FileInput(name), dataset.preprocessing))
                and Path(name).parent.name == dataset.labels[target]
            )
    share = dataset.train.inputs.double() / 255
    assert dataset.preprocessing["mean"] == pytest.approx(share.mean((0, 2, 3)).tolist(), abs=1e-5)
    assert dataset.preprocessing["std"] == pytest.approx(share.std((0, 2, 3), correction=0).tolist(), abs=1e-5)
    assert json.loads(json.dumps(dataset.preprocessing)) == dataset.preprocessing


def test_read_and_load_agree_on_photos_of_any_size(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / "set" / label).mkdir(parents=True)
        for k in range(4):
            values = np.random.default_rng(k).integers(0, 256, (10 + k, 17, 3), np.uint8)
            image = Image.fromarray(values).resize((400 + 60 * k, 300))
            exif = Image.Exif()
            exif[0x0112] = 6
            image.save(tmp_path / "set" / label / f"{k}.jpg", exif=exif)
            image.convert("L").save(tmp_path / "set" / label / f"{k}.webp")
    for fit in ("crop", "stretch", "pad"):
        dataset = loaded(tmp_path / "set", size=40, fit=fit)
        for pixels, name in zip(dataset.train.inputs, dataset.train.names, strict=True):
            assert torch.equal(pixels, read(FileInput(name), dataset.preprocessing))
            assert torch.equal(pixels, read(BytesInput(Path(name).read_bytes()), dataset.preprocessing))


SIZES = [
    ([(6, 6), (6, 6)], {}, [6, 6]),
    ([(5, 9), (5, 9)], {}, [5, 9]),
    ([(6, 6), (7, 6)], {}, [96, 96]),
    ([(100, 100), (100, 100)], {}, [96, 96]),
    ([(6, 6), (6, 6)], {"size": 12}, [12, 12]),
    ([(6, 6), (7, 6)], {"size": "9"}, [9, 9]),
]


@pytest.mark.parametrize(("sizes", "options", "expected"), SIZES)
def test_small_pictures_of_one_size_keep_it_all_others_become_square(
    tmp_path: Path, sizes: list[tuple[int, int]], options: dict[str, object], expected: list[int]
) -> None:
    for label, size in zip("ab", sizes, strict=True):
        files(tmp_path / "set", label, count=4, size=size)
    assert loaded(tmp_path / "set", **options).preprocessing["size"] == expected


@pytest.mark.parametrize(("colour", "expected"), [("auto", "rgb"), ("rgb", "rgb"), ("grey", "grey")])
def test_one_picture_in_colour_makes_all_rgb(tmp_path: Path, colour: str, expected: str) -> None:
    root = files(tmp_path / "set", "a", "b", grey=True)
    assert loaded(root).preprocessing["colour"] == "grey"
    (root / "b" / "last.png").write_bytes(png(5))
    dataset = loaded(root, colour=colour)
    assert dataset.preprocessing["colour"] == expected and dataset.train.inputs.shape[1] == (
        1 if expected == "grey" else 3
    )


def test_a_cache_of_requested_preprocessing_is_not_used_for_the_detected_one(tmp_path: Path) -> None:
    """The first picture is 6x6 and grey, the others are not: a cache of that kind must not be used for all."""
    root = files(tmp_path / "set", "a", "b", size=(9, 9))
    (root / "a" / "0.png").write_bytes(png(0, (6, 6), grey=True))
    assert loaded(root, size=6, colour="grey").preprocessing["size"] == [6, 6]
    dataset = loaded(root)
    assert dataset.preprocessing["size"] == [96, 96] and dataset.preprocessing["colour"] == "rgb"


def test_unknown_options_name_the_known_ones(root: Path) -> None:
    assert "colr is not an option of vision" in refused(root, USAGE, colr="rgb")
    assert "did you mean colour" in refused(root, USAGE, colr="rgb")
    assert "fit corp is not known; it can be crop, stretch, pad" in refused(root, USAGE, fit="corp")
    assert "size 0 is not a picture's side" in refused(root, USAGE, size=0)
    assert "size 1.5 is not a picture's side" in refused(root, USAGE, size=1.5)


def test_progress_is_reported_to_the_end(root: Path) -> None:
    message: list[tuple[int, int | None]] = []
    loaded(root, progress=lambda count, total: message.append((count, total)))
    assert message[-1] == (40, 40)


# Parts


def test_equal_pictures_are_in_one_split(root: Path) -> None:
    for k in range(20):
        shutil.copy(root / "a" / f"{k}.png", root / "a" / f"copy of {k}.png")
    sides = splits(loaded(root))
    numbers = {
        split: {name.rsplit("/", 2)[1] + Path(name).stem.split()[-1] for name in names}
        for split, names in sides.items()
    }
    assert not (
        numbers["train"] & numbers["test"] or numbers["train"] & numbers["valid"] or numbers["valid"] & numbers["test"]
    )


def test_adding_pictures_moves_no_others(tmp_path: Path) -> None:
    """If every class has members in every split, a larger set keeps each picture in its split."""
    before = splits(loaded(files(tmp_path / "set", "a", "b", count=80)))
    files(tmp_path / "set", "a", "b", count=100)
    after = splits(loaded(tmp_path / "set"))
    assert all(set(before[split]) <= set(after[split]) for split in before)


def test_group_by_a_regular_expression_keeps_a_group_in_one_split(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / "set" / label).mkdir(parents=True)
        for k in range(60):
            (tmp_path / "set" / label / f"p{k // 4}_{k}.png").write_bytes(png(k + 1000 * (label == "b")))
    sides = splits(loaded(tmp_path / "set", group_by=r"/(p\d+)_"))
    groups = {split: {Path(name).name.split("_")[0] for name in names} for split, names in sides.items()}
    assert not (
        groups["train"] & groups["test"] or groups["train"] & groups["valid"] or groups["valid"] & groups["test"]
    )
    assert "speaker is no column of a table, and in no path such as" in refused(
        tmp_path / "set", USAGE, group_by="speaker"
    )
    assert "is not a regular expression" in refused(tmp_path / "set", USAGE, group_by="(")


def test_the_validation_split_has_a_maximal_size() -> None:
    assert manifest.valid_share(1000) == 0.1 and manifest.valid_share(100_000) * 100_000 == pytest.approx(2500)


def test_a_class_with_one_picture_stays_in_training_and_is_named(root: Path) -> None:
    (root / "c").mkdir()
    (root / "c" / "only.png").write_bytes(png(9999))
    dataset = loaded(root)
    assert any(name.endswith("only.png") for name in dataset.train.names)
    assert any("single picture" in remark and remark.endswith(" c") for remark in dataset.remarks)


def test_pictures_in_two_splits_of_the_data_are_counted(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "train/a", "train/b", "test/a", "test/b")
    shutil.copy(root / "train" / "a" / "1.png", root / "test" / "a" / "again.png")
    assert any(remark.startswith("1 picture in more than one split") for remark in loaded(root).remarks)


def test_one_class_only_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "decode_set", lambda *_: pytest.fail("decoded"))
    message = refused(files(tmp_path / "set", "cats"))
    assert "holds one class, cats (20 pictures); expected two or more" in message


def test_a_set_without_training_pictures_is_refused(tmp_path: Path) -> None:
    assert "holds no pictures for training" in refused(files(tmp_path / "set", "test/a", "test/b"))


# Labels, by name


def test_labels_of_a_model_are_matched_by_name(tmp_path: Path) -> None:
    """A model with more labels in another order gets its indices."""
    trained = loaded(files(tmp_path / "set", "cats", "dogs", "owls", grey=True), size=8, fit="pad")
    known = ["owls", "horses", "cats", "dogs"]
    dataset = loaded(files(tmp_path / "new", "test/dogs", "test/owls"), known, trained.preprocessing)
    assert dataset.labels == known and set(dataset.test.targets.tolist()) == {0, 3}
    assert dataset.preprocessing == trained.preprocessing and dataset.test.inputs.shape == (40, 1, 8, 8)
    assert all(known[target] in name for target, name in zip(dataset.test.targets, dataset.test.names, strict=True))


def test_evaluation_accepts_one_class_and_no_training_split(tmp_path: Path) -> None:
    preprocessing = loaded(files(tmp_path / "set", "a", "b")).preprocessing
    assert len(loaded(files(tmp_path / "one", "test/a"), ["a", "b"], preprocessing).test) == 20
    assert (
        sum(len(names) for names in splits(loaded(files(tmp_path / "flat", "b"), ["a", "b"], preprocessing)).values())
        == 20
    )


def test_an_unknown_label_is_refused_or_skipped(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "train/cats", "train/dogs", "test/cats", "test/dosg")
    message = refused(root)
    assert "training does not know the label dosg (20 pictures); it knows cats, dogs" in message
    assert "did you mean dogs" in message and "--unknown skip leaves such pictures out" in message
    dataset = loaded(root, unknown="skip")
    assert len(dataset.test) == 20 and dataset.labels == ["cats", "dogs"]
    assert "left out 20 pictures with a label that is not known: dosg" in dataset.remarks
    assert "the model does not know the labels dogs (20 pictures), dosg" in refused(root, labels=["cats", "mice"])


def test_unknown_labels_are_refused_also_with_a_cache(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "a", "b")
    loaded(root)
    assert "the model does not know the label b" in refused(root, labels=["a", "c"])
    preprocessing = loaded(root).preprocessing
    dataset = loaded(root, ["a", "c"], preprocessing, unknown="skip")
    assert sum(len(names) for names in splits(dataset).values()) == 20


def test_skipping_all_labels_is_refused(root: Path) -> None:
    assert "the model does not know the labels a (20 pictures), b" in refused(root, labels=["x", "y"], unknown="skip")


def test_a_test_split_with_fewer_classes_is_accepted(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "train/a", "train/b", "train/c", "test/b")
    dataset = loaded(root)
    assert set(dataset.test.targets.tolist()) == {1} and dataset.labels == ["a", "b", "c"]


# Bad files


def test_bad_files_are_skipped_and_named_with_their_reasons(root: Path) -> None:
    jpeg = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)).save(jpeg, "JPEG")
    (root / "a" / "cut.jpg").write_bytes(jpeg.getvalue()[:1500])
    (root / "a" / "text.png").write_text("not a picture\n")
    (root / "b" / "none.png").touch()
    (root / "b" / "broken.png").symlink_to(root / "nowhere")
    (root / "b" / "bomb.png").write_bytes(bomb())
    dataset = loaded(root, max_bad=0.2)
    reasons = {Path(bad.file).name: bad.reason for bad in dataset.bad}
    assert reasons["cut.jpg"].startswith("breaks off") and reasons["text.png"].startswith("holds text")
    assert reasons["none.png"] == "is empty (0 bytes)" and reasons["broken.png"] == "is a link that points to nothing"
    assert reasons["bomb.png"].startswith("has more than 178 million pixels")
    assert len(dataset.bad) == 5 and sum(len(names) for names in splits(dataset).values()) == 40
    message = refused(root)
    assert (
        "5 of 45 files cannot be used, more than --max-bad 5%" in message and "none.png is empty (0 bytes)" in message
    )


def bomb() -> bytes:
    file = io.BytesIO()
    Image.new("L", (1, 1)).save(file, "BMP")
    return file.getvalue()[:18] + (30_000).to_bytes(4, "little") * 2 + file.getvalue()[26:]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_bad(root: Path) -> None:
    (root / "a" / "0.png").chmod(0)
    assert [bad.reason for bad in loaded(root).bad] == ["may not be read (permission denied)"]
    (root / "a" / "0.png").chmod(0o644)
    assert not loaded(root).bad  # the permissions count as a change


def test_a_set_of_bad_files_only_is_refused(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / "set" / label).mkdir(parents=True)
        (tmp_path / "set" / label / "x.png").touch()
    for share in (0.05, 1.0):
        message = refused(tmp_path / "set", max_bad=share)
        assert "not one of 2 files in " in message and "x.png is empty (0 bytes)" in message


def test_a_class_without_usable_training_pictures_is_not_evaluated(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "train/a", "train/b", "test/a", "test/c")
    (root / "train" / "c").mkdir()
    (root / "train" / "c" / "x.png").touch()
    assert "training does not know the label c" in refused(root)


# The cache


def decodes(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Returns a list to which every decoded file is added."""
    decoded: list[object] = []
    real = build.decode
    monkeypatch.setattr(build, "decode", lambda content, form: decoded.append(content) or real(content, form))
    return decoded


def test_pictures_are_decoded_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = loaded(root)
    decoded = decodes(monkeypatch)
    assert same(first, loaded(root)) and not decoded
    assert same(first, loaded(root, first.labels, first.preprocessing)) and not decoded
    loaded(root, size=7)
    assert len(decoded) == 40


@pytest.mark.parametrize("change", ["content", "new", "gone", "renamed", "date"])
def test_a_changed_file_makes_a_cache_stale(root: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    loaded(root)
    file = root / "a" / "0.png"
    if change == "content":
        file.write_bytes(png(77, (6, 6)))
    elif change == "new":
        (root / "a" / "new.png").write_bytes(png(77))
    elif change == "gone":
        file.unlink()
    elif change == "renamed":
        file.rename(root / "b" / "from a.png")
    else:
        os.utime(file, (1, 1))
    decoded = decodes(monkeypatch)
    loaded(root)
    assert decoded


@pytest.mark.parametrize("damage", ["short", "no index", "bad index", "no array"])
def test_a_damaged_cache_is_built_again(root: Path, damage: str) -> None:
    first = loaded(root)
    expected = [split.inputs.clone() for split in (first.train, first.valid, first.test)]
    (folder,) = [path for path in (root.parent / "cache" / "vision").iterdir() if path.is_dir()]
    if damage == "short":
        os.truncate(folder / "inputs.npy", 500)
    elif damage == "bad index":
        (folder / "index.json").write_text("{")
    else:
        (folder / ("index.json" if damage == "no index" else "inputs.npy")).unlink()
    dataset = loaded(root)
    assert all(
        torch.equal(a, b.inputs) for a, b in zip(expected, (dataset.train, dataset.valid, dataset.test), strict=True)
    )


def test_a_killed_run_leaves_no_incomplete_cache(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed by SIGKILL while writing; the next run builds the cache again and removes old files later."""
    process = multiprocessing.get_context("spawn").Process(target=die_while_decoding, args=(root,))
    process.start()
    process.join()
    assert process.exitcode == 9
    left = list((root.parent / "cache" / "vision").iterdir())
    assert left and all(path.name.startswith(cache.BUILDING) for path in left)
    loaded(root)
    os.utime(left[0], (time.time() - 2 * cache.ABANDONED,) * 2)
    loaded(root, size=7)
    assert not left[0].exists()


def die_while_decoding(root: Path) -> None:
    loaded(root, progress=lambda count, total: os._exit(9))


def test_two_runs_at_once_end_with_one_cache(root: Path) -> None:
    dataset: list[Data] = []
    threads = [threading.Thread(target=lambda: dataset.append(loaded(root))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(dataset) == 4 and all(same(dataset[0], entry) for entry in dataset)
    assert len([path for path in (root.parent / "cache" / "vision").iterdir() if path.is_dir()]) == 1


def test_a_full_disk_is_reported_before_anything_is_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(root)._replace(free=1000)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: usage)
    message = refused(root, FAILED)
    assert "the disk is full: the decoded pictures need" in message and str(root.parent / "cache") in message
    assert not list((root.parent / "cache" / "vision").iterdir())


def test_a_disk_that_fills_up_leaves_no_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(build, "write_array", fill)
    assert "the disk is full" in refused(root, FAILED)
    assert not list((root.parent / "cache" / "vision").iterdir())


def test_a_cache_that_cannot_be_written_is_replaced_by_a_temporary_one(root: Path) -> None:
    (root.parent / "file").touch()
    dataset = loaded(root, cache=root.parent / "file")
    assert len(dataset.train) and any("cannot be written to" in remark for remark in dataset.remarks)


def test_the_environment_sets_the_folder_of_the_cache(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEOCOG_CACHE", str(root.parent / "mine"))
    load(DataSpec(str(root)), None, None)
    assert list((root.parent / "mine" / "vision").iterdir())
    monkeypatch.delenv("NEOCOG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(root.parent / "xdg"))
    load(DataSpec(str(root)), None, None)
    assert list((root.parent / "xdg" / "neocog" / "vision").iterdir())


def test_every_spelling_of_a_path_uses_one_cache(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`set` and `/home/me/set` are one place; names are spelt in full."""
    loaded(root)
    monkeypatch.chdir(root.parent)
    dataset = load(DataSpec("set", options={"cache": "cache"}), None, None)
    assert all(name.startswith(f"{root}/") and Path(name).exists() for name in dataset.train.names)
    assert len([path for path in (root.parent / "cache" / "vision").iterdir() if path.is_dir()]) == 1


def test_the_array_is_mapped_and_writing_to_it_changes_no_file(root: Path) -> None:
    dataset = loaded(root)
    before = dataset.train.inputs.clone()
    dataset.train.inputs.zero_()
    assert torch.equal(loaded(root).train.inputs, before)


def test_a_model_gives_other_pictures_the_scale_of_its_channels(root: Path) -> None:
    """Weights expect the normalisation that they were trained with, not that of the new pictures."""
    scale = {"mean": [0.5, 0.25, 0.125], "std": [0.5, 0.25, 1.0]}
    preprocessing = {"size": [9, 9], "colour": "rgb", "fit": "pad", **scale}
    assert loaded(root, **form(preprocessing)).preprocessing == preprocessing
    grey = loaded(root, **{**form(preprocessing), "colour": "grey"}).preprocessing
    assert len(grey["mean"]) == 1 and grey["mean"] != scale["mean"][:1]


def test_grey_pictures_for_a_model_of_colours_are_converted_and_named(tmp_path: Path) -> None:
    scale = {"mean": [0.5] * 3, "std": [0.5] * 3}
    preprocessing = {"size": [6, 6], "colour": "rgb", "fit": "crop", **scale}
    remark = "the pictures are grey, the model takes colours: it gets them as three equal channels"
    grey = loaded(photos.files(tmp_path / "grey", "a", "b", grey=True), **form(preprocessing))
    assert remark in grey.remarks and (grey.train.inputs == grey.train.inputs[:, :1]).all()
    colour = loaded(photos.files(tmp_path / "colour", "a", "b"), **form(preprocessing))
    assert remark not in colour.remarks


@pytest.mark.parametrize("scale", [{"mean": [0.5]}, {"mean": 0.5, "std": [1]}, {"mean": [0, 0], "std": [1]}])
def test_a_scale_has_a_mean_and_a_std_for_each_channel(scale: dict[str, object], root: Path) -> None:
    assert "number for each channel" in refused(root, USAGE, **scale)
