"""Labels and splits from folders: a folder per class, with or without train/, val/ and test/ around the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from .content import Kind
from .source import SPLIT_NAMES, Files, SampleInfo, SourceManifest, is_hidden, natural, normalize_label, suffix_of


def class_folders(files: Files, kind: Kind, names: Sequence[str] | None = None) -> SourceManifest:
    """The files of a kind, labelled by the folders they lie in; `names` limits them to a selection."""
    if names is None:
        names = [name for name in visible(files.names) if kind.named(name)]
    samples, outside = label_by_folder((name, split_path(name)) for name in names)
    selected = set(names)
    ignored = Counter(suffix_of(name) for name in files.names if name not in selected)
    return SourceManifest(samples, list(files.bad), ignored, outside)


def split_path(name: str) -> tuple[str, ...]:
    """Splits `./train/cats/1.jpg` into its parts; an absolute name starts with "..", as it leads outside."""
    parts = tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
    return ("..", *parts) if name.startswith("/") else parts


def is_visible(parts: Sequence[str]) -> bool:
    """Returns True if a path is not hidden and does not lead outside."""
    return bool(parts) and ".." not in parts and not is_hidden(parts)


def visible(names: Iterable[str]) -> list[str]:
    return [name for name in names if is_visible(split_path(name))]


def label_by_folder(paths: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[list[SampleInfo], int]:
    """Samples with label and split from their folders, and the number of files outside any class folder.

    `paths` are names with their parts, the last of which is the file name.
    """
    ordered = sorted(paths, key=lambda path: natural(path[0]))
    depth = wrapper_depth([parts for _, parts in ordered])
    inner = [(name, parts[depth:]) for name, parts in ordered]
    splits = split_folders([parts for _, parts in inner])
    samples = []
    for name, parts in inner:
        split = splits.get(parts[0])
        folders = parts[1:-1] if split else parts[:-1]
        if folders and (split or not splits):
            samples.append(SampleInfo(name, normalize_label(folders[0]), split))
    return samples, len(inner) - len(samples)


def wrapper_depth(paths: Sequence[tuple[str, ...]]) -> int:
    """The number of folders that only wrap the class folders or train/ and test/, as archives often do."""
    for depth in range(min(map(len, paths), default=0) - 1):
        heads = {parts[depth] for parts in paths}
        if len(heads) > 1 or heads.pop().lower() in SPLIT_NAMES:
            return depth
    return 0


def split_folders(paths: Iterable[tuple[str, ...]]) -> dict[str, str]:
    """The top folders that are splits, not classes: named like one, with folders and no files directly in them.

    A class may be called "train" or "test": splits need a train/ among them, or nothing else beside them.
    """
    shallowest: dict[str, int] = {}
    for parts in paths:
        shallowest[parts[0]] = min(len(parts), shallowest.get(parts[0], len(parts)))
    splits = {
        head: SPLIT_NAMES[head.lower()]
        for head, depth in shallowest.items()
        if head.lower() in SPLIT_NAMES and depth >= 3
    }
    return splits if "train" in splits.values() or len(splits) == len(shallowest) else {}
