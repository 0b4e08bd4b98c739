"""Pictures."""

from ..core.domain import Domain
from . import augment, check, corruptions, data, frontend, imagine, models, options, pretrained, show, weights

DOMAIN = Domain(
    name="vision",
    load=data.load,
    read=data.read,
    gather=data.gather,
    frontend=frontend.frontend,
    augment=augment.augment,
    check=check.check,
    show=show.show,
    recipes=models.RECIPES,
    default="swift",
    weights=weights.weights,
    suited=augment.suited,
    views=augment.views,
    options=options.NAMES,
    form=options.form,
    imagine=imagine.canvas,
    pretrained={"efficientnet-lite0": pretrained.efficientnet_lite0},
    perturbation_spaces=corruptions.SURFACES,
    corruptions=corruptions.corruptions,
)
