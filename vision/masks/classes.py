"""The classes of masks: their names, and how a mask writes them, as numbers or colours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.problem import DATA, Problem
from ...core.targets import TargetSpec
from ...core.tasks.masks import PALETTE

IGNORE = 255  # the class index of pixels that are not trained on or measured
OUTSIDE = -1  # the raw value of pixels that padding added to a mask
MOST_CLASSES = 255  # an index is a byte, and one is kept for IGNORE
MOST_VALUES = 50  # in masks without a class table; more are a photograph, or edges that were smoothed
FILES = (
    *("classes.txt", "class_names.txt", "classnames.txt", "labels.txt", "label_names.txt", "codes.txt"),
    *("label_colors.txt", "label_colours.txt", "colors.txt", "colours.txt", "class_dict.csv", "classes.csv"),
)
IGNORED_NAMES = frozenset(
    {"unlabelled", "unlabeled", "void", "ignore", "ignored", "ignore region", "dont care", "don't care", "dontcare"}
)
SEPARATORS = re.compile(r"[\s,;:]+")
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


class MaskClasses(NamedTuple):
    """The labels of masks in their order, and how masks write them: "17", or a colour "#804000"."""

    names: tuple[str, ...]
    values: tuple[str, ...]  # one for each name
    ignored: tuple[str, ...] = ()  # further values, which are neither trained on nor measured
    colours: tuple[str, ...] = ()  # for display; empty leaves them to PALETTE

    @classmethod
    def of(cls, targets: TargetSpec) -> MaskClasses | None:
        """The classes that targets hold once they are known, as on the card of a model; None before."""
        if not targets.mask_values:
            return None
        return cls(targets.label_names, targets.mask_values, targets.mask_ignored, targets.mask_colours)

    def targets(self, spec: TargetSpec) -> TargetSpec:
        """A description of targets that holds the classes."""
        known = replace(spec, task="segment", label_names=self.names, mask_values=self.values)
        return replace(known, mask_ignored=self.ignored, mask_colours=self.colours)

    @property
    def are_colours(self) -> bool:
        return any(value.startswith("#") for value in self.values)

    @property
    def colour_rows(self) -> dict[tuple[int, int, int], int]:
        """The raw value of each colour: its number among all values."""
        return {rgb(value): row for row, value in enumerate((*self.values, *self.ignored)) if value.startswith("#")}

    @property
    def table(self) -> NDArray[np.int16]:
        """(257,) the class index of each raw value from OUTSIDE on, IGNORE for ignored ones, −1 for unknown ones."""
        table = np.full(257, -1, np.int16)
        table[0] = IGNORE  # OUTSIDE
        for row, value in enumerate((*self.values, *self.ignored)):
            raw = row if self.are_colours else int(value)
            table[raw + 1] = row if row < len(self.values) else IGNORE
        return table

    def indices(self, raw: NDArray[np.int16]) -> NDArray[np.uint8]:
        """Raw values of any shape -> class indices. `unknown_values` tells first whether all are known."""
        return self.table[raw + 1].astype(np.uint8)

    def unknown_values(self, counts: Mapping[int, int]) -> str:
        """Why raw values with their counts of pixels cannot be read, worded to follow "its mask"; or ""."""
        table = self.table
        unknown = {value: count for value, count in counts.items() if table[value + 1] < 0}
        if not unknown:
            return ""
        value = min(unknown)
        more = f" and {len(unknown) - 1} more values" if len(unknown) > 1 else ""
        numbers = sorted(int(value) for value in (*self.values, *self.ignored) if value.isdecimal())
        known = (
            f"{numbers[0]} to {numbers[-1]}" if numbers == list(range(len(numbers))) else ", ".join(map(str, numbers))
        )
        return (
            f"holds the value {value} ({unknown[value]:,} pixels){more}, which the class table does not have: it has "
            f"{len(self.values)} classes, values {known}; add a line for it, or mark it with --set ignore={value}"
        )


def rgb(colour: str) -> tuple[int, int, int]:
    """(128, 64, 0) of "#804000"."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def colour_of(numbers: Sequence[int]) -> str:
    """ "#804000" of (128, 64, 0)."""
    return "#" + "".join(f"{number:02x}" for number in numbers)


# --- class tables ---------------------------------------------------------------------------------------------------


class TableRow(NamedTuple):
    """A line of a class table: the name, and the value or the colour if the line has one."""

    name: str
    value: int | None = None
    colour: str = ""

    @property
    def is_name(self) -> bool:
        """Whether the line has nothing else."""
        return self.value is None and not self.colour


def read_table(lines: Sequence[str], place: str, ignored: Sequence[str] = ()) -> MaskClasses:
    """The classes in the lines of a table, in any of these forms, the same in all lines:

    `Sky`, whose value is the number of the line from 0; `17 Sky`; `128 64 0 Sky` or `Sky 128 64 0`, with spaces, tabs
    or commas; `#804000 Sky`. A first line `name,r,g,b` is a header. Rows of IGNORED_NAMES, or of the names or values
    in `ignored` if there are any, are ignored, and so is the value 255 where no line names it. Raises Problem for
    other lines, and for values or names that occur twice.
    """
    rows = [table_row(line.strip(), f"{place}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if rows and is_header(rows[0], lines[0]):
        rows = rows[1:]
    if not rows:
        raise Problem(f"{place} holds no classes; expected a name in each line", DATA)
    kinds = {(row.value is not None, bool(row.colour)) for row in rows}
    if len(kinds) > 1:
        raise Problem(
            f"{place} has lines of different forms; expected in all NAME, VALUE NAME, or NAME with a colour R G B", DATA
        )
    values = [row.colour or str(index if row.value is None else row.value) for index, row in enumerate(rows)]
    is_ignored = [
        row.name in ignored or value in ignored if ignored else row.name.lower() in IGNORED_NAMES
        for row, value in zip(rows, values, strict=True)
    ]
    names = [row.name for row, left_out in zip(rows, is_ignored, strict=True) if not left_out]
    for kind, texts in (("name", names), ("value", values)):
        if twice := [text for text in texts if texts.count(text) > 1]:
            raise Problem(f"{place} has the {kind} {twice[0]} twice; expected a different one in each line", DATA)
    kept = tuple(value for value, left_out in zip(values, is_ignored, strict=True) if not left_out)
    others = [value for value, left_out in zip(values, is_ignored, strict=True) if left_out]
    others += [value for value in ignored if value not in values and is_value(value)]
    if not rows[0].colour and str(IGNORE) not in (*values, *others):
        others.append(str(IGNORE))
    if len(rows) > MOST_CLASSES:
        raise Problem(f"{place} has {len(rows)} classes; masks have at most {MOST_CLASSES}", DATA)
    return MaskClasses(tuple(names), kept, tuple(others), kept if rows[0].colour else ())


def table_row(line: str, place: str) -> TableRow:
    """The row of a line. Raises Problem for a number or a colour without a name, and for a number beyond a byte."""
    parts = [part for part in SEPARATORS.split(line) if part]
    numbers = [part for part in parts if part.isdecimal()]
    words = [part for part in parts if not part.isdecimal() and not COLOUR.fullmatch(part)]
    named = [part for part in parts if COLOUR.fullmatch(part)]
    if any(int(number) > 255 for number in numbers):
        raise Problem(f"{place}, {line!r}, has a number above 255; values and colours are bytes", DATA)
    leads = bool(parts) and (parts[0].isdecimal() or bool(COLOUR.fullmatch(parts[0])))
    if not words:
        if len(numbers) == 1 and not named:  # a class whose name is a number
            return TableRow(numbers[0])
        raise Problem(f"{place}, {line!r}, has no name; expected such as 17 Sky, or 128 64 0 Sky", DATA)
    if named:
        return TableRow(" ".join(words), None, named[0].lower())
    if len(numbers) == 3 and (parts[:3] == numbers or parts[-3:] == numbers):
        return TableRow(" ".join(words), None, colour_of([int(number) for number in numbers]))
    if leads and len(numbers) >= 1 and not parts[1].isdecimal():
        return TableRow(" ".join(parts[1:]), int(parts[0]))
    if not leads and len(numbers) <= 1:
        return TableRow(line.strip(" ,;"))
    raise Problem(f"{place}, {line!r}, is no class; expected NAME, VALUE NAME, or NAME with a colour R G B", DATA)


def is_header(row: TableRow, line: str) -> bool:
    """Whether a first row names columns: `name,r,g,b`, `id name`."""
    words = [word.lower() for word in SEPARATORS.split(line.strip()) if word]
    names = {"name", "class", "label", "id", "value", "index", "r", "g", "b", "red", "green", "blue", "colour", "color"}
    return len(words) > 1 and set(words) <= names


def is_value(text: str) -> bool:
    return (text.isdecimal() and int(text) <= IGNORE) or bool(COLOUR.fullmatch(text))


# --- classes of masks without a table --------------------------------------------------------------------------------


def classes_in(values: Iterable[int], names: Sequence[str], ignored: Sequence[str], location: str) -> MaskClasses:
    """The classes of masks that hold these raw values, without a table of them. `names` are those of the user, or none.

    255 is ignored, unless 0 and 255 are all: then they are two classes. Raises Problem for many values, and for one.
    """
    present = sorted(value for value in values if value != OUTSIDE)
    left_out = {int(value) for value in ignored if value.isdecimal()}
    if set(present) != {0, IGNORE}:
        left_out |= {IGNORE}
    kept = [value for value in present if value not in left_out]
    if len(kept) > MOST_VALUES:
        raise Problem(
            f"the masks of {location} hold {len(kept)} different values, as photographs and smoothed edges do; "
            "expected the index of a class in each pixel: save masks without smoothing, or name a class table with "
            "--label-names",
            DATA,
        )
    if len(kept) < 2:
        held = f"one class, the value {kept[0]}" if kept else "no class, only ignored pixels"
        raise Problem(f"the masks of {location} hold {held}; expected two or more", DATA)
    if names and len(names) != len(kept):
        raise Problem(
            f"--label-names has {len(names)} names, and the masks of {location} hold {len(kept)} values: "
            f"{', '.join(map(str, kept))}; expected a name for each, or VALUE NAME in each line",
            DATA,
        )
    texts = tuple(map(str, kept))
    return MaskClasses(tuple(names) or texts, texts, tuple(map(str, sorted(left_out))))


def display_colours(classes: MaskClasses, palette: Mapping[int, str]) -> tuple[str, ...]:
    """The colours that masks are shown in: those of the class table, of the masks' own palette, or PALETTE.

    A palette of greys, or with one colour for several classes, tells no classes apart.
    """
    if classes.colours:
        return classes.colours
    own = [palette.get(int(value), "") for value in classes.values]
    if all(own) and len(set(own)) == len(own) and any(len(set(rgb(colour))) > 1 for colour in own):
        return tuple(own)
    return tuple(PALETTE[index % len(PALETTE)] for index in range(len(classes.values)))
