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
from ..core.sources.folder import file_fingerprint
from ..core.sources.source import SampleInfo, SourceManifest
from ..core.sources.split_names import SPLIT_NAMES
from .picture import Pixels

IMAGES = re.compile(r"(?P<split>.*?)[-_.]?images[-_.]?(idx3[-_.]?ubyte)?(\.gz)?", re.IGNORECASE)
FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
UBYTE = 8  # the code of unsigned bytes in the third byte of a file
DIMENSIONS = {"images": 3, "labels": 1}


class Pair(NamedTuple):
    """A file of images and the file of their labels."""

    images: Path
    labels: Path
    split: str | None

    @property
    def stem(self) -> str:
        """`train-images` of `train-images-idx3-ubyte.gz`"""
        return re.sub(r"[-_.]idx3[-_.]?ubyte|\.gz$", "", self.images.name, flags=re.IGNORECASE)


class Idx:
    """Grey pictures in pairs of IDX files. `names` are the names of the labels 0, 1, 2, ... if they are known."""

    def __init__(
        self, path: str, pairs: Sequence[Pair], names: list[str] | None = None, remarks: Sequence[str] = ()
    ) -> None:
        self.location = path
        self.pairs = pairs
        self.names, self.remarks = names, remarks

    def fingerprint(self) -> Iterator[Hashable]:
        yield tuple(self.names or ())
        for pair in self.pairs:
            for path in pair[:2]:
                yield str(path.resolve()), file_fingerprint(path.parent, path.name)

    def scan(self, group_by: str | None) -> SourceManifest:
        samples = []
        for pair in self.pairs:
            labels = read_idx(pair.labels, "labels").tolist()
            if (count := len(read_idx(pair.images, "images"))) != len(labels):
                counts = f"{pair.images} has {count:,} images, {pair.labels.name} {len(labels):,} labels"
                raise Problem(f"{counts}; they do not belong together", DATA)
            samples += [
                SampleInfo(f"{pair.stem}[{k}]", self.label(value), pair.split) for k, value in enumerate(labels)
            ]
        order = self.names or [str(value) for value in range(256)]
        return SourceManifest(samples, label_order=order, remarks=[*self.remarks])

    def label(self, value: int) -> str:
        return self.names[value] if self.names and value < len(self.names) else str(value)

    def contents(self, samples: Sequence[SampleInfo]) -> Iterator[tuple[int, Content]]:
        index_of = {sample.name: index for index, sample in enumerate(samples)}
        for pair in self.pairs:
            for k, image in enumerate(read_idx(pair.images, "images")):
                if (index := index_of.get(f"{pair.stem}[{k}]")) is not None:
                    yield index, image[None]

    def display_name(self, name: str) -> str:
        return name


def idx_at(path: Path, names: list[str] | None = None) -> Idx | None:
    """The IDX files in a folder, or an images file with its labels beside it; None if there are none."""
    remarks = []
    if names is None and any("fashion" in piece.lower() for piece in path.resolve().parts[-2:]):
        names = FASHION
        remarks = [f"{path}: the labels have the names of Fashion-MNIST's classes, as its path names that set"]
    if path.is_file():
        pair = pair_of(path, split=None) if is_idx(path) else None
        if pair is None and is_idx(path):
            raise Problem(f"{path} has no labels file beside it; expected {labels_name(path.name)}", DATA)
        return Idx(str(path), [pair], names, remarks) if pair else None
    pairs: dict[str, Pair] = {}
    for file in sorted(path.iterdir()):
        if IMAGES.fullmatch(file.name) and "idx" in file.name.lower() and (pair := pair_of(file, split_of(file.name))):
            pairs.setdefault(pair.stem, pair)  # both a plain and a gzipped file may exist
    return Idx(str(path), list(pairs.values()), names, remarks) if pairs else None


def is_idx(path: Path) -> bool:
    try:
        with opened(path) as file:
            return file.read(3) == bytes([0, 0, UBYTE])
    except (OSError, EOFError, zlib.error):
        return False


def labels_name(images: str) -> str:
    return re.sub("images", "labels", images, flags=re.IGNORECASE).replace("idx3", "idx1").replace("IDX3", "IDX1")


def pair_of(images: Path, split: str | None) -> Pair | None:
    """An images file with the labels file beside it, either of which may be gzipped."""
    name = labels_name(images.name)
    for labels in (name, name.removesuffix(".gz"), name + ".gz"):
        if labels != images.name and (images.parent / labels).is_file():
            return Pair(images, images.parent / labels, split)
    return None


def split_of(name: str) -> str:
    match = IMAGES.fullmatch(name)
    prefix = match["split"].lower() if match else ""
    if prefix.startswith("t10k"):
        return "test"
    return next((SPLIT_NAMES[word] for word in SPLIT_NAMES if word in prefix), "train")


def opened(path: Path) -> gzip.GzipFile:
    """An open file, decompressed if it is gzipped, whatever its name says."""
    with open(path, "rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if gzipped else open(path, "rb")  # type: ignore[return-value]


def read_idx(path: Path, content_kind: str) -> Pixels:
    """The bytes of an IDX file in their shape: images (N, H, W), labels (N,)."""
    try:
        with opened(path) as file:
            content = file.read()
    except OSError as error:
        reason = file_reason(path, error) if error.errno else f"is damaged ({error}); copy or download it again"
        raise Problem(f"{path} {reason}", DATA) from error
    except (EOFError, zlib.error) as error:
        raise Problem(f"{path} is damaged or breaks off ({error}); copy or download it again", DATA) from error
    return parse_idx(content, content_kind, path)


def parse_idx(content: bytes, content_kind: str, path: Path) -> Pixels:
    """Two zero bytes, the type, the number of dimensions, their sizes as big-endian 32-bit numbers, the values."""
    dimensions = DIMENSIONS[content_kind]
    if len(content) < 4 or content[:4] != bytes([0, 0, UBYTE, dimensions]):
        start_bytes = content[:4].hex(" ") or "nothing"
        raise Problem(f"{path} is not an IDX file of {content_kind}: it starts with {start_bytes}", DATA)
    start = 4 + 4 * dimensions
    shape = np.frombuffer(content[4:start].ljust(4 * dimensions, b"\0"), ">u4").tolist()
    expected = start + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        raise Problem(f"{path} has {len(content):,} bytes; its head announces {expected:,}: it is not complete", DATA)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
