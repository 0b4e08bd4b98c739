"""The report of a check of recordings: rates, lengths, clipping, silence, speakers, bad files, duplicates."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..core.data import DataSpec
from ..core.sources.check import CheckedSample, Examined, examine_all, label_refusals, report
from ..core.sources.content import Content, Unreadable, counted
from ..core.sources.manifest import NAMED, assign_groups, scan
from ..core.split import SPLITS
from .audio import OPPOSITE, RECORDINGS, RecordingInfo, Span, decode, open_recording, read_header
from .build import Recording, bytes_of, digest, form_of, span_seconds
from .options import Options, options_of
from .sources import noise_in, open_sources, unify_case


def check(spec: DataSpec) -> dict[str, Any]:
    """A report of every recording, each decoded to its end. Raises Problem only if there is nothing to report on."""
    options = options_of(spec, None)
    sources = open_sources(spec, options)
    manifest = scan(sources, spec, RECORDINGS)
    assign_groups(manifest)
    unify_case(manifest)
    refusals = label_refusals(manifest)
    headers: dict[int, Recording] = {}
    checked = examine_all(
        manifest,
        lambda index, content: examine(index, content, manifest.samples[index].span, headers),
        options.progress,
    )
    samples = checked.samples
    infos: list[RecordingInfo] = [sample.info for sample in samples]
    facts = {
        "seconds": lengths([info.seconds for info in infos]),
        "rates": {f"{rate} Hz": count for rate, count in most_common(info.header.rate for info in infos)},
        "channels": {str(number): count for number, count in most_common(info.header.channels for info in infos)},
        "formats": dict(most_common(info.header.format for info in infos)),
        "training": training_form([*headers.values()], options) if samples else {},
        "clipped": [sample.file for sample in samples if sample.info.clipped],
        "silent": [sample.file for sample in samples if sample.info.silent],
        "opposite_phase": [sample.file for sample in samples if sample.info.cancelled],
        "speakers": speakers(samples),
        "noise": noise_in(sources),
    }
    return report(manifest, checked, facts, refusals, recording_warnings(samples))


def examine(index: int, content: Content, span: Span, headers: dict[int, Recording]) -> Examined:
    """The digest of a recording and its measurements, or the reason why it cannot be used; notes its header."""
    try:
        encoded = bytes_of(content)
        with open_recording(encoded) as file:
            header = read_header(file)
            headers[index] = Recording(header, span_seconds(header, span), header.rate)
            info, _ = decode(file, header, None, span)
    except Unreadable as problem:
        return Examined(b"", None, str(problem))
    return Examined(digest(encoded, span), info)


def most_common(values: Iterable[Any]) -> list[tuple[Any, int]]:
    return Counter(values).most_common()


def lengths(seconds: Sequence[float]) -> dict[str, float]:
    """The shortest, the median, the longest and the total length in seconds."""
    if not seconds:
        return {}
    values = {
        "shortest": min(seconds),
        "median": float(np.median(seconds)),
        "longest": max(seconds),
        "together": sum(seconds),
    }
    return {name: round(value, 2) for name, value in values.items()}


def training_form(headers: Sequence[Recording], options: Options) -> dict[str, Any]:
    """The form that training would bring the recordings to."""
    form = form_of(headers, options)
    return {"rate": form.rate, "seconds": round(form.seconds, 3), "bands": options.bands}


def speakers(samples: Sequence[CheckedSample]) -> dict[str, list[str]]:
    """The splits that each speaker is in: the groups of --group-by, or a field or column of that name."""
    splits: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        if name := speaker_of(sample):
            splits[name].add(sample.split)
    return {name: [split for split in SPLITS if split in splits[name]] for name in sorted(splits)}


def speaker_of(checked: CheckedSample) -> str | None:
    return checked.sample.group or (checked.sample.fields or {}).get("speaker")


def recording_warnings(samples: Sequence[CheckedSample]) -> list[str]:
    """Warnings about recordings that would spoil a training."""
    warnings = []
    clipped = [sample.file for sample in samples if sample.info.clipped]
    silent = [sample.file for sample in samples if sample.info.silent]
    opposite = [sample.file for sample in samples if sample.info.cancelled]
    for defect, files in (
        ("clipped: more than 0.1% of the samples are at full scale", clipped),
        ("silent: nothing in them is above −60 dB", silent),
        (f"have {OPPOSITE}", opposite),
    ):
        if files:
            warnings.append(f"{counted(len(files), 'recording')} {defect} (first: {files[0]})")
    mixed = [name for name, splits in speakers(samples).items() if len(splits) > 1]
    if mixed:
        names = ", ".join(mixed[:NAMED]) + (" and others" if len(mixed) > NAMED else "")
        warnings.append(
            f"{counted(len(mixed), 'speaker')} in more than one split ({names}): the metrics are those of known "
            "voices; --group-by speaker keeps each speaker in one split"
        )
    rates = {(sample.sample.label, sample.info.header.rate) for sample in samples}
    if len({rate for _, rate in rates}) > 1 and len(rates) == len({label for label, _ in rates}):
        warnings.append("each label has a sampling rate of its own: a network may learn the rate instead of the word")
    return warnings
