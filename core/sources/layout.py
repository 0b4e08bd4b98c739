"""Labels and splits from folders: a folder per class, with or without train/, val/ and test/ around the classes."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from .content import Kind, counted
from .encodings import decode_surrogates
from .label_spelling import merged_remarks
from .source import (
    PROGRAM_FOLDERS,
    Files,
    SampleInfo,
    SourceManifest,
    is_hidden,
    natural,
    normalize_label,
    suffix_of,
)
from .split_names import SPLIT_PURPOSES, split_folders, split_in_words, split_name


def class_folders(
    files: Files, kind: Kind, names: Sequence[str] | None = None, used: Collection[str] = ()
) -> SourceManifest:
    """The files of a kind, labelled by the folders they lie in; `names` limits them to a selection.

    `used` are files that are read as something else than examples, and so are not left out.
    """
    if names is None:
        names = [name for name in visible(files.names) if kind.named(name) and name not in used]
    samples, _ = label_by_folder((name, split_path(name)) for name in names)
    selected, labelled = set(names), {sample.name for sample in samples}
    outside = [name for name in names if name not in labelled]
    by_programs, ignored = Counter[str](), Counter[str]()
    for name in files.names:
        if name in selected or name in used:
            continue
        if folder := left_by_program(name, kind):
            by_programs[folder] += 1
        else:
            ignored[suffix_of(name)] += 1
    manifest = SourceManifest(samples, list(files.bad), ignored, outside)
    manifest.remarks += taken_remarks(samples) + spelling_remarks(samples)
    if by_programs:
        places = ", ".join(f"{count:,} in {folder}" for folder, count in by_programs.most_common())
        manifest.remarks.append(f"left out {kind.counted(by_programs.total())} that other programs wrote: {places}")
    return manifest


def taken_remarks(samples: Sequence[SampleInfo]) -> list[str]:
    """What the folders were taken for: `label: the names of the folders, 2 values; split: test_set/ for test`."""
    if not samples:
        return []
    folders: dict[str, str] = {}
    for sample in samples:
        if sample.split:
            parts = split_path(sample.name)[:-1]
            folders |= {folder: sample.split for folder in parts[:-1] if split_in_words(folder) == sample.split}
    labels = counted(len({sample.label for sample in samples}), "value")
    folders_of = {split_path(sample.name)[:-1]: sample.label for sample in samples}
    inner = [parts for parts, label in folders_of.items() if normalize_label(parts[-1]) != label]
    below = f" (those of the {counted(len(inner), 'folder')} within them are not)" if inner else ""
    splits = ", ".join(f"{folder}/ for {SPLIT_PURPOSES[folders[folder]]}" for folder in sorted(folders, key=natural))
    return [f"label: the names of the folders, {labels}{below}" + (f"; split: {splits}" if splits else "")]


def spelling_remarks(samples: Sequence[SampleInfo]) -> list[str]:
    """Remarks on class folders whose names had to be read in another way, or that count as one class."""
    folders = {folder for sample in samples for folder in split_path(sample.name)[:-1]}
    labels = {sample.label for sample in samples}
    spellings: dict[str, set[str]] = defaultdict(set)
    for folder in folders:
        spellings[normalize_label(folder)].add(folder)
    foreign = sorted(folder for folder in folders if decode_surrogates(folder) != folder)
    return merged_remarks({label: spellings[label] for label in sorted(labels)}, "folders") + [
        f"the name of the folder {os.fsencode(folder)!r} is not UTF-8; read as Windows-1252: {normalize_label(folder)}"
        for folder in foreign
    ]


def left_by_program(name: str, kind: Kind) -> str:
    """The folder of programs that a file of the kind lies in, `._*` for a copy by macOS of its attributes; or ""."""
    if not kind.named(name):
        return ""
    *folders, file = split_path(name)
    in_folder = next((folder for folder in folders if folder.lower() in PROGRAM_FOLDERS), "")
    return in_folder or ("._*" if file.startswith("._") else "")


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
    splits = splits_at_top([parts for _, parts in inner])
    wrappers = wrappers_in_splits([parts for _, parts in inner], splits)
    samples = []
    for name, parts in inner:
        split = splits.get(parts[0])
        folders = parts[1 + wrappers[parts[0]] : -1] if split else parts[:-1]
        if folders and (split or not splits):
            samples.append(SampleInfo(name, normalize_label(folders[0]), split))
    return samples, len(inner) - len(samples)


def split_of_top_folder(names: Sequence[str]) -> dict[str, str]:
    """The split of each file that lies in a top folder such as train/ or test/, with no classes below it."""
    paths = {name: split_path(name) for name in names}
    depth = wrapper_depth(list(paths.values()))
    top = {name: parts[depth] for name, parts in paths.items() if len(parts) > depth + 1}
    splits = split_folders(set(top.values()))
    if "train" not in splits.values():
        return {}
    return {name: splits[folder] for name, folder in top.items() if folder in splits}


def wrapper_depth(paths: Sequence[tuple[str, ...]]) -> int:
    """The number of folders that only wrap the class folders or train/ and test/, as archives often do."""
    for depth in range(min(map(len, paths), default=0) - 1):
        heads = {parts[depth] for parts in paths}
        if len(heads) > 1 or split_name(heads.pop()):
            return depth
    return 0


def splits_at_top(paths: Iterable[tuple[str, ...]]) -> dict[str, str]:
    """The top folders that are splits, not classes: named like one, with folders and no files directly in them.

    A class may be called "train" or "test": splits need a train/ among them, or nothing else beside them.
    """
    shallowest: dict[str, int] = {}
    for parts in paths:
        shallowest[parts[0]] = min(len(parts), shallowest.get(parts[0], len(parts)))
    named = split_folders(shallowest)
    splits = {head: split for head, split in named.items() if shallowest[head] >= 3}
    return splits if "train" in splits.values() or len(splits) == len(shallowest) else {}


def wrappers_in_splits(paths: Sequence[tuple[str, ...]], splits: Mapping[str, str]) -> dict[str, int]:
    """The number of folders that wrap the class folders in each split: training_set/training_set/, train/images/.

    A folder alone in a split is a wrapper if it names that split again, or if all splits have the same one.
    """
    depths: dict[str, int] = {}
    remaining = []
    for head, split in splits.items():
        inner = [parts[1:] for parts in paths if parts[0] == head]
        names = {parts[0] for parts in inner}
        again = names == {head} or [split_name(name) for name in names] == [split]
        depths[head] = int(again and min(map(len, inner)) >= 3)
        remaining += [parts[depths[head] :] for parts in inner]
    shared = wrapper_depth(remaining)
    return {head: depth + shared for head, depth in depths.items()}
