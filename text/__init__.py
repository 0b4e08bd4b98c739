"""Texts."""

from ..core.cleaning.capability import Comparable
from ..core.constants import NetworkConstants
from ..core.domain import Domain
from ..core.explain.capability import Explainable, FilterImages
from ..core.export.capability import Exportable
from ..core.imagine.capability import Imaginable
from ..core.initialize import DataInitialization
from ..core.inputs import BoundedInputs, LineInputs
from ..core.presentation import Readable
from ..core.robust.capability import Corruptible
from ..core.schema import PreprocessingSchema
from ..core.stream import Tabular
from ..core.transfer import Transferable
from ..core.windows import Windowed
from . import augment, check, compare, corruptions, data, frontend, imagine, initialize, models, options, show

DOMAIN = Domain(
    name="text",
    load=data.load,
    read=data.read,
    expand_paths=data.expand_paths,
    frontend=frontend.frontend,
    augment=augment.augment,
    check=check.check,
    show=show.show,
    recipes=models.RECIPES,
    default="swift",
    options=options.NAMES,
    capabilities=(
        PreprocessingSchema(options.TextPreprocessing, options.maps),
        LineInputs(),
        Tabular(data.table_in),
        Windowed(data.windows),
        Readable(show.ids_to_text, data.text_of, show.original_tokens, show.draw_tokens),
        NetworkConstants(data.numbers),
        DataInitialization(initialize.initialize),
        Transferable(options.form, tokens=data.tokens_by_id),
        Exportable("ids", lambda entries: (1, 1, int(entries["length"])), frontend.random_ids, {3: "tokens"}),
        BoundedInputs(data.check_length),
        Explainable(describe_position=show.describe_position, highlight=show.highlight),
        FilterImages(patch=show.patch),
        Imaginable(imagine.parameterize),
        Corruptible(corruptions.corruptions),
        Comparable(compare.descriptors, compare.agreement, 0.4, 0.9),
    ),
)
