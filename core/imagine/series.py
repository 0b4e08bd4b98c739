"""The work of `neocog imagine`: labels or units of a layer, each optimised with one or several settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from ..data import Progress
from ..explain import places
from ..model import Model
from ..problem import USAGE, Problem
from . import imagined
from .ascent import Ascent
from .imagined import Imagined, Settings
from .move_search import MoveSearch
from .parameterization import InputParameterization, Moves, Tokens
from .token_search import TokenSearch

MAX_LABELS, MAX_UNITS = 10, 64  # that are imagined by default
COMMON = ("steps", "seed")  # settings of every kind of input


class Row(NamedTuple):
    """The inputs of all labels or units with one setting."""

    settings: Settings
    inputs: list[Imagined]


@dataclass(frozen=True)
class Series:
    """All optimised inputs, and the model's predictions for noise."""

    of: str  # "labels", or the layer's name
    rows: list[Row]
    omitted: int  # labels or units beyond the first that are imagined by default
    noise: dict[str, Any] | None = None
    has_probabilities: bool = True  # whether the values of the inputs are probabilities

    @property
    def reduction(self) -> str:
        """How the activation of a unit's map is reduced to a number."""
        return "first" if isinstance(self.rows[0].settings, TokenSearch) else "sum"

    def to_dict(self) -> dict[str, Any]:
        """Returns the series as JSON, without the inputs themselves."""
        rows = [
            {"how": asdict(settings), "inputs": [entry.to_dict(self.has_probabilities) for entry in inputs]}
            for settings, inputs in self.rows
        ]
        result: dict[str, Any] = {"of": self.of, "rows": rows, "left": self.omitted}
        return result | ({"noise": self.noise} if self.noise else {})


def of_labels(model: Model, names: Sequence[str], options: Mapping[str, Any], progress: Progress | None) -> Series:
    """Imagines labels, by default the first ten: with the settings in `options` or, without any, the domain's rows."""
    indices = imagined.label_indices(model, names) or list(range(len(model.task.labels)))[:MAX_LABELS]
    variants = _settings(model, options, lambda parameterization: parameterization.label_settings)
    rows = [
        Row(settings, imagined.imagine_labels(model, indices, settings, _shifted(progress, index, len(variants))))
        for index, settings in enumerate(variants)
    ]
    omitted = 0 if names else len(model.task.labels) - len(indices)
    noise = imagined.predictions_for_noise(model, variants[0].seed)
    return Series("labels", rows, omitted, noise, model.task.outputs_are_probabilities)


def of_units(
    model: Model, layer: str, units: Sequence[int], options: Mapping[str, Any], progress: Progress | None
) -> Series:
    """Imagines units of a layer, by default the first 64; of texts, phrases as long as the receptive field."""
    place = places.layer(model.network, layer)
    imagined.check_has_convolution(place, model)
    indices = [places.unit(place, unit) for unit in units] or list(range(place.units))[:MAX_UNITS]
    (settings,) = _settings(model, options, lambda parameterization: [parameterization.unit_settings])
    if isinstance(settings, TokenSearch):
        settings = replace(settings, length=min(settings.length, place.row.receptive_field[1]))
    omitted = 0 if units else place.units - len(indices)
    inputs = imagined.imagine_units(model, place, indices, settings, progress)
    return Series(place.name, [Row(settings, inputs)], omitted, has_probabilities=model.task.outputs_are_probabilities)


def _settings(
    model: Model,
    options: Mapping[str, Any],
    defaults: Callable[[InputParameterization], Sequence[Mapping[str, Any]]],
) -> Sequence[Settings]:
    """The settings in `options`, or the defaults. Raises Problem for an option that the inputs do not have."""
    parameterization = imagined.parameterization_of(model)
    if not isinstance(parameterization, InputParameterization):
        is_text = isinstance(parameterization, Tokens)
        if unknown := [name for name in options if name not in COMMON]:
            reason = "texts, whose tokens are exchanged" if is_text else "positions, whose moves are searched"
            raise Problem(f"--{unknown[0]} is not for {reason} one by one; leave it out", USAGE)
        if isinstance(parameterization, Moves):
            return [MoveSearch(**options)]
        return [TokenSearch(**{"sweeps" if name == "steps" else name: value for name, value in options.items()})]
    common = {name: value for name, value in options.items() if name in COMMON}
    if options.keys() > common.keys():
        return [Ascent(**options)]
    return [Ascent(**{**variant, **common}) for variant in defaults(parameterization)]


def _shifted(progress: Progress | None, index: int, count: int) -> Callable[[int, int | None], object] | None:
    """The progress of run `index` of `count` runs of the same length."""
    if progress is None:
        return None
    return lambda step, total: progress(index * (total or 0) + step, count * (total or 0))
