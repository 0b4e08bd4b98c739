"""What DATA may be: folders, archives, tables, IDX files, CIFAR-10 batches, names; each read safely and by name."""

import gzip
import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from neocog.core.domain import Data, Source
from neocog.core.problem import DATA, USAGE, Problem
from neocog.core.sources import folder
from neocog.core.sources.listing import natural, place
from neocog.vision import datasets
from neocog.vision.data import load
from neocog.vision.pickled import Refused, array_of, read_pickle
from PIL import Image

SHARED = Path(__file__).parents[2] / "shared" / "data" / "vision"


def shared(name: str) -> Path:
    if not (SHARED / name).exists():
        pytest.skip(f"shared/data/vision/{name} is not here")
    return SHARED / name


def png(seed: int, size: tuple[int, int] = (6, 6)) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def files(root: Path, *folders: str, each: int = 6) -> Path:
    """Some pictures in each of the folders, no two alike."""
    for number, name in enumerate(folders):
        (root / name).mkdir(parents=True, exist_ok=True)
        for k in range(each):
            (root / name / f"{k}.png").write_bytes(png(1000 * number + k))
    return root


def loaded(path: Path | str, tmp_path: Path, **source: object) -> Data:
    return load(Source(str(path), options={"cache": tmp_path / "cache"}, **source), None, None)  # type: ignore[arg-type]


def refused(path: Path | str, tmp_path: Path, code: int = DATA, **source: object) -> str:
    with pytest.raises(Problem) as caught:
        loaded(path, tmp_path, **source)
    assert caught.value.code == code
    return str(caught.value)


def counts(data: Data) -> dict[str, int]:
    return {part: len(getattr(data, part)) for part in ("train", "valid", "test")}


# Folders


def test_a_folder_per_class_is_divided_by_content(tmp_path: Path) -> None:
    data = loaded(files(tmp_path / "set", "cats", "dogs", each=60), tmp_path)
    assert data.labels == ["cats", "dogs"] and data.given == frozenset()
    assert sum(counts(data).values()) == 120 and min(counts(data).values()) > 4


def test_parts_that_are_there_are_used_as_given(tmp_path: Path) -> None:
    root = files(tmp_path / "set", *(f"{part}/{label}" for part in ("Train", "val", "test") for label in "ab"))
    data = loaded(root, tmp_path)
    assert counts(data) == {"train": 12, "valid": 12, "test": 12} and data.given == {"valid", "test"}
    assert all("/val/" in name for name in data.valid.names) and all("/test/" in name for name in data.test.names)


def test_a_val_folder_without_a_test_folder_is_the_test(tmp_path: Path) -> None:
    data = loaded(files(tmp_path / "set", "train/a", "train/b", "val/a", "val/b"), tmp_path)
    assert data.given == {"test"} and all("/val/" in name for name in data.test.names) and len(data.valid)
    assert any("its validation part is the test" in remark for remark in data.remarks)


def test_test_and_valid_are_folders_of_their_own_where_they_are_named(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "train/a", "train/b", "test/a", "test/b")
    other = files(tmp_path / "other", "a", "b", each=3)
    data = loaded(root, tmp_path, test=str(other))
    assert all(name.startswith(str(other)) for name in data.test.names) and len(data.test) == 6
    assert any("12 pictures for test" in remark and "not used" in remark for remark in data.remarks)
    data = loaded(files(tmp_path / "flat", "a", "b"), tmp_path, valid=str(other))
    assert len(data.valid) == 6 and data.given == {"valid"} and len(data.test)


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
def test_folders_say_label_and_part(paths: list[str], expected: list[tuple[str, str | None]]) -> None:
    items, outside = place((path, tuple(path.split("/"))) for path in paths)
    assert [(item.label, item.part) for item in items] == expected
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


def test_a_linked_class_folder_counts_and_never_takes_the_place_of_a_real_one(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "cats", "dogs")
    files(tmp_path / "far", "birds")
    (root / "birds").symlink_to(tmp_path / "far" / "birds")
    (root / "aaa").symlink_to(root / "cats")
    assert loaded(root, tmp_path).labels == ["birds", "cats", "dogs"]


def test_a_folder_that_may_not_be_read_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = files(tmp_path / "set", "a", "b", "closed", each=20)
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


def test_files_that_are_no_pictures_are_left_out_and_counted(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "a", "b")
    for name in ("a/notes.txt", "a/.DS_Store", "b/Thumbs.db", "list.json", "a/photo.heic"):
        (root / name).write_text("x")
    (root / "loose.png").write_bytes(png(7))
    data = loaded(root, tmp_path)
    assert sum(counts(data).values()) == 12 and not data.bad
    assert any(remark.startswith("left out 5 files") and ".heic" in remark for remark in data.remarks)
    assert "left out 1 picture outside any class folder" in data.remarks


def test_an_empty_folder_and_one_without_classes_say_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty holds nothing; expected a folder with one folder per class" in refused(tmp_path / "empty", tmp_path)
    assert "holds 6 pictures but no folder per class" in refused(files(tmp_path / "flat", "."), tmp_path)
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "set.tar.gz").touch()
    assert "give the archive itself" in refused(tmp_path / "packed", tmp_path)


def test_a_misspelt_path_is_called_that(tmp_path: Path) -> None:
    files(tmp_path / "photos", "a", "b")
    said = refused(tmp_path / "photso", tmp_path, USAGE)
    assert "photso does not exist" in said and "did you mean photos" in said
    assert "there is no" in refused(tmp_path / "photso" / "a", tmp_path, USAGE)
    assert "did you mean mnist" in refused("mnits", tmp_path, USAGE)
    assert "nowhere does not exist" in refused(tmp_path / "photos", tmp_path, USAGE, test=str(tmp_path / "nowhere"))


def test_a_single_picture_or_another_file_is_not_a_data_set(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    (tmp_path / "a.doc").write_bytes(b"x")
    assert "is one picture; expected" in refused(tmp_path / "a.png", tmp_path)
    assert "is not a kind of data" in refused(tmp_path / "a.doc", tmp_path)


# Archives


def zipped(root: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*")):
            archive.write(file, file.relative_to(root.parent))
    return path


def tarred(root: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        archive.add(root, "./" + root.name)
    return path


@pytest.mark.parametrize("name", ["set.zip", "set.tar", "set.tar.gz", "set.tgz"])
def test_an_archive_gives_what_its_folder_gives(tmp_path: Path, name: str) -> None:
    root = files(tmp_path / "set", "train/ä b", "train/c", "test/ä b", "test/c")
    (root / "train" / ".hidden").touch()
    path = (zipped if name.endswith("zip") else tarred)(root, tmp_path / name)
    unpacked, packed = loaded(root, tmp_path), loaded(path, tmp_path)
    assert packed.labels == unpacked.labels == ["c", "ä b"] and packed.facts == unpacked.facts
    for part in ("train", "valid", "test"):
        ours, theirs = getattr(packed, part), getattr(unpacked, part)
        assert (ours.inputs == theirs.inputs).all() and (ours.targets == theirs.targets).all()
    assert packed.test.names[0].startswith(f"{path}!") and packed.test.names[0].endswith("set/test/c/0.png")


def test_an_archive_is_not_left_and_its_links_are_not_followed(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "a", "b")
    path = tarred(root, tmp_path / "set.tar")
    with tarfile.open(path, "a") as archive:
        for name in ("../a/out.png", "/a/absolute.png", "__MACOSX/a/x.png"):
            info = tarfile.TarInfo(name)
            info.size = len(png(5))
            archive.addfile(info, io.BytesIO(png(5)))
        link = tarfile.TarInfo("set/a/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    data = loaded(path, tmp_path)
    assert sum(counts(data).values()) == 12 and data.labels == ["a", "b"]
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", ["set.zip", "set.tar.gz", "set.tar"])
def test_an_archive_that_breaks_off_is_never_taken_for_a_smaller_one(tmp_path: Path, name: str) -> None:
    root = files(tmp_path / "set", "a", "b", each=20)
    path = (zipped if name.endswith("zip") else tarred)(root, tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    said = refused(path, tmp_path)
    assert "is damaged or breaks off" in said and "again" in said


def test_a_member_with_a_wrong_checksum_is_a_bad_file(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "a", "b", each=20)
    path = zipped(root, tmp_path / "set.zip")
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("set/a/3.png").header_offset + 60
    content[at] ^= 255
    path.write_bytes(content)
    data = loaded(path, tmp_path)
    assert (
        len(data.bad) == 1 and data.bad[0].file == f"{path}!set/a/3.png" and "cannot be unpacked" in data.bad[0].reason
    )


def test_the_cifar_archive_is_read_as_it_stands(tmp_path: Path) -> None:
    from neocog.vision.sources import origin

    listing = origin(str(shared("cifar10/cifar10-jpg.tar.gz")), tmp_path).listing(None)
    assert len(listing.items) == 60_000 and not listing.outside and not listing.bad
    assert sum(item.part == "test" and item.label == "frog" for item in listing.items) == 1000


# Tables


def table(tmp_path: Path, text: str, name: str = "list.csv", each: int = 6) -> Path:
    files(tmp_path, "p", "q", each=each)
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def rows(delimiter: str = ",") -> str:
    return "".join(f"{label}/{k}.png{delimiter}{label}\n" for label in "pq" for k in range(6))


@pytest.mark.parametrize("head", ["", "path,label\n", "\ufefffilename,class\n", "Image,Target\n"])
@pytest.mark.parametrize(("delimiter", "name"), [(",", "a.csv"), (";", "a.csv"), ("\t", "a.tsv")])
def test_a_table_of_path_and_label(tmp_path: Path, head: str, delimiter: str, name: str) -> None:
    data = loaded(table(tmp_path, head.replace(",", delimiter) + rows(delimiter), name), tmp_path)
    assert data.labels == ["p", "q"] and sum(counts(data).values()) == 12
    assert str(tmp_path / "p/0.png") in [*data.train.names, *data.valid.names, *data.test.names]


def test_columns_are_found_by_name_and_a_split_column_divides(tmp_path: Path) -> None:
    text = "id,label,split,file\n" + "".join(
        f"{k},{label},{['train', 'val', 'TEST'][k % 3]},{label}/{k}.png\n" for label in "pq" for k in range(6)
    )
    data = loaded(table(tmp_path, text), tmp_path)
    assert counts(data) == {"train": 4, "valid": 4, "test": 4} and data.given == {"valid", "test"}


def test_a_column_keeps_its_groups_on_one_side(tmp_path: Path) -> None:
    text = "path,label,patient\n" + "".join(f"{label}/{k}.png,{label},{k // 3}\n" for label in "pq" for k in range(30))
    data = loaded(table(tmp_path, text, each=30), tmp_path, group_by="patient")
    sides = {
        part: {int(Path(name).stem) // 3 for name in getattr(data, part).names} for part in ("train", "valid", "test")
    }
    assert not (sides["train"] & sides["test"] or sides["train"] & sides["valid"] or sides["valid"] & sides["test"])
    assert all(sides.values())


BAD_TABLES = [
    ("path,label\np/0.png,p\np/1.png\n", r"list\.csv:3 has 1 columns; expected 2"),
    ("path,label\np/0.png,p\np/1.png,p,extra\n", r"list\.csv:3 has 3 columns; expected 2"),
    (
        "path,label,split\np/0.png,p,train\np/1.png,p,dev\n",
        r"list\.csv:3 has the split 'dev'; expected train, valid or test",
    ),
    ("path,kind\np/0.png,p\n", r"list\.csv:1 has the columns path, kind; none of them is a label"),
    ("p/0.png\np/1.png\n", r"list\.csv:1 has one column; expected path and label"),
    ("", r"list\.csv is empty"),
]


@pytest.mark.parametrize(("text", "message"), BAD_TABLES)
def test_a_table_that_cannot_be_read_says_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(Problem, match=message):
        loaded(table(tmp_path, text), tmp_path)


def test_a_table_that_is_not_utf8_says_file_and_line(tmp_path: Path) -> None:
    path = table(tmp_path, rows())
    path.write_bytes(path.read_bytes() + b"p/0.png,caf\xe9\n")
    assert "list.csv:13 is not UTF-8" in refused(path, tmp_path)


def test_a_missing_file_is_a_bad_file_with_its_line(tmp_path: Path) -> None:
    path = table(tmp_path, "path,label\n" + rows() + "p/gone.png,p\np/1.png,\n")
    data = loaded(path, tmp_path, max_bad=0.5)
    assert [(Path(bad.file).name, bad.reason) for bad in data.bad] == [
        ("list.csv:14", "names p/gone.png, which does not exist"),
        ("list.csv:15", "has no label"),
    ]
    assert "list.csv:14 names p/gone.png" in refused(path, tmp_path)


# IDX


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


def mnist(root: Path, spelling: str = "-idx{}-ubyte", packed: bool = True) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", 40), ("t10k", 10)):
        images = np.random.default_rng(count).integers(0, 256, (count, 5, 4), np.uint8)
        for what, array, rank in (("images", images, 3), ("labels", np.arange(count, dtype=np.uint8) % 10, 1)):
            path = root / (part + "-" + what + spelling.format(rank) + (".gz" if packed else ""))
            path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    return root


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("spelling", ["-idx{}-ubyte", ".idx{}-ubyte"])
def test_a_folder_of_idx_files(tmp_path: Path, spelling: str, packed: bool) -> None:
    data = loaded(mnist(tmp_path / "m", spelling, packed), tmp_path)
    assert len(data.test) == 10 and data.given == {"test"} and data.labels == [str(digit) for digit in range(10)]
    assert data.facts["size"] == [5, 4] and data.facts["colour"] == "grey" and data.test.inputs.shape == (10, 1, 5, 4)
    images = np.random.default_rng(10).integers(0, 256, (10, 5, 4), np.uint8)
    assert (data.test.inputs[:, 0].numpy() == images).all() and data.test.names[3] == "t10k-images[3]"
    assert data.test.targets.tolist() == list(range(10))


def test_one_idx_file_with_its_labels_beside_it(tmp_path: Path) -> None:
    root = mnist(tmp_path / "m")
    train, test = str(root / "train-images-idx3-ubyte.gz"), str(root / "t10k-images-idx3-ubyte.gz")
    data = loaded(train, tmp_path, test=test)
    assert counts(data)["test"] == 10 and data.given == {"test"}
    (root / "t10k-labels-idx1-ubyte.gz").unlink()
    assert "has no labels file beside it; expected t10k-labels-idx1-ubyte.gz" in refused(test, tmp_path)


def test_fashion_has_names_where_the_folder_says_so(tmp_path: Path) -> None:
    assert loaded(mnist(tmp_path / "Fashion-MNIST"), tmp_path).labels == datasets.FASHION


def test_idx_files_that_are_not_whole_say_so(tmp_path: Path) -> None:
    root = mnist(tmp_path / "m", packed=False)
    images, labels = root / "train-images-idx3-ubyte", root / "train-labels-idx1-ubyte"
    content = images.read_bytes()
    images.write_bytes(content[:-7])
    assert "its head announces 816: it is not complete" in refused(root, tmp_path)
    images.write_bytes(gzip.compress(content)[:-9])
    assert "is damaged or breaks off" in refused(root, tmp_path)
    images.write_bytes(content)
    labels.write_bytes(idx(np.zeros(39, np.uint8)))
    assert "40 images, train-labels-idx1-ubyte 39 labels; they do not belong together" in refused(root, tmp_path)
    labels.write_bytes(content)
    assert "is not an IDX file of labels" in refused(root, tmp_path)


def test_mnist_is_read_as_published(tmp_path: Path) -> None:
    """The first images of the two parts show a 5 and a 7, and their pixels are known."""
    from neocog.vision.idx import idx_at

    found = idx_at(shared("mnist"))
    assert found is not None
    listing = found.listing(None)
    assert len(listing.items) == 70_000
    assert {item.name: item.label for item in listing.items if item.name.endswith("images[0]")} == {
        "train-images[0]": "5",
        "t10k-images[0]": "7",
    }


# CIFAR-10


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> object:
        return os.system, (f"touch {self.path}",)


def batch(count: int, seed: int, protocol: int = 2) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (count, 3072), np.uint8)
    return pickle.dumps({b"data": values, b"labels": [k % 10 for k in range(count)]}, protocol=protocol)


def cifar(root: Path) -> Path:
    root.mkdir(parents=True)
    for k in range(1, 3):
        (root / f"data_batch_{k}").write_bytes(batch(30, k))
    (root / "test_batch").write_bytes(batch(20, 9))
    (root / "batches.meta").write_bytes(pickle.dumps({"label_names": [f"kind {k}" for k in range(10)]}, protocol=2))
    return root


def test_cifar_python_batches(tmp_path: Path) -> None:
    data = loaded(cifar(tmp_path / "cifar-10-batches-py"), tmp_path)
    values = np.random.default_rng(9).integers(0, 256, (20, 3072), np.uint8)
    assert len(data.test) == 20 and data.labels[3] == "kind 3" and data.given == {"test"}
    assert (data.test.inputs.numpy() == values.reshape(20, 3, 32, 32)).all()
    assert data.test.names[4].endswith("test_batch[4]")


def test_a_pickle_that_asks_for_more_than_an_array_is_refused_and_not_run(tmp_path: Path) -> None:
    root = cifar(tmp_path / "c")
    (root / "data_batch_2").write_bytes(pickle.dumps({"data": Evil(tmp_path / "owned"), "labels": []}))
    said = refused(root, tmp_path)
    assert "data_batch_2 is not a CIFAR-10 batch: it asks for posix.system" in said or "nt.system" in said
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"\x80\x04\x8c\x05numpy\x8c\x08fromfile\x93.",
        b"cnumpy\nload\n(S'/etc/passwd'\ntR.",
        b"cnumpy.core.multiarray\nscalar\n.",
        b"(i__main__\nx\n.",
        b"\x82\x01.",
        b"Pid\n.",
        b"\x80\x02]q\x00.",
        b"garbage",
        b"",
    ],
)
def test_no_other_pickle_is_read(program: bytes) -> None:
    with pytest.raises(Refused):
        read_pickle(program)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_arrays_of_bytes_of_every_protocol_are_read_or_refused(protocol: int) -> None:
    try:
        found = read_pickle(batch(3, 1, protocol))
        assert (array_of(found["data"]) == np.random.default_rng(1).integers(0, 256, (3, 3072), np.uint8)).all()
    except Refused as error:
        assert protocol == 5, error


def test_other_arrays_are_refused() -> None:
    for value in (np.zeros(3, np.float32), np.array([print], dtype=object), [1, 2]):
        with pytest.raises(Refused):
            array_of(read_pickle(pickle.dumps({"data": value}, protocol=2))["data"])


def test_batches_that_are_not_whole_say_so(tmp_path: Path) -> None:
    root = cifar(tmp_path / "c")
    (root / "data_batch_1").write_bytes(batch(30, 1)[:-100])
    assert "data_batch_1 is not a CIFAR-10 batch: it is damaged" in refused(root, tmp_path)
    binary = tmp_path / "b"
    binary.mkdir()
    (binary / "data_batch_1.bin").write_bytes(bytes(3073 * 3 + 1))
    assert "expected a multiple of 3,073: it breaks off" in refused(binary, tmp_path)


def test_the_two_layouts_of_cifar_hold_the_same_pictures(tmp_path: Path) -> None:
    python = loaded(shared("cifar10/cifar-10-python-sample.tar.gz"), tmp_path)
    binary = loaded(shared("cifar10/cifar-10-binary-sample.tar.gz"), tmp_path)
    assert (
        python.labels
        == binary.labels
        == ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    )
    assert counts(python) == counts(binary) and len(python.test) == 100
    assert (python.test.inputs == binary.test.inputs).all() and (python.train.targets == binary.train.targets).all()


# Names


def test_digits_come_with_scikit_learn(tmp_path: Path) -> None:
    data = loaded("digits", tmp_path)
    assert sum(counts(data).values()) == 1797 and data.labels == list("0123456789")
    assert data.facts["size"] == [32, 32] and data.facts["colour"] == "grey" and data.train.inputs.max() == 255


def test_a_named_data_set_is_taken_from_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "download", lambda *_: pytest.fail("the network was asked"))
    mnist(tmp_path / "cache" / "data" / "mnist" / "MNIST" / "raw")
    mnist(tmp_path / "cache" / "data" / "fashion-mnist")
    cifar(tmp_path / "cache" / "data" / "cifar10" / "cifar-10-batches-py")
    assert loaded("mnist", tmp_path).labels == list("0123456789")
    assert loaded("fashion-mnist", tmp_path).labels == datasets.FASHION
    assert len(loaded("cifar10", tmp_path).test) == 20


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_without_a_network_it_says_where_to_put_which_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def offline(url: str, file: Path, md5: str) -> None:
        raise OSError("no network")

    monkeypatch.setattr(datasets, "download", offline)
    said = refused(name, tmp_path)
    assert f"{name} is not in {tmp_path / 'cache' / 'data' / name} and could not be downloaded" in said
    assert "put " in said and datasets.KNOWN[name].files[0] in said


def test_a_folder_of_that_name_goes_before_the_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path / "digits", "a", "b")
    monkeypatch.chdir(tmp_path)
    assert loaded("digits", tmp_path).labels == ["a", "b"]


def test_natural_order_counts() -> None:
    assert sorted(["10", "9", "a10", "a9", "b"], key=natural) == ["9", "10", "a9", "a10", "b"]
