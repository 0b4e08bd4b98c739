"""Queries with their neighbours for people: a table, a sheet of pictures, an HTML page."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image, ImageDraw

from .. import charts, files
from ..data import Preprocessing
from ..domain import Domain
from ..explain import sheet
from ..explain.sheet import Panel, Sheet
from ..format import data_uri, ending, visible, without_controls
from ..inputs import FileInput, Input, TextInput
from ..presentation import Readable
from ..problem import DATA, Problem
from ..templates import template
from .collection import Collection, Files
from .index import Result

TITLE = "Nearest neighbours by the features of a network"
WIDTH = 200  # pixels of a panel; a wider picture is scaled down
CAPTION, EXCERPT = 24, 300  # characters of a caption, and of a text
TABLE, NAMES, INDENT, LINE = 640, 190, 52, 20  # pixels of a table of texts: width, names, labels, height of a line


@dataclass(frozen=True)
class Shown:
    """An input as people see it: a picture, or the text itself."""

    picture: Image.Image | None = None
    text: str | None = None


class Presenter(NamedTuple):
    """Shows inputs of a domain."""

    domain: Domain
    preprocessing: Preprocessing

    def show(self, value: Input) -> Shown:
        """An input as people see it."""
        if readable := self.domain.capability(Readable):
            return Shown(text=readable.content(value))
        return self.picture(self.domain.read(value, self.preprocessing))

    def picture(self, inputs: Any) -> Shown:
        """A compact input as a picture."""
        picture = self.domain.show(inputs, None, self.preprocessing)
        if picture.width > WIDTH:
            height = max(1, round(picture.height * WIDTH / picture.width))
            picture = picture.resize((WIDTH, height), Image.Resampling.LANCZOS)
        return Shown(picture)


class Gallery:
    """Shows the rows of a collection by their position, and queries."""

    def __init__(
        self,
        domain: Domain,
        preprocessing: Preprocessing,
        collection: Callable[[], Collection],
        querying: Presenter | None = None,
    ) -> None:
        self.presenter = Presenter(domain, preprocessing)
        self.querying, self._open = querying or self.presenter, collection  # queries may be of another kind
        self._collection: Collection | None = None
        self.readable = domain.capability(Readable)

    @property
    def collection(self) -> Collection:
        """The collection, loaded when a row of it is first shown."""
        if self._collection is None:
            self._collection = self._open()
        return self._collection

    def query(self, value: Input) -> Shown:
        return self.querying.show(value)

    def row(self, position: int, name: str) -> Shown:
        """The row at a position. Raises Problem if it has another name: the data are no longer those of the index."""
        collection = self.collection
        if isinstance(collection, Files):
            if position >= len(collection.names) or collection.names[position] != name:
                position = collection.names.index(name) if name in collection.names else -1
            if position < 0:
                raise changed(name)
            return self.presenter.show(collection.inputs[position])
        for examples in collection.splits.values():
            if position < len(examples):
                if examples.names[position] != name:
                    raise changed(name)
                if self.readable and examples.originals is not None:
                    return Shown(text=examples.originals[position])
                return self.presenter.picture(examples[torch.tensor([position])][0][0].cpu())
            position -= len(examples)
        raise changed(name)


def changed(name: str) -> Problem:
    return Problem(
        f"{name} is no longer where the index found it: the data have changed; build the index again with --in", DATA
    )


# --- a table ---------------------------------------------------------------------------------------------------------


def rows(result: Result, gallery: Gallery) -> list[list[str]]:
    """A row of cells for each neighbour: the similarity, its label, its name; of texts also the text."""
    lines = []
    for match, position in zip(result.matches, result.positions, strict=True):
        text = gallery.row(position, match["input"]).text if gallery.readable else None
        name = match["input"] if text is None else f"{match['input']}: {excerpt(text, 60)}"
        lines.append([f"{match['similarity']:.3f}", visible(match["label"]), visible(name)])
    return lines


def excerpt(text: str, length: int = EXCERPT) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


# --- a sheet ---------------------------------------------------------------------------------------------------------


def write(path: Path, results: Sequence[Result], gallery: Gallery, force: bool) -> None:
    """Writes the results as a sheet, .png or .svg, or as a page, .html."""
    if path.suffix.lower() == ".html":
        html = page(results, gallery).encode("utf-8", "replace").decode()
        files.write_text(path, without_controls(html))
    else:
        sheet.write(sheet_of(results, gallery), path, force)


def sheet_of(results: Sequence[Result], gallery: Gallery) -> Sheet:
    """A row for each query: the query and its neighbours, the most similar first; of texts a table of lines."""
    if gallery.readable:
        note = "Before each text: the cosine of its features with those of the query, and its label."
        return Sheet(TITLE, [Panel(text_table(result, gallery)) for result in results], 1, None, note)
    longest = max(len(result.matches) for result in results)
    panels: list[Panel] = []
    for result in results:
        query = gallery.query(result.query)
        drawn = query.picture if query.text is None else text_panel(query.text)
        panels.append(Panel(drawn, f"query\n{name_of(result.query)}"))
        for match, position in zip(result.matches, result.positions, strict=True):
            caption = [
                f"{match['similarity']:.3f}",
                shortened(match["label"]),
                ending(os.path.basename(match["input"])),
            ]
            panels.append(Panel(gallery.row(position, match["input"]).picture, "\n".join(filter(None, caption))))
        panels += [Panel(None)] * (longest - len(result.matches))
    note = "Under each neighbour: the cosine of its features with those of the query, its label, its name."
    return Sheet(TITLE, panels, longest + 1, None, note)


def text_table(result: Result, gallery: Gallery) -> Image.Image:
    """A query and its neighbours as lines of text: similarity, label, the text and, in grey, its name."""
    font = charts.font(13)
    labels = [shortened(match["label"]) for match in result.matches]
    left = INDENT + max(map(font.getlength, labels), default=0) + 14  # pixels: where the texts start
    blocks = [("", "", wrapped(excerpt(gallery.query(result.query).text or name_of(result.query)), font, TABLE), "")]
    for match, position, label in zip(result.matches, result.positions, labels, strict=True):
        text = wrapped(excerpt(gallery.row(position, match["input"]).text or ""), font, TABLE - left)
        blocks.append((f"{match['similarity']:.3f}", label, text, ending(os.path.basename(match["input"]))))
    height = LINE * sum(len(lines) for _, _, lines, _ in blocks) + 12
    image = Image.new("RGB", (TABLE + NAMES, height), "white")
    draw, y = ImageDraw.Draw(image), 0
    for index, (similarity, label, lines, name) in enumerate(blocks):
        draw.text((0, y), similarity, charts.GREY, font)
        draw.text((INDENT, y), label, charts.INK, font)
        draw.text((TABLE + NAMES - font.getlength(name), y), name, charts.GREY, font)
        for line in lines:
            draw.text((left if index else 0, y), line, charts.INK, font, stroke_width=0 if index else 0.3)
            y += LINE
        if not index:
            y += 4
            draw.line((0, y, TABLE + NAMES, y), "#9aa5b1")
            y += 6
    return image


def text_panel(text: str) -> Image.Image:
    """A text as a picture of a panel's width."""
    font = charts.font(13)
    lines = wrapped(excerpt(text), font, WIDTH)
    image = Image.new("RGB", (WIDTH, LINE * len(lines)), "white")
    draw = ImageDraw.Draw(image)
    for index, line in enumerate(lines):
        draw.text((0, LINE * index), line, charts.INK, font)
    return image


def wrapped(text: str, font: Any, width: float) -> list[str]:
    """The lines of a text that are at most `width` pixels wide; a longer word is cut."""
    lines = [""]
    for word in visible(text).split(" "):
        while font.getlength(word) > width:
            word = word[: len(word) * 3 // 4]
        longer = f"{lines[-1]} {word}".lstrip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def name_of(query: Input) -> str:
    """A short name of a query, with its options, such as the move of a game."""
    options = [f"{name} {value}" for name, value in query.options.items() if value is not None]
    name = ending(os.path.basename(query.path)) if isinstance(query, FileInput) else shortened(query.name)
    return "\n".join([name, *options])


def shortened(text: str, length: int = CAPTION) -> str:
    return excerpt(visible(text), length)


# --- a page ----------------------------------------------------------------------------------------------------------


def page(results: Sequence[Result], gallery: Gallery) -> str:
    """A self-contained HTML page: each query with its neighbours."""
    queries = [
        {
            "name": "the text" if isinstance(result.query, TextInput) else result.query.name,
            **as_html(gallery.query(result.query)),
            "neighbours": [
                {**match, **as_html(gallery.row(position, match["input"]))}
                for match, position in zip(result.matches, result.positions, strict=True)
            ],
        }
        for result in results
    ]
    return template("similar.html").render(title=TITLE, queries=queries)


def as_html(shown: Shown) -> dict[str, str | None]:
    """A picture as an address, or a text."""
    if shown.picture is None:
        return {"picture": None, "text": shown.text}
    content = BytesIO()
    shown.picture.save(content, "PNG")
    return {"picture": data_uri(content.getvalue()), "text": None}
