"""Explanations for people: a sentence each, a sheet of pictures, a page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any

from .. import files, format
from ..model import Model
from .capability import Explainable
from .explained import Explanation
from .sheet import SIGNED, UNSIGNED, Panel, Sheet, free, write

ROOM = 1500  # pixels that a row of a sheet may take
STRONGEST = 5  # words of a text that are named


def rows(model: Model, explanations: Sequence[Explanation]) -> list[list[str]]:
    """A line of figures for each map, under their heads: method, deletion, insertion, random networks, where it is."""
    told = [[each.method.name, *_figures(each), strongest(model, each)] for each in explanations]
    return [["", "deletion", "insertion", "random net", "most relevant"], *told]


def _figures(each: Explanation) -> list[str]:
    like = "" if each.likeness is None else f"{round(each.likeness, 2) + 0:.2f}{' *' if each.generic else ''}"
    if each.curves is None:
        return ["", "", like]
    gone, come = each.curves.areas
    worse = "" if each.curves.better else " !"
    digits = 2 if each.probability > 0.1 else 4  # among 361 moves, little is much
    pairs = ((gone, each.curves.random_deletion), (come, each.curves.random_insertion))
    one, two = (f"{own:.{digits}f} ({random:.{digits}f})" for own, random in pairs)
    return [one, two + worse, like]


def legend(explanations: Sequence[Explanation]) -> list[str]:
    """What the figures mean, those that are there."""
    told = []
    if any(each.curves for each in explanations):
        told.append("deletion, insertion: the label's probability while places go, and come, the most")
        told.append("relevant first (in a random order); less deletion and more insertion are better")
    if any(each.curves and not each.curves.better for each in explanations):
        told.append("! no better than a random order: do not trust it")
    if any(each.likeness is not None for each in explanations):
        told.append("random net: rank correlation with the maps of random weights, the mean of 3 networks")
    if any(each.generic for each in explanations):
        told.append("* random weights answer just as well: it shows the input more than the network")
    return told


def sentence(model: Model, each: Explanation) -> str:
    """Where the network looked, and how far that can be trusted, on a line."""
    return "; ".join(filter(None, [f"most relevant: {strongest(model, each)}", trusted(each), compared(each)]))


def strongest(model: Model, each: Explanation) -> str:
    """The most relevant place; of a text, the most relevant words with their shares of the strongest."""
    preprocessing = model.card.preprocessing
    if float(each.relevance.max()) <= 0:
        return "nothing speaks for it"
    explainable = model.domain.require(Explainable, "explain")
    if explainable.highlight is None:
        return explainable.describe_position(each.inputs, *each.peak, preprocessing)
    values = each.relevance.flatten()
    top = float(values.abs().max()) or 1.0
    order = values.abs().argsort(descending=True, stable=True)[:STRONGEST].tolist()
    sign = "+" if each.method.signed else ""
    return ", ".join(
        f"{explainable.describe_position(each.inputs, 0, index, preprocessing)} {values[index] / top:{sign}.2f}"
        for index in order
    )


def trusted(each: Explanation) -> str:
    """The areas under deletion and insertion against those of a random order."""
    if each.curves is None:
        return ""
    gone, come = each.curves.areas
    told = f"deletion {gone:.2f} (random order {each.curves.random_deletion:.2f})"
    told += f", insertion {come:.2f} ({each.curves.random_insertion:.2f})"
    return told if each.curves.better else f"{told}: no better than a random order, do not trust it"


def compared(each: Explanation) -> str:
    """Whether random weights give the same map."""
    if each.likeness is None:
        return ""
    told = f"rank correlation with random networks {each.likeness:.2f}"
    return f"{told}: they answer just as well, so it shows the input more than the network" if each.generic else told


# --- a sheet ---------------------------------------------------------------------------------------------------------


def sheet(model: Model, explanations: Sequence[Explanation]) -> Sheet:
    """Every input, and beside it the maps of its labels and methods, each input on a row of its own."""
    drawn: list[list[Panel]] = []
    for _, group in groupby(explanations, key=lambda each: (each.name, id(each.inputs))):
        row = list(group)
        first = row[0]
        shown = model.domain.show(first.inputs, None, model.card.preprocessing)
        name = _short(Path(first.name).name)
        drawn.append(
            [Panel(shown, f"{name}\n{first.part}" if first.part else name), *(_panel(model, each) for each in row)]
        )
    widest = max(panel.picture.width for row in drawn for panel in row if panel.picture)
    longest, most = max(map(len, drawn)), max(1, ROOM // widest)
    columns = -(-longest // -(-longest // most))  # rows of nearly equal length
    panels = [panel for row in drawn for panel in row + [Panel(None)] * (-len(row) % columns)]
    signed = {each.method.signed for each in explanations}
    scale = SIGNED if signed == {True} else UNSIGNED if signed == {False} else None
    title = f"What {_article(model)} looks at"
    return Sheet(title, panels, columns, scale, _note(model, explanations, scale is None))


def _article(model: Model) -> str:
    return f"the network {model.card.recipe}" if model.card.recipe else "the network"


def _panel(model: Model, each: Explanation) -> Panel:
    shown = model.domain.show(each.inputs, each.relevance, model.card.preprocessing)
    lines = [each.method.name, f"{_short(each.label)} {format.probability(each.probability)}"]
    if each.curves:
        gone, come = each.curves.areas
        lines.append(f"deletion {gone:.2f}, insertion {come:.2f}")
    if each.likeness is not None:
        lines.append(f"like random networks: {round(each.likeness, 2) + 0:.2f}")
    return Panel(shown, "\n".join(lines))


def _short(text: str, most: int = 26) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def _note(model: Model, explanations: Sequence[Explanation], mixed: bool) -> str:
    told = []
    if mixed:
        told.append("Red speaks for the label, blue against it; where there is one sign only, brighter matters more.")
    curves = explanations[0].curves
    if curves:
        told.append(
            f"A random order has deletion {curves.random_deletion:.2f}, insertion {curves.random_insertion:.2f}"
            f"{' on the first input' if len({each.name for each in explanations}) > 1 else ''}. Less deletion and "
            "more\ninsertion are better: the answer goes with these places and comes back with them."
        )
    return "\n".join(told)


# --- a page ----------------------------------------------------------------------------------------------------------

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2933; background: #fff; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
section { border-top: 1px solid #e3e8ed; padding: .6rem 0; overflow-wrap: anywhere; }
p { margin: .3rem 0; } .quiet { color: #6b7785; font-size: .85rem; } img { max-width: 100%; }
img.pixels { image-rendering: pixelated; }
"""


def page(model: Model, explanations: Sequence[Explanation]) -> str:
    """One HTML page that needs nothing beside it: texts with coloured words, all else as pictures."""
    parts = [
        f"<section><h2>{escape(each.label)} {format.probability(each.probability)}, by {each.method.name}</h2>"
        f'<p class="quiet">{escape(_of(each))}</p>{_body(model, each)}'
        f'<p class="quiet">{escape(sentence(model, each))}</p></section>'
        for each in explanations
    ]
    title = escape(f"What {_article(model)} looks at")
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    told = (
        "Red speaks for the label, blue against it, the stronger the more; where a method has one sign only, "
        "colour says how much it matters."
    )
    return f'{head}<h1>{title}</h1><p class="quiet">{told}</p>{"".join(parts)}</html>\n'


def _of(each: Explanation) -> str:
    return _short(each.name, 100) + (f" ({each.part})" if each.part else "")


def _body(model: Model, each: Explanation) -> str:
    preprocessing = model.card.preprocessing
    if highlight := model.domain.require(Explainable, "explain").highlight:
        return f"<p>{highlight(each.source, each.of_tokens, preprocessing, 'html')}</p>"
    shown = [model.domain.show(each.inputs, relevance, preprocessing) for relevance in (None, each.relevance)]
    return "".join(f'<img src="{address(picture)}" alt=""> ' for picture in shown)


def address(picture: Any) -> str:
    """A picture as an address that holds all of it."""
    encoded = BytesIO()
    picture.save(encoded, "PNG")
    return "data:image/png;base64," + b64encode(encoded.getvalue()).decode()


ENDINGS = (".png", ".svg", ".html")


def save(model: Model, explanations: Sequence[Explanation], path: Path, force: bool) -> None:
    """A sheet or a page, by the file's ending."""
    free(path, force, ENDINGS)
    if path.suffix.lower() == ".html":
        files.write_text(path, page(model, explanations).encode("utf-8", "replace").decode())
    else:
        write(sheet(model, explanations), path, force)
