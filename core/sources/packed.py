"""An archive that examples come from: files in folders, or a table with the files that it names beside it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from ..problem import DATA, Bad, Problem
from .archive import Archive, is_shown, names_in, read_members, split_name
from .content import Content, Kind
from .folder import stamp_of
from .listing import Item, Listing, Origin
from .table import ENDINGS, LABELS, PATHS, Columns, Row, Table, decoded, first_of, rows_of


class Packed:
    """An archive. What is in it is looked at when it must be: that takes seconds, and a cache may know it already.

    `inside` makes an origin of the names in it, where the domain knows one; else a table in it says what the others
    are, or the folders that they lie in.
    """

    def __init__(self, path: str, kind: Kind, inside: Callable[[Sequence[str]], Origin | None] | None = None) -> None:
        self.where, self.kind, self.inside = path, kind, inside

    @cached_property
    def names(self) -> list[str]:
        return names_in(Path(self.where))

    @cached_property
    def archive(self) -> Archive:
        return Archive(self.where, self.names, self.kind)

    @cached_property
    def inner(self) -> Origin:
        other = self.inside(self.names) if self.inside else None
        return other or table_in(self.archive) or self.archive

    def stamp(self) -> Iterator[Hashable]:
        yield str(Path(self.where).resolve())
        yield stamp_of(Path(self.where).parent, Path(self.where).name)

    def listing(self, group_by: str | None) -> Listing:
        return self.inner.listing(group_by)

    def contents(self, items: Sequence[Item]) -> Iterator[tuple[int, Content]]:
        return self.inner.contents(items)

    def full(self, name: str) -> str:
        return f"{self.where}!{name}"


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
