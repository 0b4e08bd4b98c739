"""Segments of long recordings, and label files of Praat and Audacity."""

from itertools import pairwise
from pathlib import Path

import pytest
from neocog.core.problem import Problem
from neocog.speech.timeline import Segment, segments, timeline


def windows(*rows: tuple[float, float, str, float]) -> list[dict[str, object]]:
    return [dict(zip(("start", "end", "label", "probability"), row, strict=True)) for row in rows]


LONG = windows((0, 1, "yes", 0.9), (0.5, 1.5, "yes", 0.7), (1, 2, "no", 0.6), (1.3, 2.3, 'a "b"', 0.5))


def test_neighbours_with_the_same_label_are_merged_and_overlaps_are_halved() -> None:
    assert segments(LONG) == [
        Segment(0, 1.25, "yes", pytest.approx(0.8)),
        Segment(1.25, 1.65, "no", 0.6),
        Segment(1.65, 2.3, 'a "b"', 0.5),
    ]


def test_segments_are_consecutive() -> None:
    result = segments(LONG)
    assert result[0].start == 0 and result[-1].end == 2.3
    assert all(left.end == right.start for left, right in pairwise(result))


def test_a_single_window_is_a_single_segment() -> None:
    assert segments(windows((0, 0.4, "yes", 0.9))) == [Segment(0, 0.4, "yes", 0.9)]


def test_an_audacity_track_has_a_line_for_each_segment() -> None:
    text = timeline({"windows": LONG}, Path("x.txt"))
    assert text == '0.000000\t1.250000\tyes\n1.250000\t1.650000\tno\n1.650000\t2.300000\ta "b"\n'


def test_a_textgrid_has_praats_format_and_doubles_quotation_marks() -> None:
    lines = [line.strip() for line in timeline({"windows": LONG}, Path("x.TextGrid")).splitlines()]
    assert lines[:2] == ['File type = "ooTextFile"', 'Object class = "TextGrid"'] and "intervals: size = 3" in lines
    index = lines.index("intervals [3]:")
    assert lines[index + 1 : index + 4] == ["xmin = 1.650000", "xmax = 2.300000", 'text = "a ""b"""']
    assert lines.count("xmax = 2.300000") == 3  # the file, its tier, its last interval


def test_other_label_formats_are_refused() -> None:
    with pytest.raises(Problem, match=r"--labels x.srt is neither a .TextGrid \(Praat\) nor a .txt \(an Audacity"):
        timeline({"windows": LONG}, Path("x.srt"))
