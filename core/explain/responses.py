"""What a layer answers: its maps for one input, and the inputs of a data set that excite a unit most."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import feed
from ..data import Examples
from ..model import Model
from ..problem import FAILED, Problem
from .capability import FilterImages
from .explained import seen
from .methods import checked
from .places import Place
from .sheet import Panel, Scale, Sheet, coloured, enlarged, painted

MOST = 64  # maps on a sheet
BEST = 9  # inputs that are shown for a unit
UNITS = 12  # units that are shown where nobody names one
FEW = 5  # inputs for each of them
TOGETHER = 100
ROW = 32  # numbers of a row that are drawn beside each other


@contextmanager
def watched(module: nn.Module) -> Iterator[list[Tensor]]:
    """What a module gives while this lasts, one tensor for each time."""
    found: list[Tensor] = []
    handle = module.register_forward_hook(lambda _, inputs, output: found.append(output.detach()))
    try:
        yield found
    finally:
        handle.remove()


# --- one input -------------------------------------------------------------------------------------------------------


def responses(model: Model, inputs: Tensor, place: Place) -> Tensor:
    """What a layer gives for one input: maps (N, h, w) or numbers (N,)."""
    checked(model.words)
    subject, _ = seen(model, inputs)
    with torch.no_grad(), watched(place.module(model.words)) as found:
        model.words(subject.maps)
    return found[0][0].float().cpu()


def maps_sheet(model: Model, inputs: Tensor, place: Place, name: str) -> Sheet:
    """The input, and every map of a layer on one scale; a row of numbers as one picture."""
    values = responses(model, inputs, place)
    low, high = min(0.0, float(values.min())), float(values.max())
    if not np.isfinite([low, high]).all():
        raise Problem(f"{place.name} gives numbers that are not finite for {name}", FAILED)
    scale = Scale(f"what {place.name} gives", low, high if high > low else low + 1, "viridis")
    head = Panel(model.domain.show(inputs, None, model.card.preprocessing), name)
    if values.ndim == 1:
        padded = torch.full((-(-len(values) // ROW) * ROW,), float("nan"))
        padded[: len(values)] = values
        picture = enlarged(coloured(padded.view(-1, ROW).numpy(), scale), 12 * ROW)
        return Sheet(f"{place.name}, for {name}", [Panel(picture, f"{len(values)} numbers")], 1, scale, head=head)
    side = max(88, min(160, values.shape[-1]))
    panels = []
    for number, each in enumerate(values[:MOST]):
        drawn = coloured(_upright(model, each).numpy(), scale)
        drawn = enlarged(drawn, side)
        if drawn.height < 16:
            drawn = drawn.resize((drawn.width, 16), 0)
        panels.append(Panel(drawn, f"{number}: {float(each.max()):.2g}"))
    more = f", the first {MOST}" if len(values) > MOST else ""
    note = "Under each map its number and its largest answer."
    return Sheet(f"The {len(values)} maps of {place.name}{more}, for {name}", panels, 8, scale, note, head)


def _upright(model: Model, values: Tensor) -> Tensor:
    """A map as people look at it: where the domain draws its rows from below, turned over."""
    images = model.domain.capability(FilterImages)
    return values.flip(-2) if images and images.flip_rows else values


# --- a data set ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Excited:
    """An input of a data set that excites a unit, and the rows and columns of its maps that the unit saw."""

    unit: int
    activation: float
    index: int  # of the example
    name: str
    label: str
    rows: slice
    columns: slice

    def to_dict(self) -> dict[str, Any]:
        return {
            "unit": self.unit,
            "activation": self.activation,
            "input": self.name,
            "label": self.label,
            "rows": [self.rows.start, self.rows.stop],
            "columns": [self.columns.start, self.columns.stop],
        }


def excited(
    model: Model,
    examples: Examples,
    place: Place,
    unit: int | None,
    wait: Callable[[int, int | None], object] = lambda done, total: None,
) -> list[list[Excited]]:
    """For a unit, or for the first UNITS, the examples that excite it most (Girshick et al. 2014, section 3.1).

    No two of them are the same example; each with the place where it excites the unit most.
    """
    checked(model.words)
    units = [unit] if unit is not None else list(range(min(UNITS, place.units)))
    largest, where = _answers(model, examples, place, units, wait)
    field = place.row.field
    told = []
    for column, number in enumerate(units):
        order = largest[:, column].argsort(descending=True, stable=True)[: BEST if unit is not None else FEW].tolist()
        row = []
        for index in order:
            spot = (
                divmod(int(where[index, column]), place.row.output[2])
                if len(place.row.output) == 3
                else field.position(number)
            )
            rows, columns = field.at(*spot, model.network.input)
            label = model.labels[int(examples.targets[index])]
            value = float(largest[index, column])
            row.append(Excited(number, value, index, examples.names[index], label, rows, columns))
        told.append(row)
    return told


def _answers(
    model: Model, examples: Examples, place: Place, units: list[int], wait: Callable[[int, int | None], object]
) -> tuple[Tensor, Tensor]:
    """(N, units): the largest answer of each unit to each example, and where in its map."""
    largest, where = [], []
    with torch.no_grad(), watched(place.module(model.words)) as found:
        for indices in torch.arange(len(examples)).split(TOGETHER):
            inputs, _ = feed.fetch_batch(examples, indices, model.device)
            model.words(model.frontend(inputs))
            maps = found.pop()[:, units].flatten(2) if len(place.row.output) == 3 else found.pop()[:, units, None]
            best = maps.max(2)
            largest.append(best.values.float().cpu())
            where.append(best.indices.cpu())
            wait(int(indices[-1]) + 1, len(examples))
    return torch.cat(largest), torch.cat(where)


def part(model: Model, examples: Examples, each: Excited) -> Any:
    """What a unit saw of an example: a picture, or words."""
    inputs = examples[torch.tensor([each.index])][0][0].cpu()
    with torch.no_grad():
        maps = model.frontend(inputs[None].to(model.device))[0].cpu()
    images = model.domain.capability(FilterImages)
    if images and images.patch is not None:
        return images.patch(inputs, maps, each.rows, each.columns, model.card.preprocessing)
    seen_ = maps[:, each.rows, each.columns]
    return painted((seen_ if len(seen_) in (1, 3) else seen_.mean(0)).numpy())


def top_sheet(model: Model, examples: Examples, place: Place, units: list[list[Excited]]) -> Sheet:
    """A row for each unit, what it saw of the inputs that excite it most."""
    panels = [
        Panel(enlarged(part(model, examples, each), 88), f"unit {each.unit}: {each.activation:.2g}\n{each.label[:16]}")
        for row in units
        for each in row
    ]
    columns = max(map(len, units), default=1)
    title = f"What excites {place.name} most"
    size = [min(pair) for pair in zip(place.row.receptive_field, model.network.input[1:], strict=True)]
    note = f"Cropped to what a unit sees of the input, {size[0]}×{size[1]}, less at the border."
    return Sheet(title, panels, columns, None, note)
