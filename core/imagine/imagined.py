"""Inputs imagined for a model's labels or for the units of a layer, and what the model says of them.

Whatever is told of an input is measured on it as a file would hold it: pixels rounded, a spectrogram made audible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from ..explain.places import Place, places
from ..layers import Conv, Local
from ..model import Model
from ..problem import USAGE, Problem, did_you_mean
from . import goals
from .ascent import Ascent, Goal, climb
from .canvas import Canvas

TOGETHER = 2**21  # values that climb at once: 40 photos of 3×128×128
SURE = 0.99  # the probability above which a network is called certain
NOISE = 1000  # inputs of pure noise that it is asked about

Progress = Callable[[int, int], object]  # is told how many steps of how many are done


@dataclass(frozen=True)
class Imagined:
    """An input that was imagined, and what the model says of it."""

    what: str  # the label, or the unit's number
    input: Tensor  # as the domain reads it from a file, on the CPU
    activation: float  # of the unit asked for; of a label its score before the softmax
    label: str  # what the model takes it for
    probability: float  # of the label asked for; of a unit's input, of `label`

    def facts(self) -> dict[str, Any]:
        names = ("what", "activation", "label", "probability")
        return {name: getattr(self, name) for name in names} | {"size": list(self.input.shape)}


def canvas_of(model: Model) -> Canvas:
    """The model's canvas. Raises Problem where its domain has none."""
    if model.domain.imagine is None:
        raise Problem(f"inputs of {model.domain.name} cannot be imagined yet; vision and speech can", USAGE)
    return model.domain.imagine(model.card.facts, model.frontend)


def words_of(model: Model) -> nn.Module:
    """The model's network; its weights want no gradients any longer."""
    return model.words.requires_grad_(False)


def imagine_labels(model: Model, asked: Sequence[int], how: Ascent, progress: Progress | None = None) -> list[Imagined]:
    """An input for each of the labels."""
    words = words_of(model)
    return _imagined(model, asked, lambda own: goals.score(words, own), how, progress, model.labels)


def imagine_units(
    model: Model, place: Place, units: Sequence[int], how: Ascent, progress: Progress | None = None
) -> list[Imagined]:
    """An input for each unit of a layer: a filter's total activation, or a number of a row."""
    words = words_of(model)
    return _imagined(model, units, lambda own: goals.activation(words, place, own), how, progress, None)


def _imagined(
    model: Model,
    asked: Sequence[int],
    goal_of: Callable[[Sequence[int]], Goal],
    how: Ascent,
    progress: Progress | None,
    names: Sequence[str] | None,
) -> list[Imagined]:
    canvas, found = canvas_of(model), list[Imagined]()
    together = max(1, TOGETHER // prod(canvas.shape))
    for start in range(0, len(asked), together):
        own = asked[start : start + together]
        goal, before = goal_of(own), start * how.steps

        def watch(step: int, before: int = before, count: int = len(own)) -> bool:
            if progress is not None:
                progress(before + step * count, len(asked) * how.steps)
            return False

        inputs = canvas.inputs(climb(canvas, goal, len(own), how, watch))
        found += _told(model, own, goal, inputs, names)
    return found


@torch.inference_mode()
def _told(
    model: Model, asked: Sequence[int], goal: Goal, inputs: Tensor, names: Sequence[str] | None
) -> list[Imagined]:
    reached = goal(model.frontend(inputs)).tolist()
    probabilities = model.scores(inputs).float().softmax(1).cpu()
    best = probabilities.argmax(1)
    own = best if names is None else torch.tensor(asked)
    shares = probabilities.gather(1, own[:, None])[:, 0].tolist()
    what = [names[k] if names is not None else str(k) for k in asked]
    labels = [model.labels[k] for k in best.tolist()]
    return [Imagined(*row) for row in zip(what, inputs.cpu(), reached, labels, shares, strict=True)]


@torch.inference_mode()
def fooled(model: Model, seed: int = 0) -> dict[str, Any]:
    """What the model says of inputs of pure noise: {"inputs", "certain", "label"}.

    `certain` is the share that it takes for one of its labels with more than 99% ("easily fooled": Nguyen, Yosinski
    and Clune 2015), `label` the one that it names most often.
    """
    canvas, rng = canvas_of(model), torch.Generator().manual_seed(seed)
    answers = []
    size = max(1, TOGETHER // prod(canvas.shape))
    count = min(NOISE, 8 * size)  # photos: fewer, which says as much
    for start in range(0, count, size):
        values = torch.rand((min(size, count - start), *canvas.shape), generator=rng).to(model.device)
        answers.append(model.scores(canvas.inputs(values)).float().softmax(1).cpu())
    best = torch.cat(answers).max(1)
    label = model.labels[int(best.indices.bincount().argmax())]
    return {"inputs": count, "certain": float((best.values > SURE).float().mean()), "label": label}


def labels_of(model: Model, asked: Sequence[str]) -> list[int]:
    """Labels by name. Raises Problem for one that the model does not know."""
    for name in asked:
        if name not in model.labels:
            close = did_you_mean(name, model.labels)
            known = ", ".join(model.labels[:20]) + (f" and {len(model.labels) - 20:,} more" * (len(model.labels) > 20))
            raise Problem(f"{name} is not a label of this model{close}; it knows {known}", USAGE)
    return [model.labels.index(name) for name in asked]


def whole(place: Place, model: Model) -> None:
    """Raises Problem where a layer of the network has no convolution before it: its units look for no pattern."""
    every = places(model.network)
    before = every[: every.index(place) + 1]
    if not any(isinstance(each.row.layer, Conv | Local) for each in before):
        raise Problem(
            f"{place.name} has no convolution up to it, so there is no filter to imagine; "
            "imagine its labels, or name a layer with or behind a convolution",
            USAGE,
        )
