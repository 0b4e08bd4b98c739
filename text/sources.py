"""The data sources of text: what DATA, --test and --valid may be."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path, PurePath

from ..core.data import DataSpec
from ..core.problem import DATA, Bad, Problem
from ..core.sources.archive import ENDINGS as ARCHIVES
from ..core.sources.archive import ArchiveSource, archives_hint
from ..core.sources.columns import Record, announce, read_records
from ..core.sources.content import Content, Kind, counted, file_reason
from ..core.sources.encodings import decode_text
from ..core.sources.expand import missing
from ..core.sources.file_source import FileSource
from ..core.sources.folder import FolderFiles
from ..core.sources.gzipped import unpacked
from ..core.sources.layout import split_path, visible
from ..core.sources.manifest import AssignedSource, assigned_sources
from ..core.sources.read import content_bytes
from ..core.sources.source import DataSource, Files, SampleInfo, SourceManifest
from ..core.sources.split_names import split_in
from ..core.sources.table import Table, holds_text, is_table, parse_table, read_table
from . import lines
from .columns import TEXT_CELLS
from .options import Reading
from .roles import CLASSES, Role, refuse_split_among_classes, roles

EXPECTED = (
    "a CSV, TSV, JSON Lines, Parquet or Excel file with a column of texts and one of labels, a folder with one folder "
    "of .txt files (or one file of lines) per class, a file of `label text` lines, or a zip or tar of any of them"
)
TEXTS = Kind("text", "text", frozenset({".txt", ".text", ".md", ""}), EXPECTED)


BINARY = (  # endings of pictures, recordings and models, which may lie beside texts
    *(".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".heic", ".avif", ".wav", ".mp3", ".flac"),
    *(".ogg", ".opus", ".m4a", ".mp4", ".pdf", ".npy", ".npz", ".safetensors"),
)


class TextRows:
    """Texts in the rows or lines of one or more files. `class_names` is a file that names numbered labels."""

    def __init__(self, files: Files, roles: Sequence[Role], reading: Reading, class_names: str | None = None) -> None:
        self.files, self.roles, self.reading, self.class_names = files, roles, reading, class_names
        self.texts: dict[str, str] = {}
        self.examined: list[str] = []  # the first lines of all splits, if they are files of lines

    @property
    def location(self) -> str:
        return self.files.location

    @property
    def names(self) -> list[str]:
        return [role.name for role in self.roles] + ([self.class_names] if self.class_names else [])

    def fingerprint(self) -> Iterator[Hashable]:
        return self.files.fingerprint(self.names)

    def scan(self, group_by: str | None) -> SourceManifest:
        manifest = SourceManifest([])
        role_of = {role.name: role for role in self.roles}
        names: list[str] = []
        tables: list[Table] = []
        self.examined = self.lines_of_splits()
        for name, content in self.files.read(self.names):
            if role := role_of.get(name):
                for record in self.records(role, content_bytes(content, name), group_by, manifest, tables):
                    self.add(role, record, manifest)
            else:
                names = [
                    line.strip() for line in decode_text(content_bytes(content, name))[0].split("\n") if line.strip()
                ]
        if manifest.label_column is None:  # then classes are files
            refuse_split_among_classes(self.location, self.roles)
        manifest.grouped = any(sample.group is not None for sample in manifest.samples)
        named = name_labels(manifest.samples, names)
        if self.class_names and named is not manifest.samples:
            manifest.remarks.append(f"{self.class_names}: the names of the labels, which are numbers from 1 on")
        manifest.samples = named
        manifest.remarks += [remark for table in tables for remark in table.remarks] + announce(tables)
        manifest.label_column = next((table.use.label for table in tables if table.use), manifest.label_column)
        manifest.remarks += self.taken(manifest)
        manifest.label_order = next((names for table in tables for names in table.classes.values()), None)
        return manifest

    def lines_of_splits(self) -> list[str]:
        """The first lines of all files of a set that are its splits, in lines: they are judged together."""
        names = [role.name for role in self.roles if role.label is None and not is_table(role.name)]
        if len(names) < 2:
            return []
        contents = (bytes_of(name, content_bytes(content, name)) for name, content in self.files.read(names))
        texts = (decode_text(content, self.reading.encoding)[0] for content in contents)
        return [line for text in texts for line in lines.first_lines(text)]

    def taken(self, manifest: SourceManifest) -> list[str]:
        """What was taken as the label of lines that are no table."""
        count = counted(len({sample.label for sample in manifest.samples}), "value")
        for labels, others in ((lines.LABELS, "behind it"), (lines.MARKED_LABELS, "beside them")):
            if manifest.label_column is labels:
                return [f"label: {labels.title}, {count}; text: the words {others}"]
        return [f"label: the names of the files, {count}; text: each line"] if self.roles[0].label is not None else []

    def add(self, role: Role, record: Record | Bad, manifest: SourceManifest) -> None:
        if isinstance(record, Bad):
            manifest.bad.append(record)
        else:
            name = f"{role.name}:{record.line}"
            self.texts[name] = record.value
            manifest.samples.append(SampleInfo(name, record.label, record.split, record.group))

    def records(
        self, role: Role, content: bytes, group_by: str | None, manifest: SourceManifest, tables: list[Table]
    ) -> Iterator[Record | Bad]:
        """The texts of one file, in the format that its name and its first lines show; adds its table to `tables`."""
        table: Table | None = None
        if is_table(role.name) and not holds_text(role.name):
            table = read_table(role.name, content)
        else:
            text, issues = decode_text(bytes_of(role.name, content), self.reading.encoding)
            manifest.remarks += issues.sentences(role.name)
            examined = self.examined or lines.first_lines(text)
            if role.label is not None and lines.is_fasttext(examined):
                role = role._replace(label=None)  # its lines say more than its name
            if is_table(role.name):
                table = parse_table(role.name, text)
            elif role.label is None:
                table = lines.table(role.name, text, examined)
        if table is not None:
            tables.append(table)
            yield from read_records(table, TEXT_CELLS, self.reading.table, group_by, role.split)
        elif role.label is not None:
            yield from lines.plain(text, role.label, role.split)
        else:
            manifest.label_column = lines.MARKED_LABELS if lines.is_fasttext(examined) else lines.LABELS
            yield from lines.labelled(role.name, text, examined, self.reading, role.split, manifest.remarks)

    def contents(self, samples: Sequence[SampleInfo]) -> Iterator[tuple[int, Content]]:
        for index, sample in enumerate(samples):
            yield index, self.texts[sample.name]

    def display_name(self, name: str) -> str:
        return self.files.display_name(name)


def bytes_of(name: str, content: bytes) -> bytes:
    """The content of a file, unpacked if it is compressed with gzip."""
    result = unpacked(name, content)
    assert isinstance(result, bytes)
    return result


def name_labels(samples: list[SampleInfo], names: Sequence[str]) -> list[SampleInfo]:
    """Replaces labels by the names of classes, if all of them are numbers from 1 to the number of names."""
    numbers = {sample.label for sample in samples}
    if not names or not all(label.isdecimal() and 1 <= int(label) <= len(names) for label in numbers):
        return samples
    return [sample._replace(label=names[int(sample.label) - 1]) for sample in samples]


# --- choosing the source --------------------------------------------------------------------------------------------


def open_sources(spec: DataSpec, reading: Reading) -> list[AssignedSource]:
    """DATA, and the sources of --valid and --test."""
    return assigned_sources(spec, lambda path, split: open_source(path, reading))


def open_source(path: str, reading: Reading) -> DataSource:
    """The data source at a path. Raises Problem if it holds no texts."""
    if not os.path.exists(path):
        return open_by_stem(Path(path), reading)
    if not os.access(path, os.R_OK):
        raise Problem(f"{path} may not be read (permission denied)", DATA)
    if os.path.isdir(path):
        try:
            os.listdir(path)
        except OSError as error:
            raise Problem(f"{path} {file_reason(Path(path), error)}", DATA) from error
        return choose_source(FolderFiles(path), reading)
    if path.lower().endswith(ARCHIVES):
        return ArchiveSource(path, lambda files: choose_source(files, reading))
    return TextRows(FolderFiles(os.path.dirname(path) or "."), [Role(os.path.basename(path))], reading)


def open_by_stem(path: Path, reading: Reading) -> TextRows:
    """`sst/stsa.binary`, if it stands for stsa.binary.train, .dev and .test."""
    names = sorted(file.name for file in path.parent.iterdir()) if path.parent.is_dir() else []
    selected = [Role(name, split_in(name)[0]) for name in names if split_in(name) != (None, name)]
    selected = [role for role in selected if path.name and split_in(role.name)[1] == path.name]
    if not selected:
        raise missing(str(path))
    return TextRows(FolderFiles(str(path.parent)), selected, reading, CLASSES if CLASSES in names else None)


def choose_source(files: Files, reading: Reading) -> FileSource | TextRows:
    """The texts among files: a file each in class folders, or in lines and rows."""
    names = visible(files.names)
    classes = in_class_folders([name for name in names if len(split_path(name)) > 1 and TEXTS.named(name)])
    if len({split_path(name)[:-1] for name in classes}) > 1:
        return FileSource(files, TEXTS, names=classes)
    names = [name for name in names if not name.lower().endswith(BINARY)]
    selected = roles(files.location, [name for name in names if not name.lower().endswith(ARCHIVES)])
    if not selected:
        hint = archives_hint(files.location, names)
        raise Problem(f"{files.location} holds nothing that texts could be in; expected {EXPECTED}{hint}", DATA)
    class_names = next((name for name in names if PurePath(name).name == CLASSES), None)
    return TextRows(files, selected, reading, class_names)


def in_class_folders(names: Sequence[str]) -> list[str]:
    """The files in the innermost folders: lists of addresses beside the class folders are not texts."""
    outer = {parts[:depth] for name in names for parts in [split_path(name)[:-1]] for depth in range(len(parts))}
    return [name for name in names if split_path(name)[:-1] not in outer]
