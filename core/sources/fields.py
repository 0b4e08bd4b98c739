"""Fields of examples besides the label, such as the speaker: read from file names, selected by conditions.

A pattern such as `{label}_{speaker}_{take}` reads them from file names; a condition such as `speaker=theo` or `take<5`
selects examples.
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from ..problem import DATA, USAGE, Problem, did_you_mean
from .source import SampleInfo, natural

Fields = Mapping[str, str]

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True)
class Pattern:
    """A pattern of file names: text with fields in braces, `{}` for a part without meaning.

    It is matched with the name without its suffix; a pattern with a slash, with the path within the source. Raises
    Problem for a pattern without {label} or with invalid fields.
    """

    text: str

    def __post_init__(self) -> None:
        names = [name for name in re.findall(r"\{(.*?)\}", self.text) if name]
        if "label" not in names:
            raise Problem(f"--pattern {self.text} has no {{label}}; write one, as in '{{label}}_{{speaker}}'", USAGE)
        for name in names:
            if not name.isidentifier() or names.count(name) > 1:
                reason = "occurs twice" if name.isidentifier() else "is not a name"
                raise Problem(f"--pattern {self.text}: {{{name}}} {reason}; every field needs a name of its own", USAGE)

    @cached_property
    def expression(self) -> re.Pattern[str]:
        pieces = re.split(r"(\{.*?\})", self.text)
        expressions = [
            re.escape(piece) if not piece.startswith("{") else f"(?P<{piece[1:-1]}>[^/]+?)" if piece[1:-1] else "[^/]+?"
            for piece in pieces
        ]
        return re.compile("".join(expressions))

    def fields(self, name: str) -> dict[str, str] | None:
        """The fields in a path within the source; None if it does not match the pattern."""
        path = PurePosixPath(name.replace("\\", "/")).with_suffix("")
        match = self.expression.fullmatch(str(path) if "/" in self.text else path.name)
        return match.groupdict() if match else None


@dataclass(frozen=True)
class Naming:
    """How files are named; `lenient` if the pattern comes from a model: then it is ignored where no name matches."""

    pattern: Pattern
    lenient: bool = False


def pattern_for(names: Sequence[str]) -> tuple[str, list[str]] | None:
    """A --pattern that would part files by a field of their names, `0_george_12.wav`, and the labels it would give.

    The field is the first one that recurs and differs.
    """
    stems = [re.sub(r"\.\w+$", "", name.replace("\\", "/").rsplit("/", 1)[-1]) for name in names]
    pieces = [re.split(r"([_\-. ]+)", stem) for stem in stems]
    separators = {tuple(piece[1::2]) for piece in pieces}
    if len(separators) != 1 or len(pieces[0]) < 3:
        return None
    for position in range(0, len(pieces[0]), 2):
        values = Counter(piece[position] for piece in pieces)
        if 2 <= len(values) <= len(names) / 2:
            fields = ["{label}" if index == position else "{}" for index in range(0, len(pieces[0]), 2)]
            text = "".join(field + separator for field, separator in zip(fields, [*pieces[0][1::2], ""], strict=True))
            return text, sorted(values, key=natural)
    return None


@dataclass(frozen=True)
class Condition:
    """`speaker=theo`, `speaker=theo,lucas` (any of them), `speaker!=theo`, `take<5`. Raises Problem for other text."""

    text: str
    flag: str  # the option it comes from: "--test-where"

    def __post_init__(self) -> None:
        if not self.parts:
            raise Problem(
                f"{self.flag} {self.text} is not a condition; expected such as speaker=theo or 'take<5'", USAGE
            )

    @cached_property
    def parts(self) -> tuple[str, str, str] | None:
        """Field, operator, value."""
        match = re.fullmatch(r"\s*(\w+)\s*(<=|>=|!=|=|<|>)\s*(.+?)\s*", self.text)
        return (match[1], match[2], match[3]) if match else None

    def holds(self, fields: Fields) -> bool:
        assert self.parts is not None
        field, operator_name, value = self.parts
        if field not in fields:
            known = ", ".join(sorted(fields))
            raise Problem(
                f"{self.flag} {self.text}: there is no {field}{did_you_mean(field, fields)}; there is {known}", USAGE
            )
        if operator_name in ("=", "!="):
            values = [text.strip() for text in value.split(",")]
            return (fields[field] in values) == (operator_name == "=")
        return OPERATORS[operator_name](self.number(fields[field]), self.number(value))

    def number(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise Problem(f"{self.flag} {self.text}: {text!r} is not a number to compare with", USAGE) from None


def assign_split(samples: Sequence[SampleInfo], condition: Condition | None, split: str) -> list[SampleInfo]:
    """Moves the samples that meet the condition to `split`. Raises Problem if none or all of them do."""
    if condition is None:
        return list(samples)
    meets = [condition.holds(sample.fields or {"label": sample.label}) for sample in samples]
    if not any(meets) or all(meets):
        field = condition.parts[0] if condition.parts else ""
        values = first_values({(sample.fields or {}).get(field, "") for sample in samples})
        extent = "all" if any(meets) else "none"
        raise Problem(f"{condition.flag} {condition.text} holds for {extent} of them; {field} is {values}", DATA)
    return [sample._replace(split=split) if met else sample for sample, met in zip(samples, meets, strict=True)]


def first_values(values: Iterable[str], most: int = 10) -> str:
    """The first of many values, for a message."""
    ordered = sorted(values, key=natural)
    return ", ".join(ordered[:most]) + (f" and {len(ordered) - most} more" if len(ordered) > most else "")
