"""Inputs optimised for a model's labels or for the units of a layer, and the model's predictions for them.

Everything reported about an input is measured on it as a file would hold it: rounded pixels, a spectrogram as sound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from ..data import Progress
from ..explain.explained import label_index
from ..explain.places import Place, places
from ..layers.windows import Filters
from ..model import Model
from ..problem import USAGE, Problem
from . import goals
from .ascent import Ascent, Objective, maximise
from .capability import Imaginable
from .move_search import MoveSearch, random_states, search_moves
from .parameterization import InputParameterization, Moves, Tokens
from .token_search import TokenSearch, search_tokens

MAX_VALUES = 2**19  # optimised together: 3 photos of 3×224×224, whose gradients take half a gigabyte
BATCH_SIZE = 64  # texts or positions optimised together
CERTAIN = 0.99  # the probability above which a prediction is called certain
MAX_MOVES = 100  # random moves of a position
NOISE = 1000  # inputs of noise

Parameterization = InputParameterization | Tokens | Moves
Settings = Ascent | TokenSearch | MoveSearch
ObjectiveOf = Callable[[nn.Module, Sequence[int]], Objective]  # a network, and an index for each input


@dataclass(frozen=True)
class Imagined:
    """An optimised input, and the model's prediction for it."""

    target: str  # the label, or the unit's number
    input: Tensor  # as the domain reads it from a file, on the CPU
    activation: float  # of the unit, over its map; of a label its logit
    label: str  # predicted
    value: float  # of the target label in the prediction; for a unit, of `label`

    def to_dict(self, probability: bool = True) -> dict[str, Any]:
        """Returns the entry of `imagine --json`; `probability` says what the value is."""
        return {
            "what": self.target,
            "activation": self.activation,
            "label": self.label,
            "probability" if probability else "value": self.value,
            "size": list(self.input.shape),
        }


def parameterization_of(model: Model) -> Parameterization:
    """Returns how the model's inputs are optimised. Raises Problem if its domain has no such capability."""
    imaginable = model.domain.require(Imaginable, "imagine")
    return imaginable.parameterize(model.card.preprocessing, model.frontend)


def continuous_parameterization(model: Model) -> InputParameterization:
    """Returns the parameterization of a model whose inputs are continuous, such as pictures."""
    parameterization = parameterization_of(model)
    assert isinstance(parameterization, InputParameterization), model.domain.name
    return parameterization


def frozen_network(model: Model) -> nn.Module:
    """Returns the model's network with gradients for its weights turned off."""
    return model.words.requires_grad_(False)


def imagine_labels(
    model: Model, indices: Sequence[int], settings: Settings, progress: Progress | None = None
) -> list[Imagined]:
    """Optimises an input for each label by its index."""

    def objective_of(network: nn.Module, batch: Sequence[int]) -> Objective:
        return goals.output(model.task, network, batch)

    return _imagine(model, indices, objective_of, settings, progress, model.task.labels)


def imagine_units(
    model: Model, place: Place, units: Sequence[int], settings: Settings, progress: Progress | None = None
) -> list[Imagined]:
    """Optimises an input for each unit of a layer: for a map its total (in texts its first number), or a number."""

    def objective_of(network: nn.Module, batch: Sequence[int]) -> Objective:
        objective = goals.first_position if isinstance(settings, TokenSearch) else goals.activation
        return objective(network, place, batch)

    return _imagine(model, units, objective_of, settings, progress, None)


def _imagine(
    model: Model,
    indices: Sequence[int],
    objective_of: ObjectiveOf,
    settings: Settings,
    progress: Progress | None,
    names: Sequence[str] | None,
) -> list[Imagined]:
    """Optimises in batches that fit the memory."""
    parameterization, network = parameterization_of(model), frozen_network(model)
    size = _batch_size(parameterization, BATCH_SIZE)
    steps = settings.sweeps * settings.length if isinstance(settings, TokenSearch) else settings.steps
    results: list[Imagined] = []
    for start in range(0, len(indices), size):
        batch = indices[start : start + size]
        scale = 1 if isinstance(settings, MoveSearch) else len(batch)

        def callback(step: int, before: int = start * steps, scale: int = scale) -> bool:
            if progress is not None:
                progress(before + step * scale, len(indices) * steps)
            return False

        if isinstance(parameterization, InputParameterization) and isinstance(settings, Ascent):
            objective = objective_of(network, batch)
            inputs = parameterization.to_inputs(maximise(parameterization, objective, len(batch), settings, callback))
        elif isinstance(parameterization, Tokens) and isinstance(settings, TokenSearch):
            width = width_for(model, settings.length)
            inputs = search_tokens(network, objective_of, batch, parameterization, width, settings, callback)
        else:
            assert isinstance(parameterization, Moves) and isinstance(settings, MoveSearch)
            inputs = search_moves(model.frontend, network, objective_of, batch, parameterization, settings, callback)
        results += _predicted(model, batch, objective_of(network, batch), inputs, names)
    return results


def _batch_size(parameterization: Parameterization, default: int) -> int:
    """The number of inputs that are optimised or predicted together."""
    if isinstance(parameterization, InputParameterization):
        return max(1, MAX_VALUES // prod(parameterization.shape))
    return default


def width_for(model: Model, length: int) -> int:
    """Returns the width of a text of `length` tokens with the padding that its prediction depends on."""
    right_context, width = model.right_context, model.network.input[2]
    return width if right_context is None else min(width, length + right_context)


@torch.inference_mode()
def _predicted(
    model: Model, indices: Sequence[int], objective: Objective, inputs: Tensor, names: Sequence[str] | None
) -> list[Imagined]:
    task = model.task
    activations = objective(model.frontend(inputs)).tolist()
    predictions = task.link(model.logits(inputs).float()).cpu()
    results = []
    for index, input_, activation, prediction in zip(indices, inputs.cpu(), activations, predictions, strict=True):
        predicted = task.default_outputs(prediction)[0]
        target = str(index) if names is None else names[index]
        value = task.output_value(prediction, predicted if names is None else index)
        results.append(Imagined(target, input_, activation, task.labels[predicted], value))
    return results


@torch.inference_mode()
def predictions_for_noise(model: Model, seed: int = 0) -> dict[str, Any] | None:
    """Predicts inputs of noise: {"inputs", "certain", "label"}; None for tasks without a probability for each label.

    `certain` is the share that gets a label with more than 99% ("easily fooled": Nguyen, Yosinski and Clune 2015),
    `label` the most frequent one.
    """
    if not model.task.outputs_are_probabilities or model.task.has_places:
        return None
    rng = torch.Generator().manual_seed(seed)
    parameterization = parameterization_of(model)
    size = _batch_size(parameterization, NOISE)
    count = min(NOISE, 16 * size)  # fewer large inputs, which give much the same estimate
    probabilities: list[Tensor] = []
    for start in range(0, count, size):
        inputs = noise(model, parameterization, min(size, count - start), rng)
        probabilities.append(model.task.link(model.logits(inputs).float()).cpu())
    best = torch.cat(probabilities).max(1)
    label = model.task.labels[int(best.indices.bincount().argmax())]
    return {"inputs": count, "certain": float((best.values > CERTAIN).float().mean()), "label": label}


def noise(model: Model, parameterization: Parameterization, count: int, rng: torch.Generator) -> Tensor:
    """Returns compact inputs in which every value, token or move is random."""
    if isinstance(parameterization, Moves):
        return parameterization.to_inputs(random_states(parameterization, count, MAX_MOVES, rng))
    if isinstance(parameterization, Tokens):
        length = TokenSearch.length
        ids = torch.zeros((count, 1, 1, width_for(model, length)), dtype=torch.int32)
        first, end = parameterization.first, parameterization.count
        ids[..., :length] = torch.randint(first, end, (count, 1, 1, length), generator=rng)
        return ids.to(model.device)
    if parameterization.noise is not None:
        return parameterization.noise(count, rng).to(model.device)
    values = torch.rand((count, *parameterization.shape), generator=rng)
    return parameterization.to_inputs(values.to(model.device))


def label_indices(model: Model, labels: Sequence[str]) -> list[int]:
    """Returns the indices of labels. Raises Problem for one that the model does not have."""
    return [label_index(label, model.task.labels) for label in labels]


def check_has_convolution(place: Place, model: Model) -> None:
    """Raises Problem if neither the layer nor one before it is a convolution: its units have no pattern to show."""
    layers = places(model.network)
    before = layers[: layers.index(place) + 1]
    if not any(isinstance(layer.row.layer, Filters) for layer in before):
        raise Problem(
            f"{place.name} has no convolution up to it, so there is no filter to imagine; "
            "imagine its labels, or name a layer with or behind a convolution",
            USAGE,
        )
