"""Options: what a person may say about the form that recordings are brought to, how they are named and divided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.domain import Facts, Progress, Source
from ..core.problem import USAGE, Problem, did_you_mean
from ..core.sources.cache import default_cache
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


def options_of(source: Source, facts: Facts | None) -> Options:
    """What the source says; where a model's facts are at hand, they decide what its network hears."""
    said = {name: value for name, value in known(source.options).items() if value is not None}
    typed = bool(said.keys() & set(NAMED)) or facts is None
    form = said if facts is None else facts | {"seconds": facts["samples"] / facts["rate"]}
    names = said if typed or facts is None else facts
    numbers = {name: number(name, form.get(name, DEFAULTS.get(name))) for name in RANGES}
    pattern = names.get("pattern")
    return Options(
        **numbers,
        deltas=truth(form.get("deltas", DEFAULTS["deltas"])),
        normalise=one_of("normalise", form.get("normalise", DEFAULTS["normalise"]), NORMALISE),
        pattern=Pattern(str(pattern)) if pattern else None,
        test_where=condition(names, "test_where"),
        valid_where=condition(names, "valid_where"),
        lenient=not typed,
        cache=Path(said["cache"]).expanduser() if said.get("cache") else default_cache(),
        progress=source.progress,
    )


def known(options: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in options:
        if name not in NAMES:
            hint = did_you_mean(name, NAMES)
            raise Problem(f"{name} is not an option of speech; the options are {', '.join(NAMES)}{hint}", USAGE)
    return options


def condition(names: Mapping[str, Any], name: str) -> Condition | None:
    text = names.get(name)
    return Condition(str(text), f"--{name.replace('_', '-')}") if text else None


def number(name: str, value: Any) -> Any:
    """A number in its range, whole where it must be; None where it is left to the recordings."""
    if value is None:
        return None
    least, most = RANGES[name]
    what = "a whole number" if name in WHOLE else "a number"
    try:
        found = float(value) if not isinstance(value, bool) else float("nan")
    except (TypeError, ValueError):
        found = float("nan")
    if not least <= found <= most or (name in WHOLE and found != int(found)):
        raise Problem(f"{name} is {what} from {least:g} to {most:g}; got {value}", USAGE)
    return int(found) if name in WHOLE else found


def truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Problem(f"deltas is true or false; got {value}", USAGE)
    return value


def one_of(option: str, value: Any, choices: tuple[str, ...]) -> str:
    if value not in choices:
        hint = did_you_mean(str(value), choices)
        raise Problem(f"{option} {value} is not known; it can be {', '.join(choices)}{hint}", USAGE)
    return str(value)
