"""The cache: pictures decoded once, as one array on the disk that is mapped into memory, and an index of it."""

from __future__ import annotations

import atexit
import errno
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from ..core.problem import FAILED, Problem
from .picture import Pixels

VERSION = 1  # of what lies in the cache; a change of it makes every cache a stale one
BUILDING = ".building-"
ABANDONED = 24 * 3600  # seconds after which a half cache belongs to nobody: its process was killed


@dataclass
class Index:
    """What is known of the rows of the array, which lie in the order of the parts."""

    size: tuple[int, int]
    colour: str
    fit: str
    mean: list[float]
    std: list[float]
    names: list[str]  # within their origin
    whose: list[int]  # the positions of their origins
    labels: list[str]
    targets: list[int]  # positions in `labels`
    hashes: list[str]  # of the encoded files
    parts: dict[str, int]  # how many rows, in the order in which the parts lie there
    given: list[str]
    uniform: bool  # whether all pictures had one size before they were brought to `size`
    grey: bool  # whether all of them were grey
    bad: list[tuple[int, str, str]] = field(default_factory=list)  # origin, name, reason
    remarks: list[str] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, C, H, W)"""
        return len(self.names), 1 if self.colour == "grey" else 3, *self.size


class Cache:
    """A folder of caches. Where it cannot be written to, a temporary one that goes with the process."""

    def __init__(self, folder: Path) -> None:
        self.remarks: list[str] = []
        self.folder = folder / "vision"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise full(0, self.folder) from error
            self.remarks.append(f"{folder} cannot be written to, so the pictures will be decoded again next time")
            self.folder = Path(tempfile.mkdtemp(prefix="neocog-"))
            atexit.register(shutil.rmtree, self.folder, ignore_errors=True)

    def find(self, key: str) -> tuple[Index, Pixels] | None:
        """The index and the array (N, C, H, W) under a key or another name of it; None where one is not whole."""
        try:
            also = self.folder / f"{key}.json"
            folder = self.folder / (json.loads(also.read_text())["key"] if also.exists() else key)
            index = Index(**json.loads((folder / "index.json").read_text()))
            index.size = (index.size[0], index.size[1])
            # Copy on write: torch wants an array that it may write to, the file must not change.
            array: Pixels = np.load(folder / "pixels.npy", mmap_mode="c")
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return (index, array) if array.shape == index.shape and array.dtype == np.uint8 else None

    @contextmanager
    def building(self, needed: int) -> Iterator[Path]:
        """A folder to build a cache in, gone afterwards; `needed` are the bytes that it will take."""
        self.sweep()
        if shutil.disk_usage(self.folder).free < needed:
            raise full(needed, self.folder)
        folder = Path(tempfile.mkdtemp(prefix=BUILDING, dir=self.folder))
        try:
            yield folder
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise full(needed, self.folder) from error
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, folder: Path, key: str, index: Index) -> tuple[Index, Pixels]:
        """Puts a finished cache in its place, all of it at once; if another run was first, its cache stays."""
        (folder / "index.json").write_text(json.dumps(asdict(index)))
        try:
            folder.rename(self.folder / key)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            if (theirs := self.find(key)) is not None:
                return theirs
            shutil.rmtree(self.folder / key, ignore_errors=True)  # what lies there is damaged
            folder.rename(self.folder / key)
        ready = self.find(key)
        assert ready is not None, f"{self.folder / key} was written and is not there"
        return ready

    def also(self, key: str, other: str) -> None:
        """Lets a cache be found under another key."""
        if key != other:
            with tempfile.NamedTemporaryFile("w", dir=self.folder, prefix=BUILDING, delete=False) as file:
                json.dump({"key": other}, file)
            os.replace(file.name, self.folder / f"{key}.json")

    def sweep(self) -> None:
        """Removes what runs that were killed left behind."""
        for path in self.folder.glob(BUILDING + "*"):
            try:
                if time.time() - path.stat().st_mtime > ABANDONED:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            except OSError:  # another run was quicker
                continue


def key_of(*parts: Any) -> str:
    """A name for all that the pixels depend on."""
    told = json.dumps([VERSION, PIL.__version__, parts], default=list).encode()
    return blake2b(told, digest_size=16).hexdigest()


def full(needed: int, folder: Path) -> Problem:
    free = shutil.disk_usage(existing(folder)).free
    return Problem(
        f"the disk is full: the decoded pictures need {megabytes(needed)} in {folder}, {megabytes(free)} are free; "
        "make room, name a smaller size, or another cache folder in NEOCOG_CACHE",
        FAILED,
    )


def existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def write_array(path: Path, shape: tuple[int, ...], rows: Iterable[bytes]) -> None:
    """A .npy file of bytes, row by row, so that it is never whole in memory."""
    with open(path, "wb") as file:
        head = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, head)
        for row in rows:
            file.write(row)
