"""Data sources, and their examples with label and split, listed before any of them is decoded."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..problem import Bad
from .content import Content
from .encodings import decode_surrogates

if TYPE_CHECKING:
    from ..targets import TargetSpec
    from .judge import LabelColumn

PROGRAM_FOLDERS = frozenset(  # that programs leave among files, lower case; hidden ones begin with a dot
    {"__macosx", "@eadir", "@__thumb", "@recycle", "#recycle", "$recycle.bin", "system volume information"}
    | {"lost+found", "thumbnails", ".thumbnails", "_thumbs", ".ipynb_checkpoints", "__pycache__"}
)


class SampleInfo(NamedTuple):
    """One example of a source. `name` is unique within the source, or the path that a row of a table gives."""

    name: str
    label: str
    split: str | None = None  # "train", "valid" or "test" if the source says so
    group: str | None = None  # the value of the column or field named by --group-by
    span: tuple[float, float] | None = None  # start and end in seconds, if a table names a part of a recording
    fields: Mapping[str, str] | None = None  # the other fields of its file name or row, such as the speaker


@dataclass
class SourceManifest:
    """The examples of one source, and what was left out."""

    samples: list[SampleInfo]
    bad: list[Bad] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)  # number of files of other kinds, by suffix
    outside: Sequence[str] = ()  # files that lie in no class folder
    label_order: list[str] | None = None  # the labels in their official order, if there is one
    grouped: bool = False  # True if the samples carry a group
    tables: Sequence[str] = ()  # beside class folders, which list their files
    label_column: LabelColumn | None = None  # where the labels stand, if not in names of folders or files
    remarks: list[str] = field(default_factory=list)
    targets: TargetSpec | None = None  # with their task, where the source itself decides it


class Files(Protocol):
    """Files in a folder or an archive; names are paths within it."""

    location: str
    bad: Sequence[Bad]  # folders that could not be read

    @property
    def names(self) -> Sequence[str]:
        """All regular files, hidden ones too."""

    def fingerprint(self, names: Iterable[str]) -> Iterator[Hashable]:
        """Values that change when one of the files changes, computed without reading them."""

    def exists(self, name: str) -> bool: ...

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """Each file once, in the order that is cheapest to read."""

    def display_name(self, name: str) -> str:
        """The name of a file in results and messages."""


class DataSource(Protocol):
    """A place that examples come from: files in folders or an archive, a table, arrays."""

    @property
    def location(self) -> str: ...

    def fingerprint(self) -> Iterator[Hashable]:
        """Values that change when the data change, computed without reading the files."""

    def scan(self, group_by: str | None) -> SourceManifest:
        """Lists the examples without decoding them."""

    def contents(self, samples: Sequence[SampleInfo]) -> Iterator[tuple[int, Content]]:
        """The content of each sample with its index in `samples`, in the order that is cheapest to read."""

    def display_name(self, name: str) -> str:
        """The name of a sample in results and messages."""


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts 9 before 10."""
    pieces = re.split(r"([0-9]+)", text)
    return tuple((0, int(piece), piece) if piece.isdecimal() else (1, 0, piece) for piece in pieces if piece)


def normalize_label(text: str) -> str:
    """Gives labels that look the same one spelling: macOS writes é as two characters, other systems as one.

    Bytes of a folder name that are not UTF-8 are read as Windows-1252, as lines of files are.
    """
    return unicodedata.normalize("NFC", decode_surrogates(text)).strip()


def is_hidden(pieces: Sequence[str]) -> bool:
    """Returns True for a path that is hidden or in a folder that programs leave."""
    return any(piece.startswith(".") or piece.lower() in PROGRAM_FOLDERS for piece in pieces)


def suffix_of(name: str) -> str:
    """The suffix of a file name; the name itself if it has none."""
    return PurePath(name).suffix.lower() or PurePath(name).name
