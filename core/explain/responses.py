"""The activations of a layer for one input, and the inputs of a data set that maximise a unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import feed
from ..data import Examples, Progress
from ..inputs import Input
from ..model import Model, check_weights
from ..presentation import Readable
from ..problem import FAILED, Problem
from .activations import activations
from .capability import FilterImages
from .explained import subject_of
from .places import Place
from .sheet import Panel, Scale, Sheet, coloured, enlarged, painted

MAX_MAPS = 64  # on a sheet
INPUTS_PER_UNIT = 9  # if one unit is named
MAX_UNITS = 12  # that are shown if none is named
FEWER_INPUTS = 5  # for each of them
BATCH_SIZE = 100
ROW_LENGTH = 32  # numbers of a row that are drawn beside each other
MIN_SIDE = 88  # pixels


# --- one input -------------------------------------------------------------------------------------------------------


def responses(model: Model, inputs: Tensor, place: Place) -> Tensor:
    """Returns the activations of a layer for one compact input: maps (N, h, w) or numbers (N,)."""
    check_weights(model.words)
    subject, _ = subject_of(model, inputs)
    with torch.no_grad():
        (output,) = activations(model.words, [place], subject.maps)
    return output[0].float().cpu()


def maps_sheet(model: Model, source: Input, inputs: Tensor, place: Place, name: str) -> Sheet:
    """A sheet with the input and every map of a layer on one scale; a row of numbers as one picture."""
    values = responses(model, inputs, place)
    low, high = min(0.0, float(values.min())), float(values.max())
    if not np.isfinite([low, high]).all():
        raise Problem(f"{place.name} gives numbers that are not finite for {name}", FAILED)
    scale = Scale(f"activation of {place.name}", low, high if high > low else low + 1, "viridis")
    head = Panel(_picture(model, source, inputs), name)
    if values.ndim == 1:
        padded = torch.full((-(-len(values) // ROW_LENGTH) * ROW_LENGTH,), float("nan"))
        padded[: len(values)] = values
        picture = enlarged(coloured(padded.view(-1, ROW_LENGTH).numpy(), scale), 12 * ROW_LENGTH)
        return Sheet(f"{place.name}, for {name}", [Panel(picture, f"{len(values)} numbers")], 1, scale, head=head)
    side = max(MIN_SIDE, min(160, values.shape[-1]))
    panels = []
    for index, map_ in enumerate(values[:MAX_MAPS]):
        picture = enlarged(coloured(_upright(model, map_).numpy(), scale), side)
        if picture.height < 16:
            picture = picture.resize((picture.width, 16), 0)
        panels.append(Panel(picture, f"{index}: {float(map_.max()):.2g}"))
    more = f", the first {MAX_MAPS}" if len(values) > MAX_MAPS else ""
    note = "Under each map: its number and its largest activation."
    return Sheet(f"The {len(values)} maps of {place.name}{more}, for {name}", panels, 8, scale, note, head)


def _picture(model: Model, source: Input, inputs: Tensor) -> Any:
    """An input as people see it: the tokens of a text as its author wrote them."""
    if readable := model.domain.capability(Readable):
        return readable.draw(
            [str(token) for token in readable.tokens(readable.content(source), model.card.preprocessing)]
        )
    return model.domain.show(inputs, None, model.card.preprocessing)


def _upright(model: Model, values: Tensor) -> Tensor:
    """A map with row 0 at the bottom if the domain draws its inputs so."""
    images = model.domain.capability(FilterImages)
    return values.flip(-2) if images and images.flip_rows else values


# --- a data set ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TopInput:
    """An example with a large activation of a unit, and the rows and columns of its maps in the receptive field."""

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


def top_inputs(
    model: Model, examples: Examples, place: Place, unit: int | None, progress: Progress | None = None
) -> list[list[TopInput]]:
    """Finds, for a unit or the first MAX_UNITS, the examples with the largest activations (Girshick et al. 2014, 3.1).

    An example occurs once for each unit, with the position of its largest activation.
    """
    check_weights(model.words)
    units = [unit] if unit is not None else list(range(min(MAX_UNITS, place.units)))
    count = FEWER_INPUTS if unit is None else INPUTS_PER_UNIT
    largest, positions = _largest(model, examples, place, units, progress)
    field = place.row.field
    table = []
    for column, number in enumerate(units):
        row = []
        for index in largest[:, column].argsort(descending=True, stable=True)[:count].tolist():
            is_map = len(place.row.output) == 3
            position = divmod(int(positions[index, column]), place.row.output[2]) if is_map else field.position(number)
            rows, columns = field.at(*position, model.network.input)
            label = model.task.target_text(examples.targets[index])
            value = float(largest[index, column])
            row.append(TopInput(number, value, index, examples.names[index], label, rows, columns))
        table.append(row)
    return table


def _largest(
    model: Model, examples: Examples, place: Place, units: list[int], progress: Progress | None
) -> tuple[Tensor, Tensor]:
    """(N, units): the largest activation of each unit for each example, and its index in the flattened map."""
    largest, positions = [], []
    with torch.no_grad():
        for indices in torch.arange(len(examples)).split(BATCH_SIZE):
            inputs, _ = feed.fetch_batch(examples, indices, model.device)
            (output,) = activations(model.words, [place], model.frontend(inputs))
            maps = output[:, units].flatten(2) if len(place.row.output) == 3 else output[:, units, None]
            best = maps.max(2)
            largest.append(best.values.float().cpu())
            positions.append(best.indices.cpu())
            if progress:
                progress(int(indices[-1]) + 1, len(examples))
    return torch.cat(largest), torch.cat(positions)


def patch(model: Model, examples: Examples, top_input: TopInput) -> Any:
    """Returns the part of an example in the unit's receptive field: a picture, or text."""
    readable, preprocessing = model.domain.capability(Readable), model.card.preprocessing
    if readable and examples.originals is not None:
        text = examples.originals[top_input.index]
        if tokens := readable.tokens(text, preprocessing)[top_input.columns]:
            return readable.marked(text[tokens[0].start : tokens[-1].end], preprocessing)
    inputs = examples[torch.tensor([top_input.index])][0][0].cpu()
    with torch.no_grad():
        maps = model.frontend(inputs[None].to(model.device))[0].cpu()
    images = model.domain.capability(FilterImages)
    if images and images.patch is not None:
        return images.patch(inputs, maps, top_input.rows, top_input.columns, preprocessing)
    crop = maps[:, top_input.rows, top_input.columns]
    return painted((crop if len(crop) in (1, 3) else crop.mean(0)).numpy())


def top_sheet(model: Model, examples: Examples, place: Place, units: list[list[TopInput]]) -> Sheet:
    """A row for each unit: the patches with the largest activations."""
    panels = [
        Panel(
            enlarged(patch(model, examples, top_input), MIN_SIDE),
            f"unit {top_input.unit}: {top_input.activation:.2g}\n{top_input.label[:16]}",
        )
        for row in units
        for top_input in row
    ]
    columns = max(map(len, units), default=1)
    size = [min(pair) for pair in zip(place.row.receptive_field, model.network.input[1:], strict=True)]
    note = f"Cropped to the receptive field of a unit, {size[0]}×{size[1]} pixels, less at the border."
    return Sheet(f"Inputs with the largest activations of {place.name}", panels, columns, None, note)
