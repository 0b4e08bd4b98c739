"""Where a picture lies in the form that a network gets."""

from __future__ import annotations

from ..core.data import Preprocessing
from ..core.frame import Frame
from ..core.inputs import Input
from ..core.sources.content import fetched
from ..core.sources.read import named_problems, source_of
from .picture import Form, centre_box, header


def frame_in(size: tuple[int, int], form: Form) -> Frame:
    """The frame of a picture of `size` (height, width), as `picture.resize` places it."""
    height, width = size
    rows, columns = form.size
    if size == form.size:
        return Frame(height, width)
    if form.fit == "pad":
        scale = min(columns / width, rows / height)
        across, down = max(1, round(width * scale)), max(1, round(height * scale))
        return Frame(height, width, down / height, across / width, (rows - down) // 2, (columns - across) // 2)
    if form.fit == "stretch":
        return Frame(height, width, rows / height, columns / width)
    if form.fit == "keep":
        return Frame(height, width, 1.0, 1.0, (rows - height) // 2, (columns - width) // 2)
    left, upper, right, lower = centre_box((width, height), columns, rows)
    scale_y, scale_x = rows / (lower - upper), columns / (right - left)
    return Frame(height, width, scale_y, scale_x, -upper * scale_y, -left * scale_x)


def frame(value: Input, preprocessing: Preprocessing) -> Frame:
    """The frame of one picture to predict."""
    height, width = map(int, preprocessing["size"])
    form = Form((height, width), preprocessing["colour"], preprocessing["fit"])
    with named_problems(value, "picture"):
        return frame_in(header(fetched(source_of(value, "picture"))).size, form)
