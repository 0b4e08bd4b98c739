"""Pictures with their masks: files of the same stem in folders that say what they hold."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ...core.problem import DATA, Bad, Problem
from ...core.sources.content import Content, Unreadable, WithTarget, counted, fetched
from ...core.sources.encodings import decode_text
from ...core.sources.layout import split_path, visible
from ...core.sources.source import Files, SampleInfo, SourceManifest, natural, suffix_of
from ...core.sources.split_names import split_name
from ...core.sources.table import Row, read_table
from ...core.targets import TargetSpec
from ..picture import PICTURES
from .classes import FILES, MaskClasses, table_row
from .classes import read_table as read_classes

PICTURE_FOLDERS = frozenset(
    {"image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "jpegimages", "frames", "input", "x"}
)
MASK_FOLDERS = frozenset(
    {"mask", "masks", "label", "labels", "annotation", "annotations", "annots", "gt", "groundtruth", "ground_truth"}
    | {"segmentation", "segmentations", "segmentationclass", "target", "targets", "y"}
)
MASK_ENDINGS = ("_masks", "_mask", "_labels", "_label", "_annotations", "_gt", "annot", "masks", "labels")
PICTURE_COLUMNS = ("image", "picture", "photo", "file", "filename", "path", "image_path", "img", "input")
MASK_COLUMNS = ("mask", "mask_path", "segmentation", "annotation", "label", "label_path", "target")
SPLIT_COLUMNS = ("split", "set", "subset", "partition")
STEM_ENDINGS = ("_mask", "_masks", "_label", "_labels", "_segmentation", "_seg", "_gt", "_l", "_p", "-mask", "-label")
NAMED = 3  # files that a remark names
EXPECTED = (
    "pictures and masks of the same name in folders beside each other, such as images/ and masks/, with or without "
    "train/ and test/ around or in them, or a table with the columns image and mask"
)
Key = tuple[str, ...]


class Pairs(NamedTuple):
    """The pictures among files with their masks, and the files without a partner."""

    masks: dict[str, str]  # picture -> mask
    without_mask: list[str]
    without_picture: list[str]


def pairs_among(names: Sequence[str]) -> Pairs | None:
    """Pairs pictures with masks by their folders and stems; None if no folder names masks beside pictures."""
    pictures: dict[Key, str] = {}
    masks: dict[Key, str] = {}
    for name in sorted(filter(PICTURES.named, visible(names)), key=natural):
        *folders, file = split_path(name)
        stem = PurePosixPath(file).stem
        places = [index for index, folder in enumerate(folders) if mask_base(folder) is not None]
        if places:
            folders[places[-1]] = mask_base(folders[places[-1]]) or ""
            masks.setdefault((*map(picture_base, folders), stem.lower()), name)
        else:
            pictures.setdefault((*map(picture_base, folders), stem.lower()), name)
    paired: dict[str, str] = {}
    used: set[str] = set()
    for key, picture in pictures.items():
        *place, stem = key
        candidates = (key, *((*place, stem + ending) for ending in STEM_ENDINGS))
        mask = next((masks[candidate] for candidate in candidates if candidate in masks), None)
        if mask is not None:
            paired[picture] = mask
            used.add(mask)
    if not paired:
        return None
    used_places = {key[:-1] for key, picture in pictures.items() if picture in paired}
    alone = [picture for key, picture in pictures.items() if picture not in paired and key[:-1] in used_places]
    return Pairs(paired, alone, [mask for mask in masks.values() if mask not in used])


def pairs_in_table(path: str) -> tuple[Pairs, dict[str, str]] | None:
    """The pairs that the rows of a table name, relative to it, and the splits of pictures that a column gives.

    None for a table without a column of pictures beside one of masks. Raises Problem for a row that names none.
    """
    table = read_table(os.path.basename(path), Path(path))
    rows = [row for row in table.rows if isinstance(row, Row)]
    header = table.header or (rows.pop(0).cells if rows else [])
    names = [cell.strip().lower() for cell in header]
    columns = [next((names.index(n) for n in known if n in names), -1) for known in (PICTURE_COLUMNS, MASK_COLUMNS)]
    if min(columns) < 0:
        return None
    split = next((names.index(name) for name in SPLIT_COLUMNS if name in names), None)
    masks: dict[str, str] = {}
    split_of: dict[str, str] = {}
    for row in rows:
        picture, mask = (row.cells[column].strip() if column < len(row.cells) else "" for column in columns)
        if not picture or not mask:
            raise Problem(f"{path}, line {row.line}, lacks a picture or its mask; expected a path of each", DATA)
        if picture in masks or mask in masks.values():
            raise Problem(f"{path}, line {row.line}, names {picture} or {mask} again; expected each once", DATA)
        masks[picture] = mask
        if split is not None and split < len(row.cells) and (name := split_name(row.cells[split].strip())):
            split_of[picture] = name
    return Pairs(masks, [], []), split_of if "train" in split_of.values() else {}


def mask_base(folder: str) -> str | None:
    """What the folder of the pictures is called that a folder of masks belongs to; None for no folder of masks."""
    name = folder.lower()
    if name in MASK_FOLDERS:
        return "*"
    return next(
        (name.removesuffix(ending) for ending in MASK_ENDINGS if name.endswith(ending) and name != ending), None
    )


def picture_base(folder: str) -> str:
    """A folder as pairs compare it: all names for pictures are one."""
    return "*" if folder.lower() in PICTURE_FOLDERS else folder.lower()


def are_plain(pairs: Pairs | None) -> bool:
    """Whether files are pictures with masks beyond doubt: most have one, and most masks are of one."""
    return pairs is not None and len(pairs.masks) >= 2 * max(len(pairs.without_mask), len(pairs.without_picture))


class PairSource:
    """Pictures with masks in a folder or an archive. The label of a sample is the name of its mask."""

    def __init__(
        self,
        files: Files,
        pairs: Pairs,
        targets: TargetSpec,
        ignored: Sequence[str] = (),
        split_of: Mapping[str, str] | None = None,
    ) -> None:
        self.files, self.pairs, self.ignored = files, pairs, ignored
        self.spec, self.split_of = targets, split_of  # by the column of a table; None leaves splits to folders

    @property
    def location(self) -> str:
        return self.files.location

    @cached_property
    def class_file(self) -> str | None:
        """The class table beside the folders."""
        tables = [name for name in visible(self.files.names) if split_path(name)[-1].lower() in FILES]
        return min(
            tables, key=lambda name: (len(split_path(name)), FILES.index(split_path(name)[-1].lower())), default=None
        )

    @cached_property
    def class_lines(self) -> tuple[Sequence[str], str]:
        """The lines of the class table, and where they stand; none if nothing names the classes."""
        if self.spec.label_names:
            return self.spec.label_names, "--label-names"
        if self.class_file is None:
            return (), ""
        text, _ = decode_text(self._read(self.class_file))
        return [line for line in text.splitlines() if line.strip()], self.display_name(self.class_file)

    @cached_property
    def classes(self) -> MaskClasses | None:
        """The classes that the user, a model or a class table names; None leaves them to the masks.

        The values of two names without values are 0 and 1, or 0 and 255: the masks decide.
        """
        if known := MaskClasses.of(self.spec):
            return known
        lines, place = self.class_lines
        return read_classes(lines, place, self.ignored) if lines and not self.are_two_names else None

    @property
    def are_two_names(self) -> bool:
        lines, place = self.class_lines
        return len(lines) == 2 and all(table_row(line.strip(), place).is_name for line in lines)

    def _read(self, name: str) -> bytes:
        try:
            content = fetched(next(content for _, content in self.files.read([name])))
        except Unreadable as error:
            raise Problem(f"{self.display_name(name)} {error}", DATA) from error
        assert isinstance(content, bytes)
        return content

    def fingerprint(self) -> Iterator[Hashable]:
        yield ("pairs", *self.ignored, *sorted((self.split_of or {}).items()))
        names = [*self.pairs.masks, *self.pairs.masks.values(), *self.pairs.without_mask, *self.pairs.without_picture]
        yield from self.files.fingerprint([*names, *([self.class_file] if self.class_file else [])])

    def scan(self, group_by: str | None) -> SourceManifest:
        pictures = [*self.pairs.masks, *self.pairs.without_mask]
        split_of = splits(pictures) if self.split_of is None else self.split_of
        samples = [SampleInfo(picture, mask, split_of.get(picture)) for picture, mask in self.pairs.masks.items()]
        manifest = SourceManifest(samples, list(self.files.bad))
        manifest.bad += [Bad(name, f"has no mask; expected {EXPECTED}") for name in self.pairs.without_mask]
        manifest.bad += [Bad(name, "is a mask without a picture") for name in self.pairs.without_picture]
        known = {*self.pairs.masks, *self.pairs.masks.values(), *self.pairs.without_mask, *self.pairs.without_picture}
        others = [name for name in visible(self.files.names) if name not in known and name != self.class_file]
        manifest.ignored = Counter(suffix_of(name) for name in others if not PICTURES.named(name))
        if outside := [name for name in others if PICTURES.named(name)]:
            named = ", ".join(outside[:NAMED])
            manifest.remarks.append(f"left out {PICTURES.counted(len(outside))} outside folders with masks: {named}")
        classes = self.classes
        names = tuple(line.strip() for line in self.class_lines[0]) if classes is None else ()
        pending = replace(self.spec, task="segment", label_names=names)
        manifest.targets = classes.targets(self.spec) if classes else pending
        manifest.remarks.append(self.remark(classes))
        return manifest

    def remark(self, classes: MaskClasses | None) -> str:
        """What was taken for what."""
        picture, mask = next(iter(self.pairs.masks.items()))
        text = f"masks: {mask} of {picture} and so on, {counted(len(self.pairs.masks), 'pair')}"
        if classes is None:
            return text
        place = f" of {self.class_file}" if self.class_file and not self.spec.label_names else ""
        ignored = f"; ignored: {', '.join(classes.ignored)}" if classes.ignored else ""
        return f"{text}; {counted(len(classes.names), 'label')}{place}{ignored}"

    def contents(self, samples: Sequence[SampleInfo]) -> Iterator[tuple[int, Content]]:
        index_of = {sample.name: index for index, sample in enumerate(samples)}
        picture_of = {sample.label: sample.name for sample in samples}
        waiting: dict[str, dict[bool, Any]] = {}  # by picture: whether it is the picture itself -> its content
        names = [name for sample in samples for name in (sample.name, sample.label)]
        for name, content in self.files.read(names):
            picture = picture_of.get(name, name)
            contents = waiting.setdefault(picture, {})
            contents[name == picture] = content
            if len(contents) == 2:
                del waiting[picture]
                yield index_of[picture], WithTarget(contents[True], contents[False])
        for picture in waiting:  # of an archive that changed meanwhile
            yield index_of[picture], Unreadable("or its mask is no longer there")

    def display_name(self, name: str) -> str:
        return self.files.display_name(name)


def splits(names: Sequence[str]) -> dict[str, str]:
    """The split of each picture, by the folders around it or in the folder of all pictures."""
    split_of: dict[str, str] = {}
    for name in names:
        for folder in split_path(name)[:-1]:
            if split := split_name(folder):
                split_of[name] = split
                break
    return split_of if "train" in split_of.values() else {}
