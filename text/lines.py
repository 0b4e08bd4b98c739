"""Files with a text per line: each with its label in front, or all with the label in the name of the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from ..core.problem import DATA, Bad, Problem
from ..core.sources.columns import Record
from ..core.sources.source import normalize_label
from ..core.sources.table import excerpt
from .options import Reading

EXAMINED = 1000  # lines that decide what a file holds
FASTTEXT = "__label__"  # the prefix of labels in the files of fastText


def plain(text: str, label: str, split: str | None) -> Iterator[Record]:
    """Every line as a text with the label of its file; blank lines are skipped."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield Record(number, line.strip(), label, split)


def labelled(name: str, text: str, reading: Reading, split: str | None, remarks: list[str]) -> Iterator[Record | Bad]:
    """`label text` lines: `4 a stirring film`, `DESC:manner How did …`, `__label__ham Ok`.

    Raises Problem if the lines do not begin with labels. Of labels with two levels, the coarse one is used.
    """
    words = first_words(text)
    if not looks_labelled(words):
        number, line = next(
            ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()), (1, "")
        )
        raise Problem(
            f"{name}:{number} begins with no label: {excerpt(line)}; expected lines as `spam Free entry`, a "
            "table with a column of labels, or a file of lines per class",
            DATA,
        )
    if has_levels(words) and reading.label_level is None:
        reading = replace(reading, label_level="coarse")
        label = next(iter(words))
        remarks.append(
            f"{name}: labels have two levels, such as {label}; the coarse one, {label.partition(':')[0]}, is used "
            "(or --label-level fine)"
        )
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        label, _, words_of_line = line.strip().partition(" ")
        if not words_of_line.strip():
            yield Bad(f"{name}:{number}", f"has a label and no text: {excerpt(line)}")
        else:
            yield Record(number, words_of_line.strip(), level_of(label.removeprefix(FASTTEXT), reading), split)


def level_of(label: str, reading: Reading) -> str:
    """`DESC` of `DESC:manner`; all of it if the fine level is requested."""
    coarse = label.partition(":")[0] or label
    return normalize_label(coarse if reading.label_level == "coarse" else label)


def has_levels(labels: Counter[str]) -> bool:
    """Returns True if all labels have two levels, as DESC:manner."""
    return bool(labels) and all(0 < label.find(":") < len(label) - 1 for label in labels)


def first_lines(text: str) -> list[str]:
    return [line for line in text[: 1 << 20].split("\n", EXAMINED)[:EXAMINED] if line.strip()]


def first_words(text: str) -> Counter[str]:
    """The first words of the first lines, with their counts."""
    return Counter(line.split(maxsplit=1)[0] for line in first_lines(text))


def looks_labelled(words: Counter[str]) -> bool:
    """Returns True if lines begin with a label: few different first words, most of which recur."""
    if all(word.startswith(FASTTEXT) for word in words):
        return bool(words)
    return len(words) <= max(2, min(200, words.total() // 5))


def looks_like_a_table(text: str) -> bool:
    """Returns True if nearly every line holds a tab."""
    lines = first_lines(text)
    return bool(lines) and sum("\t" in line for line in lines) >= 0.95 * len(lines)
