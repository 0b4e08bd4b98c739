"""Points of a plane: a fifth domain, small enough to watch every weight of a network learn."""

from ...core.domain import Domain
from ...core.explain.capability import Explainable
from ...core.export.capability import Exportable
from ...core.inputs import LineInputs
from ...core.plan import NetworkDefaults
from ...core.schema import PreprocessingSchema
from ...core.tasks.capability import DomainMetrics
from ...core.transfer import Transferable
from . import augment, data, features, metrics, models, show

DOMAIN = Domain(
    name="playground",
    load=data.load,
    read=data.read,
    expand_paths=data.expand_paths,
    frontend=features.frontend,
    augment=augment.augment,
    check=data.check,
    show=show.show,
    recipes=models.RECIPES,
    default="small",
    options=data.NAMES,
    capabilities=(
        PreprocessingSchema(data.PointsPreprocessing, features.shape),
        LineInputs(),
        DomainMetrics(metrics.compute),
        Exportable("coordinates", lambda entries: (2,), features.random_points),
        Explainable(),
        NetworkDefaults(models.SETTINGS),
        Transferable(data.form),
    ),
)
