"""Texts."""

from ..core.domain import Domain
from . import augment, begin, check, corruptions, data, frontend, imagine, models, options, show

DOMAIN = Domain(
    name="text",
    load=data.load,
    read=data.read,
    gather=data.gather,
    frontend=frontend.frontend,
    augment=augment.augment,
    check=check.check,
    show=show.show,
    recipes=models.RECIPES,
    default="swift",
    windows=data.windows,
    options=options.NAMES,
    form=options.form,
    begin=begin.begin,
    by_line=True,
    table=data.table_in,
    spell=show.spell,
    place=show.place,
    written=show.written,
    patch=show.patch,
    numbers=data.numbers,
    tokens=data.tokens_by_id,
    imagine=imagine.tokens,
    corruptions=corruptions.corruptions,
)
