"""Options: what a person may say about how pictures are brought to one size and colour, and where they are cached."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from ..core.data import DataSpec, Preprocessing, Progress
from ..core.options import cache_in, one_of, said
from ..core.problem import USAGE, Problem

FITS = ("crop", "stretch", "pad")
COLOURS = ("auto", "grey", "rgb")
NAMES = ("size", "colour", "fit", "cache")
SIDES = range(1, 4097)  # pixels; beyond it a single picture weighs 50 MB and more


@dataclass(frozen=True)
class Options:
    """`size` is (height, width) in pixels, None where the pictures decide; `colour` "auto" leaves that to them too."""

    size: tuple[int, int] | None
    colour: str
    fit: str
    cache: Path
    progress: Progress | None = None


def options_of(source: DataSpec, preprocessing: Preprocessing | None) -> Options:
    """What the source says; where a model's facts are at hand, they decide how its pictures look."""
    given = said(source.options, NAMES, "vision")
    cache = cache_in(given)
    if preprocessing is not None:
        size = (int(preprocessing["size"][0]), int(preprocessing["size"][1]))
        return Options(size, str(preprocessing["colour"]), str(preprocessing["fit"]), cache, source.progress)
    return Options(
        side(given.get("size")),
        one_of("colour", given.get("colour") or "auto", COLOURS),
        one_of("fit", given.get("fit") or "crop", FITS),
        cache,
        source.progress,
    )


def form(preprocessing: Preprocessing) -> dict[str, Any]:
    """The options that bring other pictures to the form of a model's, whose facts these are."""
    height, width = preprocessing["size"]
    square = {"size": int(height)} if height == width else {}
    return {**square, "colour": preprocessing["colour"], "fit": preprocessing["fit"]}


def side(size: Any) -> tuple[int, int] | None:
    """A side in pixels as (height, width) of a square."""
    if size is None:
        return None
    if not is_whole(size) or int(size) not in SIDES:
        raise Problem(f"size {size} is not a picture's side: give whole pixels from 1 to {SIDES[-1]}", USAGE)
    return int(size), int(size)


def is_whole(value: Any) -> TypeGuard[int | str]:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, str) and value.isdecimal())
