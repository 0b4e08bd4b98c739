"""The Go domain: positions of games, and the moves played in them."""

from __future__ import annotations

from ..core.domain import Domain
from ..core.explain.capability import Explainable, FilterImages
from ..core.export.capability import Exportable
from ..core.imagine.capability import Imaginable
from ..core.inputs import BoundedInputs, InputOptions
from ..core.presentation import Drawable
from ..core.schema import PreprocessingSchema
from ..core.tasks.capability import DomainMetrics, LegalLabels
from ..core.transfer import Transferable
from ..core.tta import TestTimeAugmentation
from . import augment, data, imagine, players, show
from .check import check
from .coords import SIZE
from .drawing import drawing
from .frontend import GoPreprocessing, frontend, legal_mask, maps, random_planes
from .metrics import metrics
from .models import RECIPES
from .planes import bytes_of

DOMAIN = Domain(
    name="go",
    load=data.load,
    read=data.read,
    expand_paths=data.expand_paths,
    frontend=frontend,
    augment=augment.augment,
    check=check,
    show=show.show,
    recipes=RECIPES,
    default="swift",
    options=("planes", "cache"),
    capabilities=(
        PreprocessingSchema(GoPreprocessing, maps),
        InputOptions(("move",)),
        players.CONDITION,
        LegalLabels(legal_mask),
        DomainMetrics(metrics),
        TestTimeAugmentation(augment.views),
        Drawable(drawing),
        Transferable(data.form),
        Exportable("planes", lambda _: (bytes_of(SIZE),), random_planes),
        BoundedInputs(data.check_length),
        Explainable(describe_position=show.place),
        FilterImages(show.filter, patch=show.patch),
        Imaginable(imagine.moves),
    ),
)
