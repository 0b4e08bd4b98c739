"""Data of vision: load (a set), read (one picture), expand_paths."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL
import torch
from torch import Tensor

from ..core.data import Data, DataSpec, Preprocessing
from ..core.inputs import Input, TooLarge
from ..core.options import set_options
from ..core.sources import expand
from ..core.sources.cache import Cache, Index, cached
from ..core.sources.columns import table_options
from ..core.sources.content import fetched
from ..core.sources.dataset import none_usable, scan_usable, to_data
from ..core.sources.decoded_rows import DecodedSamples, RowStore
from ..core.sources.file_table import file_table
from ..core.sources.manifest import AssignedSource
from ..core.sources.read import named_problems, source_of
from ..core.stream import Table
from ..core.tasks import box_targets
from .boxes import source as boxes
from .build import build, decode_set
from .frames import frame_in
from .heif import decoders
from .masks.build import build_pairs, with_masks
from .options import NAMES, Options, options_of
from .picture import PICTURES, Form, header, original_position, pixels
from .sources import MASKS, holds_masks, open_sources

VERSION = 2  # of decoding; a change makes all caches stale
MAX_PIXELS = 50_000_000  # of a picture of a stranger: 150 MB decoded
GREY_SAMPLE = 50  # pictures that show whether a set is grey
PREPROCESSING = ("size", "colour", "fit", "mean", "std")  # the part of the index that a model keeps


def load(spec: DataSpec, labels: list[str] | None = None, preprocessing: Preprocessing | None = None) -> Data:
    """Training, validation and test pictures, uint8 (N, C, H, W), decoded once and memory-mapped from the cache.

    With the `labels` and `preprocessing` of a model the pictures are prepared as in its training, and targets index its
    labels by name. Raises Problem if the data cannot be used.
    """
    options = options_of(spec, preprocessing)
    sources = open_sources(spec, options)
    cache = Cache(options.cache, PICTURES)
    entry = cached(
        cache,
        spec,
        labels,
        sources,
        settings(options.size, options.colour, options),
        lambda folder: build_cache(spec, labels, options, sources, cache, folder),
        lambda index: [form_settings(index.preprocessing, options)],
    )
    if preprocessing is None:
        preprocessing = {name: entry[0].preprocessing[name] for name in PREPROCESSING}
        if len(options.scale.get("mean", ())) == len(preprocessing["mean"]):  # not if --colour differs from the model's
            preprocessing |= options.scale
        preprocessing |= {"pattern": options.naming.pattern.text} if options.naming else {}
    data = to_data(spec, labels, sources, entry, preprocessing, PICTURES, cache.remarks)
    if data.target_spec.task == boxes.TASK:
        data.labels = [in_form(text, form_of(preprocessing)) for text in data.labels]
    if "masks" in entry[1]:
        data = with_masks(data, entry[1], labels)
    if options.scale and are_grey(data.train.inputs[:GREY_SAMPLE]):
        data.remarks.append("the pictures are grey, the model takes colours: it gets them as three equal channels")
    return data


def in_form(text: str, form: Form) -> str:
    """The text of a picture's boxes with the frame of the picture in a form."""
    target = box_targets.read(text)
    return box_targets.write(frame_in((target.frame.height, target.frame.width), form), target.boxes)


def are_grey(pictures: Tensor) -> bool:
    """Whether pictures (N, C, H, W) have several channels, and all are equal."""
    return len(pictures) > 0 and pictures.shape[1] > 1 and bool((pictures == pictures[:, :1]).all())


def form_settings(preprocessing: Preprocessing, options: Options) -> tuple[object, ...]:
    """The settings with which the model of a set asks for it again."""
    return settings(preprocessing["size"], preprocessing["colour"], replace(options, fit=preprocessing["fit"]))


def settings(size: Sequence[int] | None, colour: str, options: Options) -> tuple[object, ...]:
    """Everything besides the files that the arrays depend on."""
    table = (options.table.value, options.table.encoding)
    pattern = (options.naming.pattern.text,) if options.naming else ()
    return VERSION, PIL.__version__, *decoders(), size, colour, options.fit, table, *pattern, *options.ignored


def build_cache(
    spec: DataSpec,
    labels: list[str] | None,
    options: Options,
    sources: Sequence[AssignedSource],
    cache: Cache,
    folder: Path,
) -> Index:
    """Decodes all pictures into a folder."""
    manifest = scan_usable(sources, spec, labels, PICTURES)
    with RowStore(folder) as store:
        if manifest.targets.task == MASKS:
            built = build_pairs(manifest, options, cache, store, folder)
            if isinstance(built, DecodedSamples):
                raise none_usable(manifest, built.bad)
            return built
        decoded = decode_set(manifest, options, cache, store)
        if not decoded.samples.indices:
            raise none_usable(manifest, decoded.samples.bad)
        return build(manifest, decoded, folder / "inputs.npy")


def read(value: Input, preprocessing: Preprocessing) -> Tensor:
    """One picture, prepared as `load` prepares it: uint8 (C, H, W)."""
    with named_problems(value, "picture"):
        _, array = pixels(fetched(source_of(value, "picture")), form_of(preprocessing))
    return torch.from_numpy(array.copy())


def form_of(preprocessing: Preprocessing) -> Form:
    """The size and colour that pictures of a model have."""
    height, width = map(int, preprocessing["size"])
    return Form((height, width), preprocessing["colour"], preprocessing["fit"])


def position_in_file(value: Input, row: int, column: int, preprocessing: Preprocessing) -> str:
    """The pixel of a picture's file, upright, that a pixel of the network's input comes from."""
    form = form_of(preprocessing)
    with named_problems(value, "picture"):
        height, width = header(fetched(source_of(value, "picture"))).size
    if (height, width) == form.size:
        return f"row {row}, column {column}"
    y, x = original_position((height, width), form, row, column)
    return f"row {y}, column {x} of {height}×{width}"


def check_size(value: Input) -> None:
    """Raises TooLarge for a picture of more than MAX_PIXELS, which are not decoded."""
    with named_problems(value, "picture"):
        height, width = header(fetched(source_of(value, "picture"))).size
    if height * width > MAX_PIXELS:
        limit = f"at most {MAX_PIXELS / 1e6:.0f} megapixels"
        raise TooLarge(f"the picture has {width:,}×{height:,} pixels; send one of {limit}")


def task_of(path: str) -> str | None:
    """The task that the files at a path are plainly for; None if their labels decide it."""
    if not os.path.exists(path):
        return None
    return MASKS if holds_masks(path) else boxes.TASK if boxes.recognised(path) else None


def table_in(file: str, preprocessing: Preprocessing, options: Mapping[str, Any]) -> Table | None:
    """The pictures that a table names or holds; None for another file."""
    spec = DataSpec(file, options=set_options(options, NAMES, "vision"))
    return file_table(file, PICTURES, table_options(spec, "path_column"))


def expand_paths(arguments: Sequence[str]) -> list[Input]:
    """The pictures among files, folders and globs."""
    return expand.expand_paths(arguments, PICTURES)
