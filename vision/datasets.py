"""The data sets with a name: digits comes with scikit-learn, the others are downloaded once or put in a folder."""

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
from ..core.sources.listing import Item, Listing
from .idx import FASHION
from .picture import Pixels

IDX_FILES = tuple(f"{part}-{what}-ubyte.gz" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1"))
PATIENCE = 20  # seconds that a server may take to answer


class Known(NamedTuple):
    """A data set with a name: the files to have, the class of torchvision that knows where they are."""

    files: tuple[str, ...]
    origin: str
    labels: list[str] | None = None  # in the order of their numbers, where the files do not tell


DIGITS = [str(digit) for digit in range(10)]
KNOWN = {
    "mnist": Known(IDX_FILES, "MNIST", DIGITS),
    "fashion-mnist": Known(IDX_FILES, "FashionMNIST", FASHION),
    "cifar10": Known(("cifar-10-python.tar.gz",), "CIFAR10"),
}
NAMES = ("digits", *KNOWN)


class Digits:
    """scikit-learn's 1,797 handwritten digits, 8×8 enlarged to 32×32, grey."""

    where = "digits"

    def stamp(self) -> Iterator[Hashable]:
        yield "digits"

    def listing(self, group_by: str | None) -> Listing:
        _, labels = digits()
        items = [Item(f"digits[{k}]", str(label)) for k, label in enumerate(labels)]
        return Listing(items, order=DIGITS)

    def contents(self, items: Sequence[Item]) -> Iterator[tuple[int, Content]]:
        place_of = {item.name: at for at, item in enumerate(items)}
        pixels, _ = digits()
        for k, picture in enumerate(pixels):
            if (at := place_of.get(f"digits[{k}]")) is not None:
                yield at, picture[None]

    def full(self, name: str) -> str:
        return name


def digits() -> tuple[Pixels, list[int]]:
    """Pictures (1797, 32, 32) and their labels: each pixel of the 8×8 ones is four wide and high.

    Most networks have too many pools for 8×8, and nothing is lost.
    """
    from sklearn.datasets import load_digits  # half a second, and needed by this one data set

    found = load_digits()
    pixels = (found.images * (255 / 16)).round().astype(np.uint8)
    return pixels.repeat(4, axis=1).repeat(4, axis=2), found.target.tolist()


def data_set(name: str, cache: Path) -> Path:
    """The folder or file where the data set with this name lies; downloads it where it is not there yet."""
    folder = cache / "data" / name
    return lying(name, folder) or downloaded(name, folder)


def lying(name: str, folder: Path) -> Path | None:
    """Where the files of a data set are in its folder, which may be sorted as torchvision sorts it."""
    if name == "cifar10":
        found = [*folder.rglob("cifar*10*.tar.gz"), *(file.parent for file in folder.rglob("data_batch_1*"))]
        return min(found, default=None)
    complete = {file.parent for file in folder.rglob("*images*idx3*")}
    return min((path for path in complete if has_both_parts(path)), default=None)


def has_both_parts(folder: Path) -> bool:
    names = [file.name.lower().removesuffix(".gz").replace(".", "-") for file in folder.iterdir()]
    return {name.removesuffix(".gz") for name in IDX_FILES} <= set(names)


def downloaded(name: str, folder: Path) -> Path:
    known = KNOWN[name]
    try:
        for url, file, md5 in addresses(known):
            download(url, folder / file, md5)
    except (OSError, RuntimeError) as error:  # RuntimeError: what arrived has another checksum
        raise Problem(
            f"{name} is not in {folder} and could not be downloaded ({error}); put {', '.join(known.files)} there", DATA
        ) from error
    return folder if len(known.files) > 1 else folder / known.files[0]


def addresses(known: Known) -> list[tuple[str, str, str]]:
    """The address, name and MD5 sum of each file, as torchvision knows them."""
    from torchvision import datasets

    origin = getattr(datasets, known.origin)
    if known.origin == "CIFAR10":
        return [(origin.url, origin.filename, origin.tgz_md5)]
    return [(origin.mirrors[0] + file, file, md5) for file, md5 in origin.resources]


def download(url: str, file: Path, md5: str) -> None:
    """Fetches a file into a folder beside its place first, so that half a file never lies there."""
    from torchvision.datasets.utils import download_url

    if file.exists():
        return
    waiting = file.parent / f".{os.getpid()}"
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        download_url(url, waiting, file.name, md5)
        os.replace(waiting / file.name, file)
    finally:
        socket.setdefaulttimeout(before)
        shutil.rmtree(waiting, ignore_errors=True)
