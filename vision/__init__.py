"""Pictures."""

from ..core.cleaning.capability import Comparable
from ..core.domain import Domain
from ..core.explain.capability import Explainable, FilterImages
from ..core.export.capability import Exportable
from ..core.few import FewExamples
from ..core.frame import Framed
from ..core.imagine.capability import Imaginable
from ..core.inputs import BoundedInputs
from ..core.places import Placed
from ..core.plan import AugmentationLimits, TaskRecipes
from ..core.presentation import Outlined, Surveyed
from ..core.robust.capability import Attackable, Corruptible
from ..core.schema import PreprocessingSchema
from ..core.stream import Tabular
from ..core.transfer import Transferable
from ..core.tta import TestTimeAugmentation
from . import (
    augment,
    caption_models,
    check,
    compare,
    corruptions,
    data,
    detect_models,
    frames,
    frontend,
    imagine,
    models,
    options,
    outlines,
    pretrained,
    segment_models,
    show,
    weights,
)
from .masks import placing

FEW = 2000  # training pictures up to which the ImageNet model gives more in less time (docs/tried.md)

DOMAIN = Domain(
    name="vision",
    load=data.load,
    read=data.read,
    expand_paths=data.expand_paths,
    frontend=frontend.frontend,
    augment=augment.augment,
    check=check.check,
    show=show.show,
    recipes=models.RECIPES | segment_models.RECIPES | detect_models.RECIPES | caption_models.RECIPES,
    default="swift",
    options=options.NAMES,
    capabilities=(
        PreprocessingSchema(options.VisionPreprocessing, frontend.shape),
        Tabular(data.table_in),
        AugmentationLimits(augment.restrict),
        TaskRecipes(
            {
                segment_models.TASK: segment_models.DEFAULT,
                detect_models.TASK: detect_models.DEFAULT,
                caption_models.TASK: caption_models.DEFAULT,
            },
            {detect_models.TASK: models.LITE0_NAME},
            data.task_of,
        ),
        Framed(frames.frame),
        Outlined(outlines.draw, outlines.draw_file),
        Surveyed(check.sheet),
        TestTimeAugmentation(augment.views, augment.placed_views, augment.shows_only_views),
        Placed(placing.read, placing.picture, placing.scaled),
        Transferable(options.form, weights.load_weights, pretrained.MODELS, pretrained.TUNING, pretrained.FAR),
        FewExamples(models.LITE0_NAME, FEW, pretrained.are_photos),
        Explainable(locate=data.position_in_file),
        Exportable("pixels", frontend.shape, frontend.random_pixels, {2: "height", 3: "width"}),
        BoundedInputs(data.check_size),
        FilterImages(),
        Imaginable(imagine.parameterize),
        Attackable(corruptions.SPACES),
        Corruptible(corruptions.corruptions),
        Comparable(compare.descriptors, compare.agreement, 0.7, 0.8),
    ),
)
