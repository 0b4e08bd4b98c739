"""Explanations for people: a table, a sheet of pictures, an HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files as package_files
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from .. import files
from ..format import data_uri, probability
from ..model import Model
from .explained import Explanation
from .sheet import SIGNED, UNSIGNED, Panel, Sheet, check_output, write

MAX_ROW_WIDTH = 1500  # pixels of a row of a sheet
MAX_TOKENS = 5  # of a text that are named
HEADER = ("", "deletion", "insertion", "random net", "most relevant")


def rows(explanations: Sequence[Explanation]) -> list[list[str]]:
    """Returns a header and a row of figures for each map."""
    figures = [
        [explanation.method.name, *_figures(explanation), most_relevant(explanation)] for explanation in explanations
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
    if any(explanation.fails_sanity_check for explanation in explanations):
        lines.append("* random weights give much the same map: it shows the input more than the network")
    return lines


def sentence(explanation: Explanation) -> str:
    """Returns the most relevant position and how far the map can be trusted, on one line."""
    parts = [f"most relevant: {most_relevant(explanation)}", _faithfulness(explanation), _sanity(explanation)]
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
        grid.append([Panel(_picture(first, None), caption), *map(_panel, row)])
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


def _picture(explanation: Explanation, relevance: Any) -> Any:
    """The input as a Pillow image, with relevance over it if given."""
    model = explanation.model
    return model.domain.show(explanation.inputs, relevance, model.card.preprocessing)


def _panel(explanation: Explanation) -> Panel:
    lines = [explanation.method.name, f"{_shortened(explanation.label)} {value_text(explanation)}"]
    if explanation.curves:
        deletion, insertion = explanation.curves.areas
        lines.append(f"deletion {deletion:.2f}, insertion {insertion:.2f}")
    if explanation.correlation is not None:
        lines.append(f"random networks: {round(explanation.correlation, 2) + 0:.2f}")
    return Panel(_picture(explanation, explanation.relevance), "\n".join(lines))


def _shortened(text: str, length: int = 26) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def _note(explanations: Sequence[Explanation], mixed: bool) -> str:
    lines = []
    if mixed:
        lines.append("Red is evidence for the label, blue against it; of maps without a sign, brighter matters more.")
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
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = package_files(files.__package__).joinpath("explanation.html").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        title=_title(explanations[0].model), explanations=[_entry(explanation) for explanation in explanations]
    )


def _entry(explanation: Explanation) -> dict[str, Any]:
    """What the template shows of one explanation."""
    text = explanation.highlighted("html")
    overlays = () if text is not None else (None, explanation.relevance)
    window = f" ({explanation.window})" if explanation.window else ""
    return {
        "heading": f"{explanation.label} {value_text(explanation)}, by {explanation.method.name}",
        "input": _shortened(explanation.name, 100) + window,
        "text": None if text is None else Markup(text),  # escaped by the domain
        "pictures": [_data_uri(_picture(explanation, relevance)) for relevance in overlays],
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
    check_output(path, force, ENDINGS)
    if path.suffix.lower() == ".html":
        files.write_text(path, page(explanations).encode("utf-8", "replace").decode())  # names may be invalid text
    else:
        write(sheet(explanations), path, force)
