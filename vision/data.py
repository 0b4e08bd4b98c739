"""The front door of vision's data: load (many pictures), read (one), gather (which ones)."""

from __future__ import annotations

from collections.abc import Sequence

import PIL
import torch
from torch import Tensor

from ..core.data import Data, DataSpec, Preprocessing
from ..core.inputs import Input
from ..core.sources import expand
from ..core.sources.cache import Arrays, Cache, Index, key_of
from ..core.sources.content import fetched
from ..core.sources.read import named_problems, source_of
from ..core.sources.survey import Placed, Survey, divided_by, full_bad
from ..core.sources.usable import data_of, none_usable, surveyed
from .build import SMALL, Otherwise, build, decoded, first_form
from .options import Options, options_of
from .picture import PICTURES, Form, pixels
from .sources import origins

FACTS = ("size", "colour", "fit", "mean", "std")  # what a model keeps of an index's facts


def load(source: DataSpec, labels: list[str] | None = None, preprocessing: Preprocessing | None = None) -> Data:
    """Training, validation and test pictures, uint8 (N, C, H, W), decoded once and mapped from the disk afterwards.

    With the `labels` and `preprocessing` of a model the pictures look as it saw them in training, and targets index its
    labels by name. Raises Problem where the data cannot be used.
    """
    options = options_of(source, preprocessing)
    placed = origins(source, options.cache)
    cache = Cache(options.cache, PICTURES)
    index, arrays = cached(source, labels, options, placed, cache)
    preprocessing = preprocessing or {name: index.preprocessing[name] for name in FACTS}
    return data_of(source, labels, placed, index, arrays, preprocessing, PICTURES, cache.remarks)


def cached(
    source: DataSpec, labels: list[str] | None, options: Options, placed: Sequence[Placed], cache: Cache
) -> tuple[Index, Arrays]:
    """The decoded pictures, from the cache where they lie there unchanged."""
    stamps = [(part, list(origin.stamp())) for origin, part in placed]
    known = sorted(labels) if labels is not None and source.unknown == "skip" else source.unknown

    def key(size: tuple[int, int] | None, colour: str) -> str:
        return key_of(PIL.__version__, size, colour, options.fit, divided_by(source), known, stamps)

    asked = key(options.size, options.colour)
    if ready := cache.find(asked):
        return ready
    found = surveyed(source, labels, placed, PICTURES)
    form = first_form(found, placed, options)
    while True:
        try:
            ready = cache.find(key(form.size, form.colour))
            if not ready or not holds(ready[0], options):
                ready = built(found, source, placed, options, form, cache, key(form.size, form.colour))
        except Otherwise as other:
            form = other.form
        else:
            cache.also(asked, key(form.size, form.colour))
            return ready


def holds(index: Index, options: Options) -> bool:
    """Whether a form that was once asked for is also what the pictures themselves would have chosen."""
    preprocessing = index.preprocessing
    size = options.size is not None or preprocessing["uniform"] or preprocessing["size"] == [SMALL, SMALL]
    return size and (options.colour != "auto" or preprocessing["grey"] or preprocessing["colour"] == "rgb")


def built(
    found: Survey, source: DataSpec, placed: Sequence[Placed], options: Options, form: Form, cache: Cache, key: str
) -> tuple[Index, Arrays]:
    """Decodes all pictures into the cache."""
    with cache.building(2 * form.weight * len(found.items)) as folder:  # once as they come, once in their order
        rows, forms = decoded(found, placed, options, form, folder / "rows")
        if not rows.items:
            raise none_usable(source.data, full_bad(placed, found.bad + rows.bad))
        index = build(found, rows, forms, folder / "inputs.npy")
        (folder / "rows").unlink()
        return cache.keep(folder, key, index)


def read(value: Input, preprocessing: Preprocessing) -> Tensor:
    """One picture, prepared as `load` prepares it: uint8 (C, H, W)."""
    form = Form(
        (int(preprocessing["size"][0]), int(preprocessing["size"][1])), preprocessing["colour"], preprocessing["fit"]
    )
    with named_problems(value, "picture"):
        _, array = pixels(fetched(source_of(value, "picture")), form)
    return torch.from_numpy(array.copy())


def expand_paths(arguments: Sequence[str]) -> list[Input]:
    """The pictures among files, folders and globs."""
    return expand.expand_paths(arguments, PICTURES)
