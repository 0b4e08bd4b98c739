"""Files with a text a line: with the label before it, or all of one label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from ..core.problem import DATA, Bad, Problem
from ..core.sources.listing import same_label
from .options import Reading
from .rows import Row, Written, shown

LOOKED_AT = 1000  # lines from which it is guessed what a file holds
FASTTEXT = "__label__"  # before each label in fastText's own files


def plain(file: Written) -> Iterator[Row | Bad]:
    """Every line a text with the label that the file's name gives it; blank lines are nothing."""
    for at, line in enumerate(file.text.split("\n"), 1):
        if line.strip():
            yield Row(at, line.strip(), file.label or "", file.part)


def labelled(file: Written, reading: Reading, remarks: list[str] | None = None) -> Iterator[Row | Bad]:
    """`label text` lines: `4 a stirring film`, `DESC:manner How did …`, `__label__ham Ok`.

    Raises Problem where the lines do not begin with labels. Labels of two levels are taken at the coarse one.
    """
    words = first_words(file.text)
    if not looks_labelled(words):
        first = next(((at, line) for at, line in enumerate(file.text.split("\n"), 1) if line.strip()), (1, ""))
        raise Problem(
            f"{file.name}:{first[0]} begins with no label: {shown(first[1])}; expected lines as `spam Free entry`, a "
            "table with a column of labels, or a file of lines per class",
            DATA,
        )
    if has_levels(words) and reading.label_level is None:
        reading = replace(reading, label_level="coarse")
        if remarks is not None:
            label = next(iter(words))
            remarks.append(
                f"{file.name}: labels have two levels, {label}; taken is the coarse one, {label.partition(':')[0]} "
                "(or give --label-level fine)"
            )
    for at, line in enumerate(file.text.split("\n"), 1):
        if not line.strip():
            continue
        label, _, text = line.strip().partition(" ")
        if not text.strip():
            yield Bad(f"{file.name}:{at}", f"has a label and no text: {shown(line)}")
        else:
            yield Row(at, text.strip(), level_of(label.removeprefix(FASTTEXT), reading), file.part)


def level_of(label: str, reading: Reading) -> str:
    """`DESC:manner` as DESC, or whole where the fine level was asked for."""
    return same_label(label.partition(":")[0] or label) if reading.label_level == "coarse" else same_label(label)


def has_levels(labels: Counter[str]) -> bool:
    """Whether all labels are of two levels, as DESC:manner."""
    return bool(labels) and all(0 < label.find(":") < len(label) - 1 for label in labels)


def first_words(text: str) -> Counter[str]:
    """The first words of the first lines, each with how often it occurs."""
    lines = [line for line in text[: 1 << 20].split("\n", LOOKED_AT)[:LOOKED_AT] if line.strip()]
    return Counter(line.split(maxsplit=1)[0] for line in lines)


def looks_labelled(words: Counter[str]) -> bool:
    """Whether lines begin with a label: few different first words, most of which come back."""
    if all(word.startswith(FASTTEXT) for word in words):
        return bool(words)
    return len(words) <= max(2, min(200, words.total() // 5))


def looks_like_a_table(text: str) -> bool:
    """Whether nearly every line is cut in two or more by a tab."""
    lines = [line for line in text[: 1 << 20].split("\n", LOOKED_AT)[:LOOKED_AT] if line.strip()]
    return bool(lines) and sum("\t" in line for line in lines) >= 0.95 * len(lines)
