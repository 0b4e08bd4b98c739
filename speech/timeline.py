"""Predictions for a recording as segments in time, and as label files of Praat and Audacity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from ..core.problem import USAGE, Problem


class Segment(NamedTuple):
    """A part of a recording with its predicted label; start and end in seconds."""

    start: float
    end: float
    label: str
    probability: float


def segments(windows: Sequence[Mapping[str, Any]]) -> list[Segment]:
    """Turns overlapping windows into consecutive segments; neighbours with the same label are merged.

    An overlap is divided in its middle. The probability of merged windows is their mean.
    """
    borders = [windows[0]["start"]]
    borders += [(left["end"] + right["start"]) / 2 for left, right in pairwise(windows)]
    borders.append(windows[-1]["end"])
    merged: list[Segment] = []
    count = 0
    for window, start, end in zip(windows, borders[:-1], borders[1:], strict=True):
        if merged and merged[-1].label == window["label"]:
            last, count = merged.pop(), count + 1
            mean = last.probability + (window["probability"] - last.probability) / count
            merged.append(Segment(last.start, end, last.label, mean))
        else:
            merged.append(Segment(start, end, window["label"], window["probability"]))
            count = 1
    return merged


def timeline(prediction: Mapping[str, Any], path: Path) -> str:
    """Returns the content of a label file: Praat's for .TextGrid, Audacity's for .txt, else raises Problem.

    It holds the events of a row of `predict`, or its windows.
    """
    if path.suffix.lower() not in (".textgrid", ".txt"):
        raise Problem(f"--labels {path} is neither a .TextGrid (Praat) nor a .txt (an Audacity label track)", USAGE)
    if "events" in prediction:
        events = [Segment(e["start"], e["end"], e["label"], e["probability"]) for e in prediction["events"]]
        is_audacity = path.suffix.lower() == ".txt"
        return audacity(events) if is_audacity else textgrid(with_pauses(events, prediction["seconds"]))
    parts = segments(prediction["windows"])
    return audacity(parts) if path.suffix.lower() == ".txt" else textgrid(parts)


def with_pauses(events: Sequence[Segment], seconds: float) -> list[Segment]:
    """Events with intervals without a label between them, as the tiers of Praat have no gaps."""
    filled, end = list[Segment](), 0.0
    for event in events:
        if event.start > end:
            filled.append(Segment(end, event.start, "", 1.0))
        filled.append(event)
        end = event.end
    return [*filled, Segment(end, seconds, "", 1.0)] if seconds > end or not filled else filled


def textgrid(segments: Sequence[Segment]) -> str:
    """Returns Praat's text format with one interval tier."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    lines += [
        f"xmin = {segments[0].start:g}",
        f"xmax = {segments[-1].end:.6f}",
        "tiers? <exists>",
        "size = 1",
        "item []:",
    ]
    lines += ["    item [1]:", '        class = "IntervalTier"', '        name = "neocog"']
    lines += [f"        xmin = {segments[0].start:g}", f"        xmax = {segments[-1].end:.6f}"]
    lines += [f"        intervals: size = {len(segments)}"]
    for number, segment in enumerate(segments, 1):
        lines += [f"        intervals [{number}]:", f"            xmin = {segment.start:.6f}"]
        lines += [
            f"            xmax = {segment.end:.6f}",
            f'            text = "{quote(segment.label)}"',
        ]
    return "\n".join(lines) + "\n"


def audacity(segments: Sequence[Segment]) -> str:
    """Returns a label track: start, end and label in each line, separated by tabs."""
    return "".join(f"{segment.start:.6f}\t{segment.end:.6f}\t{one_line(segment.label)}\n" for segment in segments)


def quote(text: str) -> str:
    """Escapes quotation marks as in Praat's text format, on a single line."""
    return one_line(text).replace('"', '""')


def one_line(text: str) -> str:
    """Replaces white space, line breaks included, by single blanks."""
    return " ".join(text.split())
