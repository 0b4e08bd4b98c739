"""The columns of a table: which holds the examples, which the label, the split, the group.

Columns are named by options, or known by the names in the header, or recognised by their cells.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, NamedTuple

from ..data import DataSpec
from ..problem import DATA, USAGE, Bad, Problem, did_you_mean
from ..targets import BRACES, joined
from .content import SURROGATES, Kind, counted, holds_surrogates
from .judge import LabelColumn, are_quantities, could_be_labels, indicator_columns, is_header, one_label
from .label_spelling import merged_remarks
from .source import normalize_label
from .split_names import SPLIT_PURPOSES, split_name
from .table import EXAMINED, ColumnUse, Row, Table, empty, excerpt, excerpt_of

LABEL_NAMES = (
    *("label", "labels", "class", "category", "target", "y", "sentiment", "intent", "topic", "rating", "stars"),
    *("polarity", "emotion", "choice", "choices"),
)
PATH_NAMES = ("path", "file", "filename", "file_name", "filepath", "image", "audio")
SPLIT_COLUMNS = ("split", "part", "fold")
START_NAMES = ("start", "begin", "onset", "from")  # seconds into the file if a row names a part of it
END_NAMES = ("end", "stop", "offset", "to")
BOOKKEEPING = frozenset(  # columns that Label Studio writes beside the data and the answers
    {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement", "inner_id", "history"}
)
COMPARED = 2000  # rows, from all over a table, in which the labels of hundreds of classes recur
LONGEST_NAME = 40  # characters: a longer cell is not the name of a column


@dataclass(frozen=True)
class TableOptions:
    """Columns named by the user, by name or by number from 1, and the encoding; None leaves them to the table."""

    value: tuple[str, ...] | None = None  # --text-column, or path_column
    labels: tuple[str, ...] = ()
    encoding: str | None = None
    split: str | None = None
    file_path: str | None = None  # TargetSpec.file_path; `value` holds its columns


@dataclass(frozen=True)
class CellKind:
    """The kind of cells that hold the examples: paths of files, or texts."""

    noun: str  # "path" or "text"
    option: str  # the option that names the column
    names: tuple[str, ...]  # of columns known to hold them
    recognise: Callable[[Sequence[Sequence[str]], Sequence[int]], list[int]]  # rows, candidates -> columns; may be []
    is_value: Callable[[str], bool]  # True for a cell that cannot be the name of a column
    content: str = "text"  # what the cells hold if they are the examples themselves: "picture"
    multiple: bool = False  # True if several columns are joined
    guess_label: bool = False  # True if the label column may be recognised by its cells, with a remark
    has_fields: bool = False  # True if the other columns are kept as fields
    has_spans: bool = False  # True if a row may name a part of a file by start and end


def table_options(spec: DataSpec, value: str) -> TableOptions:
    """The table options in a DataSpec; the domain's option `value` names the columns with the examples."""
    options = spec.options
    columns = options.get(value)
    if isinstance(columns, str | int):
        columns = [name.strip() for name in str(columns).split(",")]
    columns = spec.targets.path_columns or columns
    return TableOptions(
        tuple(map(str, columns)) if columns else None,
        spec.targets.column_names,
        known_encoding(options.get("encoding")),
        spec.targets.split_column,
        spec.targets.file_path,
    )


def known_encoding(name: Any) -> str | None:
    if name is None:
        return None
    try:
        "".encode(str(name))
    except LookupError:
        raise Problem(f"{name} is not an encoding; expected such as utf-8, latin-1 or utf-16", USAGE) from None
    return str(name)


class Columns(NamedTuple):
    """Column indices from 0."""

    value: tuple[int, ...]
    labels: tuple[int, ...]  # several give a target of several cells; none for a table without labels
    split: int | None
    group: int | None
    span: tuple[int, int] | None
    names: tuple[str, ...]  # of all columns, in lower case; "column 1" if there is no header
    has_header: bool
    guessed: bool  # True if columns were recognised by their cells alone
    spelled: tuple[str, ...]  # the names as the header spells them

    def title(self, index: int) -> str:
        """The name of a column as the header spells it; its number from 1 if it has none."""
        return self.spelled[index].removeprefix("column ") or str(index + 1)

    @property
    def width(self) -> int:
        return len(self.names)


class Record(NamedTuple):
    """A row of a table as an example: its value is a path or a text."""

    line: int
    value: str
    label: str
    split: str | None = None
    group: str | None = None
    span: tuple[float, float] | None = None
    fields: Mapping[str, str] | None = None


def paths_to(kind: Kind, spans: bool = False, names_file: Callable[[str], bool] | None = None) -> CellKind:
    """Cells that hold the paths of files of a kind, relative to the table, or what `names_file` knows as one's name."""

    def recognise(rows: Sequence[Sequence[str]], free: Sequence[int]) -> list[int]:
        for test in filter(None, (kind.named, names_file)):
            counts = {index: sum(test(row[index].strip()) for row in rows) for index in free}
            best = max(free, key=lambda index: (counts[index], -index))
            if 2 * counts[best] >= len(rows):
                return [best]
        return []

    return CellKind(
        "path", "--set path_column", PATH_NAMES, recognise, kind.named, kind.noun, has_fields=True, has_spans=spans
    )


def read_records(
    table: Table,
    cells: CellKind,
    options: TableOptions,
    group_by: str | None = None,
    split: str | None = None,
) -> Iterator[Record | Bad]:
    """The examples of a table; `split` is that of the file, if its name says so.

    Raises Problem if the columns cannot be found. Table.use says which columns were taken; further remarks are those of
    the table. A test or validation split without any label, as benchmarks publish them, is left out with a remark.
    """
    head = list(islice(table.rows, EXAMINED))
    good = [row for row in head if isinstance(row, Row)]
    if not good:
        if not head:
            raise empty(table.name, cells.noun)
        yield from (row for row in chain(head, table.rows) if isinstance(row, Bad))
        return
    if cells.guess_label and table.header is None and not names_labels(good[0].cells, options):
        head += table.rows  # a table is often sorted by its labels: the first rows may hold one of them only
        good = spaced([row for row in head if isinstance(row, Row)])
    named = bool(options.labels)
    if not named and first_of(LABEL_NAMES, lower(table.header or ())) is None and (label := only_label(table)):
        options = replace(options, labels=(label,))
    columns = find_columns(good, table.header, cells, options, group_by, table.name)
    table.use = use_of(columns, cells, named, table.embedded is not None)
    header = good[0] if table.header is None and columns.has_header else None
    spellings: dict[str, set[str]] = defaultdict(set)
    repeated = []
    unlabelled: list[Bad] = []  # rows of a split until one with a label comes
    is_labelled = False
    for row in chain(head, table.rows):
        if isinstance(row, Bad):
            yield row
        elif row is header:
            continue
        elif header is not None and row.cells == header.cells:
            repeated.append(row.line)
        else:
            record = record_of(row, columns, cells, table.name, split, options.file_path)
            if isinstance(record, Record):
                if len(columns.labels) == 1:
                    spellings[record.label].add(row.cells[columns.labels[0]])
                is_labelled = True
                yield from unlabelled
                unlabelled = []
            elif split in ("test", "valid") and not is_labelled and is_unlabelled(row, columns):
                unlabelled.append(record)
                continue
            yield record
    table.use.labels.update(spellings)
    if unlabelled:
        count, purpose = counted(len(unlabelled), "row"), SPLIT_PURPOSES[split or "test"]
        table.remarks.append(f"{table.name}: left out, with {count} for {purpose}: none of them has a label")
    table.remarks += merged_remarks(spellings, table.name)
    if repeated:
        table.remarks.append(
            f"{table.name}: left out {len(repeated)} repeated header(s), the first in line {repeated[0]}"
        )


def only_label(table: Table) -> str | None:
    """The only column that the format of a table marks as labels: of named classes, or of answers to a question."""
    marked = [*table.classes] or table.questions
    return marked[0] if len(marked) == 1 else None


def is_unlabelled(row: Row, columns: Columns) -> bool:
    """Returns True for a row that has none of its labels."""
    return len(row.cells) == columns.width and not any(row.cells[index].strip() for index in columns.labels)


def names_labels(first: Sequence[str], options: TableOptions) -> bool:
    """Returns True if an option or a known name in the first row says which column holds the labels."""
    return bool(options.labels) or first_of(LABEL_NAMES, lower(first)) is not None


def lower(names: Sequence[str]) -> list[str]:
    return [name.strip().lower() for name in names]


def spaced(rows: Sequence[Row], most: int = COMPARED) -> list[Row]:
    """At most so many rows, evenly spaced, from the first on."""
    return [rows[index * len(rows) // most] for index in range(most)] if len(rows) > most else list(rows)


def announce(tables: Sequence[Table]) -> list[str]:
    """What the columns of tables were taken for, a remark for those that are alike."""
    alike: dict[tuple[str, str], list[Table]] = defaultdict(list)
    for table in tables:
        if table.use is not None:
            alike[table.use.text, table.use.hint].append(table)
    remarks = []
    for (text, hint), group in alike.items():
        labels = set().union(*(table.use.labels for table in group if table.use))
        names = ", ".join(table.name for table in group[:3]) + (f" and {len(group) - 3} more" if len(group) > 3 else "")
        values = f", {counted(len(labels), 'value')}" if labels else ""  # several columns have none together
        remarks.append(f"{names}: {text}{values}{hint}")
    return remarks


def record_of(
    row: Row, columns: Columns, cells: CellKind, name: str, split: str | None = None, file_path: str | None = None
) -> Record | Bad:
    """The example in a row, or the reason why there is none."""
    where = f"{name}:{row.line}"
    if len(row.cells) != columns.width:
        count = f"{len(row.cells)} column{'s' * (len(row.cells) != 1)}"
        return Bad(where, f"has {count}, the others have {columns.width}: {excerpt_of(row.cells)}")
    parts = [row.cells[index].strip() for index in columns.value]
    value = join_cells(parts) if file_path is None else filled(file_path, parts)
    labels = [one_label(normalize_label(row.cells[index])) for index in columns.labels]
    label = joined(labels) if len(labels) > 1 else "".join(labels)
    if not value or not label:
        return Bad(where, f"has no {'label' if value else cells.noun}: {excerpt_of(row.cells)}")
    if columns.split is not None and split is None and (cell := row.cells[columns.split].strip()):
        split = split_name(cell)
        if split is None:
            return Bad(where, f"has the split {excerpt(cell)}; expected train, valid or test")
    group = None if columns.group is None else row.cells[columns.group]
    if any(map(holds_surrogates, (value, *(row.cells[index] for index in columns.labels), group or ""))):
        return Bad(where, SURROGATES)
    span = span_of(row, columns)
    if isinstance(span, str):
        return Bad(where, span)
    fields = None
    if cells.has_fields:
        fields = dict(zip(columns.names, (cell.strip() for cell in row.cells), strict=True))
    return Record(row.line, value, label, split, group, span, fields)


def span_of(row: Row, columns: Columns) -> tuple[float, float] | str | None:
    """Start and end in seconds, or the reason why they are none; None if both cells are empty."""
    if columns.span is None or not any(texts := [row.cells[index].strip() for index in columns.span]):
        return None
    try:
        start, end = map(float, texts)
    except ValueError:
        return f"has the times {' to '.join(texts)!r}; expected seconds, as in 1.5"
    return start, end


def filled(path: str, cells: Sequence[str]) -> str:
    """A path whose columns in braces, each once in their order, have these cells; "" if a cell is empty."""
    cell_of = dict(zip(dict.fromkeys(BRACES.findall(path)), cells, strict=True))
    return BRACES.sub(lambda match: cell_of[match[1]], path) if all(cells) else ""


def join_cells(cells: Sequence[str]) -> str:
    """Joins several columns of text; empty cells leave no gap."""
    return "\n".join(cell.strip() for cell in cells if cell.strip())


# --- finding the columns --------------------------------------------------------------------------------------------


def find_columns(
    rows: Sequence[Row],
    header: Sequence[str] | None,
    cells: CellKind,
    options: TableOptions,
    group_by: str | None,
    name: str,
    need_label: bool = True,
) -> Columns:
    """Finds the columns in the first rows of a table; `header` is None if the first row may be one."""
    width = len(header) if header is not None else most_common_width(rows)
    if width < 2 and need_label and not options.labels and options.value is None:
        text = header[0] if header else rows[0].cells[0]
        form = "divided by a comma, tab, semicolon or bar" if header is None else "each in a column of its own"
        raise Problem(
            f"{name}:{rows[0].line} has one column: {excerpt(text)}; expected a {cells.noun} and a label, {form}", DATA
        )
    # Formats with named columns leave nothing to guess but the name of a question.
    guesses = cells.guess_label and (header is None or bool(bookkeeping(lower(header))))
    body = [row.cells for row in rows if len(row.cells) == width]
    if header is None and (header := header_in(rows, width, cells, options)) is not None:
        body = body[1:]
    body = body or [list(header or rows[0].cells)]
    names = lower(header or ())
    spelled = tuple(cell.strip() for cell in header or ()) or tuple(
        f"column {number}" for number in range(1, width + 1)
    )
    if options.split is not None:
        split: int | None = named_column(options.split, header, width, "--split-column", name)
    else:
        split = split_column(names, body)
    group = names.index(group_by.lower()) if group_by and group_by.lower() in names else None
    labels = [named_column(label, header, width, "--label-column", name) for label in options.labels]
    if not labels and (known_label := first_of(LABEL_NAMES, names)) is not None:
        labels = [known_label]
    if not labels and need_label:
        labels = label_indicators(
            body, [index for index in range(width) if index not in {split, group}], spelled, name, cells
        )
    known = [index for index, column in enumerate(names) if column in cells.names and index not in labels]
    if options.value:
        known = [named_column(column, header, width, cells.option, name) for column in options.value]
    guessed = not labels and need_label and guesses
    if guessed:
        guess = column_of_labels(body, exclude={split, group, *known, *bookkeeping(names)})
        if guess is None:
            raise no_labels(spelled, name, cells)
        refuse_one_of_many_numbers(body, guess, {split, group, *known}, spelled, name)
        labels = [guess]
    if options.value:
        value = known
    elif known:
        value = known if cells.multiple else known[:1]
    else:
        free = [index for index in range(width) if index not in {*labels, split, group, *bookkeeping(names)}] or [0]
        value = cells.recognise(body, free) if guesses or not cells.guess_label else []
        guessed = guessed or guesses
        if not value and header is not None:
            raise unknown_columns(f"{name}:{rows[0].line}", header, cells.noun, cells.option)
        value = value or free[:1]
    if not labels and need_label and not guesses:
        remaining = [index for index in range(width) if index not in {*value, split, group}]
        remaining = [index for index in remaining if any(row[index].strip() for row in body)]
        unnamed = not {*cells.names, *LABEL_NAMES} & {*names}  # then the header is known by the cells below it
        if header is not None and not (unnamed and len(remaining) == 1):
            raise unknown_columns(f"{name}:{rows[0].line}", header, "label", "--label-column")
        labels = remaining[:1]
    start, end = first_of(START_NAMES, names), first_of(END_NAMES, names)
    span = (start, end) if cells.has_spans and start is not None and end is not None else None
    return Columns(
        tuple(value), tuple(labels), split, group, span, tuple(names) or spelled, header is not None, guessed, spelled
    )


def bookkeeping(names: Sequence[str]) -> set[int]:
    """The columns of an export of Label Studio that are about the annotation; none in other tables."""
    if not {"annotator", "annotation_id"} <= {*names}:
        return set()
    return {index for index, name in enumerate(names) if name in BOOKKEEPING}


def label_indicators(
    rows: Sequence[Sequence[str]], candidates: Sequence[int], titles: Sequence[str], name: str, cells: CellKind
) -> list[int]:
    """The columns of 0 and 1 that stand for labels, of which a row may have several; [] if there are none.

    Raises Problem if each row has one, as then the labels exclude one another.
    """
    indicators = indicator_columns(rows, candidates)
    counts = {sum(float(row[index].strip() in ("1", "1.0", "True")) for index in indicators) for row in rows}
    if counts != {1}:
        return indicators
    columns = ", ".join(titles[index] for index in indicators)
    first = titles[indicators[0]].removeprefix("column ")
    raise Problem(
        f"{name}: the columns {columns} hold only 0 and 1, one 1 in each row: a column for each label; expected one "
        "column of labels: write the name of the column that holds 1 into one, or name the columns that are meant, as "
        f"in --label-column {first}",
        DATA,
    )


def no_labels(titles: Sequence[str], name: str, cells: CellKind) -> Problem:
    return Problem(
        f"{name}: none of the columns {', '.join(filter(None, titles))} holds values that recur, as labels do; name "
        "the column of the labels, or of the numbers to predict, with --label-column",
        DATA,
    )


def most_common_width(rows: Sequence[Row]) -> int:
    widths = [len(row.cells) for row in rows]
    return max(set(widths), key=widths.count)


def header_in(rows: Sequence[Row], width: int, cells: CellKind, options: TableOptions) -> list[str] | None:
    """The first row if it holds the names of columns: known ones, or those named by options."""
    first = rows[0].cells
    names = [cell.strip().lower() for cell in first if cell.strip()]
    if len(first) != width or not names or len(set(names)) < len(names) or any(map(cells.is_value, names)):
        return None
    if any(not column.isdecimal() for column in (*options.labels, *(options.value or ()))):
        return first
    known = {*cells.names, *LABEL_NAMES} & {*names}
    if known and all(len(name) < LONGEST_NAME for name in names):
        return first
    body = [row.cells for row in rows[1:] if len(row.cells) == width]
    return first if is_header(first, body) else None


def named_column(column: str, header: Sequence[str] | None, width: int, option: str, table: str) -> int:
    """The index of a column named by the user, by its name or by its number from 1."""
    names = [cell.strip() for cell in header or ()]
    lower = [name.lower() for name in names]
    if column in names:
        return names.index(column)
    if column.lower() in lower:
        return lower.index(column.lower())
    if column.isdecimal() and 1 <= int(column) <= width:
        return int(column) - 1
    described = f"the columns {', '.join(names)}" if names else f"{width} columns without names"
    raise Problem(
        f"{option} {column} is not a column of {table}{did_you_mean(column, names)}; it has {described}; "
        f"a number from 1 to {width} works too",
        DATA,
    )


def unknown_columns(where: str, header: Sequence[str], noun: str, option: str) -> Problem:
    return Problem(
        f"{where} has the columns {', '.join(header)}; none of them is known as a {noun}: name it with {option}", DATA
    )


def split_column(names: Sequence[str], rows: Sequence[Sequence[str]]) -> int | None:
    """The column that names the split of each row; `part` and `fold` only if they hold names of splits."""
    index = first_of(SPLIT_COLUMNS, names)
    if index is None or names[index] == SPLIT_COLUMNS[0]:
        return index
    values = [row[index] for row in rows]
    return index if sum(split_name(value) is not None for value in values) >= len(values) / 2 else None


def column_of_labels(rows: Sequence[Sequence[str]], exclude: set[int | None]) -> int | None:
    """The column with the fewest distinct values among those that may hold labels, the shorter ones on a tie."""
    values = {index: [row[index].strip() for row in rows] for index in range(len(rows[0])) if index not in exclude}
    likely = [index for index in values if could_be_labels(values[index])]
    if not likely or len(rows[0]) < 2:
        return None
    constant = {index: len(set(values[index])) < 2 for index in likely}
    return min(likely, key=lambda index: (constant[index], len(set(values[index])), sum(map(len, values[index]))))


def refuse_one_of_many_numbers(
    rows: Sequence[Sequence[str]], guess: int, exclude: set[int | None], titles: Sequence[str], name: str
) -> None:
    """Raises Problem if a column of numbers was recognised as the target beside others that could be it as well."""
    values = {index: [row[index].strip() for row in rows] for index in range(len(rows[0])) if index not in exclude}
    numbers = [index for index in values if could_be_labels(values[index]) and are_quantities({*values[index]})]
    if guess in numbers and len(numbers) > 1:
        columns = ", ".join(titles[index] for index in numbers)
        raise Problem(
            f"{name}: the columns {columns} hold numbers, and none is known as the target; name the one to predict, as "
            f"in --label-column {titles[numbers[0]].removeprefix('column ')}, or several, each with --label-column",
            DATA,
        )


def describe(columns: Columns, cells: CellKind, embedded: bool = False) -> str:
    """What columns were taken for: `text: column review; label: column stars`."""

    def titles(indices: Sequence[int]) -> str:
        return " and ".join(f"column {columns.title(index)}" for index in indices)

    text = f"{cells.content if embedded else cells.noun}: {titles(columns.value)}"
    return f"{text}; label{'s' * (len(columns.labels) > 1)}: {titles(columns.labels)}" if columns.labels else text


def use_of(columns: Columns, cells: CellKind, named: bool, embedded: bool) -> ColumnUse:
    names = tuple(map(columns.title, columns.labels))
    title = f"column {names[0]}" if len(names) == 1 else f"columns {' and '.join(names)}" if names else "no column"
    option = " ".join(f"--label-column {name}" for name in names)
    hint = f"; {cells.option} and --label-column name other columns" if columns.guessed else ""
    return ColumnUse(describe(columns, cells, embedded), LabelColumn(title, option, named, names), hint)


def first_of(names: Sequence[str], header: Sequence[Any]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)
