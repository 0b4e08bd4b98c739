"""Data sets with a name: digits is part of scikit-learn, the others are downloaded once."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..core.problem import DATA, Problem
from ..core.sources.content import Content
from ..core.sources.source import SampleInfo, SourceManifest
from .idx import FASHION
from .picture import Pixels

IDX_FILES = tuple(f"{split}-{kind}-ubyte.gz" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
TIMEOUT = 20  # seconds that a server may take to answer


class Known(NamedTuple):
    """The files of a data set with a name, and the class of torchvision that knows their addresses."""

    files: tuple[str, ...]
    dataset_class: str
    labels: list[str] | None = None  # in the order of their numbers, if the files do not name them


DIGITS = [str(digit) for digit in range(10)]
KNOWN = {
    "mnist": Known(IDX_FILES, "MNIST", DIGITS),
    "fashion-mnist": Known(IDX_FILES, "FashionMNIST", FASHION),
    "cifar10": Known(("cifar-10-python.tar.gz",), "CIFAR10"),
}
NAMES = ("digits", *KNOWN)


class Digits:
    """scikit-learn's 1,797 handwritten digits, 8×8 enlarged to 32×32, grey."""

    location = "digits"

    def fingerprint(self) -> Iterator[Hashable]:
        yield "digits"

    def scan(self, group_by: str | None) -> SourceManifest:
        _, labels = digits()
        samples = [SampleInfo(f"digits[{k}]", str(label)) for k, label in enumerate(labels)]
        return SourceManifest(samples, label_order=DIGITS)

    def contents(self, samples: Sequence[SampleInfo]) -> Iterator[tuple[int, Content]]:
        index_of = {sample.name: index for index, sample in enumerate(samples)}
        pixels, _ = digits()
        for k, picture in enumerate(pixels):
            if (index := index_of.get(f"digits[{k}]")) is not None:
                yield index, picture[None]

    def display_name(self, name: str) -> str:
        return name


def digits() -> tuple[Pixels, list[int]]:
    """Pictures (1797, 32, 32) and their labels: each pixel of the 8×8 ones is four wide and high.

    Most networks have too many pools for 8×8, and nothing is lost.
    """
    from sklearn.datasets import load_digits  # takes half a second, for this data set alone

    bunch = load_digits()
    pixels = (bunch.images * (255 / 16)).round().astype(np.uint8)
    return pixels.repeat(4, axis=1).repeat(4, axis=2), bunch.target.tolist()


def data_set(name: str, cache: Path) -> Path:
    """The folder or file of the data set with this name, downloaded if it is missing."""
    folder = cache / "data" / name
    return local_copy(name, folder) or downloaded(name, folder)


def local_copy(name: str, folder: Path) -> Path | None:
    """The files of a data set in its folder, which may have the layout of torchvision; None if they are missing."""
    if name == "cifar10":
        copies = [*folder.rglob("cifar*10*.tar.gz"), *(file.parent for file in folder.rglob("data_batch_1*"))]
        return min(copies, default=None)
    complete = {file.parent for file in folder.rglob("*images*idx3*")}
    return min((path for path in complete if has_both_splits(path)), default=None)


def has_both_splits(folder: Path) -> bool:
    names = [file.name.lower().removesuffix(".gz").replace(".", "-") for file in folder.iterdir()]
    return {name.removesuffix(".gz") for name in IDX_FILES} <= set(names)


def downloaded(name: str, folder: Path) -> Path:
    known = KNOWN[name]
    try:
        for url, file, md5 in addresses(known):
            download(url, folder / file, md5)
    except (OSError, RuntimeError) as error:  # RuntimeError: a wrong checksum
        raise Problem(
            f"{name} is not in {folder} and could not be downloaded ({error}); put {', '.join(known.files)} there", DATA
        ) from error
    return folder if len(known.files) > 1 else folder / known.files[0]


def addresses(known: Known) -> list[tuple[str, str, str]]:
    """The address, name and MD5 sum of each file, from torchvision."""
    from torchvision import datasets

    dataset = getattr(datasets, known.dataset_class)
    if known.dataset_class == "CIFAR10":
        return [(dataset.url, dataset.filename, dataset.tgz_md5)]
    return [(dataset.mirrors[0] + file, file, md5) for file, md5 in dataset.resources]


def download(url: str, file: Path, md5: str) -> None:
    """Downloads a file to a temporary folder first, so that a partial file never takes its place."""
    from torchvision.datasets.utils import download_url

    if file.exists():
        return
    partial = file.parent / f".{os.getpid()}"
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        download_url(url, partial, file.name, md5)
        os.replace(partial / file.name, file)
    finally:
        socket.setdefaulttimeout(before)
        shutil.rmtree(partial, ignore_errors=True)
