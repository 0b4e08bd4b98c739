"""Options: what a person may say about the form that recordings are brought to, how they are named and divided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.data import DataSpec, Preprocessing, Progress
from ..core.options import cache_in, number, one_of, said, truth, whole
from ..core.sources.fields import Condition, Pattern
from .frontend import NORMALISE

NAMES = (
    *("rate", "seconds", "bands", "frame", "hop", "deltas", "normalise"),
    *("pattern", "test_where", "valid_where", "cache"),
)
FORM = ("rate", "samples", "bands", "frame", "hop", "deltas", "normalise")  # the facts that a form is made of
NAMED = ("pattern", "test_where", "valid_where")  # remembered by a model, for the next look at the same set
RANGES = {  # least and most of each number; a rate is whole, in Hz; frame and hop are in milliseconds
    "rate": (1000, 192_000), "seconds": (0.05, 600), "bands": (4, 256), "frame": (2, 500), "hop": (1, 500),
}  # fmt: skip
WHOLE = ("rate", "bands")
DEFAULTS: dict[str, Any] = {"bands": 40, "frame": 25.0, "hop": 10.0, "deltas": False, "normalise": "clip"}


@dataclass(frozen=True)
class Options:
    """`rate` in Hz and `seconds` of a window are None where the recordings decide; `frame` and `hop` in ms."""

    rate: int | None
    seconds: float | None
    bands: int
    frame: float
    hop: float
    deltas: bool
    normalise: str
    pattern: Pattern | None
    test_where: Condition | None
    valid_where: Condition | None
    lenient: bool  # whether pattern and conditions come from a model: where they do not fit, they are not meant
    cache: Path
    progress: Progress | None = None

    @property
    def naming(self) -> list[str | None]:
        return [each.text if each else None for each in (self.pattern, self.test_where, self.valid_where)]


def options_of(source: DataSpec, preprocessing: Preprocessing | None) -> Options:
    """What the source says; where a model's facts are at hand, they decide what its network hears."""
    given = said(source.options, NAMES, "speech")
    typed = bool(given.keys() & set(NAMED)) or preprocessing is None
    shape = given if preprocessing is None else form(preprocessing)
    names = given if typed or preprocessing is None else preprocessing
    numbers = {name: in_range(name, shape.get(name, DEFAULTS.get(name))) for name in RANGES}
    pattern = names.get("pattern")
    return Options(
        **numbers,
        deltas=truth("deltas", shape.get("deltas", DEFAULTS["deltas"])),
        normalise=one_of("normalise", shape.get("normalise", DEFAULTS["normalise"]), NORMALISE),
        pattern=Pattern(str(pattern)) if pattern else None,
        test_where=condition(names, "test_where"),
        valid_where=condition(names, "valid_where"),
        lenient=not typed,
        cache=cache_in(given),
        progress=source.progress,
    )


def form(preprocessing: Preprocessing) -> dict[str, Any]:
    """The options that bring other recordings to the form of a model's, whose facts these are."""
    told = {name: preprocessing[name] for name in FORM if name in preprocessing and name != "samples"}
    return {**told, "seconds": preprocessing["samples"] / preprocessing["rate"]}


def condition(names: Mapping[str, Any], name: str) -> Condition | None:
    text = names.get(name)
    return Condition(str(text), f"--{name.replace('_', '-')}") if text else None


def in_range(name: str, value: Any) -> Any:
    """A number in its range; None where it is left to the recordings."""
    if value is None:
        return None
    least, most = RANGES[name]
    return whole(name, value, int(least), int(most)) if name in WHOLE else number(name, value, least, most)
