"""The options of speech: the form of recordings, how they are named and how they are divided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from ..core.data import DataSpec, Preprocessing, Progress
from ..core.options import boolean, cache_folder, choice, integer, number, set_options
from ..core.schema import Between, in_range
from ..core.sources.columns import TableOptions, table_options
from ..core.sources.fields import Condition, Naming, Pattern
from .frontend import NORMALISE
from .spectrogram import SCALES

NAMES = (
    *("rate", "seconds", "bands", "frame", "hop", "deltas", "normalise", "scale"),
    *("pattern", "test_where", "valid_where", "path_column", "encoding", "cache", "tier"),
)
# The preprocessing that the form depends on.
FORM = ("rate", "samples", "bands", "frame", "hop", "deltas", "normalise", "scale")
NAMED = ("pattern", "test_where", "valid_where")  # kept in a model, to divide the same set in the same way
WHOLE, REAL = ("rate", "bands"), ("seconds", "frame", "hop")  # numbers
DEFAULTS: dict[str, Any] = {
    "bands": 40, "frame": 25.0, "hop": 10.0, "deltas": False, "normalise": "clip", "scale": "mel",
}  # fmt: skip


class SpeechPreprocessing(TypedDict):
    """What a model of speech keeps: the form of its recordings, and how they are named and divided."""

    rate: Annotated[int, in_range("speech.rate")]
    samples: Annotated[int, Between(1, 600 * 192_000)]
    bands: Annotated[int, in_range("speech.bands")]
    frame: Annotated[float, in_range("speech.frame")]
    hop: Annotated[float, in_range("speech.hop")]
    deltas: bool
    normalise: Literal["clip", "set", "none"]
    scale: NotRequired[Literal["mel", "log"]]
    mean: NotRequired[list[float] | None]
    std: NotRequired[list[float] | None]
    pattern: NotRequired[str | None]
    test_where: NotRequired[str | None]
    valid_where: NotRequired[str | None]


@dataclass(frozen=True)
class Options:
    """`rate` (Hz) and `seconds` (of a window) are None if the recordings decide; `frame` and `hop` in ms."""

    rate: int | None
    seconds: float | None
    bands: int
    frame: float
    hop: float
    deltas: bool
    normalise: str
    scale: str
    pattern: Pattern | None
    test_where: Condition | None
    valid_where: Condition | None
    lenient: bool  # True if pattern and conditions come from a model: if they do not apply, they are ignored
    table: TableOptions
    cache: Path
    progress: Progress | None = None
    tier: str | None = None  # of a TextGrid, with the events

    @property
    def file_naming(self) -> Naming | None:
        return Naming(self.pattern, self.lenient) if self.pattern else None

    @property
    def naming(self) -> list[str | None]:
        """The texts of the pattern and the conditions, in the order of NAMED."""
        return [value.text if value else None for value in (self.pattern, self.test_where, self.valid_where)]


def options_of(spec: DataSpec, preprocessing: Preprocessing | None) -> Options:
    """The options of a DataSpec; the `preprocessing` of a model overrides those of the form."""
    options = set_options(spec.options, NAMES, "speech")
    named = bool(options.keys() & set(NAMED)) or preprocessing is None
    form_options = options if preprocessing is None else form(preprocessing)
    naming = options if named or preprocessing is None else preprocessing
    numbers = {name: checked(name, form_options.get(name, DEFAULTS.get(name))) for name in (*WHOLE, *REAL)}
    pattern = naming.get("pattern")
    return Options(
        **numbers,
        deltas=boolean("deltas", form_options.get("deltas", DEFAULTS["deltas"])),
        normalise=choice("normalise", form_options.get("normalise", DEFAULTS["normalise"]), NORMALISE),
        scale=choice("scale", form_options.get("scale", DEFAULTS["scale"]), SCALES),
        pattern=Pattern(str(pattern)) if pattern else None,
        test_where=condition(naming, "test_where"),
        valid_where=condition(naming, "valid_where"),
        lenient=not named,
        table=table_options(spec, "path_column"),
        cache=cache_folder(options),
        progress=spec.progress,
        tier=None if options.get("tier") is None else str(options["tier"]),
    )


def form(preprocessing: Preprocessing) -> dict[str, Any]:
    """The options that bring other recordings to the form of a model."""
    options = {name: preprocessing[name] for name in FORM if name in preprocessing and name != "samples"}
    return {**options, "seconds": preprocessing["samples"] / preprocessing["rate"]}


def condition(options: Mapping[str, Any], name: str) -> Condition | None:
    text = options.get(name)
    return Condition(str(text), f"--{name.replace('_', '-')}") if text else None


def checked(name: str, value: Any) -> Any:
    """A number in its range; None if it is left to the recordings."""
    if value is None:
        return None
    return integer("speech", name, value) if name in WHOLE else number("speech", name, value)
