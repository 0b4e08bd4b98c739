"""The cache of decoded examples: memory-mapped arrays on the disk, and an index of their rows."""

from __future__ import annotations

import atexit
import errno
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from .. import files, schema
from ..data import DataSpec
from ..problem import FAILED, USAGE, Problem
from ..split import SPLITS
from ..targets import TargetSpec
from . import exclude
from .content import Array, Kind
from .manifest import AssignedSource, split_settings

VERSION = 6  # of the cache format; a change makes all caches stale
Arrays = dict[str, Array]
BUILDING = ".building-"
ABANDONED = 24 * 3600  # seconds after which an unfinished cache is removed: its process was killed


@dataclass
class Index:
    """The rows of the arrays, which are in the order of the splits."""

    names: list[str]  # within their source
    sources: list[int]  # indices of their sources
    labels: list[str]
    targets: list[int]  # indices in `labels`
    digests: list[str]  # of the encoded files
    splits: dict[str, int]  # number of rows of each, in their order
    given_splits: list[str]
    bad: list[tuple[int, str, str]] = field(default_factory=list)  # source, name, reason
    remarks: list[str] = field(default_factory=list)
    target_spec: dict[str, Any] = field(default_factory=dict)  # TargetSpec.to_dict(): with the task and the columns
    preprocessing: dict[str, Any] = field(default_factory=dict)  # of the domain: forms, measurements; JSON
    shapes: dict[str, list[int]] = field(default_factory=dict)  # of the arrays, by name
    groups: list[str] = field(default_factory=list)  # of --group-by; "" for an example without one

    @property
    def consistent(self) -> bool:
        """Whether lists of rows have one length, and indices are in their ranges."""
        count = len(self.names)
        return (
            all(len(rows) == count for rows in (self.sources, self.targets, self.digests, self.groups))
            and sum(self.splits.values()) == count
            and self.splits.keys() >= set(SPLITS)
            and all(0 <= target < len(self.labels) for target in self.targets)
        )


Entry = tuple[Index, Arrays]


def cached(
    cache: Cache,
    spec: DataSpec,
    labels: Sequence[str] | None,
    sources: Sequence[AssignedSource],
    settings: Any,
    build: Callable[[Path], Index],
    aliases: Callable[[Index], Sequence[Any]] | None = None,
) -> Entry:
    """The decoded examples from the cache; if they are not there, `build` writes them to a folder that is kept.

    The key covers the fingerprints of the sources, the division into splits and `settings`: everything else that the
    arrays depend on. `aliases` gives further settings that lead to the same arrays, such as those that a model keeps.
    """
    fingerprints = [(split, list(source.fingerprint())) for source, split in sources]
    unknown = sorted(labels) if labels is not None and spec.unknown == "skip" else spec.unknown

    left_out = exclude.fingerprint(spec.exclude)

    def key(settings: Any, targets: TargetSpec) -> str:
        return key_of(settings, targets.to_dict(), (*split_settings(spec), left_out), unknown, fingerprints)

    first = key(settings, spec.targets)
    if entry := cache.find(first):
        return entry
    with cache.building() as folder:
        index = build(folder)
        entry = cache.keep(folder, first, index)
    for targets in (spec.targets, TargetSpec(**index.target_spec)):
        for alias in (settings, *(aliases(index) if aliases else ())):
            cache.alias(key(alias, targets), first)
    return entry


class Cache:
    """A folder of caches; a temporary one, removed at exit, if it cannot be written to."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self.remarks: list[str] = []
        self.needed = 0  # bytes of the cache being built
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

    def find(self, key: str) -> Entry | None:
        """The index and the arrays under a key or an alias; None if they are missing or damaged."""
        try:
            alias = self.folder / f"{key}.json"
            folder = self.folder / (json.loads(alias.read_text())["key"] if alias.exists() else key)
            index = schema.read(Index, json.loads((folder / "index.json").read_text()))
            # Copy on write: torch wants an array that it may write to, the file must not change.
            arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="c") for name in index.shapes}
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return (index, arrays) if index.consistent and shapes_of(arrays) == index.shapes else None

    @contextmanager
    def building(self) -> Iterator[Path]:
        """A temporary folder to build a cache in."""
        self.sweep()
        folder = Path(tempfile.mkdtemp(prefix=BUILDING, dir=self.folder))
        try:
            yield folder
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self.full(self.needed) from error
            with files.disk_errors(folder):
                raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def require(self, needed: int) -> None:
        """Raises Problem if the disk has no room for so many bytes."""
        self.needed = needed
        if shutil.disk_usage(self.folder).free < needed:
            raise self.full(needed)

    def keep(self, folder: Path, key: str, index: Index) -> Entry:
        """Moves a finished cache into place in one step; if another process was first, its cache stays."""
        index.shapes = shapes_of({path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")})
        (folder / "index.json").write_text(json.dumps(vars(index)))
        try:
            folder.rename(self.folder / key)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            if (existing := self.find(key)) is not None:
                return existing
            shutil.rmtree(self.folder / key, ignore_errors=True)  # it is damaged
            folder.rename(self.folder / key)
        entry = self.find(key)
        assert entry is not None, f"{self.folder / key} was written and cannot be read"
        return entry

    def alias(self, alias: str, key: str) -> None:
        """Lets the cache under a key be found under another one too."""
        if alias != key:
            with tempfile.NamedTemporaryFile("w", dir=self.folder, prefix=BUILDING, delete=False) as file:
                json.dump({"key": key}, file)
            os.replace(file.name, self.folder / f"{alias}.json")

    def sweep(self) -> None:
        """Removes unfinished caches of killed processes."""
        for path in self.folder.glob(BUILDING + "*"):
            try:
                if time.time() - path.stat().st_mtime > ABANDONED:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            except OSError:  # another process removed it
                continue

    def full(self, needed: int) -> Problem:
        free = shutil.disk_usage(existing_folder(self.folder)).free
        return Problem(
            f"the disk is full: the decoded {self.kind.noun}s need {files.megabytes(needed)} in {self.folder}, "
            f"{files.megabytes(free)} are free; make room, or name another cache folder in NEOCOG_CACHE",
            FAILED,
        )


def key_of(*parts: Any) -> str:
    """The hash of everything that the arrays depend on."""
    return blake2b(json.dumps([VERSION, parts], default=list).encode(), digest_size=16).hexdigest()


def shapes_of(arrays: Arrays) -> dict[str, list[int]]:
    return {name: list(array.shape) for name, array in sorted(arrays.items())}


def default_cache() -> Path:
    """$NEOCOG_CACHE, or the folder `neocog` among the caches of the user; a temporary one without a home."""
    if folder := os.environ.get("NEOCOG_CACHE"):
        return home_expanded(folder, "NEOCOG_CACHE")
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "neocog"
    except RuntimeError:
        folder = tempfile.mkdtemp(prefix="neocog-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)


def home_expanded(text: str | Path, option: str = "--cache") -> Path:
    """A path with ~ or ~user replaced. Raises Problem if there is no such user, or no home folder."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise Problem(f"{option} {text}: there is no home folder of that name; write the whole path", USAGE) from None


def existing_folder(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def write_array(path: Path, shape: tuple[int, ...], rows: Iterable[bytes], dtype: str = "|u1") -> None:
    """Writes a .npy file row by row, so that it is never in memory as a whole; `dtype` is NumPy's name of its type."""
    with open(path, "wb") as file:
        head = {"descr": dtype, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, head)
        for row in rows:
            file.write(row)
