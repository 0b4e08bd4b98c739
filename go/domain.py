"""Go as a domain: positions of games, and the moves that were played in them."""

from __future__ import annotations

from ..core.domain import Domain
from . import augment, data, imagine, show
from .check import check
from .drawing import drawing
from .frontend import frontend, possible
from .measures import measures
from .models import RECIPES

DOMAIN = Domain(
    name="go",
    load=data.load,
    read=data.read,
    gather=data.gather,
    frontend=frontend,
    augment=augment.augment,
    check=check,
    show=show.show,
    place=show.place,
    filter=show.filter,
    patch=show.patch,
    recipes=RECIPES,
    default="swift",
    views=augment.views,
    options=("planes", "cache"),
    form=data.form,
    reading=("move",),
    possible=possible,
    measures=measures,
    drawing=drawing,
    imagine=imagine.moves,
)
