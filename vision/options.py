"""The options of vision: the form of pictures, the columns of a table of them, and the cache."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict, TypeGuard

from ..core.data import DataSpec, Preprocessing, Progress
from ..core.options import cache_folder, choice, set_options
from ..core.problem import USAGE, Problem, shortened
from ..core.ranges import RANGES
from ..core.schema import Length, in_range
from ..core.sources.columns import TableOptions, table_options
from ..core.sources.fields import Naming, Pattern
from .boxes.formats import BoxOptions, format_named

FITS = ("crop", "stretch", "pad", "keep")
COLOURS = ("auto", "grey", "rgb")
NAMES = (
    *("size", "colour", "fit", "mean", "std", "pattern", "path_column", "encoding", "cache"),
    *("images", "one_based", "boxes"),
    "ignore",
)

Side = Annotated[int, in_range("vision.size")]


class VisionPreprocessing(TypedDict):
    """What a model of vision keeps: the form and the naming of its pictures, and the statistics of their channels.

    White is 1.
    """

    size: Annotated[list[Side], Length(2, 2)]
    colour: Literal["grey", "rgb"]
    fit: Literal["crop", "stretch", "pad", "keep"]
    mean: Annotated[list[float], Length(1, 3)]
    std: Annotated[list[float], Length(1, 3)]
    pattern: NotRequired[str | None]


@dataclass(frozen=True)
class Options:
    """`size` is (height, width) in pixels, None if the pictures decide, as `colour` "auto" lets them do.

    `scale` is the mean and std that the channels are normalised with; {} if they are measured on the training set.
    """

    size: tuple[int, int] | None
    colour: str
    fit: str
    table: TableOptions
    cache: Path
    naming: Naming | None = None
    progress: Progress | None = None
    scale: Mapping[str, list[float]] = field(default_factory=dict)
    boxes: BoxOptions = field(default_factory=BoxOptions)
    ignored: tuple[str, ...] = ()  # of masks: names or values of classes that are not trained on
    is_fit_set: bool = False  # whether `fit` is the user's or a model's


def options_of(spec: DataSpec, preprocessing: Preprocessing | None) -> Options:
    """The options of a DataSpec; the `preprocessing` of a model overrides those of the form."""
    options = set_options(spec.options, NAMES, "vision")
    table, cache = table_options(spec, "path_column"), cache_folder(options)
    pattern = options.get("pattern") or (preprocessing or {}).get("pattern")
    naming = Naming(Pattern(str(pattern)), lenient="pattern" not in options) if pattern else None
    if preprocessing is not None:
        size = (int(preprocessing["size"][0]), int(preprocessing["size"][1]))
        colour, fit = str(preprocessing["colour"]), str(preprocessing["fit"])
        boxes = box_options(options)
        return Options(size, colour, fit, table, cache, naming, spec.progress, boxes=boxes, is_fit_set=True)
    return Options(
        side(options.get("size")),
        choice("colour", options.get("colour") or "auto", COLOURS),
        choice("fit", options.get("fit") or "crop", FITS),
        table,
        cache,
        naming,
        spec.progress,
        channel_scale(options),
        box_options(options),
        tuple(part.strip() for part in str(options.get("ignore") or "").split(",") if part.strip()),
        options.get("fit") is not None,
    )


def box_options(options: Mapping[str, Any]) -> BoxOptions:
    """The options of files of boxes: where their pictures lie, how they count pixels, their format. Raises Problem."""
    images, one_based = options.get("images"), options.get("one_based") or False
    if not isinstance(one_based, bool):
        raise Problem(f"one_based is true or false; got {shortened(str(one_based))}", USAGE)
    if images is not None and not os.path.exists(str(images)):
        raise Problem(f"images {shortened(str(images), 200)} does not exist; name the folder of the pictures", USAGE)
    form = options.get("boxes")
    return BoxOptions(
        format_named(str(form)).name if form is not None else None,
        one_based,
        os.path.abspath(str(images)) if images is not None else None,
    )


def channel_scale(options: Mapping[str, Any]) -> dict[str, list[float]]:
    """The mean and std among the options, a number for each channel. Raises Problem for one without the other."""
    values = {name: options[name] for name in ("mean", "std") if options.get(name) is not None}
    if not values:
        return {}
    for numbers in values.values():
        if not isinstance(numbers, list) or not all(type(number) in (int, float) for number in numbers):
            raise Problem("mean and std are lists with a number for each channel, where white is 1", USAGE)
    mean, std = values.get("mean", []), values.get("std", [])
    if len(mean) != len(std) or not all(0 < number <= 1 for number in std):
        raise Problem("mean and std have a number for each channel, where white is 1; std is above 0", USAGE)
    return {"mean": [float(number) for number in mean], "std": [float(number) for number in std]}


def form(preprocessing: Preprocessing) -> dict[str, Any]:
    """The options that bring other pictures to the form of a model and scale their channels as in its training."""
    height, width = preprocessing["size"]
    size: dict[str, Any] = {"size": int(height) if height == width else f"{height}x{width}"}
    scale = {name: list(preprocessing[name]) for name in ("mean", "std") if name in preprocessing}
    return size | {"colour": preprocessing["colour"], "fit": preprocessing["fit"]} | scale


def side(size: Any) -> tuple[int, int] | None:
    """The (height, width) of a square with this side in pixels, or of `HEIGHTxWIDTH`."""
    if size is None:
        return None
    least, most = RANGES["vision.size"]
    height, cross, width = str(size).partition("x") if isinstance(size, str) else (size, "", "")
    sides = (height, width) if cross else (height, height)
    if not all(is_integer(length) and least <= int(length) <= most for length in sides):
        got = shortened(str(size))
        raise Problem(
            f"size {got} is not a picture's side: give whole pixels from {least} to {most}, or a height and a width, "
            "as in 192x256",
            USAGE,
        )
    return int(sides[0]), int(sides[1])


def is_integer(value: Any) -> TypeGuard[int | str]:
    if isinstance(value, str):
        return value.isdecimal() and len(value) < 10
    return isinstance(value, int) and not isinstance(value, bool)
