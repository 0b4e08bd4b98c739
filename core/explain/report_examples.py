"""What a run's page shows of a network: the filters of its first layer, and what it looked at in a few answers."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import torch

from .. import charts
from ..data import Examples
from ..metrics import Floats
from ..model import Model
from ..presentation import Readable
from ..problem import Problem
from . import filters
from .explained import seen
from .methods import METHODS
from .sheet import DPI, Sheet, drawn

EACH = 3  # right answers, and wrong ones
MOST = 2e10  # multiply-accumulates of all maps together, some seconds: a larger network is left to neocog explain


def report_examples(model: Model, examples: Examples, probabilities: Floats) -> dict[str, Any]:
    """{"filters": a PNG or None, "answers": [{"picture", "label", "answer", "probability"}, …]}, both maybe empty.

    The wrong answers are those that the network was surest of, the right ones those that it was fairly sure of.
    """
    return {"filters": _filters(model), "answers": _answers(model, examples, probabilities)}


def _filters(model: Model) -> bytes | None:
    if model.domain.capability(Readable):  # filters over words are words: neocog filters tells them
        return None
    try:
        return png(filters.sheet(model, filters.place_of(model, None)))
    except Problem:  # no convolution, or damaged weights: nothing to show
        return None


def png(sheet: Sheet) -> bytes:
    """A sheet as the bytes of a PNG file."""
    encoded = BytesIO()
    with charts.style() as figure_class:
        drawn(sheet, figure_class).savefig(encoded, format="png", dpi=DPI)
    return encoded.getvalue()


def _answers(model: Model, examples: Examples, probabilities: Floats) -> list[dict[str, Any]]:
    method = METHODS["lrp"]
    if 2 * EACH * 10 * model.network.macs > MOST or method.misfit(model.network, model.words):
        return []
    if model.task.correct(probabilities, examples.targets.numpy()) is None:
        return []
    answer, surest = probabilities.argmax(1), probabilities.max(1)
    right = answer == examples.targets.numpy()
    order = surest.argsort()[::-1]
    good = [i for i in order if right[i]]
    chosen = [*good[len(good) // 4 :][:EACH], *[i for i in order if not right[i]][:EACH]]
    told = []
    for i in chosen:
        inputs = examples[torch.tensor([int(i)])][0][0].cpu()
        subject, there = seen(model, inputs)
        target = torch.tensor([int(answer[i])], device=model.device)
        relevance = method.compute(subject, target)[0].cpu()[:, : int(there.any(0).sum())]
        picture = model.domain.show(inputs, relevance, model.card.preprocessing)
        if picture is None:
            return []
        encoded = BytesIO()
        picture.save(encoded, "PNG")
        told.append(
            {
                "picture": encoded.getvalue(),
                "name": examples.names[int(i)],
                "label": model.labels[int(examples.targets[int(i)])],
                "answer": model.labels[int(answer[i])],
                "probability": float(surest[i]),
            }
        )
    return told
