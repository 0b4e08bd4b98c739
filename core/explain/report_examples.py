"""The part of a run's report on what the network looks at: filters of its first layer, and explained predictions."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import torch
from torch import Tensor

from .. import charts, feed
from ..data import Examples
from ..metrics import Floats
from ..model import Model
from ..presentation import Readable, Tracked
from ..problem import Problem
from . import filters
from .explained import subject_of
from .methods import METHODS
from .sheet import DPI, Sheet, figure_of

BEST = 6  # pictures with masks
EACH = 3  # correct predictions, and as many wrong ones
MAX_MACS = 2e10  # of all maps together, some seconds; larger networks are left to neocog explain


def report_examples(model: Model, examples: Examples, predictions: Floats) -> dict[str, Any]:
    """Returns {"filters": a PNG or None, "answers": [{"picture", "name", …}, …]}; "answers" may be empty.

    An answer also has what Task.mistakes says: "label", "predicted" and "note". The wrong predictions are the most
    confident ones, the correct ones come from the second quarter by confidence.
    """
    return {"filters": _filters(model), "answers": _explained(model, examples, predictions)}


def _filters(model: Model) -> bytes | None:
    if model.domain.capability(Readable):  # filters over embeddings are shown as text, by neocog filters
        return None
    try:
        return png(filters.sheet(model, filters.place_of(model, None)))
    except Problem:  # no convolution, or damaged weights
        return None


def png(sheet: Sheet) -> bytes:
    """Returns a sheet as the content of a PNG file."""
    encoded = BytesIO()
    with charts.style() as figure_class:
        figure_of(sheet, figure_class).savefig(encoded, format="png", dpi=DPI)
    return encoded.getvalue()


def drawn_example(model: Model, examples: Examples, index: int) -> Any:
    """An example with its target and its prediction, which lie in it, as a Pillow image."""
    example = examples.subset(torch.tensor([index]))
    prediction = torch.from_numpy(feed.predict_proba(model, example)[0])
    inputs, targets = example[torch.tensor([0])]
    if model.task.has_timeline and (tracked := model.domain.capability(Tracked)):
        return tracked.draw(inputs[0].cpu(), model.task.tracks(prediction, targets[0]), model.card.preprocessing)
    picture = model.domain.show(inputs[0].cpu(), None, model.card.preprocessing)
    return model.task.drawn(picture, prediction, targets[0])


def _best(model: Model, examples: Examples, predictions: Floats) -> list[dict[str, Any]]:
    """The best predictions of a task whose predictions lie in the input."""
    rows = []
    for index, entry in model.task.typical(predictions, examples.targets.numpy(), BEST):
        encoded = BytesIO()
        drawn_example(model, examples, index).save(encoded, "PNG")
        rows.append({"picture": encoded.getvalue(), "name": examples.names[index], **entry})
    return rows


def _explained(model: Model, examples: Examples, predictions: Floats) -> list[dict[str, Any]]:
    if model.task.has_maps:
        return _best(model, examples, predictions)
    method = METHODS["lrp"]
    if 2 * EACH * 10 * model.network.macs > MAX_MACS or method.incompatibility(model.network, model.words):
        return []
    rows = []
    for index, entry in _chosen(model, examples, predictions):
        inputs = examples[torch.tensor([index])][0][0].cpu()
        subject, mask = subject_of(model, inputs)
        output = model.task.default_outputs(torch.from_numpy(predictions[index]))[0]
        relevance = method.compute(subject, torch.tensor([output], device=model.device))[0].cpu()
        picture = _picture(model, examples, index, inputs, relevance[:, : int(mask.any(0).sum())])
        if picture is None:
            return []
        encoded = BytesIO()
        picture.save(encoded, "PNG")
        rows.append({"picture": encoded.getvalue(), "name": examples.names[index], **entry})
    return rows


def _picture(model: Model, examples: Examples, index: int, inputs: Tensor, relevance: Tensor) -> Any:
    """An example with relevance over it: the tokens of a text as its author wrote them."""
    readable = model.domain.capability(Readable)
    if readable is None or examples.originals is None:
        return model.domain.show(inputs, relevance, model.card.preprocessing)
    tokens = readable.tokens(examples.originals[index], model.card.preprocessing)
    return readable.draw([str(token) for token in tokens[: relevance.shape[1]]], relevance)


def _chosen(model: Model, examples: Examples, predictions: Floats) -> list[tuple[int, dict[str, Any]]]:
    """The examples to show, by their index: typical good ones where the task has such, and the worst ones."""
    targets = examples.targets.numpy()
    return [*model.task.typical(predictions, targets, EACH), *model.task.mistakes(predictions, targets, EACH)]
