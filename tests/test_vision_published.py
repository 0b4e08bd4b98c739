"""DATA as it is published: IDX files, CIFAR-10 batches, and the names of known sets; no pickle runs code."""

import gzip
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from neocog.vision import datasets
from neocog.vision.pickled import Refused, array_of, read_pickle
from photos import counts, files, loaded, refused, shared

# IDX


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


def mnist(root: Path, spelling: str = "-idx{}-ubyte", packed: bool = True) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", 40), ("t10k", 10)):
        images = np.random.default_rng(count).integers(0, 256, (count, 5, 4), np.uint8)
        for kind, array, rank in (("images", images, 3), ("labels", np.arange(count, dtype=np.uint8) % 10, 1)):
            path = root / (split + "-" + kind + spelling.format(rank) + (".gz" if packed else ""))
            path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    return root


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("spelling", ["-idx{}-ubyte", ".idx{}-ubyte"])
def test_a_folder_of_idx_files(tmp_path: Path, spelling: str, packed: bool) -> None:
    data = loaded(mnist(tmp_path / "m", spelling, packed), tmp_path)
    assert len(data.test) == 10 and data.given_splits == {"test"} and data.labels == [str(digit) for digit in range(10)]
    assert (
        data.preprocessing["size"] == [5, 4]
        and data.preprocessing["colour"] == "grey"
        and data.test.inputs.shape == (10, 1, 5, 4)
    )
    images = np.random.default_rng(10).integers(0, 256, (10, 5, 4), np.uint8)
    assert (data.test.inputs[:, 0].numpy() == images).all() and data.test.names[3] == "t10k-images[3]"
    assert data.test.targets.tolist() == list(range(10))


def test_one_idx_file_with_its_labels_beside_it(tmp_path: Path) -> None:
    root = mnist(tmp_path / "m")
    train, test = str(root / "train-images-idx3-ubyte.gz"), str(root / "t10k-images-idx3-ubyte.gz")
    data = loaded(train, tmp_path, test=test)
    assert counts(data)["test"] == 10 and data.given_splits == {"test"}
    (root / "t10k-labels-idx1-ubyte.gz").unlink()
    assert "has no labels file beside it; expected t10k-labels-idx1-ubyte.gz" in refused(test, tmp_path)


def test_fashion_mnist_is_recognised_by_its_folder(tmp_path: Path) -> None:
    data = loaded(mnist(tmp_path / "Fashion-MNIST"), tmp_path)
    remark = "the labels have the names of Fashion-MNIST's classes, as its path names that set"
    assert data.labels == datasets.FASHION and f"{tmp_path / 'Fashion-MNIST'}: {remark}" in data.remarks


def test_truncated_idx_files_are_refused(tmp_path: Path) -> None:
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
    """The first images of the splits show a 5 and a 7, and their pixels are known."""
    from neocog.vision.idx import idx_at

    source = idx_at(shared("mnist"))
    assert source is not None
    manifest = source.scan(None)
    assert len(manifest.samples) == 70_000
    assert {sample.name: sample.label for sample in manifest.samples if sample.name.endswith("images[0]")} == {
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
    assert len(data.test) == 20 and data.labels[3] == "kind 3" and data.given_splits == {"test"}
    assert (data.test.inputs.numpy() == values.reshape(20, 3, 32, 32)).all()
    assert data.test.names[4].endswith("test_batch[4]")


def test_a_pickle_with_more_than_an_array_is_refused_and_not_run(tmp_path: Path) -> None:
    root = cifar(tmp_path / "c")
    (root / "data_batch_2").write_bytes(pickle.dumps({"data": Evil(tmp_path / "owned"), "labels": []}))
    message = refused(root, tmp_path)
    assert "data_batch_2 is not a CIFAR-10 batch: it asks for posix.system" in message or "nt.system" in message
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
def test_byte_arrays_of_every_pickle_protocol_are_read_or_refused(protocol: int) -> None:
    try:
        source = read_pickle(batch(3, 1, protocol))
        assert (array_of(source["data"]) == np.random.default_rng(1).integers(0, 256, (3, 3072), np.uint8)).all()
    except Refused as error:
        assert protocol == 5, error


def test_other_arrays_are_refused() -> None:
    for value in (np.zeros(3, np.float32), np.array([print], dtype=object), [1, 2]):
        with pytest.raises(Refused):
            array_of(read_pickle(pickle.dumps({"data": value}, protocol=2))["data"])


def test_truncated_batches_are_refused(tmp_path: Path) -> None:
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
    assert (
        data.preprocessing["size"] == [32, 32]
        and data.preprocessing["colour"] == "grey"
        and data.train.inputs.max() == 255
    )


def test_a_named_data_set_is_taken_from_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "download", lambda *_: pytest.fail("the network was asked"))
    mnist(tmp_path / "cache" / "data" / "mnist" / "MNIST" / "raw")
    mnist(tmp_path / "cache" / "data" / "fashion-mnist")
    cifar(tmp_path / "cache" / "data" / "cifar10" / "cifar-10-batches-py")
    assert loaded("mnist", tmp_path).labels == list("0123456789")
    assert loaded("fashion-mnist", tmp_path).labels == datasets.FASHION
    assert len(loaded("cifar10", tmp_path).test) == 20


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_without_a_connection_the_needed_files_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def offline(url: str, file: Path, md5: str) -> None:
        raise OSError("no network")

    monkeypatch.setattr(datasets, "download", offline)
    message = refused(name, tmp_path)
    assert f"{name} is not in {tmp_path / 'cache' / 'data' / name} and could not be downloaded" in message
    assert "put " in message and datasets.KNOWN[name].files[0] in message


def test_a_folder_takes_precedence_over_a_named_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path / "digits", "a", "b")
    monkeypatch.chdir(tmp_path)
    assert loaded("digits", tmp_path).labels == ["a", "b"]
