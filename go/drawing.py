"""A position with the moves that a network expects: for a terminal, as SVG and as PNG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.data import Preprocessing
from ..core.inputs import Input
from . import picture, terminal
from .coords import place
from .data import game_in, moves_before
from .diagram import Diagram, diagram, with_best
from .frontend import SIZE

BEST = 5


@dataclass(frozen=True)
class Board:
    """What core's Drawing asks for."""

    diagram: Diagram

    def text(self, colour: bool, unicode: bool) -> str:
        return terminal.text(self.diagram, colour, unicode)

    def svg(self) -> str:
        return picture.svg(self.diagram)

    def png(self) -> Any:
        return picture.png(self.diagram)


def drawing(value: Input, answer: dict[str, Any], preprocessing: Preprocessing) -> Board:
    """The position that was answered, the five likeliest moves on it as 1 to 5, each painted by its probability."""
    game = game_in(value)
    best = [(place(each["label"], SIZE), each["probability"]) for each in answer["predictions"][:BEST]]
    return Board(with_best(diagram(game, moves_before(game, value)), best))
