"""A long recording's answer as labels in time: for people, for Praat and for Audacity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from ..core.problem import USAGE, Problem


class Segment(NamedTuple):
    """A stretch of a recording in seconds, what it was taken for, and how surely."""

    start: float
    end: float
    label: str
    probability: float


def segments(windows: Sequence[Mapping[str, Any]]) -> list[Segment]:
    """Overlapping windows as stretches that follow one another, neighbours with one label joined.

    Where two windows overlap, each has the half that is nearer to its middle. The probability is the mean.
    """
    borders = [windows[0]["start"]]
    borders += [(left["end"] + right["start"]) / 2 for left, right in pairwise(windows)]
    borders.append(windows[-1]["end"])
    joined: list[Segment] = []
    count = 0
    for window, start, end in zip(windows, borders[:-1], borders[1:], strict=True):
        if joined and joined[-1].label == window["label"]:
            last, count = joined.pop(), count + 1
            mean = last.probability + (window["probability"] - last.probability) / count
            joined.append(Segment(last.start, end, last.label, mean))
        else:
            joined.append(Segment(start, end, window["label"], window["probability"]))
            count = 1
    return joined


def timeline(answer: Mapping[str, Any], path: Path) -> str:
    """The text of a label file: Praat's for .TextGrid, Audacity's for .txt. Raises Problem for another name."""
    writers = {".textgrid": textgrid, ".txt": audacity}
    if path.suffix.lower() not in writers:
        raise Problem(f"--labels {path} is neither a .TextGrid (Praat) nor a .txt (an Audacity label track)", USAGE)
    return writers[path.suffix.lower()](segments(answer["windows"]))


def textgrid(found: Sequence[Segment]) -> str:
    """Praat's text format, one interval tier."""
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    lines += [f"xmin = {found[0].start:g}", f"xmax = {found[-1].end:.6f}", "tiers? <exists>", "size = 1", "item []:"]
    lines += ["    item [1]:", '        class = "IntervalTier"', '        name = "neocog"']
    lines += [f"        xmin = {found[0].start:g}", f"        xmax = {found[-1].end:.6f}"]
    lines += [f"        intervals: size = {len(found)}"]
    for number, each in enumerate(found, 1):
        lines += [f"        intervals [{number}]:", f"            xmin = {each.start:.6f}"]
        lines += [
            f"            xmax = {each.end:.6f}",
            f'            text = "{quoted(each.label)}"',
        ]
    return "\n".join(lines) + "\n"


def audacity(found: Sequence[Segment]) -> str:
    """A label track: start, end and label in each line, divided by tabs."""
    return "".join(f"{each.start:.6f}\t{each.end:.6f}\t{one_line(each.label)}\n" for each in found)


def quoted(text: str) -> str:
    return one_line(text).replace('"', '""')


def one_line(text: str) -> str:
    return " ".join(text.split())
