"""The data sources of vision: what DATA, --test and --valid may be."""

from __future__ import annotations

import os
from pathlib import Path

from ..core.data import DataSpec
from ..core.problem import DATA, Problem
from ..core.sources.archive import ENDINGS as ARCHIVES
from ..core.sources.archive import ArchiveFiles, ArchiveSource
from ..core.sources.content import file_reason
from ..core.sources.expand import missing
from ..core.sources.file_source import FileSource, open_files
from ..core.sources.folder import FolderFiles
from ..core.sources.manifest import AssignedSource, assigned_sources
from ..core.sources.source import DataSource, Files
from ..core.sources.table import Row, is_table, read_table
from ..core.targets import TargetSpec
from .batches import batches_among
from .boxes import source as boxes
from .datasets import KNOWN, NAMES, Digits, data_set
from .idx import IMAGES, idx_at
from .masks.pairs import EXPECTED, Pairs, PairSource, are_plain, mask_base, pairs_among, pairs_in_table
from .options import Options
from .picture import PICTURES

MASKS = "segment"  # the task whose targets are masks
NO_TARGETS = TargetSpec()
MOST_FOLDERS = 20  # that are looked into for folders of masks


def open_sources(spec: DataSpec, options: Options) -> list[AssignedSource]:
    """DATA, and the sources of --valid and --test."""
    return assigned_sources(
        spec, lambda path, split: open_boxes(spec, path, options) or open_source(path, options, spec.targets)
    )


def open_boxes(spec: DataSpec, path: str, options: Options) -> DataSource | None:
    """The pictures with boxes at a path; None if it holds none and the task is not theirs."""
    is_theirs = spec.targets.task == boxes.TASK
    if not os.path.exists(path) or not (is_theirs or (spec.targets.task is None and boxes.recognised(path))):
        return None
    boxes.require_detection(spec.targets, path)
    return boxes.BoxSource(path, options.boxes, spec.targets)


def open_source(path: str, options: Options, targets: TargetSpec = NO_TARGETS) -> DataSource:
    """The data source at a path, or the data set with that name; an existing path takes precedence."""
    if os.path.exists(path):
        if pairs := open_pairs(path, options, targets):
            return pairs
        return open_folder(path, options) if os.path.isdir(path) else open_file(path, options)
    if path == "digits":
        return Digits()
    if path not in KNOWN:
        raise missing(path, NAMES)
    return open_known(path, options)


def open_pairs(path: str, options: Options, targets: TargetSpec) -> DataSource | None:
    """The pictures with masks at a path, if the user names that task, or no task and folders leave no doubt.

    Raises Problem if there are none for the task.
    """
    if targets.task not in (None, MASKS):
        return None
    if is_table(path) and (targets.task == MASKS or not targets.columns):
        named = pairs_in_table(path) if targets.task == MASKS or names_masks(path) else None
        if named:
            return PairSource(open_files(path)[0], named[0], targets, options.ignored, named[1])
    files, pairs = pairs_at(path, is_asked_for=targets.task == MASKS)
    if files is None or pairs is None:
        if targets.task == MASKS:
            raise Problem(f"{path} holds no pictures with masks; expected {EXPECTED}", DATA)
        return None
    return PairSource(files, pairs, targets, options.ignored) if targets.task or are_plain(pairs) else None


def holds_masks(path: str) -> bool:
    """Whether the files at a path are plainly pictures with masks."""
    return are_plain(pairs_at(path)[1]) or names_masks(path)


def names_masks(path: str) -> bool:
    """Whether the header of a table has a column that can only be of masks."""
    if not is_table(path) or not os.path.isfile(path):
        return False
    try:
        table = read_table(os.path.basename(path), Path(path))
        first = table.header or next((row.cells for row in table.rows if isinstance(row, Row)), [])
    except Problem:
        return False
    return bool({"mask", "mask_path", "segmentation"} & {cell.strip().lower() for cell in first})


def pairs_at(path: str, is_asked_for: bool = False) -> tuple[Files | None, Pairs | None]:
    """The files at a path, and the pictures among them with masks; a look at the folders may rule them out before."""
    is_archive = path.lower().endswith(ARCHIVES)
    if not (os.path.isdir(path) or is_archive) or not (is_asked_for or may_hold_masks(path)):
        return None, None
    files: Files = ArchiveFiles(path) if is_archive else FolderFiles(path)
    return files, pairs_among(files.names)


def may_hold_masks(path: str) -> bool:
    """Whether a look at the uppermost folders finds one of masks; a zip is looked into, a tar is not."""
    if not os.path.isdir(path):
        return path.lower().endswith(".zip")
    folders = folders_in(path)
    inner = [name for folder in folders[:MOST_FOLDERS] for name in folders_in(os.path.join(path, folder))]
    return any(mask_base(name) is not None for name in (*folders, *inner))


def folders_in(path: str) -> list[str]:
    """The names of the folders in a folder; none of one that cannot be read, which is said when all names are."""
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return []


def open_known(name: str, options: Options) -> DataSource:
    """A data set with a name, downloaded if it is not there yet."""
    path = data_set(name, options.cache)
    labels = KNOWN[name].labels
    idx = idx_at(path, labels) if labels else None
    return idx or (open_folder(str(path), options) if path.is_dir() else open_file(str(path), options))


def open_folder(path: str, options: Options) -> DataSource:
    try:
        names = os.listdir(path)
    except OSError as error:
        raise Problem(f"{path} {file_reason(Path(path), error)}", DATA) from error
    if any(IMAGES.fullmatch(name) for name in names) and (idx := idx_at(Path(path))):
        return idx
    files = FolderFiles(path)
    return batches_among(files, names) or FileSource(files, PICTURES, options.table, naming=options.naming)


def open_file(path: str, options: Options) -> DataSource:
    if not os.access(path, os.R_OK):
        raise Problem(f"{path} may not be read (permission denied)", DATA)
    if path.lower().endswith(ARCHIVES):
        return ArchiveSource(path, lambda files: open_archive(files, options))
    if is_table(path):
        files, table = open_files(path)
        return FileSource(files, PICTURES, options.table, table)
    if idx := idx_at(Path(path)):
        return idx
    described = "one picture" if PICTURES.named(path) else "not a kind of data that vision knows"
    raise Problem(f"{path} is {described}; expected {PICTURES.expected}", DATA)


def open_archive(files: ArchiveFiles, options: Options) -> DataSource:
    return batches_among(files, files.names) or FileSource(files, PICTURES, options.table, naming=options.naming)
