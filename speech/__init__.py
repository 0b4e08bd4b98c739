"""Speech and other sound."""

from ..core.cleaning.capability import Comparable
from ..core.constants import NetworkConstants
from ..core.domain import Domain
from ..core.explain.capability import Explainable, FilterImages
from ..core.export.capability import Exportable
from ..core.imagine.capability import Imaginable
from ..core.inputs import BoundedInputs
from ..core.places import Placed
from ..core.plan import TaskRecipes
from ..core.presentation import Tracked
from ..core.robust.capability import Attackable, Corruptible
from ..core.schema import PreprocessingSchema
from ..core.stream import Tabular
from ..core.transfer import Transferable
from ..core.windows import Windowed
from . import augment, check, compare, corruptions, data, frontend, imagine, listen, models, options, show, timeline
from .events import source as events
from .events.frames import read_placed

DOMAIN = Domain(
    name="speech",
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
        PreprocessingSchema(options.SpeechPreprocessing, frontend.maps),
        Tabular(data.table_in),
        Windowed(data.windows, timeline.timeline),
        TaskRecipes(
            {events.TASK: models.EVENTS}, task_of=lambda path: events.TASK if events.holds_events(path) else None
        ),
        Placed(read_placed),
        Tracked(show.tracks),
        NetworkConstants(models.numbers),
        Transferable(options.form),
        Exportable("samples", lambda entries: (int(entries["samples"]),), frontend.random_samples, {1: "samples"}),
        BoundedInputs(data.check_length),
        Explainable(baseline=frontend.silence, describe_position=show.describe_position, sonify=listen.listen),
        FilterImages(show.filter, flip_rows=True, patch=show.patch),
        Imaginable(imagine.parameterize, imagine.write),
        Attackable(corruptions.SPACES, graph=show.graph),
        Corruptible(corruptions.corruptions),
        Comparable(compare.descriptors, compare.agreement, 0.5, 0.8),
    ),
)
