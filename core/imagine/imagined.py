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
from .canvas import Canvas, Moves, Tokens
from .capability import Imaginable
from .growth import Growth, by_chance, grown
from .phrases import Phrases, phrases

TOGETHER = 2**19  # values that climb at once: 3 photos of 3×224×224, whose gradients take half a gigabyte
SMALL = 64  # texts or positions that climb at once
SURE = 0.99  # the probability above which a network is called certain
LONG = 100  # moves of a position by chance, at most
NOISE = 1000  # inputs of pure noise that it is asked about

Progress = Callable[[int, int], object]  # is told how many steps of how many are done


@dataclass(frozen=True)
class Imagined:
    """An input that was imagined, and what the model says of it."""

    what: str  # the label, or the unit's number
    input: Tensor  # as the domain reads it from a file, on the CPU
    activation: float  # of the unit asked for, over its map; of a label its score before the softmax
    label: str  # what the model takes it for
    probability: float  # of the label asked for; of a unit's input, of `label`

    def to_dict(self) -> dict[str, Any]:
        names = ("what", "activation", "label", "probability")
        return {name: getattr(self, name) for name in names} | {"size": list(self.input.shape)}


Kind = Canvas | Tokens | Moves
Way = Ascent | Phrases | Growth


def kind_of(model: Model) -> Kind:
    """What the model's inputs are to who climbs. Raises Problem where its domain has not said."""
    if (imaginable := model.domain.capability(Imaginable)) is None:
        raise Problem(f"this neocog does not know how to imagine inputs of {model.domain.name}", USAGE)
    return imaginable.parameterize(model.card.preprocessing, model.frontend)


def canvas_of(model: Model) -> Canvas:
    """The canvas of a model whose inputs are something continuous."""
    found = kind_of(model)
    assert isinstance(found, Canvas), model.domain.name
    return found


def words_of(model: Model) -> nn.Module:
    """The model's network; its weights want no gradients any longer."""
    return model.words.requires_grad_(False)


def imagine_labels(model: Model, asked: Sequence[int], how: Way, progress: Progress | None = None) -> list[Imagined]:
    """An input for each of the labels."""
    return _imagined(model, asked, goals.score, how, progress, model.labels)


def imagine_units(
    model: Model, place: Place, units: Sequence[int], how: Way, progress: Progress | None = None
) -> list[Imagined]:
    """An input for each unit of a layer: a filter's total activation (of texts its first), or a number of a row."""

    def goal_of(words: nn.Module, own: Sequence[int]) -> Goal:
        return (goals.beginning if isinstance(how, Phrases) else goals.activation)(words, place, own)

    return _imagined(model, units, goal_of, how, progress, None)


def _imagined(
    model: Model,
    asked: Sequence[int],
    goal_of: Callable[[nn.Module, Sequence[int]], Goal],
    how: Way,
    progress: Progress | None,
    names: Sequence[str] | None,
) -> list[Imagined]:
    """In parts that fit the memory, each told of as it is done."""
    kind, words, found = kind_of(model), words_of(model), list[Imagined]()
    together = max(1, TOGETHER // prod(kind.shape)) if isinstance(kind, Canvas) else SMALL
    steps = how.sweeps * how.length if isinstance(how, Phrases) else how.steps
    for start in range(0, len(asked), together):
        own = asked[start : start + together]
        each = 1 if isinstance(how, Growth) else len(own)

        def watch(step: int, before: int = start * steps, each: int = each) -> bool:
            if progress is not None:
                progress(before + step * each, len(asked) * steps)
            return False

        if isinstance(kind, Canvas) and isinstance(how, Ascent):
            inputs = kind.inputs(climb(kind, goal_of(words, own), len(own), how, watch))
        elif isinstance(kind, Tokens) and isinstance(how, Phrases):
            inputs = phrases(words, goal_of, own, kind, width_for(model, how.length), how, watch)
        else:
            assert isinstance(kind, Moves) and isinstance(how, Growth)
            inputs = grown(model.frontend, words, goal_of, own, kind, how, watch)
        found += _told(model, own, goal_of(words, own), inputs, names)
    return found


def width_for(model: Model, length: int) -> int:
    """How wide a text of so many tokens must be with its padding, for the network to answer as it always does."""
    margin, whole = model.right_context, model.network.input[2]
    return whole if margin is None else min(whole, length + margin)


@torch.inference_mode()
def _told(
    model: Model, asked: Sequence[int], goal: Goal, inputs: Tensor, names: Sequence[str] | None
) -> list[Imagined]:
    reached = goal(model.frontend(inputs)).tolist()
    probabilities = model.logits(inputs).float().softmax(1).cpu()
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
    rng, answers, done = torch.Generator().manual_seed(seed), list[Tensor](), 0
    kind = kind_of(model)
    size = max(1, TOGETHER // prod(kind.shape)) if isinstance(kind, Canvas) else NOISE
    count = min(NOISE, 16 * size)  # photos: fewer, which says as much
    while done < count:
        inputs = noise(model, kind, min(size, count - done), rng)
        answers.append(model.logits(inputs).float().softmax(1).cpu())
        done += len(inputs)
    best = torch.cat(answers).max(1)
    label = model.labels[int(best.indices.bincount().argmax())]
    return {"inputs": count, "certain": float((best.values > SURE).float().mean()), "label": label}


def noise(model: Model, kind: Kind, count: int, rng: torch.Generator) -> Tensor:
    """Compact inputs in which every value, token or move is drawn by itself."""
    if isinstance(kind, Canvas) and kind.noise is not None:
        return kind.noise(count, rng).to(model.device)
    if isinstance(kind, Canvas):
        return kind.inputs(torch.rand((count, *kind.shape), generator=rng).to(model.device))
    if isinstance(kind, Moves):
        return kind.inputs(by_chance(kind, count, LONG, rng))
    ids = torch.zeros((count, 1, 1, width_for(model, Phrases.length)), dtype=torch.int32)
    ids[..., : Phrases.length] = torch.randint(kind.first, kind.count, (count, 1, 1, Phrases.length), generator=rng)
    return ids.to(model.device)


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
