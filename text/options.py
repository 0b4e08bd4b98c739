"""Options: what a person may say about how texts are found in files and cut into tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.domain import Facts, Source
from ..core.problem import USAGE, Problem, did_you_mean
from ..core.sources.cache import default_cache

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


def options_of(source: Source, facts: Facts | None = None) -> Options:
    """What the source says; where a model's facts are at hand, they decide how its texts are cut."""
    said = known(source.options)
    cache = Path(said["cache"]).expanduser() if said.get("cache") else default_cache()
    before = {} if facts is None else facts["reading"]  # files of the same form are read as those of training
    return Options(reading_of({**before, **said}), cutting_of(said if facts is None else facts), cache)


def known(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were said. Raises Problem for one that texts do not have."""
    for name in options:
        if name not in NAMES:
            hint = did_you_mean(name, NAMES)
            raise Problem(f"{name} is not an option of text; the options are {', '.join(NAMES)}{hint}", USAGE)
    return {name: value for name, value in options.items() if value is not None}


def reading_of(said: Mapping[str, Any]) -> Reading:
    columns = said.get("text_column")
    if isinstance(columns, str | int):
        columns = [each.strip() for each in str(columns).split(",")]
    label = said.get("label_column")
    level = said.get("label_level")
    return Reading(
        tuple(map(str, columns)) if columns else None,
        None if label is None else str(label),
        None if level is None else one_of("label_level", level, LEVELS),
        encoding_of(said.get("encoding")),
    )


def encoding_of(name: Any) -> str | None:
    if name is None:
        return None
    try:
        "".encode(str(name))
    except LookupError:
        raise Problem(f"{name} is not an encoding; expected such as utf-8, latin-1 or utf-16", USAGE) from None
    return str(name)


def cutting_of(said: Mapping[str, Any]) -> Cutting:
    length = said.get("length")
    length = None if length is None else whole("length", length, 1, MOST)
    longest = whole("max_length", said.get("max_length", LONGEST), 1, MOST)
    return Cutting(
        one_of("tokens", said.get("tokens", "words"), TOKENS),
        truth("lower", said.get("lower", True)),
        whole("min_count", said.get("min_count", 1), 1, MOST),
        longest if length is None else min(longest, length),
        length,
    )


def one_of(option: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        hint = did_you_mean(str(value), choices)
        raise Problem(f"{option} {value} is not known; it can be {', '.join(choices)}{hint}", USAGE)
    return str(value)


def truth(option: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Problem(f"{option} is true or false; got {value}", USAGE)
    return value


def whole(option: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Problem(f"{option} is a whole number from {least} to {most:,}; got {value}", USAGE)
    return value
