"""A table in an archive, with the files that it names beside it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from pathlib import PurePosixPath

from ..problem import DATA, Bad, Problem
from .archive import Archive, is_shown, read_members, split_name
from .content import Content
from .listing import Item
from .table import ENDINGS, LABELS, PATHS, Columns, Row, Table, decoded, first_of, rows_of


class PackedTable(Table):
    """The member of an archive that says what the others are; its paths are relative to it."""

    def __init__(self, archive: Archive, member: str) -> None:
        super().__init__(archive.full(member), archive.kind)
        self.archive, self.member = archive, member
        self.names = set(archive.names)

    def stamp(self) -> Iterator[Hashable]:
        return self.archive.stamp()

    def text(self) -> str:
        content = next(content for _, content in read_members(self.archive.path, [self.member]))
        if not isinstance(content, bytes):
            raise Problem(f"{self.where} {content}", DATA)
        return decoded(content, self.where)

    def there(self, name: str) -> bool:
        return self.beside(name) in self.names

    def beside(self, name: str) -> str:
        """The archive's own name for what a row names."""
        path = str(PurePosixPath(self.member).parent / name.replace("\\", "/"))
        return f"./{path}" if self.member.startswith("./") else path

    def item(self, row: Row, columns: Columns) -> Item | Bad:
        found = super().item(row, columns)
        return found if isinstance(found, Bad) else found._replace(name=self.beside(found.name))

    def contents(self, items: Sequence[Item]) -> Iterator[tuple[int, Content]]:
        return self.archive.contents(items)

    def full(self, name: str) -> str:
        return self.archive.full(name)


def table_in(archive: Archive) -> PackedTable | None:
    """The one table of an archive, if its header names paths and labels; None where there is no such table."""
    shown = [name for name in archive.names if name.lower().endswith(ENDINGS) and is_shown(split_name(name))]
    if len(shown) != 1:
        return None
    table = PackedTable(archive, shown[0])
    header = [cell.strip().lower() for cell in rows_of(table.text(), table.where)[0].cells]
    return table if first_of(PATHS, header) is not None and first_of(LABELS, header) is not None else None
