"""What was imagined as one sheet: a row for each way, a picture for each label or unit, and what the model says."""

from __future__ import annotations

from PIL import Image

from ..explain.sheet import Panel, Sheet, enlarged
from ..model import Model
from ..presentation import Readable
from .imagined import Imagined
from .series import Series

ACROSS, MOST_COLUMNS = 8, 10  # pictures of units in a row, and of labels
ROOM, FEW = 1700, 5  # pixels that a row may take; how many larger pictures share them


def sheet_of(model: Model, series: Series) -> Sheet:
    """Pictures as the domain shows its inputs; under a label's its probability, under a unit's its activation."""
    labels, wide = series.of == "labels", model.domain.capability(Readable) is not None
    drawn = [
        [model.domain.show(each.input, None, model.card.preprocessing) for each in row.inputs] for row in series.rows
    ]
    usual = min(len(drawn[0]), MOST_COLUMNS if labels else ACROSS)
    columns = 2 if wide else usual if usual * drawn[0][0].width <= ROOM else min(usual, FEW)
    panels = []
    for row, pictures in zip(series.rows, drawn, strict=True):
        shown = [enlarged(_fitting(each, ROOM // columns)) for each in pictures]
        panels += [Panel(each, _caption(told, labels)) for each, told in zip(shown, row.inputs, strict=True)]
        panels += [Panel(None)] * (-len(pictures) % columns)
    name = model.card.recipe or "the network"
    what = "its labels" if labels else f"the units of {series.of}"
    return Sheet(f"What {name} looks for: {what}", panels, columns, note=_note(series, labels, columns))


def _fitting(picture: Image.Image, most: int) -> Image.Image:
    """The picture, no wider than that."""
    if picture.width <= most:
        return picture
    return picture.resize((most, round(picture.height * most / picture.width)), Image.Resampling.LANCZOS)


def _caption(each: Imagined, label: bool) -> str:
    if label:
        return f"{each.what}: {each.probability:.2%}"
    return f"unit {each.what}: {each.activation:,.4g}"


def _note(series: Series, labels: bool, columns: int) -> str:
    ways, lines = [str(row.how) for row in series.rows], -(-len(series.rows[0].inputs) // columns)
    told = [f"{_rows(at * lines + 1, lines)}: {way}" for at, way in enumerate(ways)] if len(ways) > 1 else ways
    under = "the probability that the model gives the label" if labels else f"the {series.over} of the unit's map"
    return "\n".join([*told, f"under each: {under},", "measured on the input as a file holds it"])


def _rows(first: int, count: int) -> str:
    return f"row {first}" if count == 1 else f"rows {first} to {first + count - 1}"
