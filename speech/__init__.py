"""Speech."""

from ..core.domain import Domain
from . import augment, check, corruptions, data, frontend, imagine, listen, models, options, show, timeline

DOMAIN = Domain(
    name="speech",
    load=data.load,
    read=data.read,
    gather=data.gather,
    frontend=frontend.frontend,
    augment=augment.augment,
    check=check.check,
    show=show.show,
    graph=show.graph,
    place=show.place,
    empty=frontend.silence,
    listen=listen.listen,
    from_below=True,
    filter=show.filter,
    patch=show.patch,
    imagine=imagine.canvas,
    recipes=models.RECIPES,
    default="swift",
    windows=data.windows,
    options=options.NAMES,
    form=options.form,
    numbers=models.numbers,
    timeline=timeline.timeline,
    perturbation_spaces=corruptions.SURFACES,
    corruptions=corruptions.corruptions,
)
