"""Labels that look alike and differ: by case, by blanks, by characters that cannot be seen."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from .content import Kind
from .encodings import MARK

BLANKS = frozenset("\u00a0\u2007\u202f\u3000")  # that look like a space and are none
ZERO_WIDTH = frozenset("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060" + MARK)
MISSING = frozenset(
    {"nan", "none", "null", "n/a", "na", "<na>", "nil", "undefined"}
)  # what programs write for no value


def label_remarks(labels: Mapping[str, int], kind: Kind) -> list[str]:
    """Remarks on labels that look alike, with the code points that part them, and on labels that mean no label."""
    variants: dict[str, list[str]] = defaultdict(list)
    for label in sorted(labels):
        variants[visible_form(label)].append(label)
    remarks = [
        f"the labels {' and '.join(map(quoted, alike))} differ only in {difference(alike)} and are different classes; "
        "write them alike if they mean the same"
        for alike in variants.values()
        if len(alike) > 1
    ]
    missing = [label for label in labels if label.lower() in MISSING]
    return remarks + [
        f"the label {label!r} ({kind.counted(labels[label])}) is a class of its own; leave these {kind.noun}s out if "
        "they have no label"
        for label in missing
        if len(labels) > 2
    ]


def visible_form(label: str) -> str:
    """A label as it is read: without characters that cannot be seen, whatever its case and its blanks."""
    characters = [" " if character in BLANKS else character for character in label if character not in ZERO_WIDTH]
    return " ".join("".join(characters).casefold().split())


def quoted(label: str) -> str:
    """A label in quotes, with the code points that cannot be seen: `'good' (U+200B zero width space at its end)`."""
    points = [
        f"U+{ord(character):04X} {unicodedata.name(character, 'unnamed').lower()} {place(position, len(label))}"
        for position, character in enumerate(label)
        if character in ZERO_WIDTH | BLANKS
    ]
    visible = "".join(" " if character in BLANKS else character for character in label if character not in ZERO_WIDTH)
    return repr(visible) + (f" ({', '.join(points)})" if points else "")


def place(position: int, length: int) -> str:
    if position == 0:
        return "at its start"
    return "at its end" if position == length - 1 else f"as its character {position + 1}"


def difference(labels: Sequence[str]) -> str:
    folded = {" ".join(label.casefold().split()) for label in labels}
    return "characters that cannot be seen" if len(folded) == len(labels) else "case or blanks"


def merged_remarks(spellings: Mapping[str, Collection[str]], source: str) -> list[str]:
    """Remarks on labels that count as one because only blanks around them differ, with their code points."""
    remarks = []
    for label, variants in spellings.items():
        padded = [text for text in variants if text != text.strip()]
        if padded and len(padded) < len(variants):
            blanks = {character for text in padded for character in text.replace(text.strip(), "", 1)}
            points = ", ".join(f"U+{ord(character):04X}" for character in sorted(blanks))
            remarks.append(
                f"{source}: the label {label!r} has blanks around it in some places ({points}), which count as one "
                "class"
            )
    return remarks
