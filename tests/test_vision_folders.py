"""DATA as folders of pictures: folders decide labels and splits, with links and unusual names."""

import os
from pathlib import Path

import pytest
from neocog.core.problem import USAGE
from neocog.core.sources import folder
from neocog.core.sources.layout import label_by_folder
from neocog.core.sources.source import natural
from photos import counts, files, loaded, png, refused


def test_a_folder_per_class_is_split_by_content(tmp_path: Path) -> None:
    data = loaded(files(tmp_path / "set", "cats", "dogs", count=60), tmp_path)
    assert data.labels == ["cats", "dogs"] and data.given_splits == frozenset()
    assert sum(counts(data).values()) == 120 and min(counts(data).values()) > 4


def test_existing_splits_are_used(tmp_path: Path) -> None:
    root = files(tmp_path / "set", *(f"{split}/{label}" for split in ("Train", "val", "test") for label in "ab"))
    data = loaded(root, tmp_path)
    assert counts(data) == {"train": 12, "valid": 12, "test": 12} and data.given_splits == {"valid", "test"}
    assert all("/val/" in name for name in data.valid.names) and all("/test/" in name for name in data.test.names)


def test_a_val_folder_without_a_test_folder_is_the_test(tmp_path: Path) -> None:
    data = loaded(files(tmp_path / "set", "train/a", "train/b", "val/a", "val/b"), tmp_path)
    assert data.given_splits == {"test"} and all("/val/" in name for name in data.test.names) and len(data.valid)
    assert any("its validation split is used as the test split" in remark for remark in data.remarks)


def test_test_and_valid_may_be_separate_folders(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "train/a", "train/b", "test/a", "test/b")
    separate = files(tmp_path / "other", "a", "b", count=3)
    data = loaded(root, tmp_path, test=str(separate))
    assert all(name.startswith(str(separate)) for name in data.test.names) and len(data.test) == 6
    assert any("12 pictures for test" in remark and "not used" in remark for remark in data.remarks)
    data = loaded(files(tmp_path / "flat", "a", "b"), tmp_path, valid=str(separate))
    assert len(data.valid) == 6 and data.given_splits == {"valid"} and len(data.test)


def test_a_class_may_be_called_train_or_test(tmp_path: Path) -> None:
    assert loaded(files(tmp_path / "set", "train", "plane", "test"), tmp_path).labels == ["plane", "test", "train"]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a/1.png", "b/2.png"], [("a", None), ("b", None)]),
        (["a/deep/1.png", "b/2.png"], [("a", None), ("b", None)]),
        (["set/a/1.png", "set/b/2.png"], [("a", None), ("b", None)]),
        (["x/y/train/a/1.png", "x/y/test/a/2.png"], [("a", "test"), ("a", "train")]),
        (["test/a/1.png"], [("a", "test")]),
        (["only/1.png"], [("only", None)]),
        (["train/a/1.png", "train/b/1.png", "stray/2.png"], [("a", "train"), ("b", "train")]),
        (["1.png", "2.png"], []),
    ],
)
def test_folders_give_label_and_split(paths: list[str], expected: list[tuple[str, str | None]]) -> None:
    samples, outside = label_by_folder((path, tuple(path.split("/"))) for path in paths)
    assert [(sample.label, sample.split) for sample in samples] == expected
    assert outside == len(paths) - len(expected)


def test_names_of_any_script_and_the_two_spellings_of_an_accent_work(tmp_path: Path) -> None:
    root = files(tmp_path / "meine Fotos ü", "café", "cafe\u0301", "日本 語")
    data = loaded(root, tmp_path)
    assert data.labels == ["café", "日本 語"] and sum(counts(data).values()) == 18


def test_a_loop_of_links_ends_and_a_linked_file_counts(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "a", "b")
    (root / "a" / "again").symlink_to(root)
    (root / "a" / "itself").symlink_to(root / "a" / "itself")
    (tmp_path / "elsewhere.png").write_bytes(png(99))
    (root / "b" / "linked.png").symlink_to(tmp_path / "elsewhere.png")
    assert sum(counts(loaded(root, tmp_path)).values()) == 13


def test_a_linked_class_folder_never_replaces_a_real_one(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "cats", "dogs")
    files(tmp_path / "far", "birds")
    (root / "birds").symlink_to(tmp_path / "far" / "birds")
    (root / "aaa").symlink_to(root / "cats")
    assert loaded(root, tmp_path).labels == ["birds", "cats", "dogs"]


def test_a_folder_that_may_not_be_read_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = files(tmp_path / "set", "a", "b", "closed", count=20)
    scan = os.scandir

    def refuse(path: os.PathLike[str]) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(folder.os, "scandir", refuse)
    data = loaded(root, tmp_path)
    assert [(Path(bad.file).name, bad.reason) for bad in data.bad] == [
        ("closed", "may not be read (permission denied)")
    ]


def test_other_files_are_skipped_and_counted(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "a", "b")
    for name in ("a/notes.txt", "a/.DS_Store", "b/Thumbs.db", "list.json", "a/photo.psd"):
        (root / name).write_text("x")
    (root / "loose.png").write_bytes(png(7))
    data = loaded(root, tmp_path)
    assert sum(counts(data).values()) == 12 and not data.bad
    assert any(remark.startswith("left out 5 files") and ".psd" in remark for remark in data.remarks)
    assert "left out 1 picture outside any class folder" in data.remarks


def test_an_empty_folder_and_one_without_classes_name_the_expected_layout(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty holds nothing; expected a folder with one folder per class" in refused(tmp_path / "empty", tmp_path)
    assert "holds 6 pictures but no folder per class" in refused(files(tmp_path / "flat", "."), tmp_path)
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "set.tar.gz").touch()
    path = tmp_path / "packed" / "set.tar.gz"
    assert refused(tmp_path / "packed", tmp_path).endswith(
        f"; it holds the archive set.tar.gz: name it as the data, {path}"
    )


def test_a_misspelt_path_suggests_a_similar_one(tmp_path: Path) -> None:
    files(tmp_path / "photos", "a", "b")
    message = refused(tmp_path / "photso", tmp_path, USAGE)
    assert "photso does not exist" in message and "did you mean photos" in message
    assert "there is no" in refused(tmp_path / "photso" / "a", tmp_path, USAGE)
    assert "did you mean mnist" in refused("mnits", tmp_path, USAGE)
    assert "nowhere does not exist" in refused(tmp_path / "photos", tmp_path, USAGE, test=str(tmp_path / "nowhere"))


def test_a_single_file_is_not_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    (tmp_path / "a.doc").write_bytes(b"x")
    assert "is one picture; expected" in refused(tmp_path / "a.png", tmp_path)
    assert "is not a kind of data" in refused(tmp_path / "a.doc", tmp_path)


def test_natural_order_counts() -> None:
    assert sorted(["10", "9", "a10", "a9", "b"], key=natural) == ["9", "10", "a9", "a10", "b"]
