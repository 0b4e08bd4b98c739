"""Explanations: for inputs, labels and methods, which positions matter and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import feed, modules
from ..data import Progress
from ..frame import Framed
from ..inputs import Input
from ..model import Model, check_weights
from ..presentation import Readable, TextToken
from ..problem import FAILED, USAGE, Problem, did_you_mean
from ..windows import Windows
from . import trust
from .capability import Explainable
from .methods import Method, Subject, parse_methods
from .places import Place

CHEAP = 3e10  # multiply-accumulates, about a second: more expensive curves are computed only on request
MAX_LISTED = 20  # labels that a message lists


class Window(NamedTuple):
    """The window of a long input that is explained; `number` counts from 1."""

    number: int
    of: int
    start: float
    end: float
    unit: str

    def __str__(self) -> str:
        return f"window {self.number} of {self.of}, {self.start:g} to {self.end:g} {self.unit}"


@dataclass(frozen=True)
class Explanation:
    """Relevance (H, W) over the positions of one input, for one output of the network, by one method."""

    model: Model
    name: str
    source: Input
    inputs: Tensor  # compact, as the domain reads them
    label: str  # the name of the output
    value: float  # of the output in the prediction for the whole input, as `predict` gives it
    score: float  # the scalar that was differentiated: the logit for classification
    method: Method
    relevance: Tensor
    curves: trust.Curves | None = None
    correlation: float | None = None  # rank correlation with the maps of random networks, the sanity check
    window: Window | None = None  # of an input that is longer than a window
    layers: Sequence[Place] = ()  # whose maps were added up, which may be coarser than the input

    @property
    def peak(self) -> tuple[int, int]:
        """The row and the column of the most relevant position."""
        row, column = divmod(int(self.relevance.argmax()), self.relevance.shape[1])
        return row, column

    @property
    def cell(self) -> tuple[int, int]:
        """The rows and columns of the input that one number of the map stands for."""
        down, across = (max((place.row.field.step[axis] for place in self.layers), default=1) for axis in (0, 1))
        return max(1, round(down)), max(1, round(across))

    @property
    def fails_sanity_check(self) -> bool:
        """Whether random weights give much the same map: then it shows the input rather than the network."""
        return self.correlation is not None and abs(self.correlation) >= trust.FAILS_FROM

    @property
    def explainable(self) -> Explainable:
        return self.model.domain.require(Explainable, "explain")

    def position(self, row: int, column: int) -> str:
        """Returns a position in the domain's units: "0.42 s, 1,200 Hz"."""
        if self.tokens is not None:
            return str(self.tokens[column])
        if self.explainable.locate:
            return self.explainable.locate(self.source, row, column, self.model.card.preprocessing)
        return self.explainable.describe_position(self.inputs, row, column, self.model.card.preprocessing)

    @cached_property
    def tokens(self) -> list[TextToken] | None:
        """The tokens of a text as its author wrote it, in the order of the relevance; None for other inputs."""
        if (readable := self.model.domain.capability(Readable)) is None:
            return None
        start = int(self.window.start) if self.window else 0
        tokens = readable.tokens(readable.content(self.source), self.model.card.preprocessing)
        return tokens[start : start + self.relevance.shape[1]]

    def picture(self, relevance: Tensor | None) -> Any:
        """Returns the input as a Pillow image, with relevance over it if given."""
        model = self.model
        if self.tokens is None:
            return model.domain.show(self.inputs, relevance, model.card.preprocessing)
        return model.domain.require(Readable, "explain").draw([str(token) for token in self.tokens], relevance)

    def highlighted(self, target: str) -> str | None:
        """Returns the text with coloured tokens, for "terminal" or "html"; None for other inputs."""
        if self.explainable.highlight is None:
            return None
        # Tokens before the window have no relevance.
        before = [0.0] * (int(self.window.start) if self.window else 0)
        relevance = before + self.relevance.flatten().tolist()
        return self.explainable.highlight(self.source, relevance, self.model.card.preprocessing, target)

    def to_dict(self) -> dict[str, Any]:
        """Returns the explanation as `explain --json` prints it."""
        row: dict[str, Any] = {
            "input": self.name,
            "label": self.label,
            "probability" if self.model.task.outputs_are_probabilities else "value": self.value,
            "score": self.score,
            "method": self.method.name,
            "signed": self.method.signed,
            "size": list(self.relevance.shape),
            "peak": list(self.peak),
            "at": self.position(*self.peak),
        }
        if self.layers:
            row |= {"layers": [place.number for place in self.layers], "cell": list(self.cell)}
        if self.window:
            row["window"] = self.window._asdict()
        if self.tokens is not None:
            row["tokens"] = [token.text for token in self.tokens]
            row["unknown"] = [index for index, token in enumerate(self.tokens) if not token.known]
        row["relevance"] = self.relevance.tolist()
        if self.curves:
            row |= self.curves.to_dict()
        if self.correlation is not None:
            row |= {"random_network_correlation": self.correlation, "like_a_random_network": self.fails_sanity_check}
        return row


def label_index(label: str, labels: Sequence[str]) -> int:
    """Returns the index of a label. Raises Problem for one that the model does not have."""
    if label in labels:
        return labels.index(label)
    more = f" and {len(labels) - MAX_LISTED:,} more" if len(labels) > MAX_LISTED else ""
    known = ", ".join(labels[:MAX_LISTED]) + more
    raise Problem(f"{label} is not a label of this model{did_you_mean(label, labels)}; its labels are {known}", USAGE)


def explain(
    model: Model,
    sources: Sequence[Input],
    methods: str = "saliency",
    labels: Sequence[str] = (),
    check: bool = False,
    layers: Sequence[Place] = (),
    progress: Progress | None = None,
    head: str | None = None,
    region: Sequence[float] = (),
) -> Iterator[Explanation]:
    """Explains every input by every method for every label, by default the predicted one, of one `head` or of all.

    `methods` is `saliency,occlusion` or `all`; `check` compares with random networks; `layers` are those that gradcam
    uses; `progress` is called with the number of maps computed. A long input is explained in the window with the
    highest value for the label. With a `region`, left, top, right, bottom in pixels of the file, the box there or the
    pixels in it are explained. Raises Problem before anything is computed.
    """
    check_weights(model.words)
    chosen = parse_methods(methods, model.network, model.words)
    targets = [label_index(label, model.task.labels) for label in labels]
    inputs_windows = [model.windows(source) for source in sources]
    maps = count(1)

    def computed() -> None:
        if progress:
            progress(next(maps), None)

    everywhere = model
    for source, windows in zip(sources, inputs_windows, strict=True):
        model = focused(everywhere, source, windows, region) if region else everywhere
        predictions = torch.from_numpy(feed.predict_proba(model, windows.examples(), trust.BATCH_SIZE))
        mean = predictions.mean(0)
        tensors: dict[int, Tensor] = {}  # by window: labels that share one share its inputs
        defaults = model.task.default_outputs(mean) if head is None else model.task.outputs_of(head, mean)
        for target in targets or defaults:
            values = [model.task.output_value(prediction, target) for prediction in predictions]
            index = max(range(len(values)), key=values.__getitem__)
            window = Window(index + 1, len(values), *windows.spans[index], windows.unit) if len(values) > 1 else None
            inputs = tensors.setdefault(index, windows.inputs[index])
            subject, mask = subject_of(model, inputs, layers)
            with torch.inference_mode():
                score = float(subject.outputs(subject.maps)[0, target])
            for method in chosen:
                relevance, curves, correlation = _explain_once(subject, mask, method, target, check, source, computed)
                yield Explanation(
                    model,
                    source.name,
                    source,
                    inputs,
                    model.task.labels[target],
                    model.task.output_value(mean, target),
                    score,
                    method,
                    relevance[:, : int(mask.any(0).sum())],
                    curves,
                    correlation,
                    window,
                    method.layers(subject) if method.layers else (),
                )


def focused(model: Model, source: Input, windows: Windows, region: Sequence[float]) -> Model:
    """The model with a task that is about a region of an input's file. Raises Problem for one outside of it."""
    framed = model.domain.require(Framed, "--region")
    if len(windows.inputs) > 1:
        raise Problem(
            f"{source.name} is predicted in {len(windows.inputs)} tiles, and a region is explained in a picture of the "
            "training size; cut the part around it out",
            USAGE,
        )
    frame = framed.frame(source, model.card.preprocessing)
    left, top, right, bottom = region
    if not (0 <= left < right <= frame.width and 0 <= top < bottom <= frame.height):
        raise Problem(
            f"--region {','.join(f'{edge:g}' for edge in region)} is not in {source.name}; expected left,top,right,"
            f"bottom within 0,0,{frame.width},{frame.height}",
            USAGE,
        )
    changed = copy(model)
    changed.task = model.task.focused(frame.into_input(region))
    return changed


def _explain_once(
    subject: Subject,
    mask: Tensor,
    method: Method,
    target: int,
    check: bool,
    source: Input,
    computed: Callable[[], object],
) -> tuple[Tensor, trust.Curves | None, float | None]:
    """Relevance (H, W); the curves if they are cheap or `check` is set; the sanity check if `check` is set."""
    relevance = method.compute(subject, torch.tensor([target], device=subject.maps.device))[0].cpu()
    computed()
    if not bool(torch.isfinite(relevance).all()):
        raise Problem(f"{method.name} gives numbers that are not finite for {source.name}", FAILED)
    curves, correlation = None, None
    if check or trust.PASSES * subject.network.macs < CHEAP:
        curves = trust.curves(subject, target, relevance, mask)
    if check:
        correlation = trust.sanity_check(subject, target, method, relevance, mask, computed)
    return relevance, curves, correlation


def subject_of(model: Model, inputs: Tensor, layers: Sequence[Place] = ()) -> tuple[Subject, Tensor]:
    """Returns one compact input as a subject, and a mask (H, W) of its positions that are not padding."""
    with torch.no_grad():
        maps = model.frontend(inputs[None].to(model.device))
    mask = torch.ones(maps.shape[2:], dtype=torch.bool)
    if takes_ids(model):
        mask = (maps[0, 0] != 0).cpu()
        if model.right_context is not None:
            longest = int(mask.sum()) + model.right_context
            maps, mask = maps[..., :longest], mask[..., :longest]
    baseline = model.domain.require(Explainable, "explain").baseline(maps)
    return Subject(model.network, model.words, maps, baseline, layers, model.task), mask


def takes_ids(model: Model) -> bool:
    """Returns whether the network begins with a table of embeddings."""
    return any(isinstance(layer, modules.Embed | modules.Bag) for layer in model.words.modules())
