"""The command check: it decodes every picture completely and reports what training would find."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from neocog.core.data import DataSpec
from neocog.core.problem import Problem
from neocog.vision.check import check
from neocog.vision.data import load
from PIL import Image


def picture(path: Path, seed: int, size: tuple[int, int] = (12, 8), mode: str = "RGB", turn: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(values).convert(mode).save(path, exif=exif)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split, count in (("train", 20), ("test", 5)):
        for number, label in enumerate(("cats", "dogs")):
            for k in range(count):
                picture(tmp_path / "set" / split / label / f"{k}.png", 100 * number + k + 1000 * (split == "test"))
    return tmp_path / "set"


def checked(root: Path, **source: object) -> dict:
    report = check(DataSpec(str(root), options={"cache": root.parent / "cache"}, **source))  # type: ignore[arg-type]
    assert json.loads(json.dumps(report)) == report
    return report


def test_counts_equal_those_of_training(root: Path) -> None:
    report = checked(root)
    assert report["examples"] == 50 and report["labels"] == {"cats": 25, "dogs": 25} and report["problems"] == []
    data = load(DataSpec(str(root), options={"cache": root.parent / "cache"}), None, None)
    assert report["splits"] == {split: len(getattr(data, split)) for split in ("train", "valid", "test")}


def test_sizes_modes_formats_and_ignored_files(root: Path) -> None:
    picture(root / "train" / "cats" / "large.jpg", 1, (40, 30))
    picture(root / "train" / "cats" / "grey.png", 2, (2, 3), "L")
    (root / "train" / "cats" / "notes.txt").touch()
    report = checked(root)
    assert report["sizes"] == {"smallest": [2, 3], "largest": [40, 30], "median": [12, 8]}
    assert report["modes"] == {"RGB": 51, "L": 1} and report["formats"] == {"PNG": 51, "JPEG": 1}
    assert report["ignored"] == 1


def test_rotated_pictures_are_named_and_measured_upright(root: Path) -> None:
    picture(root / "train" / "cats" / "held.jpg", 1, (30, 20), turn=6)
    report = checked(root)
    assert [Path(name).name for name in report["rotated"]] == ["held.jpg"] and report["sizes"]["largest"] == [20, 30]


def test_truncated_and_empty_files_are_found(root: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)).save(file, "JPEG")
    (root / "train" / "cats" / "cut.jpg").write_bytes(file.getvalue()[:900])
    (root / "train" / "dogs" / "none.png").touch()
    report = checked(root, max_bad=0.01)
    assert {Path(bad["file"]).name: bad["reason"].split(":")[0] for bad in report["bad"]} == {
        "cut.jpg": "breaks off",
        "none.png": "is empty (0 bytes)",
    }
    assert any("2 of 52 files cannot be used, more than --max-bad 1%" in problem for problem in report["problems"])


def test_duplicates_within_and_across_splits_and_labels_are_listed(root: Path) -> None:
    shutil.copy(root / "train/cats/0.png", root / "train/cats/within.png")
    shutil.copy(root / "train/cats/1.png", root / "test/cats/across.png")
    shutil.copy(root / "test/cats/2.png", root / "test/dogs/contradicting.png")
    report = checked(root)
    duplicates = {Path(twin["files"][-1]).name: twin for twin in report["duplicates"]} | {
        Path(twin["files"][0]).name: twin for twin in report["duplicates"]
    }
    assert len(report["duplicates"]) == 3
    assert not duplicates["within.png"]["across"] and duplicates["within.png"]["labels"] == ["cats"]
    assert duplicates["across.png"]["across"]
    assert duplicates["contradicting.png"]["labels"] == ["cats", "dogs"]
    assert any("more than one label" in problem for problem in report["problems"])
    assert any("more than one split" in problem for problem in report["problems"])


def test_refusals_of_training_are_problems_of_the_report(tmp_path: Path, root: Path) -> None:
    picture(root / "test" / "birds" / "0.png", 5)
    assert any("training does not know the label birds" in problem for problem in checked(root)["problems"])
    for k in range(3):
        picture(tmp_path / "one" / "cats" / f"{k}.png", k)
    assert any("holds one class, cats" in problem for problem in checked(tmp_path / "one")["problems"])


def test_imbalanced_and_single_classes_are_reported(root: Path) -> None:
    picture(root / "train" / "owls" / "0.png", 77)
    problems = checked(root)["problems"]
    assert any("single picture" in problem and "owls" in problem for problem in problems)
    assert any("cats has 25 pictures, owls 1" in problem for problem in problems)


def test_check_raises_only_without_any_data(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="does not exist"):
        checked(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Problem, match="holds nothing"):
        checked(tmp_path / "empty")


def test_arrays_are_checked_like_files(tmp_path: Path) -> None:
    report = check(DataSpec("digits", options={"cache": tmp_path}))
    assert report["examples"] == 1797 and report["formats"] == {"array": 1797} and report["modes"] == {"L": 1797}
    assert report["sizes"]["median"] == [32, 32] and list(report["labels"]) == list("0123456789")
