"""Tables: CSV and TSV, whose delimiter, quotes and header are found by looking; one row is one text."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import NamedTuple

from ..core.problem import DATA, Bad, Problem, did_you_mean
from ..core.sources.listing import same_label
from .options import Reading
from .roles import PARTS
from .rows import Row, Written, joined, shown

TEXT_NAMES = (
    *("text", "sentence", "title", "subject", "headline", "question", "review", "content", "body", "message"),
    *("description", "summary", "comment", "tweet", "document", "utterance", "query"),
)
LABEL_NAMES = ("label", "labels", "class", "category", "target", "y", "sentiment", "intent", "topic", "rating", "stars")
SPLIT_NAMES = ("split", "part", "fold")
DELIMITERS = (",", "\t", ";", "|")
LOOKED_AT = 200  # rows from which the form of a table is guessed
MOST_LINES = 1000  # of one row: beyond it a quote was never closed


class Cells(NamedTuple):
    line: int
    cells: list[str]


class Form(NamedTuple):
    """How a table is written."""

    delimiter: str
    quoted: bool


@dataclass(frozen=True)
class Columns:
    """Where the columns of a table are; positions from 0."""

    text: tuple[int, ...]
    label: int | None
    split: int | None
    group: int | None
    width: int
    header: tuple[str, ...] | None
    guessed: bool  # whether nothing but the look of the cells says which column is which

    def told(self, file: str) -> str:
        """What was taken for what, where it was guessed."""
        names = self.header or [str(at + 1) for at in range(self.width)]
        text = " and ".join(names[at] for at in self.text)
        label = "no column" if self.label is None else f"column {names[self.label]}"
        return f"{file}: took column {text} as the text, {label} as the label; --text-column and --label-column say so"


def parse(
    file: Written, reading: Reading, group_by: str | None = None, remarks: list[str] | None = None
) -> Iterator[Row | Bad]:
    """The rows of a table. Raises Problem where its columns cannot be found; a guess about them is remarked."""
    form = form_of(file.text)
    rows = cells(file, form)
    head = list(islice(rows, LOOKED_AT))
    good = [row for row in head if isinstance(row, Cells)]
    if not good:
        raise Problem(f"{file.name} is empty; expected rows of text and label", DATA)
    columns = columns_of(good, reading, group_by, file.name)
    first = good[0] if columns.header is not None else None
    if columns.guessed and remarks is not None:
        remarks.append(columns.told(file.name))
    for row in head + list(rows):
        if row is not first:
            yield row if isinstance(row, Bad) else row_of(row, columns, file)


def row_of(row: Cells, columns: Columns, file: Written) -> Row | Bad:
    """A row's text and label, or what is wrong with the row."""
    where = f"{file.name}:{row.line}"
    if len(row.cells) != columns.width:
        counted = f"{len(row.cells)} column{'s' * (len(row.cells) != 1)}"
        return Bad(where, f"has {counted}, the others have {columns.width}: {shown(' | '.join(row.cells))}")
    text = joined([row.cells[at] for at in columns.text])
    label = file.label if columns.label is None else same_label(row.cells[columns.label])
    if not text or not label:
        return Bad(where, f"has no {'label' if text else 'text'}: {shown(' | '.join(row.cells))}")
    part = file.part
    if columns.split is not None and part is None:
        part = PARTS.get(row.cells[columns.split].strip().lower())
        if part is None:
            found = row.cells[columns.split]
            return Bad(where, f"has the split {shown(found)}; expected train, valid or test")
    return Row(row.line, text, label, part, None if columns.group is None else row.cells[columns.group])


# --- cells -----------------------------------------------------------------------------------------------------------


def form_of(text: str) -> Form:
    """The delimiter that cuts the first rows into the same number of columns, and whether quotes are meant as such."""
    lines = [line for line in text[: 1 << 20].split("\n", LOOKED_AT)[:LOOKED_AT] if line.strip()]
    found = []
    for delimiter in DELIMITERS:
        quoted = quotes_meant(lines, delimiter)
        widths = [len(row) for row in _read(lines, Form(delimiter, quoted))]
        usual = max(set(widths), key=widths.count, default=1)
        if usual > 1:
            found.append((widths.count(usual) / len(widths), -DELIMITERS.index(delimiter), Form(delimiter, quoted)))
    return max(found)[2] if found else Form(",", True)


def quotes_meant(lines: Sequence[str], delimiter: str) -> bool:
    """Whether cells that begin with a quote end with one, as they do where quotes are not a part of the text.

    In a table with commas quotes are what keeps commas in a text; one with tabs often has them as mere signs.
    """
    if delimiter != "\t":
        return True
    opened = [cell for line in lines for cell in line.split(delimiter) if cell.startswith('"')]
    return bool(opened) and all(len(cell) > 1 and cell.endswith('"') for cell in opened)


def _read(lines: Sequence[str], form: Form) -> list[list[str]]:
    return [row for row in _reader(lines, form) if row]


def _reader(lines: Iterable[str], form: Form) -> Iterator[list[str]]:
    if form.quoted:
        return csv.reader(lines, delimiter=form.delimiter)
    return csv.reader(lines, delimiter=form.delimiter, quoting=csv.QUOTE_NONE)


class _Unclosed(Exception):
    """A quote that was opened and not closed."""


class _Lines:
    """The lines of a text for the csv module, one after the other, watched for a row that never ends."""

    def __init__(self, lines: Sequence[str], start: int) -> None:
        self.lines, self.at, self.begun = lines, start, start

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self.at >= len(self.lines):
            raise StopIteration
        if self.at - self.begun >= MOST_LINES:
            raise _Unclosed
        self.at += 1
        return self.lines[self.at - 1] + "\n"


def cells(file: Written, form: Form) -> Iterator[Cells | Bad]:
    """The cells of each row that is not empty, with the line it begins on.

    A quote that is not closed would swallow the rest of the file: its line is told, and reading goes on after it.
    """
    lines, start = file.text.split("\n"), 0
    while start < len(lines):
        source = _Lines(lines, start)
        try:
            for row in _reader(source, form):
                begun, source.begun = source.begun, source.at
                if _is_open(lines, begun, source.at, form):
                    source.begun = begun
                    raise _Unclosed
                if any(cell.strip() for cell in row):
                    yield Cells(begun + 1, [cell.rstrip("\n") for cell in row])
            return
        except _Unclosed:
            reason = f"opens a quote that is not closed: {shown(lines[source.begun])}"
        except csv.Error as error:
            reason = f"cannot be read ({error}): {shown(lines[source.begun])}"
        yield Bad(f"{file.name}:{source.begun + 1}", reason)
        start = source.begun + 1


def _is_open(lines: Sequence[str], begun: int, end: int, form: Form) -> bool:
    """Whether a row went on to the end of the file because its quote was never closed."""
    if not form.quoted or end < len(lines) or end - begun < 1:
        return False
    quotes = sum(line.count('"') for line in lines[begun:end])
    return quotes % 2 == 1 and any(cell.startswith('"') for cell in lines[begun].split(form.delimiter))


# --- columns ---------------------------------------------------------------------------------------------------------


def columns_of(
    rows: Sequence[Cells], reading: Reading, group_by: str | None, name: str, need_label: bool = True
) -> Columns:
    """Where the columns are: as they were named, or by the names in the header, or by how the cells look."""
    widths = [len(row.cells) for row in rows]
    width = max(set(widths), key=widths.count)
    if width < 2 and need_label and reading.label_column is None and reading.text_column is None:
        line = rows[0].line
        raise Problem(
            f"{name}:{line} has one column: {shown(rows[0].cells[0])}; expected a text and a label, divided by a "
            "comma, tab, semicolon or bar",
            DATA,
        )
    header = header_of(rows, width, reading)
    body = [row.cells for row in rows if len(row.cells) == width][1 if header else 0 :] or [rows[0].cells]
    names = [cell.strip().lower() for cell in header or ()]
    split = _first(SPLIT_NAMES, names)
    group = names.index(group_by.lower()) if group_by and group_by.lower() in names else None
    guessed = False
    label = placed(reading.label_column, header, width, "label-column", name)
    if label is None and (label := _first(LABEL_NAMES, names)) is None and need_label:
        label, guessed = looks_like_labels(body, taken={split, group}), True
    if reading.text_column:
        text = tuple(int(placed(each, header, width, "text-column", name) or 0) for each in reading.text_column)
    else:
        known = [at for at, each in enumerate(names) if each in TEXT_NAMES and at != label]
        text = tuple(known or looks_like_texts(body, taken={label, split, group}))
        guessed |= not known
    return Columns(text, label, split, group, width, tuple(header) if header else None, guessed)


def header_of(rows: Sequence[Cells], width: int, reading: Reading) -> list[str] | None:
    """The first row, where it holds names of columns: known ones, or those that were asked for."""
    first = rows[0].cells
    names = [cell.strip().lower() for cell in first]
    asked = [each for each in (reading.label_column, *(reading.text_column or ())) if each and not each.isdecimal()]
    if len(first) != width or len(set(names)) < len(names) or not all(names):
        return None
    if asked:
        return first
    return first if {*names} & {*TEXT_NAMES, *LABEL_NAMES} and all(len(each) < 40 for each in names) else None


def placed(asked: str | None, header: Sequence[str] | None, width: int, flag: str, file: str) -> int | None:
    """The position of a column that was asked for by its name, or by its number from 1."""
    if asked is None:
        return None
    names = [cell.strip() for cell in header or ()]
    lower = [each.lower() for each in names]
    if asked in names:
        return names.index(asked)
    if asked.lower() in lower:
        return lower.index(asked.lower())
    if asked.isdecimal() and 1 <= int(asked) <= width:
        return int(asked) - 1
    found = f"the columns {', '.join(names)}" if names else f"{width} columns without names"
    raise Problem(
        f"--{flag} {asked} is not a column of {file}{did_you_mean(asked, names)}; it has {found}; "
        f"a number from 1 to {width} works too",
        DATA,
    )


def looks_like_labels(rows: Sequence[Sequence[str]], taken: set[int | None]) -> int | None:
    """The column with the fewest different values, short ones, of which some occur more than once."""
    free = [at for at in range(len(rows[0])) if at not in taken]
    if len(free) < 2:
        return None
    values = {at: [row[at].strip() for row in rows] for at in free}
    return min(free, key=lambda at: (len(set(values[at])), sum(map(len, values[at]))))


def looks_like_texts(rows: Sequence[Sequence[str]], taken: set[int | None]) -> list[int]:
    """The column with the longest cells, and those at least a tenth as long: a title beside a body."""
    free = [at for at in range(len(rows[0])) if at not in taken]
    typical = {at: median(len(row[at]) for row in rows) for at in free}
    most = max(typical.values(), default=0)
    return [at for at in free if typical[at] >= most / 10 and _is_prose([row[at] for row in rows])] or free[:1]


def _is_prose(values: Sequence[str]) -> bool:
    """Whether cells are words: not numbers, addresses or dates."""
    return sum(any(c.isalpha() for c in value) for value in values) >= len(values) / 2 and not all(
        " " not in value.strip() and len(value) > 20 for value in values if value.strip()
    )


def _first(names: Sequence[str], header: Sequence[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)
