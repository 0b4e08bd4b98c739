"""Examples that are files: in a folder per class, or listed in a table with their labels."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath

from ..problem import DATA, Bad, Problem
from .archive import ENDINGS, ArchiveFiles
from .columns import CellKind, TableOptions, announce, find_columns, paths_to, read_records
from .content import Content, Kind, Unreadable, beginning, counted
from .fields import Naming
from .folder import FolderFiles
from .layout import class_folders, split_of_top_folder, split_path, visible
from .parquet import read_files
from .read import content_bytes
from .source import Files, SampleInfo, SourceManifest, natural, normalize_label
from .split_names import SPLIT_PURPOSES, split_in
from .table import EXAMINED, PARQUET, Row, Table, holds_text, is_table, read_table

MOST_TABLES = 5  # beside folders that are looked at, by their beginnings
EXCERPT_SIZE = 1 << 20  # bytes


class FileSource:
    """Files of a kind in a folder or an archive, labelled by their folders, by their names or by a table.

    A table in a folder must be named itself, as it may be about something else; the only table in an archive is used
    if its header names paths and labels. Parquet files with the examples in them are used wherever they lie, unless
    there are files of the kind themselves. `names` limits class folders to a selection of files.
    """

    def __init__(
        self,
        files: Files,
        kind: Kind,
        options: TableOptions | None = None,
        table: str | None = None,
        names: Sequence[str] | None = None,
        spans: bool = False,
        naming: Naming | None = None,
    ) -> None:
        self.files, self.kind, self.table, self.names, self.naming = files, kind, table, names, naming
        self.options = options or TableOptions()
        self.cells: CellKind = paths_to(kind, spans, lambda cell: self.by_name(cell) is not None)
        self.embedded: dict[str, str] = {}  # the column of encoded files, by the name of the table

    @property
    def location(self) -> str:
        return self.files.display_name(self.table) if self.table else self.files.location

    def fingerprint(self) -> Iterator[Hashable]:
        return self.files.fingerprint(self.relevant_names())

    def relevant_names(self) -> Iterator[str]:
        """The files that the manifest depends on."""
        if tables := self.tables():
            yield from (name for name, _ in tables)
            manifest = self.scan_tables(tables, None)
            yield from (sample.name for sample in manifest.samples if self.table_of(sample.name) is None)
        else:
            yield from self.names or (name for name in visible(self.files.names) if self.kind.named(name))

    def scan(self, group_by: str | None) -> SourceManifest:
        tables = self.tables()
        return self.scan_tables(tables, group_by) if tables else self.scan_names(group_by)

    def scan_names(self, group_by: str | None) -> SourceManifest:
        """The files whose names match the pattern if there is one, else those in class folders."""
        if self.naming:
            manifest = self.match_names(self.naming, group_by)
            if manifest.samples or not self.naming.lenient:
                return manifest
        manifest = class_folders(self.files, self.kind, self.names, self.used_names())
        manifest.tables = [] if self.names is not None else list(self.tables_of(manifest))
        return manifest

    def tables_of(self, manifest: SourceManifest) -> Iterator[str]:
        """The tables beside folders that list the files in them, by their paths or names."""
        names = [name for name in visible(self.files.names) if len(split_path(name)) == 1 and holds_text(name)]
        if not manifest.samples or not isinstance(self.files, FolderFiles):
            return
        for name in sorted(names, key=natural)[:MOST_TABLES]:
            try:
                table = read_table(name, beginning(self.files.root / name, EXCERPT_SIZE), self.options.encoding)
                rows = [row.cells for row in islice(table.rows, EXAMINED) if isinstance(row, Row)][:-1]
            except (Problem, Unreadable):
                continue
            width = min(map(len, rows), default=0)
            listed = [sum(self.locate(name, row[index]) is not None for row in rows) for index in range(width)]
            if 2 * max(listed, default=0) >= max(1, len(rows)):
                yield name

    def match_names(self, naming: Naming, group_by: str | None) -> SourceManifest:
        """The files whose names match the pattern; those whose names do not are bad."""
        names = sorted(filter(self.is_example, visible(self.files.names)), key=natural)
        split_of = split_of_top_folder(names)
        manifest = SourceManifest([])
        unlabelled: dict[str, list[str]] = defaultdict(list)
        for name in names:
            if (fields := naming.pattern.fields(name)) is None:
                unlabelled[split_of.get(name, "train")].append(name)
                continue
            group = fields.get(group_by) if group_by else None
            label = normalize_label(fields["label"])
            manifest.samples.append(SampleInfo(name, label, split_of.get(name), group, None, fields))
        manifest.grouped = any(sample.group for sample in manifest.samples)
        labels = counted(len({sample.label for sample in manifest.samples}), "value")
        manifest.remarks.append(f"label: the part {{label}} of file names, {labels}")
        mismatch = f"match --pattern {naming.pattern.text}"
        for split, files in unlabelled.items():
            if split == "train" or any(sample.split == split for sample in manifest.samples):
                manifest.bad += [Bad(name, f"does not {mismatch}") for name in files]
            else:
                count = self.kind.counted(len(files))
                manifest.remarks.append(
                    f"left out {count} for {SPLIT_PURPOSES[split]}, whose names do not {mismatch}: they have no label"
                )
        if names and not manifest.samples and not naming.lenient:
            raise Problem(
                f"no {self.kind.noun} in {self.location} matches --pattern {naming.pattern.text}: {names[0]}", DATA
            )
        return manifest

    def used_names(self) -> Collection[str]:
        """Files that are read as something else than examples."""
        return ()

    def is_example(self, name: str) -> bool:
        """Returns True for a file of the kind."""
        return self.kind.named(name)

    def tables(self) -> list[tuple[str, str | None]]:
        """The tables that list the examples, with the splits that their names stand for."""
        if self.table:
            return [(self.table, None)]
        if self.names is not None:
            return []
        if table := self.find_table():
            return [(table, None)]
        names = visible(self.files.names)
        packed = [name for name in names if name.lower().endswith(PARQUET)]
        if not packed or any(map(self.kind.named, names)):
            return []
        return [(name, split_in(name)[0]) for name in sorted(packed, key=natural)]

    def find_table(self) -> str | None:
        """The only table in an archive, if its header names paths and labels."""
        if not isinstance(self.files, ArchiveFiles):
            return None
        tables = [name for name in visible(self.files.names) if is_table(name)]
        if len(tables) != 1:
            return None
        try:
            table = read_table(tables[0], self.content_of(tables[0]), self.options.encoding)
            rows = [row for row in islice(table.rows, EXAMINED) if isinstance(row, Row)]
            columns = find_columns(rows, table.header, self.cells, self.options, None, table.name) if rows else None
        except Problem:
            return None
        return tables[0] if columns and columns.has_header else None

    def scan_tables(self, tables: Sequence[tuple[str, str | None]], group_by: str | None) -> SourceManifest:
        manifest = SourceManifest([])
        used = [self.scan_table(name, split, group_by, manifest) for name, split in tables]
        manifest.grouped = any(sample.group is not None for sample in manifest.samples)
        manifest.remarks += announce(used)
        manifest.label_column = next((table.use.label for table in used if table.use), None)
        return manifest

    def scan_table(self, name: str, split: str | None, group_by: str | None, manifest: SourceManifest) -> Table:
        """Adds the examples of a table to a manifest; returns the table."""
        table = read_table(name, self.content_of(name), self.options.encoding)
        options = self.options
        if table.embedded:
            self.embedded[name] = table.embedded
            options = replace(options, value=options.value or (table.embedded,))
        elsewhere = 0
        for record in read_records(table, self.cells, options, group_by, split):
            if isinstance(record, Bad):
                manifest.bad.append(record)
                continue
            path = f"{name}:{record.line}" if table.embedded else self.at_path(name, record.value)
            if path is None and (path := self.by_name(record.value)):
                elsewhere += 1
            if path is None:
                manifest.bad.append(Bad(f"{name}:{record.line}", f"names {record.value}, which does not exist"))
                continue
            manifest.samples.append(
                SampleInfo(path, record.label, record.split, record.group, record.span, record.fields)
            )
        manifest.remarks += table.remarks
        if elsewhere:
            manifest.remarks.append(
                f"{name}: {self.kind.counted(elsewhere)} found by name in folders beside it, not where the table says"
            )
        classes = table.classes.get(options.labels[0] if options.labels else "label") or next(
            iter(table.classes.values()), None
        )
        manifest.label_order = manifest.label_order or classes
        return table

    def table_of(self, name: str) -> str | None:
        """The Parquet file that holds an example itself, `train.parquet:7`; None for a file of its own."""
        table = name.rpartition(":")[0]
        return table if table in self.embedded else None

    def locate(self, table: str, path: str) -> str | None:
        """The name of the file that a table means by a path; None if it is missing."""
        return self.at_path(table, path) or self.by_name(path)

    def at_path(self, table: str, path: str) -> str | None:
        """The name of the file at a path, which is relative to the table; None if there is none."""
        folder = PurePosixPath(table).parent
        joined = str(folder / path.replace("\\", "/"))
        names = (path, joined, f"./{joined}") if str(folder) == "." else (joined, f"./{joined}")
        return next((name for name in names if self.files.exists(name)), None)

    def by_name(self, path: str) -> str | None:
        """The only file in any folder with the name in a path, with or without its suffix: `images/10.jpg` for 10.

        None if the user says how columns make a path.
        """
        if self.options.file_path is not None:
            return None
        name = PurePosixPath(path.replace("\\", "/")).name
        matches = self.files_by_name.get(name, ())
        return matches[0] if len(matches) == 1 else None

    @cached_property
    def files_by_name(self) -> dict[str, list[str]]:
        """The files of the kind by their names, and by their names without suffixes."""
        paths: dict[str, list[str]] = defaultdict(list)
        for path in filter(self.is_example, visible(self.files.names)):
            name = PurePosixPath(path.replace("\\", "/"))
            for key in {name.name, name.stem}:
                paths[key].append(path)
        return paths

    def content_of(self, name: str) -> bytes | Path:
        """The bytes of one file, the path of a Parquet file. Raises Problem if it cannot be read."""
        content = next(content for _, content in self.files.read([name]))
        if isinstance(content, Path) and name.lower().endswith(PARQUET) and content.is_file():
            return content  # may be larger than what is read as one piece
        return content_bytes(content, self.files.display_name(name))

    def contents(self, samples: Sequence[SampleInfo]) -> Iterator[tuple[int, Content]]:
        positions = defaultdict(list)  # several if a table names parts of one file
        rows: dict[str, dict[int, int]] = defaultdict(dict)  # the positions of embedded examples by table and row
        for index, sample in enumerate(samples):
            if table := self.table_of(sample.name):
                rows[table][int(sample.name.rpartition(":")[2])] = index
            else:
                positions[sample.name].append(index)
        for table, position_of in rows.items():
            for row, encoded in read_files(table, self.content_of(table), self.embedded[table], position_of):
                yield position_of[row], encoded or Unreadable("holds no bytes in this row")
        for name, content in self.files.read(list(positions)):
            yield from ((index, content) for index in positions[name])

    def display_name(self, name: str) -> str:
        return self.files.display_name(name)


def open_files(path: str) -> tuple[Files, str | None]:
    """The files at a path, and the name of the table if the path is one: its paths are relative to its folder."""
    if not os.path.isdir(path) and path.lower().endswith(ENDINGS):
        return ArchiveFiles(path), None
    if os.path.isdir(path):
        return FolderFiles(path), None
    return FolderFiles(os.path.dirname(path)), os.path.basename(path)
