"""Options: what a person may say about how texts are found in files and cut into tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.data import DataSpec, Preprocessing
from ..core.options import cache_in, one_of, said, truth, whole
from ..core.problem import USAGE, Problem

TOKENS = ("words", "characters", "bytes")
LEVELS = ("coarse", "fine")
NAMES = (
    *("tokens", "lower", "min_count", "max_length", "length", "vectors"),
    *("text_column", "label_column", "label_level", "encoding", "cache"),
)
LONGEST = 1024  # tokens of a text, where nobody says: four pages of words
MOST = 1_000_000  # tokens: a text of more would fill the memory of a batch


@dataclass(frozen=True)
class Reading:
    """How files are read: which columns, which level of a label, which encoding; None where the files decide."""

    text_column: tuple[str, ...] | None = None
    label_column: str | None = None
    label_level: str | None = None
    encoding: str | None = None


@dataclass(frozen=True)
class Cutting:
    """How a text becomes tokens: their kind, lower case, the least count of one in training, the most of a text."""

    tokens: str = "words"
    lower: bool = True
    min_count: int = 1
    max_length: int = LONGEST
    length: int | None = None  # that all inputs have; None fits the longest text


@dataclass(frozen=True)
class Options:
    reading: Reading
    cutting: Cutting
    cache: Path


def options_of(source: DataSpec, preprocessing: Preprocessing | None = None) -> Options:
    """What the source says; where a model's facts are at hand, they decide how its texts are cut."""
    given = said(source.options, NAMES, "text")
    before = (
        {} if preprocessing is None else preprocessing["reading"]
    )  # files of the same form are read as those of training
    return Options(
        reading_of({**before, **given}), cutting_of(given if preprocessing is None else preprocessing), cache_in(given)
    )


def form(preprocessing: Preprocessing) -> dict[str, Any]:
    """The options that cut other texts as a model does, whose facts these are."""
    return {name: preprocessing[name] for name in ("tokens", "lower")}


def reading_of(given: Mapping[str, Any]) -> Reading:
    columns = given.get("text_column")
    if isinstance(columns, str | int):
        columns = [each.strip() for each in str(columns).split(",")]
    label = given.get("label_column")
    level = given.get("label_level")
    return Reading(
        tuple(map(str, columns)) if columns else None,
        None if label is None else str(label),
        None if level is None else one_of("label_level", level, LEVELS),
        encoding_of(given.get("encoding")),
    )


def encoding_of(name: Any) -> str | None:
    if name is None:
        return None
    try:
        "".encode(str(name))
    except LookupError:
        raise Problem(f"{name} is not an encoding; expected such as utf-8, latin-1 or utf-16", USAGE) from None
    return str(name)


def cutting_of(given: Mapping[str, Any]) -> Cutting:
    length = given.get("length")
    length = None if length is None else whole("length", length, 1, MOST)
    longest = whole("max_length", given.get("max_length", LONGEST), 1, MOST)
    return Cutting(
        one_of("tokens", given.get("tokens", "words"), TOKENS),
        truth("lower", given.get("lower", True)),
        whole("min_count", given.get("min_count", 1), 1, MOST),
        longest if length is None else min(longest, length),
        length,
    )
