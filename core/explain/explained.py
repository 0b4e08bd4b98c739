"""Explanations: for inputs, labels and methods, where the network looks and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .. import feed, modules
from ..data import Preprocessing
from ..inputs import Input
from ..model import Model
from ..problem import FAILED, USAGE, Problem, did_you_mean
from . import trust
from .capability import Explainable
from .methods import Method, Subject, checked
from .methods import methods as chosen
from .places import Place

CHEAP = 3e10  # multiply-accumulates, about a second: curves that take more are drawn only where they are asked for


class Part(NamedTuple):
    """The window of a long input that is explained, counted from 1."""

    number: int
    of: int
    start: float
    end: float
    unit: str

    def __str__(self) -> str:
        return f"window {self.number} of {self.of}, {self.start:g} to {self.end:g} {self.unit}"


@dataclass(frozen=True)
class Explanation:
    """Relevance (H, W) over the places of what the network saw of one input, for one label, by one method."""

    name: str
    source: Input
    inputs: Tensor  # as the domain reads them
    label: str
    probability: float  # of the label, as `predict` gives it
    score: float  # before the softmax
    method: Method
    relevance: Tensor
    curves: trust.Curves | None = None
    likeness: float | None = None  # to the maps of random networks
    part: Part | None = None  # of an input that is longer than a window

    @property
    def peak(self) -> tuple[int, int]:
        """The row and the column of the most relevant place."""
        row, column = divmod(int(self.relevance.argmax()), self.relevance.shape[1])
        return row, column

    @property
    def generic(self) -> bool:
        """Whether random weights give the same map: then it shows the input rather than the network."""
        return self.likeness is not None and abs(self.likeness) >= trust.ALIKE

    @property
    def of_tokens(self) -> list[float]:
        """Relevance of each token of a text from its first on, where the places are tokens; before the window 0."""
        return [0.0] * (int(self.part.start) if self.part else 0) + self.relevance.flatten().tolist()

    def to_dict(
        self, place: Callable[[Tensor, int, int, Preprocessing], str], preprocessing: Preprocessing, tokens: bool
    ) -> dict[str, Any]:
        """As `explain --json` promises it."""
        told: dict[str, Any] = {
            "input": self.name,
            "label": self.label,
            "probability": self.probability,
            "score": self.score,
            "method": self.method.name,
            "signed": self.method.signed,
            "size": list(self.relevance.shape),
            "peak": list(self.peak),
            "at": place(self.inputs, *self.peak, preprocessing),
        }
        if self.part:
            told["window"] = self.part._asdict()
        if tokens:
            told["tokens"] = [place(self.inputs, 0, at, preprocessing) for at in range(self.relevance.shape[1])]
        told["relevance"] = self.relevance.tolist()
        if self.curves:
            told |= self.curves.to_dict()
        if self.likeness is not None:
            told |= {"random_network_correlation": self.likeness, "like_a_random_network": self.generic}
        return told


def label_index(label: str, labels: Sequence[str]) -> int:
    """Raises Problem for a label that the model does not know."""
    if label in labels:
        return labels.index(label)
    shown = ", ".join(labels[:20]) + (f" and {len(labels) - 20} more" if len(labels) > 20 else "")
    raise Problem(f"the model knows no label {label}{did_you_mean(label, labels)}; its labels are {shown}", USAGE)


def explain(
    model: Model,
    sources: Sequence[Input],
    asked: str = "saliency",
    labels: Sequence[str] = (),
    check: bool = False,
    layers: Sequence[Place] = (),
    wait: Callable[[], object] = lambda: None,
) -> Iterator[Explanation]:
    """Every input by every method for every label, by default the likeliest; `wait` is called as the work goes on.

    `asked` is `saliency,occlusion` or `all`; `check` compares with random networks; `layers` are those that gradcam
    looks at. An input of several windows is explained by the one that is surest of the label. Raises Problem before
    anything is computed.
    """
    checked(model.words)
    methods = chosen(asked, model.network, model.words)
    targets = [label_index(label, model.labels) for label in labels]
    read = [model.windows(source) for source in sources]
    for source, windows in zip(sources, read, strict=True):
        shares = torch.from_numpy(feed.predict_proba(model, windows.examples(), trust.TOGETHER))
        every: dict[int, Tensor] = {}
        for target in targets or [int(shares.mean(0).argmax())]:
            at = int(shares[:, target].argmax())
            inputs = every.setdefault(at, windows.inputs[at])
            subject, there = seen(model, inputs, layers)
            with torch.inference_mode():
                score = float(subject.words(subject.maps)[0, target])
            for method in methods:
                relevance, curves, likeness = _mapped(subject, there, method, target, check, source, wait)
                yield Explanation(
                    source.name,
                    source,
                    inputs,
                    model.labels[target],
                    float(shares[:, target].mean()),
                    score,
                    method,
                    relevance[:, : int(there.any(0).sum())],
                    curves,
                    likeness,
                    Part(at + 1, len(shares), *windows.spans[at], windows.unit) if len(shares) > 1 else None,
                )


def _mapped(
    subject: Subject,
    there: Tensor,
    method: Method,
    target: int,
    check: bool,
    source: Input,
    wait: Callable[[], object],
) -> tuple[Tensor, trust.Curves | None, float | None]:
    """Relevance (H, W), and how far to trust it: curves where they are cheap, likeness where it is asked for."""
    relevance = method.compute(subject, torch.tensor([target], device=subject.maps.device))[0].cpu()
    wait()
    if not bool(torch.isfinite(relevance).all()):
        raise Problem(f"{method.name} gives numbers that are not finite for {source.name}", FAILED)
    curves, likeness = None, None
    if check or trust.PASSES * subject.network.macs < CHEAP:
        curves = trust.curves(subject, target, relevance, there)
    if check:
        likeness = trust.likeness(subject, target, method, relevance, there, wait)
    return relevance, curves, likeness


def seen(model: Model, inputs: Tensor, layers: Sequence[Place] = ()) -> tuple[Subject, Tensor]:
    """One input as the network sees it, and which places of it are there, (H, W); the rest is padding behind a text."""
    with torch.no_grad():
        maps = model.frontend(inputs[None].to(model.device))
    there = torch.ones(maps.shape[2:], dtype=torch.bool)
    if takes_ids(model):
        there = (maps[0, 0] != 0).cpu()
        if model.right_context is not None:
            longest = int(there.sum()) + model.right_context
            maps, there = maps[..., :longest], there[..., :longest]
    baseline = model.domain.require(Explainable, "explain").baseline(maps)
    return Subject(model.network, model.words, maps, baseline, layers), there


def takes_ids(model: Model) -> bool:
    """Whether the network begins by looking tokens up in a table."""
    return any(isinstance(module, modules.Embed | modules.Bag) for module in model.words.modules())
