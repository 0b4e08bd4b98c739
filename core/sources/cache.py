"""The cache: examples decoded once, as arrays on the disk that are mapped into memory, and an index of them."""

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
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from ..files import megabytes
from ..problem import FAILED, Problem
from .content import Array, Kind

VERSION = 2  # of what lies in the cache; a change of it makes every cache a stale one
Arrays = dict[str, Array]
BUILDING = ".building-"
ABANDONED = 24 * 3600  # seconds after which a half cache belongs to nobody: its process was killed


@dataclass
class Index:
    """What is known of the rows of the arrays, which lie in the order of the parts."""

    names: list[str]  # within their origin
    whose: list[int]  # the positions of their origins
    labels: list[str]
    targets: list[int]  # positions in `labels`
    hashes: list[str]  # of the encoded files
    parts: dict[str, int]  # how many rows, in the order in which the parts lie there
    given: list[str]
    bad: list[tuple[int, str, str]] = field(default_factory=list)  # origin, name, reason
    remarks: list[str] = field(default_factory=list)
    preprocessing: dict[str, Any] = field(default_factory=dict)  # the domain's own: forms, measures; JSON
    shapes: dict[str, list[int]] = field(default_factory=dict)  # of the arrays, by name


class Cache:
    """A folder of caches. Where it cannot be written to, a temporary one that goes with the process."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self.remarks: list[str] = []
        self.kind = kind
        self.folder = folder / kind.domain
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self.full(0) from error
            self.remarks.append(f"{folder} cannot be written to, so the {kind.noun}s will be decoded again next time")
            self.folder = Path(tempfile.mkdtemp(prefix="neocog-"))
            atexit.register(shutil.rmtree, self.folder, ignore_errors=True)

    def find(self, key: str) -> tuple[Index, Arrays] | None:
        """The index and the arrays under a key or another name of it; None where one is not whole."""
        try:
            also = self.folder / f"{key}.json"
            folder = self.folder / (json.loads(also.read_text())["key"] if also.exists() else key)
            index = Index(**json.loads((folder / "index.json").read_text()))
            # Copy on write: torch wants an array that it may write to, the file must not change.
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="c") for name in index.shapes}
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return (index, arrays) if shapes_of(arrays) == index.shapes else None

    @contextmanager
    def building(self, needed: int) -> Iterator[Path]:
        """A folder to build a cache in, gone afterwards; `needed` are the bytes that it will take."""
        self.sweep()
        if shutil.disk_usage(self.folder).free < needed:
            raise self.full(needed)
        folder = Path(tempfile.mkdtemp(prefix=BUILDING, dir=self.folder))
        try:
            yield folder
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self.full(needed) from error
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, folder: Path, key: str, index: Index) -> tuple[Index, Arrays]:
        """Puts a finished cache in its place, all of it at once; if another run was first, its cache stays."""
        index.shapes = shapes_of({path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")})
        (folder / "index.json").write_text(json.dumps(vars(index)))
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

    def full(self, needed: int) -> Problem:
        free = shutil.disk_usage(existing(self.folder)).free
        return Problem(
            f"the disk is full: the decoded {self.kind.noun}s need {megabytes(needed)} in {self.folder}, "
            f"{megabytes(free)} are free; make room, or name another cache folder in NEOCOG_CACHE",
            FAILED,
        )


def key_of(*parts: Any) -> str:
    """A name for all that the arrays depend on."""
    return blake2b(json.dumps([VERSION, parts], default=list).encode(), digest_size=16).hexdigest()


def shapes_of(arrays: Arrays) -> dict[str, list[int]]:
    return {name: list(array.shape) for name, array in sorted(arrays.items())}


def default_cache() -> Path:
    """$NEOCOG_CACHE, or the `neocog` folder where this person's caches are."""
    if own := os.environ.get("NEOCOG_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "neocog"


def existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def write_array(path: Path, shape: tuple[int, ...], rows: Iterable[bytes], kind: str = "|u1") -> None:
    """A .npy file, row by row, so that it is never whole in memory; `kind` is NumPy's for its numbers."""
    with open(path, "wb") as file:
        head = {"descr": kind, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, head)
        for row in rows:
            file.write(row)
