"""IDX files: the format of MNIST and its relatives, plain or gzipped. http://yann.lecun.com/exdb/mnist"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..core.problem import DATA, Problem
from ..core.sources.content import Content, file_reason
from ..core.sources.folder import stamp_of
from ..core.sources.listing import PART_OF, Item, Listing
from .picture import Pixels

IMAGES = re.compile(r"(?P<part>.*?)[-_.]?images[-_.]?(idx3[-_.]?ubyte)?(\.gz)?", re.IGNORECASE)
FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
UBYTE = 8  # the code of unsigned bytes in the third byte of a file
DIMENSIONS = {"images": 3, "labels": 1}


class Pair(NamedTuple):
    """A file of images and the file of their labels."""

    images: Path
    labels: Path
    part: str | None

    @property
    def stem(self) -> str:
        """`train-images` of `train-images-idx3-ubyte.gz`"""
        return re.sub(r"[-_.]idx3[-_.]?ubyte|\.gz$", "", self.images.name, flags=re.IGNORECASE)


class Idx:
    """Grey pictures in pairs of IDX files. `names` are the names of the labels 0, 1, 2, ... where they are known."""

    def __init__(self, path: str, pairs: Sequence[Pair], names: list[str] | None = None) -> None:
        self.where = path
        self.pairs = pairs
        self.names = names

    def stamp(self) -> Iterator[Hashable]:
        yield tuple(self.names or ())
        for pair in self.pairs:
            for path in pair[:2]:
                yield str(path.resolve()), stamp_of(path.parent, path.name)

    def listing(self, group_by: str | None) -> Listing:
        items = []
        for pair in self.pairs:
            labels = read_idx(pair.labels, "labels").tolist()
            if (count := len(read_idx(pair.images, "images"))) != len(labels):
                found = f"{pair.images} has {count:,} images, {pair.labels.name} {len(labels):,} labels"
                raise Problem(f"{found}; they do not belong together", DATA)
            items += [Item(f"{pair.stem}[{k}]", self.label(value), pair.part) for k, value in enumerate(labels)]
        return Listing(items, order=self.names or [str(value) for value in range(256)])

    def label(self, value: int) -> str:
        return self.names[value] if self.names and value < len(self.names) else str(value)

    def contents(self, items: Sequence[Item]) -> Iterator[tuple[int, Content]]:
        place_of = {item.name: at for at, item in enumerate(items)}
        for pair in self.pairs:
            for k, image in enumerate(read_idx(pair.images, "images")):
                if (at := place_of.get(f"{pair.stem}[{k}]")) is not None:
                    yield at, image[None]

    def full(self, name: str) -> str:
        return name


def idx_at(path: Path, names: list[str] | None = None) -> Idx | None:
    """The IDX files in a folder, or an images file with its labels beside it; None where there are none."""
    if names is None and any("fashion" in piece.lower() for piece in path.resolve().parts[-2:]):
        names = FASHION
    if path.is_file():
        pair = pair_of(path, part=None) if is_idx(path) else None
        if pair is None and is_idx(path):
            raise Problem(f"{path} has no labels file beside it; expected {labels_name(path.name)}", DATA)
        return Idx(str(path), [pair], names) if pair else None
    found: dict[str, Pair] = {}
    for file in sorted(path.iterdir()):
        if IMAGES.fullmatch(file.name) and "idx" in file.name.lower() and (pair := pair_of(file, part_of(file.name))):
            found.setdefault(pair.stem, pair)  # where a file lies there plain and gzipped, one of them is enough
    return Idx(str(path), list(found.values()), names) if found else None


def is_idx(path: Path) -> bool:
    try:
        with opened(path) as file:
            return file.read(3) == bytes([0, 0, UBYTE])
    except (OSError, EOFError, zlib.error):
        return False


def labels_name(images: str) -> str:
    return re.sub("images", "labels", images, flags=re.IGNORECASE).replace("idx3", "idx1").replace("IDX3", "IDX1")


def pair_of(images: Path, part: str | None) -> Pair | None:
    """An images file with the labels file beside it, which may be gzipped where the images are not."""
    name = labels_name(images.name)
    for other in (name, name.removesuffix(".gz"), name + ".gz"):
        if other != images.name and (images.parent / other).is_file():
            return Pair(images, images.parent / other, part)
    return None


def part_of(name: str) -> str:
    match = IMAGES.fullmatch(name)
    part = match["part"].lower() if match else ""
    return "test" if part.startswith("t10k") else next((PART_OF[word] for word in PART_OF if word in part), "train")


def opened(path: Path) -> gzip.GzipFile:
    """The file, unpacked on the way where it is gzipped, whatever its name says."""
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else open(path, "rb")  # type: ignore[return-value]


def read_idx(path: Path, what: str) -> Pixels:
    """The bytes of an IDX file in their shape: images (N, H, W), labels (N,)."""
    try:
        with opened(path) as file:
            content = file.read()
    except OSError as error:
        reason = file_reason(path, error) if error.errno else f"is damaged ({error}); copy or download it again"
        raise Problem(f"{path} {reason}", DATA) from error
    except (EOFError, zlib.error) as error:
        raise Problem(f"{path} is damaged or breaks off ({error}); copy or download it again", DATA) from error
    return parse_idx(content, what, path)


def parse_idx(content: bytes, what: str, path: Path) -> Pixels:
    """Two zero bytes, the type, the number of dimensions, their sizes as big-endian 32-bit numbers, the values."""
    dimensions = DIMENSIONS[what]
    if len(content) < 4 or content[:4] != bytes([0, 0, UBYTE, dimensions]):
        raise Problem(f"{path} is not an IDX file of {what}: it starts with {content[:4].hex(' ') or 'nothing'}", DATA)
    start = 4 + 4 * dimensions
    shape = np.frombuffer(content[4:start].ljust(4 * dimensions, b"\0"), ">u4").tolist()
    expected = start + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        raise Problem(f"{path} has {len(content):,} bytes; its head announces {expected:,}: it is not complete", DATA)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
