"""Building the cache of pictures with masks: both in one form, the values of masks replaced by class indices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.data import Data
from ...core.problem import DATA, USAGE, Problem
from ...core.sources.cache import Arrays, Cache, Index, write_array
from ...core.sources.content import Content, Unreadable, WithTarget, digest_of, fetched
from ...core.sources.decoded_rows import Decoded, DecodedSamples, RowStore, build_index, decode_all
from ...core.sources.manifest import Manifest
from ..build import PixelStatistics, measured
from ..options import Options
from ..picture import Form, Header, header, pixels
from .classes import MaskClasses, classes_in, display_colours
from .mask import decode_mask, to_form

MULTIPLE = 32  # sides are multiples of it, so that every recipe can halve them
LARGEST = 512  # pixels: the longer side of pictures that keep their size
SIDE = 256  # of pictures of unequal sizes
NAMED = 5  # classes that a remark names


class PairInfo(NamedTuple):
    """What is known of a picture and its mask before they are brought to a form."""

    header: Header
    counts: dict[int, int]  # pixels of each raw value in the mask
    palette: dict[int, str]


# --- the form ---------------------------------------------------------------------------------------------------------


def form_of(manifest: Manifest, options: Options) -> Form:
    """The form of all pictures: that of the options, or by their headers their own size, or less of large ones."""
    fit = options.fit if options.is_fit_set else ""
    if fit == "crop":
        raise Problem(
            "--fit crop cuts off what masks label; take pad or stretch, or keep for pictures at their own scale", USAGE
        )
    sizes: Counter[tuple[int, int]] = Counter()
    is_grey = True
    if options.size is None or options.colour == "auto":
        for _, content in manifest.contents():
            try:
                found = header(fetched(content))
            except Unreadable:
                continue
            sizes[found.size] += 1
            is_grey = is_grey and found.grey
    colour = options.colour if options.colour != "auto" else "grey" if is_grey and sizes else "rgb"
    if options.size is not None:
        return Form(options.size, colour, fit or "pad")
    size, own = common_size(sizes)
    return Form(size, colour, fit or ("keep" if own else "pad"))


def common_size(sizes: Counter[tuple[int, int]]) -> tuple[tuple[int, int], bool]:
    """The size of a form for pictures of these sizes, and whether they keep their scale in it."""
    if len(sizes) != 1:
        return (SIDE, SIDE), False
    (size,) = sizes
    scale = min(1.0, LARGEST / max(size))
    height, width = (max(MULTIPLE, -(-round(length * scale) // MULTIPLE) * MULTIPLE) for length in size)
    return (height, width), scale == 1


# --- decoding ---------------------------------------------------------------------------------------------------------


def build_pairs(
    manifest: Manifest, options: Options, cache: Cache, store: RowStore, folder: Path
) -> Index | DecodedSamples:
    """Decodes all pairs and writes their arrays; returns the index, or the samples if none of them is usable."""
    form, classes = form_of(manifest, options), MaskClasses.of(manifest.targets)
    cache.require(2 * form.weight * len(manifest.samples))
    values: Counter[int] = Counter()
    palette: dict[int, str] = {}

    def note(info: PairInfo) -> None:
        values.update(info.counts)
        palette.update(info.palette if not palette else {})

    decoded = decode_all(
        manifest,
        manifest.contents(),
        lambda index, content: decode_pair(content, form, classes),
        store,
        note,
        options.progress,
    )
    if not decoded.indices:
        return decoded
    if classes is None:
        classes = classes_in(values, manifest.targets.label_names, options.ignored, manifest.spec.data)
        if classes.ignored and any(int(value) in values for value in classes.ignored):
            manifest.remarks.append(f"the value {', '.join(classes.ignored)} in masks is ignored")
    classes = classes._replace(colours=display_colours(classes, palette))
    manifest.targets = classes.targets(manifest.targets)
    return write_arrays(manifest, decoded, form, classes, store, folder)


def decode_pair(content: Content, form: Form, classes: MaskClasses | None) -> Decoded:
    """A picture and its mask as one row: the pixels, then the raw values."""
    if not isinstance(content, WithTarget):
        return Decoded(b"", None, str(content) if isinstance(content, Unreadable) else "has no mask")
    try:
        encoded = fetched(content.example)
        digest = digest_of(encoded)
        found, array = pixels(encoded, form)
        info, raw = checked_mask(content, found, classes)
    except Unreadable as problem:
        return Decoded(b"", None, str(problem))
    return Decoded(digest, array.tobytes() + to_form(raw, form).tobytes(), info=info)


def checked_mask(content: WithTarget, found: Header, classes: MaskClasses | None) -> tuple[PairInfo, NDArray[np.int16]]:
    """The raw values of the mask of a picture. Raises Unreadable for one of another size, or with unknown values."""
    try:
        encoded = fetched(content.target)
        assert isinstance(encoded, bytes)
        mask = decode_mask(encoded, classes)
    except Unreadable as problem:
        raise Unreadable(f"has a mask that {problem}") from None
    if mask.raw.shape != found.size:
        sizes = [f"{width}×{height}" for height, width in (mask.raw.shape, found.size)]
        raise Unreadable(f"has a mask of {sizes[0]} pixels, and the picture {sizes[1]}; expected the same size")
    values, counts = np.unique(mask.raw, return_counts=True)
    info = PairInfo(found, dict(zip(values.tolist(), counts.tolist(), strict=True)), mask.palette)
    if classes is not None and (reason := classes.unknown_values(info.counts)):
        raise Unreadable(f"has a mask that {reason}")
    return info, mask.raw


def write_arrays(
    manifest: Manifest, decoded: DecodedSamples, form: Form, classes: MaskClasses, store: RowStore, folder: Path
) -> Index:
    """Writes pictures and masks in the order of the splits; returns their index."""
    index, order = build_index(manifest, decoded)
    statistics, weight = PixelStatistics(form), form.weight
    training = index.splits["train"] or len(order)
    write_array(
        folder / "inputs.npy",
        (len(order), *form.shape),
        measured((store[row][:weight] for row in order), training, statistics),
    )
    counts = np.zeros((2, len(classes.names)), np.int64)  # of pixels in training, in all splits
    write_array(
        folder / "masks.npy", (len(order), *form.size), indexed(store, order, weight, classes, training, counts)
    )
    mean, std = statistics.result()
    index.preprocessing = {
        "size": list(form.size),
        "colour": form.colour,
        "fit": form.fit,
        "mean": mean,
        "std": std,
    }
    index.remarks += class_remarks(counts, classes, manifest.spec.data)
    return index


def indexed(
    store: RowStore, order: Sequence[int], weight: int, classes: MaskClasses, training: int, counts: NDArray[np.int64]
) -> Iterator[bytes]:
    """The masks as class indices; adds up the pixels of each class."""
    for number, row in enumerate(order):
        indices = classes.indices(np.frombuffer(store[row][weight:], np.int16))
        found = np.bincount(indices, minlength=256)[: len(classes.names)]
        counts[1] += found
        counts[0] += found * (number < training)
        yield indices.tobytes()


def class_remarks(counts: NDArray[np.int64], classes: MaskClasses, location: str) -> list[str]:
    """What the user should know of the classes. Raises Problem where the training masks hold less than two."""
    present = [name for name, count in zip(classes.names, counts[0], strict=True) if count]
    if len(present) < 2:
        held = f"one class, {present[0]}" if present else "no class, only ignored pixels"
        raise Problem(f"the masks for training in {location} hold {held}; expected two or more", DATA)
    missing = [name for name in classes.names if name not in present]
    if not missing:
        return []
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    return [f"no mask for training has {', '.join(missing[:NAMED])}{more}: it is never learned"]


# --- after the cache -------------------------------------------------------------------------------------------------


def with_masks(data: Data, arrays: Arrays, labels: Sequence[str] | None) -> Data:
    """Loaded data whose targets are masks, (N, H, W) uint8: indices of `data.labels`, IGNORE for no label.

    Raises Problem if a model's labels are not those of the masks.
    """
    import torch

    classes = MaskClasses.of(data.target_spec)
    assert classes is not None, "the cache holds the classes of its masks"
    if labels is not None and tuple(labels) != classes.names:
        raise Problem(
            f"the model knows the labels {', '.join(labels[:NAMED])}, the masks have "
            f"{', '.join(classes.names[:NAMED])}; expected the same in the same order",
            DATA,
        )
    masks, start = torch.from_numpy(arrays["masks"]), 0
    splits = []
    for examples in (data.train, data.valid, data.test):
        splits.append(replace(examples, targets=masks[start : start + len(examples)]))
        start += len(examples)
    train, valid, test = splits
    return replace(data, train=train, valid=valid, test=test, labels=list(classes.names))
