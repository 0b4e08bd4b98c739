"""Go as a domain: positions of games, and the moves that were played in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from ..core.domain import Domain, Facts
from ..core.problem import DATA, Problem
from . import augment, data, picture
from .check import check
from .diagram import Diagram
from .drawing import drawing
from .frontend import frontend, possible
from .measures import measures
from .models import RECIPES
from .planes import unpacked


def show(row: Tensor, relevance: Any = None, facts: Facts | None = None) -> Any:
    """A position as a picture (Pillow's): the colour to move as black."""
    if relevance is not None:
        raise Problem("relevance cannot be laid over a board yet", DATA)
    found = unpacked(row.numpy())
    return picture.png(Diagram((found[0] + 2 * found[1]).astype(np.uint8)))


DOMAIN = Domain(
    name="go",
    load=data.load,
    read=data.read,
    gather=data.gather,
    frontend=frontend,
    augment=augment.augment,
    check=check,
    show=show,
    recipes=RECIPES,
    default="swift",
    views=augment.views,
    usual_views=1,
    options=("planes", "cache"),
    reading=("move",),
    possible=possible,
    measures=measures,
    drawing=drawing,
)
