"""Data of speech: load (a set), read (one recording), windows (a long one), expand_paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor

from ..core.data import Data, DataSpec, Preprocessing
from ..core.inputs import Input, TooLarge
from ..core.lazy import LazyInputs
from ..core.options import set_options
from ..core.progress import say
from ..core.sources import expand
from ..core.sources.cache import Cache, Index, cached
from ..core.sources.columns import table_options
from ..core.sources.content import Content
from ..core.sources.dataset import none_usable, scan_usable, to_data
from ..core.sources.decoded_rows import RowStore
from ..core.sources.file_table import file_table
from ..core.sources.manifest import AssignedSource
from ..core.sources.read import named_problems, source_of, title_of
from ..core.sources.source import SampleInfo
from ..core.stream import Table
from ..core.windows import Windows
from .audio import OPPOSITE, RECORDINGS, Samples, fit, open_recording, read_header, sound, starts
from .build import COVERED, LONGEST, RATE, Form, bring_to_form, build, build_noise, decode_set, form_of
from .events.frames import with_frames
from .events.source import TASK as EVENTS
from .events.source import form_of_events
from .options import FORM, NAMED, NAMES, Options, options_of
from .sources import noise_in, open_sources, unify_case
from .spectrogram import axis, middles

VERSION = 2  # of decoding; a change makes all caches stale
MAX_SECONDS = 600  # of a recording of a stranger: a minute of silence may have some hundred bytes
STATISTICS = ("mean", "std")  # preprocessing that only normalisation over the set has


def load(spec: DataSpec, labels: list[str] | None = None, preprocessing: Preprocessing | None = None) -> Data:
    """Training, validation and test recordings, int16 (N, samples), decoded once and memory-mapped from the cache.

    A shorter recording is centred in silence; a longer one is cut to its loudest part. With the `labels` and
    `preprocessing` of a model the recordings are prepared as in its training, and targets index its labels. Raises
    Problem if the data cannot be used.
    """
    options = options_of(spec, preprocessing)
    sources = open_sources(spec, options)
    cache = Cache(options.cache, RECORDINGS)
    entry = cached(
        cache,
        spec,
        labels,
        sources,
        settings(options.rate, options.seconds, options, options.lenient),
        lambda folder: build_cache(spec, labels, options, sources, cache, folder),
        lambda index: aliases(index, options),
    )
    index, arrays = entry
    if preprocessing is None:
        kept = (*FORM, *STATISTICS)
        preprocessing = {name: index.preprocessing[name] for name in kept if name in index.preprocessing}
        preprocessing |= {name: text for name, text in zip(NAMED, options.naming, strict=True) if text}
    data = to_data(spec, labels, sources, entry, preprocessing, RECORDINGS, cache.remarks)
    data.extras["bands"] = middles(*axis(preprocessing)).float()
    if data.target_spec.task == EVENTS:
        data = with_frames(data, labels)
    if "background" in arrays:
        data.extras["background"] = torch.from_numpy(arrays["background"])
    return data


def settings(rate: int | None, seconds: float | None, options: Options, lenient: bool) -> tuple[object, ...]:
    """Everything besides the files that the arrays depend on."""
    versions = (VERSION, soundfile.__libsndfile_version__, soxr.__version__, RATE, COVERED, LONGEST)
    form = (rate, seconds, options.bands, options.frame, options.hop, options.deltas, options.normalise, options.scale)
    return versions, form, options.naming, lenient, (options.table.value, options.table.encoding)


def aliases(index: Index, options: Options) -> list[tuple[object, ...]]:
    """The settings with which a model trained on these recordings loads them again."""
    rate, samples = int(index.preprocessing["rate"]), int(index.preprocessing["samples"])
    return [settings(rate, samples / rate, options, lenient) for lenient in (False, True)]


def build_cache(
    spec: DataSpec,
    labels: list[str] | None,
    options: Options,
    sources: Sequence[AssignedSource],
    cache: Cache,
    folder: Path,
) -> Index:
    """Decodes all recordings into a folder."""
    manifest = scan_usable(sources, spec, labels, RECORDINGS)
    unify_case(manifest)
    with RowStore(folder) as store:
        decoded = decode_set(manifest, options, store)
        form = form_of(decoded.headers, options)
        if manifest.targets.task == EVENTS and decoded.headers:
            headers = [recording for recording in decoded.headers if recording.seconds > 0]
            form = form_of_events([r.header.rate for r in headers], [r.seconds for r in headers], options)
        bring_to_form(decoded, form)
        if not decoded.recordings:
            raise none_usable(manifest, decoded.samples.bad)
        cache.require(form.weight * len(decoded.recordings))
        index = build(decoded, form, options, folder / "inputs.npy")
    add_noise(sources, form, folder / "background.npy", index)
    return index


def add_noise(sources: Sequence[AssignedSource], form: Form, path: Path, index: Index) -> None:
    """Writes the background noise in DATA, if there is any, and adds it to the index."""
    names = noise_in(sources)
    if not names:
        return
    samples = [SampleInfo(name, "") for name in names]
    contents: dict[int, Content] = dict(sources[0].source.contents(samples))
    bad, remark = build_noise([contents[position] for position in range(len(names))], names, form, path)
    index.bad += [(0, names[position], reason) for position, reason in bad]
    index.remarks.append(remark)


def read(value: Input, preprocessing: Preprocessing) -> Tensor:
    """One recording, prepared as `load` prepares it: int16 (samples,)."""
    return torch.from_numpy(fit(samples_of(value, preprocessing), int(preprocessing["samples"])).copy())


def windows(value: Input, preprocessing: Preprocessing) -> Windows:
    """A recording in windows that overlap by half if it is longer than one window."""
    samples = samples_of(value, preprocessing)
    rate, length = int(preprocessing["rate"]), int(preprocessing["samples"])
    offsets = starts(len(samples), length)
    spans = [(start / rate, (start + min(len(samples), length)) / rate) for start in offsets]
    if len(offsets) == 1:
        return Windows(torch.from_numpy(fit(samples, length).copy())[None], spans, unit="s")

    def cut(offsets: Sequence[int]) -> Tensor:
        return torch.from_numpy(np.stack([samples[start : start + length] for start in offsets]))

    # Computed per batch: all windows together would take twice the memory of the recording.
    return Windows(LazyInputs(cut, torch.tensor(offsets), torch.int16), spans, unit="s")


def samples_of(value: Input, preprocessing: Preprocessing) -> Samples:
    """The samples of one recording at the rate of the model. Raises Problem if it cannot be read."""
    with named_problems(value, "recording"):
        info, samples = sound(source_of(value, "recording"), int(preprocessing["rate"]))
    if info.cancelled:
        say(f"{title_of(value, 'recording')} has {OPPOSITE}")
    return samples


def table_in(file: str, preprocessing: Preprocessing, options: Mapping[str, Any]) -> Table | None:
    """The recordings that a table names or holds; None for another file."""
    spec = DataSpec(file, options=set_options(options, NAMES, "speech"))
    return file_table(file, RECORDINGS, table_options(spec, "path_column"), spans=True)


def check_length(value: Input) -> None:
    """Raises TooLarge for a recording that lasts longer than MAX_SECONDS, by its header."""
    with named_problems(value, "recording"), open_recording(source_of(value, "recording")) as file:
        header = read_header(file)
    if header.seconds > MAX_SECONDS:
        raise TooLarge(f"the recording lasts {header.seconds:,.0f} s; send at most {MAX_SECONDS} s")


def expand_paths(arguments: Sequence[str]) -> list[Input]:
    """The recordings among files, folders and globs."""
    return expand.expand_paths(arguments, RECORDINGS)
