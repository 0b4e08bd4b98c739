"""What training would meet in the recordings: counts, rates, lengths, clipping, silence, bad files, duplicates."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.data import DataSpec
from ..core.sources.content import Content, Unreadable, counted, digest_of
from ..core.sources.doubts import Seen, examined, refusals, report
from ..core.sources.survey import NAMED, Placed, Survey, in_groups, in_labels, survey
from ..core.split import PARTS
from .audio import RECORDINGS, About, Span, sound
from .build import bytes_of, form_of
from .options import options_of
from .sources import noise_in, origins, same_case


def check(source: DataSpec) -> dict[str, Any]:
    """A report of every recording, each decoded to its end. Raises Problem only where there is nothing to look at."""
    options = options_of(source, None)
    placed = origins(source, options)
    found = survey(placed, source, RECORDINGS)
    in_groups(found, placed, source.group_by)
    same_case(found)
    refused = refusals(lambda: in_labels(found, None, source))
    heard, bad, rare = examined(
        found, placed, lambda at, content: examine(content, found.items[at].span), options.progress
    )
    abouts: list[About] = [each.about for each in heard]
    own = {
        "seconds": lengths([about.seconds for about in abouts]),
        "rates": {f"{rate} Hz": count for rate, count in counts(about.header.rate for about in abouts)},
        "channels": {str(number): count for number, count in counts(about.header.channels for about in abouts)},
        "formats": dict(counts(about.header.format for about in abouts)),
        "training": training(found, placed, options) if heard else {},
        "clipped": [each.file for each in heard if each.about.clipped],
        "silent": [each.file for each in heard if each.about.silent],
        "speakers": speakers(heard),
        "noise": noise_in(placed),
    }
    return report(RECORDINGS, found, heard, bad, rare, own, refused, own_doubts(heard))


def examine(content: Content, span: Span) -> tuple[bytes, About | None, str]:
    """The hash of a recording and what it is, or why it is none."""
    try:
        encoded = bytes_of(content)
        told = f"{span}".encode() if span else b""
        return digest_of(encoded + told), sound(encoded, None, span)[0], ""
    except Unreadable as problem:
        return b"", None, str(problem)


def counts(found: Any) -> list[tuple[Any, int]]:
    return Counter(found).most_common()


def lengths(found: Sequence[float]) -> dict[str, float]:
    """The shortest, the median, the longest, and all together, in seconds."""
    if not found:
        return {}
    told = {"shortest": min(found), "median": float(np.median(found)), "longest": max(found), "together": sum(found)}
    return {name: round(value, 2) for name, value in told.items()}


def training(found: Survey, placed: Sequence[Placed], options: Any) -> dict[str, Any]:
    """The form that training would bring the recordings to."""
    form = form_of(found, placed, options)
    return {"rate": form.rate, "seconds": round(form.seconds, 3), "bands": options.bands}


def speakers(heard: Sequence[Seen]) -> dict[str, list[str]]:
    """The parts in which each speaker is heard: the groups of --group-by, or a field or column of that name."""
    parts: dict[str, set[str]] = defaultdict(set)
    for each in heard:
        if name := speaker_of(each):
            parts[name].add(each.part)
    return {name: [part for part in PARTS if part in parts[name]] for name in sorted(parts)}


def speaker_of(each: Seen) -> str | None:
    return each.item.group or (each.item.fields or {}).get("speaker")


def own_doubts(heard: Sequence[Seen]) -> list[str]:
    """What spoils a training on speech."""
    told = []
    for what, files in (
        ("clipped: more than 0.1% of the samples are at full scale", [h.file for h in heard if h.about.clipped]),
        ("silent: nothing in them is above −60 dB", [h.file for h in heard if h.about.silent]),
    ):
        if files:
            told.append(f"{counted(len(files), 'recording')} {what} (first: {files[0]})")
    both = [name for name, parts in speakers(heard).items() if len(parts) > 1]
    if both:
        names = ", ".join(both[:NAMED]) + (" and others" if len(both) > NAMED else "")
        told.append(
            f"{counted(len(both), 'speaker')} in more than one part ({names}): the score is that of known voices; "
            "--group-by speaker keeps each on one side"
        )
    rates = {(each.item.label, each.about.header.rate) for each in heard}
    if len({rate for _, rate in rates}) > 1 and len(rates) == len({label for label, _ in rates}):
        told.append("each label has a sampling rate of its own: a network may learn the rate instead of the word")
    return told
