"""The front door of speech's data: load (many recordings), read (one), windows (a long one), gather (which ones)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

from ..core.data import Data, DataSpec, Preprocessing
from ..core.inputs import Input
from ..core.lazy import LazyInputs
from ..core.sources import expand
from ..core.sources.cache import Arrays, Cache, Index, key_of
from ..core.sources.content import Content
from ..core.sources.listing import Item
from ..core.sources.read import named_problems, source_of
from ..core.sources.survey import Placed, Survey, divided_by, full_bad
from ..core.sources.usable import data_of, none_usable, surveyed
from ..core.windows import Windows
from .audio import RECORDINGS, Samples, fitted, sound, starts
from .build import COVERED, LONGEST, RATE, Form, build, decoded, form_of, noise_of
from .options import FORM, NAMED, Options, options_of
from .sources import noise_in, origins, same_case
from .spectrogram import middles

TOLD = ("mean", "std")  # facts that only normalisation over the set has


def load(source: DataSpec, labels: list[str] | None = None, preprocessing: Preprocessing | None = None) -> Data:
    """Training, validation and test recordings, int16 (N, samples), decoded once and mapped from the disk afterwards.

    A shorter recording lies in the middle of silence; of a longer one it is the loudest stretch. With the `labels` and
    `preprocessing` of a model the recordings are prepared as in its training; targets index its labels. Raises
    Problem where the data cannot be used.
    """
    options = options_of(source, preprocessing)
    placed = origins(source, options)
    cache = Cache(options.cache, RECORDINGS)
    index, arrays = cached(source, labels, options, placed, cache)
    if preprocessing is None:
        preprocessing = {name: index.preprocessing[name] for name in (*FORM, *TOLD) if name in index.preprocessing}
        preprocessing |= {name: text for name, text in zip(NAMED, options.naming, strict=True) if text}
    data = data_of(source, labels, placed, index, arrays, preprocessing, RECORDINGS, cache.remarks)
    data.extras["bands"] = middles(int(preprocessing["bands"]), int(preprocessing["rate"])).float()
    if "background" in arrays:
        data.extras["background"] = torch.from_numpy(arrays["background"])
    return data


def cached(
    source: DataSpec, labels: list[str] | None, options: Options, placed: Sequence[Placed], cache: Cache
) -> tuple[Index, Arrays]:
    """The decoded recordings, from the cache where they lie there unchanged."""
    stamps = [(part, list(origin.stamp())) for origin, part in placed]
    known = sorted(labels) if labels is not None and source.unknown == "skip" else source.unknown
    versions = (soundfile.__libsndfile_version__, soxr.__version__, RATE, COVERED, LONGEST)
    form = (options.rate, options.seconds, options.bands, options.frame, options.hop, options.deltas)
    said = (form, options.normalise, options.naming, options.lenient, divided_by(source), known)
    key = key_of(versions, said, stamps)
    if ready := cache.find(key):
        return ready
    found = surveyed(source, labels, placed, RECORDINGS)
    same_case(found)
    return built(found, source, placed, options, cache, key)


def built(
    found: Survey, source: DataSpec, placed: Sequence[Placed], options: Options, cache: Cache, key: str
) -> tuple[Index, Arrays]:
    """Decodes all recordings into the cache."""
    form = form_of(found, placed, options)
    with cache.building(2 * form.weight * len(found.items)) as folder:  # once as they come, once in their order
        rows, heard = decoded(found, placed, options, form, folder / "rows")
        if not rows.items:
            raise none_usable(source.data, full_bad(placed, found.bad + rows.bad))
        index = build(found, rows, heard, options, folder / "inputs.npy")
        background(placed, form, folder / "background.npy", index)
        (folder / "rows").unlink()
        return cache.keep(folder, key, index)


def background(placed: Sequence[Placed], form: Form, path: Path, index: Index) -> None:
    """Writes the noise that the first origin has, where it has some, and tells the index of it."""
    names = noise_in(placed)
    if not names:
        return
    contents: list[Content] = [content for _, content in placed[0].origin.contents([Item(name, "") for name in names])]
    bad, remark = noise_of(contents, form, path)
    index.bad += [(0, names[at], reason) for at, reason in bad]
    index.remarks.append(remark)


def read(value: Input, preprocessing: Preprocessing) -> Tensor:
    """One recording, prepared as `load` prepares it: int16 (samples,)."""
    return torch.from_numpy(fitted(samples_of(value, preprocessing), int(preprocessing["samples"])).copy())


def windows(value: Input, preprocessing: Preprocessing) -> Windows:
    """A whole recording, in windows that overlap by half if it is longer than one."""
    samples = samples_of(value, preprocessing)
    rate, length = int(preprocessing["rate"]), int(preprocessing["samples"])
    begin = starts(len(samples), length)
    spans = [(start / rate, (start + min(len(samples), length)) / rate) for start in begin]
    if len(begin) == 1:
        return Windows(torch.from_numpy(fitted(samples, length).copy())[None], spans, unit="s")

    def cut(found: Sequence[int]) -> Tensor:
        return torch.from_numpy(np.stack([samples[start : start + length] for start in found]))

    made = LazyInputs(cut, torch.tensor(begin), torch.int16)  # all at once would weigh twice the recording
    return Windows(made, spans, unit="s")


def samples_of(value: Input, preprocessing: Preprocessing) -> Samples:
    """The samples of one recording at the model's rate. Raises Problem if it cannot be read."""
    with named_problems(value, "recording"):
        return sound(source_of(value, "recording"), int(preprocessing["rate"]))[1]


def expand_paths(arguments: Sequence[str]) -> list[Input]:
    """The recordings among files, folders and globs."""
    return expand.expand_paths(arguments, RECORDINGS)
