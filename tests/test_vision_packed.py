"""DATA as an archive or a table; problems are reported with file and line."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from neocog.core.problem import Problem
from photos import counts, files, loaded, png, refused, shared

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
def test_an_archive_and_its_folder_give_the_same_data(tmp_path: Path, name: str) -> None:
    root = files(tmp_path / "set", "train/ä b", "train/c", "test/ä b", "test/c")
    (root / "train" / ".hidden").touch()
    path = (zipped if name.endswith("zip") else tarred)(root, tmp_path / name)
    unpacked, packed = loaded(root, tmp_path), loaded(path, tmp_path)
    assert packed.labels == unpacked.labels == ["c", "ä b"] and packed.preprocessing == unpacked.preprocessing
    for split in ("train", "valid", "test"):
        ours, theirs = getattr(packed, split), getattr(unpacked, split)
        assert (ours.inputs == theirs.inputs).all() and (ours.targets == theirs.targets).all()
    assert packed.test.names[0].startswith(f"{path}!") and packed.test.names[0].endswith("set/test/c/0.png")


def test_paths_and_links_that_leave_an_archive_are_ignored(tmp_path: Path) -> None:
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
def test_a_truncated_archive_is_refused(tmp_path: Path, name: str) -> None:
    root = files(tmp_path / "set", "a", "b", count=20)
    path = (zipped if name.endswith("zip") else tarred)(root, tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    message = refused(path, tmp_path)
    assert "is damaged or breaks off" in message and "again" in message


@pytest.mark.parametrize("content", [b"", b"words\n" * 99, b"\xfd7zXZ\0" + bytes(range(256)), "middle"])
def test_a_corrupt_tar_xz_is_named_in_one_line(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "set.tar.xz"
    with tarfile.open(path, "w:xz") as archive:
        archive.add(files(tmp_path / "set", "a", "b"), "set")
    intact = path.read_bytes()
    path.write_bytes(intact[:400] + bytes(200) + intact[600:] if isinstance(content, str) else content)
    message = refused(path, tmp_path)
    assert f"{path} is damaged or breaks off after " in message and "\n" not in message
    assert message.endswith(": copy, download or pack it again")


def test_a_member_with_a_wrong_checksum_is_a_bad_file(tmp_path: Path) -> None:
    root = files(tmp_path / "set", "a", "b", count=20)
    path = zipped(root, tmp_path / "set.zip")
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        index = archive.getinfo("set/a/3.png").header_offset + 60
    content[index] ^= 255
    path.write_bytes(content)
    data = loaded(path, tmp_path)
    assert (
        len(data.bad) == 1 and data.bad[0].file == f"{path}!set/a/3.png" and "cannot be unpacked" in data.bad[0].reason
    )


def test_the_published_cifar_archive_is_read(tmp_path: Path) -> None:
    from neocog.core.data import DataSpec
    from neocog.vision.options import options_of
    from neocog.vision.sources import open_source

    path = str(shared("cifar10/cifar10-jpg.tar.gz"))
    manifest = open_source(path, options_of(DataSpec(path), None)).scan(None)
    assert len(manifest.samples) == 60_000 and not manifest.outside and not manifest.bad
    assert sum(sample.split == "test" and sample.label == "frog" for sample in manifest.samples) == 1000


# Tables


def table(tmp_path: Path, text: str, name: str = "list.csv", count: int = 6) -> Path:
    files(tmp_path, "p", "q", count=count)
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


def test_columns_are_found_by_name_and_a_split_column_decides_the_splits(tmp_path: Path) -> None:
    text = "id,label,split,file\n" + "".join(
        f"{k},{label},{['train', 'val', 'TEST'][k % 3]},{label}/{k}.png\n" for label in "pq" for k in range(6)
    )
    data = loaded(table(tmp_path, text), tmp_path)
    assert counts(data) == {"train": 4, "valid": 4, "test": 4} and data.given_splits == {"valid", "test"}


def test_a_column_keeps_its_groups_in_one_split(tmp_path: Path) -> None:
    text = "path,label,patient\n" + "".join(f"{label}/{k}.png,{label},{k // 3}\n" for label in "pq" for k in range(30))
    data = loaded(table(tmp_path, text, count=30), tmp_path, group_by="patient")
    sides = {
        split: {int(Path(name).stem) // 3 for name in getattr(data, split).names}
        for split in ("train", "valid", "test")
    }
    assert not (sides["train"] & sides["test"] or sides["train"] & sides["valid"] or sides["valid"] & sides["test"])
    assert all(sides.values())


BAD_TABLES = [
    ("path,label\np/0.png,p\np/1.png\n", r"list\.csv:3 has 1 column, the others have 2: 'p/1.png'"),
    ("path,label\np/0.png,p\np/1.png,p,extra\n", r"list\.csv:3 has 3 columns, the others have 2"),
    (
        "path,label,split\np/0.png,p,train\np/1.png,p,trian\n",
        r"list\.csv:3 has the split 'trian'; expected train, valid or test",
    ),
    (
        "path,kind\np/0.png,p\n",
        r"list\.csv:1 has the columns path, kind; none of them is known as a label: name it with --label-column",
    ),
    ("p/0.png\np/1.png\n", r"list\.csv:1 has one column: 'p/0.png'; expected a path and a label"),
    ("", r"list\.csv is empty"),
]


@pytest.mark.parametrize(("text", "message"), BAD_TABLES)
def test_an_invalid_table_is_reported_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(Problem, match=message):
        loaded(table(tmp_path, text), tmp_path)


def test_a_line_that_is_not_utf8_is_read_as_windows_1252_and_reported(tmp_path: Path) -> None:
    path = table(tmp_path, rows())
    path.write_bytes(path.read_bytes() + b"p/0.png,caf\xe9\n")
    data = loaded(path, tmp_path)
    assert data.labels == ["café", "p", "q"]
    assert "list.csv:13 is not UTF-8; read as Windows-1252 (or --set encoding=NAME)" in data.remarks


def test_a_missing_file_is_a_bad_file_with_its_line(tmp_path: Path) -> None:
    path = table(tmp_path, "path,label\n" + rows() + "p/gone.png,p\np/1.png,\n")
    data = loaded(path, tmp_path, max_bad=0.5)
    assert [(Path(bad.file).name, bad.reason) for bad in data.bad] == [
        ("list.csv:14", "names p/gone.png, which does not exist"),
        ("list.csv:15", "has no label: 'p/1.png |'"),
    ]
    assert "list.csv:14 names p/gone.png" in refused(path, tmp_path)
