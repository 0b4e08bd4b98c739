"""Draws a position with the predicted moves: for a terminal, as SVG and as PNG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.data import Preprocessing
from ..core.inputs import Input
from . import picture, terminal
from .coords import SIZE, place
from .data import moves_before, read_game
from .diagram import Diagram, diagram, with_best

BEST = 5


@dataclass(frozen=True)
class DiagramDrawing:
    """A diagram with the methods of core's Drawing."""

    diagram: Diagram

    def text(self, colour: bool, unicode: bool) -> str:
        return terminal.text(self.diagram, colour, unicode)

    def svg(self) -> str:
        return picture.svg(self.diagram)

    def png(self) -> Any:
        return picture.png(self.diagram)


def drawing(value: Input, prediction: dict[str, Any], preprocessing: Preprocessing) -> DiagramDrawing:
    """The position of an input, with the five likeliest moves marked 1 to 5 and painted by probability."""
    game = read_game(value)
    best = [(place(row["label"], SIZE), row["probability"]) for row in prediction["predictions"][:BEST]]
    return DiagramDrawing(with_best(diagram(game, moves_before(game, value)), best))
