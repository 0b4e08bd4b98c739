"""The forward pass for a page: what every layer gives for one input, and the arithmetic of one window."""

from __future__ import annotations

import base64
import io
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..core.explain.activations import activations
from ..core.explain.explained import subject_of
from ..core.explain.places import Place, layer, places
from ..core.inputs import Input
from ..core.layer import Layer
from ..core.layers.whole import Dense
from ..core.layers.windows import Conv
from ..core.model import Model
from ..core.problem import USAGE, Problem

MOST_UNITS = 64  # of a layer that are sent
MOST_NUMBERS = 40_000  # of a unit's map: larger ones are not drawn
MOST_LAYERS = 60
SHOWN_TERMS = 400  # products of a window that are listed


class Forward(NamedTuple):
    """The maps of the input as the network gets them, and of every layer."""

    maps: Tensor  # (C, H, W)
    outputs: list[tuple[Place, Tensor]]


def forward(model: Model, value: Input) -> Forward:
    """What the layers of the network itself give, without those inside combinators. Raises Problem."""
    inputs = model.windows(value).inputs[0]
    subject, _ = subject_of(model, inputs)
    top = [place for place in places(model.network) if "." not in place.number][:MOST_LAYERS]
    with torch.no_grad():
        outputs = activations(model.words, top, subject.maps)
    return Forward(subject.maps[0].float().cpu(), [(p, x[0].float().cpu()) for p, x in zip(top, outputs, strict=True)])


def answer(model: Model, value: Input) -> dict[str, Any]:
    """The forward pass as JSON: each layer's numbers as bytes between its lowest and its highest."""
    passed = forward(model, value)
    layers = [described("input", "", passed.maps)]
    layers += [described(str(place.row.layer), place.number, output) for place, output in passed.outputs]
    return {"layers": layers}


def described(name: str, number: str, output: Tensor) -> dict[str, Any]:
    """One layer: its units as base64 of uint8 maps, row by row, or of a row of numbers."""
    units = output[:MOST_UNITS] if output.dim() == 3 else output[: MOST_UNITS * 16]
    low, high = float(units.min()), float(units.max())
    row: dict[str, Any] = {
        "layer": name,
        "number": number,
        "units": len(output),
        "shape": list(units.shape),
        "low": low if np.isfinite(low) else None,
        "high": high if np.isfinite(high) else None,
    }
    drawn = units.dim() < 3 or units.shape[1] * units.shape[2] <= MOST_NUMBERS
    if drawn and np.isfinite([low, high]).all():
        scaled = (units - low) / (high - low) * 255 if high > low else torch.zeros_like(units)
        row["values"] = base64.b64encode(scaled.round().to(torch.uint8).numpy().tobytes()).decode()
    return row


def window(model: Model, value: Input, number: str, unit: int, row: int, column: int) -> dict[str, Any]:
    """How one number of a layer comes about: input patch · filter + bias, for convolutions and dense layers.

    Of other layers the numbers under the window. Raises Problem for a unit or a position that the layer does not have.
    """
    passed = forward(model, value)
    place = layer(model.network, number)
    index = next((index for index, (other, _) in enumerate(passed.outputs) if other.number == place.number), None)
    if index is None:
        raise Problem(f"layer {number} is inside another layer; name that one", USAGE)
    output = passed.outputs[index][1]
    before = passed.outputs[index - 1][1] if index else passed.maps
    shape = (*output.shape, 1, 1)[:3]
    if not (0 <= unit < shape[0] and 0 <= row < shape[1] and 0 <= column < shape[2]):
        raise Problem(f"{place.name} gives {tuple(output.shape)}; there is no unit {unit} at {row}, {column}", USAGE)
    result = float(output[unit, row, column] if output.dim() == 3 else output[unit])
    kind: Layer = model.network.built_layers[place.top_level]
    module = place.module(model.words)
    found: dict[str, Any] = {"layer": str(place.row.layer), "unit": unit, "row": row, "column": column, "value": result}
    if isinstance(kind, Dense):
        weight = module.weight[unit].detach().float().cpu()  # type: ignore[index]
        return found | products(before.reshape(1, 1, -1), weight.reshape(1, 1, -1), bias_of(module, unit))
    if (seen := place.row.window) is None or before.dim() != 3:
        return found | {"patch": [[[float(before.flatten()[0])]]] if before.numel() == 1 else []}
    patch = patch_of(before, kind, row, column, seen)
    if isinstance(kind, Conv):
        group = unit // (kind.filters // kind.groups)
        channels = len(before) // kind.groups
        patch = patch[group * channels : (group + 1) * channels]
        weight = module.weight[unit].detach().float().cpu()  # type: ignore[index]
        return found | {"first_channel": group * channels} | products(patch, weight, bias_of(module, unit))
    return found | {"first_channel": unit, "patch": patch[unit : unit + 1].tolist()}


def patch_of(before: Tensor, kind: Layer, row: int, column: int, seen: Any) -> Tensor:
    """(C, h, w) the numbers under a window, zeros where it covers padding."""
    rows = [row * seen.stride[0] - seen.sides[0][0] + k * seen.dilation[0] for k in range(seen.size[0])]
    columns = [column * seen.stride[1] - seen.sides[1][0] + k * seen.dilation[1] for k in range(seen.size[1])]
    padded = torch.zeros(len(before), len(rows), len(columns))
    for a, y in enumerate(rows):
        for b, x in enumerate(columns):
            if 0 <= y < before.shape[1] and 0 <= x < before.shape[2]:
                padded[:, a, b] = before[:, y, x]
    return padded


def products(patch: Tensor, weight: Tensor, bias: float) -> dict[str, Any]:
    """The patch, the filter, and the sum of their products; of many channels those that add most, in order."""
    terms = (patch * weight).sum((1, 2))
    most = max(1, SHOWN_TERMS // max(1, patch.shape[1] * patch.shape[2]))
    kept = terms.abs().argsort(descending=True, stable=True)[:most].sort().values
    return {
        "channels": kept.tolist(),
        "all_channels": len(patch),
        "patch": patch[kept].tolist(),
        "filter": weight[kept].tolist(),
        "sums": terms[kept].tolist(),
        "sum": float(terms.sum()),
        "bias": bias,
    }


def bias_of(module: Any, unit: int) -> float:
    return float(module.bias[unit].detach()) if module.bias is not None else 0.0


def shown(model: Model, value: Input) -> bytes:
    """The input as the domain shows it, a PNG."""
    image = model.domain.show(model.windows(value).inputs[0], None, model.card.preprocessing)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
