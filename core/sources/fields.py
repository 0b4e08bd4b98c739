"""Fields: what a file's name or a table's row says besides the label, and questions about them.

A pattern, `{label}_{speaker}_{take}`, reads them from names; a condition, `speaker=theo` or `take<5`, chooses by them.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from ..problem import DATA, USAGE, Problem, did_you_mean
from .listing import Item, natural

Fields = Mapping[str, str]

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True)
class Pattern:
    """How files are named: text with fields in braces, `{}` for what says nothing. Raises Problem where it is none.

    It is compared with the name without its suffix; a pattern with a slash, with the path within the source.
    """

    text: str

    def __post_init__(self) -> None:
        names = [name for name in re.findall(r"\{(.*?)\}", self.text) if name]
        if "label" not in names:
            raise Problem(f"--pattern {self.text} has no {{label}}; write one, as in '{{label}}_{{speaker}}'", USAGE)
        for name in names:
            if not name.isidentifier() or names.count(name) > 1:
                what = "stands there twice" if name.isidentifier() else "is not a name"
                raise Problem(f"--pattern {self.text}: {{{name}}} {what}; a field is a word of its own", USAGE)

    @cached_property
    def expression(self) -> re.Pattern[str]:
        pieces = re.split(r"(\{.*?\})", self.text)
        told = [
            re.escape(piece) if not piece.startswith("{") else f"(?P<{piece[1:-1]}>[^/]+?)" if piece[1:-1] else "[^/]+?"
            for piece in pieces
        ]
        return re.compile("".join(told))

    def fields(self, name: str) -> dict[str, str] | None:
        """What a path within the source says; None where it does not follow the pattern."""
        path = PurePosixPath(name.replace("\\", "/")).with_suffix("")
        found = self.expression.fullmatch(str(path) if "/" in self.text else path.name)
        return found.groupdict() if found else None


@dataclass(frozen=True)
class Condition:
    """`speaker=theo`, `speaker=theo,lucas` (any of them), `speaker!=theo`, `take<5`. Raises Problem where none."""

    text: str
    flag: str  # whose it is: "--test-where"

    def __post_init__(self) -> None:
        if not self.parts:
            raise Problem(
                f"{self.flag} {self.text} is not a condition; expected such as speaker=theo or 'take<5'", USAGE
            )

    @cached_property
    def parts(self) -> tuple[str, str, str] | None:
        """Field, operator, value."""
        found = re.fullmatch(r"\s*(\w+)\s*(<=|>=|!=|=|<|>)\s*(.+?)\s*", self.text)
        return (found[1], found[2], found[3]) if found else None

    def holds(self, fields: Fields) -> bool:
        assert self.parts is not None
        field, sign, value = self.parts
        if field not in fields:
            known = ", ".join(sorted(fields))
            raise Problem(
                f"{self.flag} {self.text}: there is no {field}{did_you_mean(field, fields)}; there is {known}", USAGE
            )
        if sign in ("=", "!="):
            return (fields[field] in [each.strip() for each in value.split(",")]) == (sign == "=")
        return OPERATORS[sign](self.number(fields[field]), self.number(value))

    def number(self, text: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise Problem(f"{self.flag} {self.text}: {text!r} is not a number to compare with", USAGE) from None


def chosen(items: Sequence[Item], condition: Condition | None, part: str) -> list[Item]:
    """The items, those for which the condition holds in `part`. Raises Problem where it holds for none, or for all."""
    if condition is None:
        return list(items)
    holds = [condition.holds(item.fields or {"label": item.label}) for item in items]
    if not any(holds) or all(holds):
        field = condition.parts[0] if condition.parts else ""
        values = shown({(item.fields or {}).get(field, "") for item in items})
        many = "all" if any(holds) else "none"
        raise Problem(f"{condition.flag} {condition.text} holds for {many} of them; {field} is {values}", DATA)
    return [item._replace(part=part) if held else item for item, held in zip(items, holds, strict=True)]


def shown(values: Iterable[str], most: int = 10) -> str:
    """The first of many values."""
    ordered = sorted(values, key=natural)
    return ", ".join(ordered[:most]) + (f" and {len(ordered) - most} more" if len(ordered) > most else "")
