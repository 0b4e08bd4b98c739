"""Examples that are files: in a folder per class, or listed in a table with their labels."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from itertools import islice
from pathlib import PurePosixPath

from ..problem import DATA, Bad, Problem
from .archive import ENDINGS, ArchiveFiles
from .columns import CellKind, TableOptions, find_columns, paths_to, read_records
from .content import Content, Kind, Unreadable, fetched
from .folder import FolderFiles
from .layout import class_folders, visible
from .source import Files, SampleInfo, SourceManifest
from .table import EXAMINED, TABLES, Row, read_table


class FileSource:
    """Files of a kind in a folder or an archive, labelled by their folders or by a table.

    A table in a folder must be named itself, as it may be about something else; the only table in an archive is used
    if its header names paths and labels. `names` limits class folders to a selection of files.
    """

    def __init__(
        self,
        files: Files,
        kind: Kind,
        options: TableOptions | None = None,
        table: str | None = None,
        names: Sequence[str] | None = None,
        spans: bool = False,
    ) -> None:
        self.files, self.kind, self.table, self.names = files, kind, table, names
        self.options = options or TableOptions()
        self.cells: CellKind = paths_to(kind, spans)

    @property
    def location(self) -> str:
        return self.files.display_name(self.table) if self.table else self.files.location

    def fingerprint(self) -> Iterator[Hashable]:
        return self.files.fingerprint(self.relevant_names())

    def relevant_names(self) -> Iterator[str]:
        """The files that the manifest depends on."""
        if self.table is not None:
            yield self.table
            yield from (sample.name for sample in self.scan(None).samples)
        else:
            yield from self.names or (name for name in self.files.names if self.kind.named(name))

    def scan(self, group_by: str | None) -> SourceManifest:
        table = self.table or self.find_table()
        return self.scan_table(table, group_by) if table else class_folders(self.files, self.kind, self.names)

    def find_table(self) -> str | None:
        """The only table in an archive, if its header names paths and labels."""
        if not isinstance(self.files, ArchiveFiles) or self.names is not None:
            return None
        tables = [name for name in visible(self.files.names) if name.lower().endswith(TABLES)]
        if len(tables) != 1:
            return None
        try:
            table = read_table(tables[0], self.content_of(tables[0]), self.options.encoding)
            rows = [row for row in islice(table.rows, EXAMINED) if isinstance(row, Row)]
            columns = find_columns(rows, table.header, self.cells, self.options, None, table.name) if rows else None
        except Problem:
            return None
        return tables[0] if columns and columns.has_header else None

    def scan_table(self, name: str, group_by: str | None) -> SourceManifest:
        manifest = SourceManifest([])
        table = read_table(name, self.content_of(name), self.options.encoding)
        for record in read_records(table, self.cells, self.options, group_by):
            if isinstance(record, Bad):
                manifest.bad.append(record)
                continue
            path = self.locate(name, record.value)
            if path is None:
                manifest.bad.append(Bad(f"{name}:{record.line}", f"names {record.value}, which does not exist"))
                continue
            manifest.samples.append(
                SampleInfo(path, record.label, record.split, record.group, record.span, record.fields)
            )
        manifest.grouped = any(sample.group is not None for sample in manifest.samples)
        manifest.remarks += table.remarks
        return manifest

    def locate(self, table: str, path: str) -> str | None:
        """The name of the file that a table means by a path, which is relative to the table; None if it is missing."""
        folder = PurePosixPath(table).parent
        joined = str(folder / path.replace("\\", "/"))
        names = (path, joined, f"./{joined}") if str(folder) == "." else (joined, f"./{joined}")
        return next((name for name in names if self.files.exists(name)), None)

    def content_of(self, name: str) -> bytes:
        """The bytes of one file. Raises Problem if it cannot be read."""
        try:
            content = fetched(next(content for _, content in self.files.read([name])))
        except Unreadable as problem:
            raise Problem(f"{self.files.display_name(name)} {problem}", DATA) from problem
        assert isinstance(content, bytes)
        return content

    def contents(self, samples: Sequence[SampleInfo]) -> Iterator[tuple[int, Content]]:
        positions = defaultdict(list)  # several if a table names parts of one file
        for index, sample in enumerate(samples):
            positions[sample.name].append(index)
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
