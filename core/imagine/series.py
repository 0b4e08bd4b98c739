"""What `neocog imagine` asks of a model: its labels or the units of a layer, each climbed for in one way or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from ..explain import places
from ..model import Model
from ..problem import USAGE, Problem
from . import imagined
from .ascent import Ascent
from .canvas import Canvas, Moves, Tokens
from .growth import Growth
from .imagined import Imagined, Progress, Way
from .phrases import Phrases

MOST_LABELS, MOST_UNITS = 10, 64  # imagined where nobody says which


class Row(NamedTuple):
    """The same labels or units, climbed for in one way."""

    how: Way
    inputs: list[Imagined]


@dataclass(frozen=True)
class Series:
    """All that was imagined, and what the model says of pure noise."""

    of: str  # "labels", or the layer's name
    rows: list[Row]
    left: int  # labels or units that nobody asked for and that are not shown
    noise: dict[str, Any] | None = None

    @property
    def over(self) -> str:
        """What of a unit's map is told."""
        return "first" if isinstance(self.rows[0].how, Phrases) else "sum"

    def to_dict(self) -> dict[str, Any]:
        """As JSON, without the inputs themselves."""
        rows = [{"how": asdict(how), "inputs": [each.to_dict() for each in inputs]} for how, inputs in self.rows]
        return {"of": self.of, "rows": rows, "left": self.left} | ({"noise": self.noise} if self.noise else {})


def of_labels(model: Model, names: Sequence[str], chosen: Mapping[str, Any], progress: Progress | None) -> Series:
    """The labels of these names, or the first ten: in the way that is `chosen`, else in all that there are."""
    asked = imagined.labels_of(model, names) or list(range(len(model.labels)))[:MOST_LABELS]
    ways = _ways(model, chosen, lambda canvas: canvas.ways)
    rows = [
        Row(way, imagined.imagine_labels(model, asked, way, _later(progress, at, len(ways))))
        for at, way in enumerate(ways)
    ]
    left = 0 if names else len(model.labels) - len(asked)
    return Series("labels", rows, left, imagined.fooled(model, ways[0].seed))


def of_units(
    model: Model, layer: str, units: Sequence[int], chosen: Mapping[str, Any], progress: Progress | None
) -> Series:
    """These units of a layer, or its first 64; of texts, phrases as long as the layer sees at once."""
    place = places.layer(model.network, layer)
    imagined.whole(place, model)
    asked = [places.unit(place, each) for each in units] or list(range(place.units))[:MOST_UNITS]
    (way,) = _ways(model, chosen, lambda canvas: [canvas.filters])
    if isinstance(way, Phrases):
        way = replace(way, length=min(way.length, place.row.receptive_field[1]))
    left = 0 if units else place.units - len(asked)
    return Series(place.name, [Row(way, imagined.imagine_units(model, place, asked, way, progress))], left)


def _ways(
    model: Model, chosen: Mapping[str, Any], usual: Callable[[Canvas], Sequence[Mapping[str, Any]]]
) -> Sequence[Way]:
    """How to climb: as somebody has chosen, else as is usual. Raises Problem for what is not for its inputs."""
    kind = imagined.kind_of(model)
    if not isinstance(kind, Canvas):
        what = (
            "texts, whose tokens are exchanged" if isinstance(kind, Tokens) else "positions, whose stones are put down"
        )
        if unknown := [name for name in chosen if name not in ("steps", "seed")]:
            raise Problem(f"--{unknown[0]} is not for {what} one by one; leave it out", USAGE)
        if isinstance(kind, Moves):
            return [Growth(**chosen)]
        return [Phrases(**{{"steps": "sweeps"}.get(name, name): value for name, value in chosen.items()})]
    common = {name: value for name, value in chosen.items() if name in ("steps", "seed")}
    if chosen.keys() > common.keys():
        return [Ascent(**chosen)]
    return [Ascent(**{**way, **common}) for way in usual(kind)]


def _later(progress: Progress | None, at: int, of: int) -> Callable[[int, int], object] | None:
    """Progress of the `at`-th of several rounds of the same work."""
    if progress is None:
        return None
    return lambda done, total: progress(at * total + done, of * total)
