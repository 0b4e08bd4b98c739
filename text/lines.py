"""Files with a text per line: each with its label in front, or all with the label in the name of the file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ..core.problem import DATA, Bad, Problem
from ..core.sources import delimited
from ..core.sources.columns import LONGEST_NAME, Record
from ..core.sources.judge import LabelColumn
from ..core.sources.source import normalize_label
from ..core.sources.table import SEVERAL, Row, Table, excerpt
from .options import Reading

EXAMINED = 1000  # lines that decide what a file holds
FASTTEXT = "__label__"  # the prefix of labels in the files of fastText
FASTTEXT_LABEL = re.compile(r"(?:^|(?<=\s))__label__\S+\s?")
NEARLY = 0.95  # the share of lines that decides what a file holds
FEWEST = 8  # lines from which labels are known by recurring
LABELS = LabelColumn("the first word of each line")
MARKED_LABELS = LabelColumn(f"the words that begin with {FASTTEXT}")


def plain(text: str, label: str, split: str | None) -> Iterator[Record]:
    """Every line as a text with the label of its file; blank lines are skipped."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield Record(number, line.strip(), label, split)


def labelled(
    name: str, text: str, examined: Sequence[str], reading: Reading, split: str | None, remarks: list[str]
) -> Iterator[Record | Bad]:
    """`label text` lines: `4 a stirring film`, `DESC:manner How did …`, `__label__ham Ok`.

    `examined` are the first lines of the file, or of all splits of its set, and decide what the lines hold. Raises
    Problem if they do not begin with labels. Of labels with two levels, the coarse one is used.
    """
    if not looks_labelled(examined):
        number, line = next(
            ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()), (1, "")
        )
        raise Problem(
            f"{name}:{number} begins with no label: {excerpt(line)}; expected lines as `spam Free entry`, a "
            "table with a column of labels, or a file of lines per class",
            DATA,
        )
    words = first_words(examined)
    if has_levels(words) and reading.label_level is None:
        reading = replace(reading, label_level="coarse")
        label = next(iter(words)).removeprefix(FASTTEXT)
        remarks.append(
            f"{name}: labels have two levels, such as {label}; the coarse one, {label.partition(':')[0]}, is used "
            "(or --label-level fine)"
        )
    fasttext = is_fasttext(examined)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        label, words_of_line = fasttext_parts(line) if fasttext else first_word(line)
        if not label or not words_of_line:
            missing = "has a label and no text" if label else f"has no {FASTTEXT}"
            yield Bad(f"{name}:{number}", f"{missing}: {excerpt(line)}")
        else:
            yield Record(number, words_of_line, level_of(label, reading), split)


def first_word(line: str) -> tuple[str, str]:
    """The first word of a line, and the others."""
    label, _, text = line.strip().partition(" ")
    return label, text.strip()


def fasttext_parts(line: str) -> tuple[str, str]:
    """The labels of a line for fastText, several of them divided by bars, and its text."""
    labels = [word.removeprefix(FASTTEXT) for word in line.split() if word.startswith(FASTTEXT)]
    return SEVERAL.join(dict.fromkeys(labels)), FASTTEXT_LABEL.sub("", line).strip()


def level_of(label: str, reading: Reading) -> str:
    """`DESC` of `DESC:manner`; all of it if the fine level is requested."""
    coarse = label.partition(":")[0] or label
    return normalize_label(coarse if reading.label_level == "coarse" else label)


def has_levels(labels: Counter[str]) -> bool:
    """Returns True if all labels have two levels, as DESC:manner."""
    return bool(labels) and all(0 < label.find(":") < len(label) - 1 for label in labels)


def first_lines(text: str) -> list[str]:
    return [line for line in text[: 1 << 20].split("\n", EXAMINED)[:EXAMINED] if line.strip()]


def first_words(lines: Sequence[str]) -> Counter[str]:
    """The first words of lines, with their counts."""
    return Counter(line.split(maxsplit=1)[0] for line in lines)


def looks_labelled(lines: Sequence[str]) -> bool:
    """Returns True if lines begin with a label: few different first words, most of which recur."""
    words = first_words(lines)
    return is_fasttext(lines) or len(words) <= max(2, min(200, words.total() // 5))


def is_fasttext(lines: Sequence[str]) -> bool:
    """Returns True if nearly every line holds a label for fastText."""
    return holds(lines, lambda line: FASTTEXT_LABEL.search(line) is not None)


def holds(lines: Sequence[str], test: Callable[[str], bool]) -> bool:
    """Returns True if a test holds for nearly every line."""
    return bool(lines) and sum(map(test, lines)) >= NEARLY * len(lines)


def table(name: str, text: str, lines: Sequence[str]) -> Table | None:
    """The table in lines that are cut by tabs, or into a text and a label by another delimiter; None if they are not.

    A label stands behind the last delimiter of its line, or in front of the first, so that the text may hold more.
    `lines` decide: the first ones of the text, or of all splits of its set, as one split may be too short to tell.
    """
    if is_fasttext(lines):
        return None
    if holds(lines, lambda line: "\t" in line):
        return delimited.read(name, text)
    for delimiter in (";", "|", ","):
        if not holds(lines, lambda line, delimiter=delimiter: delimiter in line):  # type: ignore[misc]
            continue
        for cut in (str.rsplit, str.split):
            cells = [cut(line, delimiter, 1) for line in lines if delimiter in line]
            labels = [cell[-1 if cut is str.rsplit else 0].strip() for cell in cells]
            if are_labels(labels, 5 if delimiter == "," else 2):  # texts hold commas
                numbered = enumerate(text.split("\n"), 1)
                rows = (Row(number, cut(line, delimiter, 1)) for number, line in numbered if line.strip())
                return Table(name, rows, delimiter=delimiter)
    return None


def are_labels(cells: Sequence[str], often: int) -> bool:
    """Returns True for short cells that recur so often; the first may be the name of their column."""
    different = len(set(cells[1:]))
    return (
        len(cells) >= FEWEST
        and all(0 < len(cell) <= LONGEST_NAME for cell in cells)
        and 1 < different <= max(2, min(200, len(cells) // often))
    )


def labelled_table(name: str, text: str) -> Table | None:
    """The table in lines that surely hold a label beside each text; None if they may be one text.

    A label recurs in a column behind a delimiter, stands behind fastText's mark, or is a number or of two levels.
    """
    lines = first_lines(text)
    if len(lines) < FEWEST:
        return None
    if is_fasttext(lines):
        numbered = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
        return Table(name, (Row(number, [*fasttext_parts(line)]) for number, line in numbered))
    if holds(lines, lambda line: "\t" in line) and not any(are_labels(cells, 2) for cells in columns_of(lines)):
        return None
    if (delimited_table := table(name, text, lines)) is not None or not surely_labelled(lines):
        return delimited_table
    return Table(
        name, (Row(number, [*first_word(line)]) for number, line in enumerate(text.split("\n"), 1) if line.strip())
    )


def surely_labelled(lines: Sequence[str]) -> bool:
    """Returns True if lines begin with labels that begin no sentence: `4 a stirring film`, `DESC:manner How did …`."""
    words = first_words(lines)
    levels = has_levels(words) and all(word[0].isalpha() for word in words)
    return looks_labelled(lines) and (levels or all(map(str.isdecimal, words)))


def may_be_labelled(text: str) -> bool:
    """Returns True for a text of lines that begin with few different words, as labels or as a poem's lines do."""
    lines = first_lines(text)
    return len(lines) >= FEWEST and looks_labelled(lines)


def columns_of(lines: Sequence[str]) -> list[tuple[str, ...]]:
    """The cells of lines with tabs by their columns, as many as the narrowest line has."""
    width = min(line.count("\t") + 1 for line in lines)
    return [tuple(line.split("\t")[index].strip() for line in lines) for index in range(width)]
