"""A sheet of optimised inputs: a row for each setting, a picture for each label or unit, and the predictions."""

from __future__ import annotations

from PIL import Image

from ..explain.sheet import Panel, Sheet, enlarged
from ..model import Model
from ..presentation import Readable
from .imagined import Imagined
from .series import Series

UNIT_COLUMNS, LABEL_COLUMNS = 8, 10  # pictures in a row, at most
MAX_ROW_WIDTH, MIN_COLUMNS = 1700, 5  # pixels of a row; pictures that share them if they are larger


def sheet_of(model: Model, series: Series) -> Sheet:
    """Returns pictures as the domain shows its inputs, with the label's probability or the unit's activation."""
    labels, is_text = series.of == "labels", model.domain.capability(Readable) is not None
    grid = [
        [model.domain.show(entry.input, None, model.card.preprocessing) for entry in row.inputs] for row in series.rows
    ]
    columns = min(len(grid[0]), LABEL_COLUMNS if labels else UNIT_COLUMNS)
    if is_text:
        columns = 2
    elif columns * grid[0][0].width > MAX_ROW_WIDTH:
        columns = min(columns, MIN_COLUMNS)
    panels = []
    for row, pictures in zip(series.rows, grid, strict=True):
        scaled = [enlarged(_at_most(picture, MAX_ROW_WIDTH // columns)) for picture in pictures]
        captions = [_caption(entry, series) for entry in row.inputs]
        panels += [Panel(picture, caption) for picture, caption in zip(scaled, captions, strict=True)]
        panels += [Panel(None)] * (-len(pictures) % columns)
    name = model.card.recipe or "the network"
    subject = "its labels" if labels else f"the units of {series.of}"
    return Sheet(f"What {name} looks for: {subject}", panels, columns, note=_note(series, columns))


def _at_most(picture: Image.Image, width: int) -> Image.Image:
    """The picture, scaled down to `width` if it is wider."""
    if picture.width <= width:
        return picture
    return picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)


def _caption(entry: Imagined, series: Series) -> str:
    if series.of == "labels":
        return f"{entry.target}: " + (f"{entry.value:.2%}" if series.has_probabilities else f"{entry.value:.4g}")
    return f"unit {entry.target}: {entry.activation:,.4g}"


def _note(series: Series, columns: int) -> str:
    settings, lines = [str(row.settings) for row in series.rows], -(-len(series.rows[0].inputs) // columns)
    if len(settings) > 1:
        settings = [f"{_rows(index * lines + 1, lines)}: {text}" for index, text in enumerate(settings)]
    value = "probability" if series.has_probabilities else "value"
    meaning = f"the label's {value}" if series.of == "labels" else f"the {series.reduction} of the unit's map"
    return "\n".join([*settings, f"under each: {meaning},", "measured on the input as a file holds it"])


def _rows(first: int, count: int) -> str:
    return f"row {first}" if count == 1 else f"rows {first} to {first + count - 1}"
