"""What was imagined as one sheet: a row for each way, a picture for each label or unit, and what the model says."""

from __future__ import annotations

from ..explain.sheet import Panel, Sheet, enlarged
from ..model import Model
from .imagined import Imagined
from .series import Series

ACROSS, MOST_COLUMNS = 8, 10  # pictures of units in a row, and of labels


def sheet_of(model: Model, series: Series) -> Sheet:
    """Pictures as the domain shows its inputs; under a label's its probability, under a unit's its activation."""
    labels, wide = series.of == "labels", model.domain.spell is not None
    panels = [
        Panel(enlarged(model.domain.show(each.input, None, model.card.facts)), _caption(each, labels))
        for row in series.rows
        for each in row.inputs
    ]
    name = model.card.recipe or "the network"
    what = "its labels" if labels else f"the units of {series.of}"
    columns = 2 if wide else min(len(series.rows[0].inputs), MOST_COLUMNS) if labels else ACROSS
    return Sheet(f"What {name} looks for: {what}", panels, columns, note=_note(series, labels))


def _caption(each: Imagined, label: bool) -> str:
    if label:
        return f"{each.what}: {each.probability:.2%}"
    return f"unit {each.what}: {each.activation:,.4g}"


def _note(series: Series, labels: bool) -> str:
    ways = [str(row.how) for row in series.rows]
    told = [f"row {at + 1}: {way}" for at, way in enumerate(ways)] if len(ways) > 1 else ways
    under = "the probability that the model gives the label" if labels else f"the {series.over} of the unit's map"
    return "\n".join([*told, f"under each: {under},", "measured on the input as a file holds it"])
