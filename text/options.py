"""The options of text: how texts are found in files and cut into tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from ..core.data import DataSpec, Preprocessing
from ..core.options import boolean, cache_folder, choice, integer, set_options
from ..core.ranges import RANGES
from ..core.schema import Between, in_range
from ..core.sources.columns import TableOptions, table_options

TOKENS = ("words", "characters", "bytes")
LEVELS = ("coarse", "fine")
NAMES = (
    *("tokens", "lower", "min_count", "max_length", "length", "vectors"),
    *("text_column", "label_level", "encoding", "cache"),
)
LONGEST = 1024  # tokens of a text by default: four pages of words


class VectorsOrigin(TypedDict):
    """The word vectors that a model began with: their name (None for a file), and the numbers of a vector."""

    name: str | None
    size: Annotated[int, Between(1, 2**31)]


class TextPreprocessing(TypedDict):
    """What a model of text keeps: how texts are cut into tokens, and how they are found in files."""

    tokens: Literal["words", "characters", "bytes"]
    lower: bool
    longest: Annotated[int, in_range("text.max_length")]
    length: Annotated[int, Between(1, 2 * RANGES["text.length"][1])]
    vocabulary: list[str]
    reading: NotRequired[dict[str, Any]]
    tokens_known: NotRequired[Annotated[int, Between(0, 2**31)]]
    runs_known: NotRequired[Annotated[int, Between(0, 2**31)]]
    vectors: NotRequired[VectorsOrigin]


@dataclass(frozen=True)
class Reading:
    """The columns, the level of labels and the encoding of files; None if the files decide."""

    text_column: tuple[str, ...] | None = None
    label_columns: tuple[str, ...] = ()
    label_level: str | None = None
    encoding: str | None = None

    @property
    def table(self) -> TableOptions:
        return TableOptions(self.text_column, self.label_columns, self.encoding)


@dataclass(frozen=True)
class Cutting:
    """The tokenisation of texts: kind, lower case, least count in training, most tokens of a text."""

    tokens: str = "words"
    lower: bool = True
    min_count: int = 1
    max_length: int = LONGEST
    length: int | None = None  # of all inputs; None fits the longest text


@dataclass(frozen=True)
class Options:
    reading: Reading
    cutting: Cutting
    cache: Path


def options_of(spec: DataSpec, preprocessing: Preprocessing | None = None) -> Options:
    """The options of a DataSpec; the `preprocessing` of a model decides how its texts are cut."""
    options = set_options(spec.options, NAMES, "text")
    if preprocessing is None:
        return Options(reading_of(spec), cutting_of(options), cache_folder(options))
    # Files of the same format are read as in training.
    reading = reading_of(replace(spec, options={**preprocessing["reading"], **options}))
    return Options(reading, cutting_of(preprocessing), cache_folder(options))


def form(preprocessing: Preprocessing) -> dict[str, Any]:
    """The options that cut other texts as a model does, and begin with the word vectors that it began with."""
    options = {name: preprocessing[name] for name in ("tokens", "lower")}
    vectors = preprocessing.get("vectors", {}).get("name")
    return options if vectors is None else options | {"vectors": vectors}


def maps(preprocessing: Preprocessing) -> tuple[int, int, int]:
    """The shape of a model's input: a row of ids."""
    return 1, 1, preprocessing["length"]


def reading_of(spec: DataSpec) -> Reading:
    table = table_options(spec, "text_column")
    level = spec.options.get("label_level")
    return Reading(
        table.value, table.labels, None if level is None else choice("label_level", level, LEVELS), table.encoding
    )


def cutting_of(options: Mapping[str, Any]) -> Cutting:
    length = options.get("length")
    length = None if length is None else integer("text", "length", length)
    longest = integer("text", "max_length", options.get("max_length", LONGEST))
    return Cutting(
        choice("tokens", options.get("tokens", "words"), TOKENS),
        boolean("lower", options.get("lower", True)),
        integer("text", "min_count", options.get("min_count", 1)),
        longest if length is None else min(longest, length),
        length,
    )
