"""Explanations for people: a table, a sheet of pictures, an HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup
from PIL import ImageDraw

from .. import files
from ..diagram import times
from ..format import data_uri, probability, without_controls
from ..model import Model
from ..templates import template
from .explained import Explanation
from .sheet import SIGNED, UNSIGNED, Panel, Sheet, write

MAX_ROW_WIDTH = 1500  # pixels of a row of a sheet
MAX_TOKENS = 5  # of a text that are named
HEADER = ("", "deletion", "insertion", "random net", "most relevant")


def rows(explanations: Sequence[Explanation]) -> list[list[str]]:
    """Returns a header and a row of figures for each map."""
    figures = [
        [
            explanation.method.name,
            *_figures(explanation),
            ", in ".join(filter(None, [most_relevant(explanation), cell_text(explanation)])),
        ]
        for explanation in explanations
    ]
    return [list(HEADER), *figures]


def _figures(explanation: Explanation) -> list[str]:
    correlation = ""
    if explanation.correlation is not None:
        mark = " *" if explanation.fails_sanity_check else ""
        correlation = f"{round(explanation.correlation, 2) + 0:.2f}{mark}"
    if explanation.curves is None:
        return ["", "", correlation]
    curves = explanation.curves
    deletion, insertion = curves.areas
    mark = "" if curves.better_than_random else " !"
    digits = 2 if abs(explanation.value) > 0.1 else 4  # among the 361 moves of Go, probabilities are small
    return [
        f"{deletion:.{digits}f} ({curves.random_deletion:.{digits}f})",
        f"{insertion:.{digits}f} ({curves.random_insertion:.{digits}f}){mark}",
        correlation,
    ]


def legend(explanations: Sequence[Explanation]) -> list[str]:
    """Returns what the figures of `rows` mean."""
    lines = []
    if any(explanation.curves for explanation in explanations):
        value = "probability" if explanations[0].model.task.outputs_are_probabilities else "value"
        lines.append(f"deletion, insertion: the mean {value} while positions are removed, and restored, the most")
        lines.append("relevant first (in a random order); less deletion and more insertion are better")
    if any(explanation.curves and not explanation.curves.better_than_random for explanation in explanations):
        lines.append("! no better than a random order: do not trust it")
    if any(explanation.correlation is not None for explanation in explanations):
        lines.append("random net: rank correlation with the maps of random weights, the mean of 3 networks")
    if coarse := next((explanation for explanation in explanations if cell_text(explanation)), None):
        layers = " and ".join(place.number for place in coarse.layers)
        lines.append(
            f"cells: {coarse.method.name} has one number for each {times(coarse.cell)}, those of layer {layers}"
        )
    if any(explanation.fails_sanity_check for explanation in explanations):
        lines.append("* random weights give much the same map: it shows the input more than the network")
    return lines


def cell_text(explanation: Explanation) -> str:
    """Returns the size of the cells of a map that is coarser than its input: "cells of 4×4"; "" if it is not."""
    return f"cells of {times(explanation.cell)}" if max(explanation.cell) > 1 else ""


def sentence(explanation: Explanation) -> str:
    """Returns the most relevant position and how far the map can be trusted, on one line."""
    place = ", in ".join(filter(None, [most_relevant(explanation), cell_text(explanation)]))
    parts = [f"most relevant: {place}", _faithfulness(explanation), _sanity(explanation)]
    return "; ".join(filter(None, parts))


def most_relevant(explanation: Explanation) -> str:
    """Returns the most relevant position; of a text, the most relevant tokens and their shares of the largest."""
    if float(explanation.relevance.max()) <= 0:
        return "no evidence for it"
    if explanation.explainable.highlight is None:
        return explanation.position(*explanation.peak)
    values = explanation.relevance.flatten()
    largest = float(values.abs().max()) or 1.0
    order = values.abs().argsort(descending=True, stable=True)[:MAX_TOKENS].tolist()
    sign = "+" if explanation.method.signed else ""
    return ", ".join(f"{explanation.position(0, index)} {values[index] / largest:{sign}.2f}" for index in order)


def _faithfulness(explanation: Explanation) -> str:
    """The areas under deletion and insertion, and those of a random order."""
    curves = explanation.curves
    if curves is None:
        return ""
    deletion, insertion = curves.areas
    text = (
        f"deletion {deletion:.2f} (random order {curves.random_deletion:.2f}), "
        f"insertion {insertion:.2f} ({curves.random_insertion:.2f})"
    )
    return text if curves.better_than_random else f"{text}: no better than a random order, do not trust it"


def _sanity(explanation: Explanation) -> str:
    """The correlation with random networks."""
    if explanation.correlation is None:
        return ""
    text = f"rank correlation with random networks {explanation.correlation:.2f}"
    reason = "they give much the same map, so it shows the input more than the network"
    return f"{text}: {reason}" if explanation.fails_sanity_check else text


def value_text(explanation: Explanation) -> str:
    """Returns the value of the explained output in the prediction."""
    if explanation.model.task.outputs_are_probabilities:
        return probability(explanation.value)
    return f"{explanation.value:.4g}"


# --- a sheet ---------------------------------------------------------------------------------------------------------


def sheet(explanations: Sequence[Explanation]) -> Sheet:
    """A row for each input: the input, and the maps of its labels and methods."""
    grid: list[list[Panel]] = []
    for _, group in groupby(explanations, key=lambda explanation: (explanation.name, id(explanation.inputs))):
        row = list(group)
        first = row[0]
        name = _shortened(Path(first.name).name)
        caption = f"{name}\n{first.window}" if first.window else name
        grid.append([Panel(first.picture(None), caption), *map(_panel, row)])
    widest = max(panel.picture.width for row in grid for panel in row if panel.picture)
    longest, most = max(map(len, grid)), max(1, MAX_ROW_WIDTH // widest)
    columns = -(-longest // -(-longest // most))  # rows of nearly equal length
    panels = [panel for row in grid for panel in row + [Panel(None)] * (-len(row) % columns)]
    signed = {explanation.method.signed for explanation in explanations}
    scale = SIGNED if signed == {True} else UNSIGNED if signed == {False} else None
    return Sheet(_title(explanations[0].model), panels, columns, scale, _note(explanations, scale is None))


def _title(model: Model) -> str:
    network = f"the network {model.card.recipe}" if model.card.recipe else "the network"
    return f"What {network} looks at"


def _panel(explanation: Explanation) -> Panel:
    """A map with its figures, and why it is not to be trusted if they say so."""
    cells = cell_text(explanation)
    lines = [explanation.method.name + (f", {cells}" if cells else "")]
    lines.append(f"{_shortened(explanation.label)} {value_text(explanation)}")
    if explanation.curves:
        deletion, insertion = explanation.curves.areas
        lines.append(f"deletion {deletion:.2f}, insertion {insertion:.2f}")
    if explanation.correlation is not None:
        lines.append(f"random networks: {round(explanation.correlation, 2) + 0:.2f}")
    return Panel(_with_cell(explanation), "\n".join([*lines, *verdicts(explanation)]))


def verdicts(explanation: Explanation) -> list[str]:
    """Returns why a map is not to be trusted, in short lines."""
    lines = []
    if explanation.curves and not explanation.curves.better_than_random:
        lines.append("! do not trust it: no better")
        lines.append("than a random order")
    if explanation.fails_sanity_check:
        lines.append("* random weights give much")
        lines.append("the same map")
    return lines


def _with_cell(explanation: Explanation) -> Any:
    """The input with relevance over it; of a map with cells, the one around the peak is outlined."""
    picture = explanation.picture(explanation.relevance)
    rows, columns = explanation.relevance.shape
    if not cell_text(explanation):
        return picture
    factor, remainder = divmod(picture.width, columns)
    if remainder or picture.height != factor * rows:  # the picture has axes, or is a text
        return picture
    height, width = explanation.cell
    row, column = explanation.peak
    top, left = (max(0, place - size // 2) for place, size in ((row, height), (column, width)))
    bottom, right = min(rows, top + height), min(columns, left + width)
    outlined = picture.copy()
    box = (left * factor, top * factor, right * factor - 1, bottom * factor - 1)
    ImageDraw.Draw(outlined).rectangle(box, outline="white", width=2)
    return outlined


def _shortened(text: str, length: int = 26) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _note(explanations: Sequence[Explanation], mixed: bool) -> str:
    lines = []
    if mixed:
        lines.append("Red is evidence for the label, blue against it; of maps without a sign, brighter matters more.")
    if any(cell_text(explanation) for explanation in explanations):
        lines.append("A map with cells has one number for each; the outlined cell holds the largest.")
    curves = explanations[0].curves
    if curves:
        several = len({explanation.name for explanation in explanations}) > 1
        lines.append(
            f"A random order has deletion {curves.random_deletion:.2f}, insertion {curves.random_insertion:.2f}"
            f"{' on the first input' if several else ''}. Less deletion and "
            "more\ninsertion are better: removing these positions changes the prediction, restoring them restores it."
        )
    return "\n".join(lines)


# --- a page ----------------------------------------------------------------------------------------------------------


def page(explanations: Sequence[Explanation]) -> str:
    """Returns a self-contained HTML page: texts with coloured tokens, other inputs as pictures."""
    return template("explanation.html").render(
        title=_title(explanations[0].model), explanations=[_entry(explanation) for explanation in explanations]
    )


def _entry(explanation: Explanation) -> dict[str, Any]:
    """What the template shows of one explanation."""
    text = explanation.highlighted("html")
    pictures = () if text is not None else (explanation.picture(None), _with_cell(explanation))
    window = f" ({explanation.window})" if explanation.window else ""
    return {
        "heading": f"{explanation.label} {value_text(explanation)}, by {explanation.method.name}",
        "input": _shortened(explanation.name, 100) + window,
        "text": None if text is None else Markup(text),  # escaped by the domain
        "pictures": [_data_uri(picture) for picture in pictures],
        "sentence": sentence(explanation),
    }


def _data_uri(picture: Any) -> str:
    """A Pillow image as an address that holds all of it."""
    encoded = BytesIO()
    picture.save(encoded, "PNG")
    return data_uri(encoded.getvalue())


ENDINGS = (".png", ".svg", ".html")


def save(explanations: Sequence[Explanation], path: Path, force: bool) -> None:
    """Writes a sheet or a page, by the file's ending."""
    files.check_output(path, force, ENDINGS)
    if path.suffix.lower() == ".html":
        html = page(explanations).encode("utf-8", "replace").decode()  # names may be invalid text
        files.write_text(path, without_controls(html))
    else:
        write(sheet(explanations), path, force)
